//! Every page there is, in one list: the router has no other, and each is there for whom it is for, in either language, in a market where nothing
//! has happened yet. What pages say of one thing and of many is told in the tests of their places.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::StatusCode;

use crate::browser::Browser;
use crate::people;
use crate::support::TestApp;

/// Who a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Everybody,
    Person,
    Buyer,
    Seller,
    Operator,
}

/// The pages, by whom they are for. In a segment in braces stands the name of a thing.
const PAGES: &[(For, &[&str])] = &[
    (
        For::Everybody,
        &[
            "/",
            "/search",
            "/search/suggest",
            "/categories/{slug}",
            "/products/{id}",
            "/sellers/{id}",
            "/compare",
            "/agreements/{name}",
            "/sign-in",
            "/sign-up",
            "/password/forgot",
            "/password/reset",
            "/outbox",
            "/outbox/{id}",
            "/styleguide",
        ],
    ),
    (
        For::Person,
        &[
            "/account",
            "/account/notices",
            "/account/members",
            "/account/members/new",
            "/account/members/{id}",
            "/account/tokens",
            "/account/exports",
        ],
    ),
    (
        For::Buyer,
        &[
            "/buyer",
            "/buyer/orders",
            "/buyer/orders/{number}",
            "/buyer/services",
            "/buyer/services/{id}",
            "/buyer/services/{id}/access",
            "/buyer/services/{id}/change",
            "/buyer/balance",
            "/buyer/agreements",
            "/buyer/favourites",
            "/cart",
            "/checkout",
            "/checkout/done",
            "/seller/apply",
        ],
    ),
    (
        For::Seller,
        &[
            "/seller",
            "/seller/products",
            "/seller/products/new",
            "/seller/products/{id}",
            "/seller/products/{id}/draft",
            "/seller/addresses",
            "/seller/addresses/{id}",
            "/seller/debug",
            "/seller/debug/tries",
            "/seller/debug/tries/{id}",
            "/seller/debug/cases",
            "/seller/calls",
            "/seller/calls/{id}",
            "/seller/keys",
            "/seller/orders",
            "/seller/orders/{number}",
            "/seller/subscriptions",
            "/seller/subscriptions/{id}",
            "/seller/sales",
            "/seller/statements",
            "/seller/statements/{id}",
        ],
    ),
    (
        For::Operator,
        &[
            "/operator",
            "/operator/applications",
            "/operator/applications/{id}",
            "/operator/listings",
            "/operator/listings/{id}",
            "/operator/refunds",
            "/operator/products",
            "/operator/products/{id}",
            "/operator/sellers",
            "/operator/sellers/{id}",
            "/operator/accounts",
            "/operator/accounts/{id}",
            "/operator/orders",
            "/operator/orders/{number}",
            "/operator/subscriptions",
            "/operator/subscriptions/{id}",
            "/operator/calls",
            "/operator/calls/{id}",
            "/operator/deposits",
            "/operator/statements",
            "/operator/statements/{id}",
            "/operator/ledger",
            "/operator/jobs",
            "/operator/mail",
            "/operator/mail/{id}",
            "/operator/audit",
            "/operator/settings",
            "/operator/settings/{key}",
            "/operator/clock",
        ],
    ),
];

/// What pages bring along that is no page: files for programs.
const FILES: &[&str] = &["/account/exports/{id}/download", "/robots.txt", "/sitemap.xml", "/sitemaps/{page}"];

/// The paths that are read, as the sources of the pages write them down.
fn routed(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            routed(&entry, found);
            continue;
        }
        let source = std::fs::read_to_string(&entry).unwrap();
        for route in source.split(".route(").skip(1) {
            let route = route.split(".route(").next().unwrap().split(".merge(").next().unwrap().split("\n}").next().unwrap();
            let path = route.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            if let Some(path) = path.filter(|_| route.contains("get(")) {
                found.insert(path.to_owned());
            }
        }
    }
}

#[test]
fn the_list_is_what_the_router_has() {
    let mut there = BTreeSet::new();
    routed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages"), &mut there);
    let listed = PAGES.iter().flat_map(|(_, paths)| *paths).chain(FILES).map(|path| (*path).to_owned()).collect();
    assert_eq!(there, listed);
}

#[tokio::test]
async fn each_page_is_there_for_whom_it_is_for_before_anything_has_happened() {
    let app = TestApp::new().await;
    people::operator(&app.market).await;
    people::buyer(&app.market, "buyer").await;
    let seller = people::buyer(&app.market, "seller").await;
    people::admit(&app.market, &seller).await;
    for language in ["en", "zh-CN"] {
        for (whose, paths) in PAGES {
            let login = match whose {
                For::Everybody => None,
                For::Person | For::Buyer => Some("buyer"),
                For::Seller => Some("seller"),
                For::Operator => Some("operator"),
            };
            let mut browser = Browser::new(&app, language);
            if let Some(login) = login {
                browser.sign_in(login).await;
            }
            for path in *paths {
                // What names nothing is told in words, and never a fault.
                let asked = path.replace("{id}", "prd_0").replace("{number}", "CS0").replace("{slug}", "none").replace("{name}", "none");
                let asked = asked.replace("{key}", "none");
                let seen = browser.open(&asked).await;
                // There is nothing to check out yet, a reset needs its link, and only a demo shows its mails to everybody.
                let needs_more = path.contains('{') || ["/checkout", "/checkout/done", "/password/reset", "/outbox"].contains(path);
                let expected = |status: StatusCode| {
                    if needs_more {
                        status.is_client_error() || status.is_redirection() || status == StatusCode::OK
                    } else {
                        status == StatusCode::OK
                    }
                };
                assert!(expected(seen.status), "{path} in {language}: {} {}", seen.status, seen.html);
                assert!(!seen.html.contains("internal"), "{path}: {}", seen.html);
                if seen.status == StatusCode::OK && *path != "/search/suggest" {
                    assert_eq!(seen.html.matches("<h1").count(), 1, "{path}");
                    assert!(seen.html.contains(&format!("<html lang=\"{language}\"")), "{path}");
                }
                // Whose business it is not is sent to the door, or told so.
                if login.is_some() && *whose != For::Person && !path.contains('{') {
                    let mut stranger = Browser::new(&app, language);
                    assert!(stranger.open(path).await.goes_to().starts_with("/sign-in"), "{path} is for nobody");
                }
            }
        }
    }
    app.finish().await;
}
