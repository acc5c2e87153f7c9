//! Every door of the OpenAPI document, knocked at without a sign-in, with the wrong role and with the wrong scopes.

use std::collections::BTreeMap;

use market::accounts::{Permission, Role};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::people;
use crate::support::TestApp;

/// Who may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Everybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever has signed in, and no API token.
    InPerson,
    /// Who has one of these.
    AnyOf(&'static [Permission]),
}

use Pass::{AnyOf, InPerson, Public, SignedIn};
use Permission as P;

const PEOPLE: Pass = AnyOf(&[P::BuyerManage, P::SellerManage, P::OperatorAdmin]);

/// Every operation there is. A new one fails the test until somebody has decided here who may use it.
const DOORS: &[(&str, Pass)] = &[
    ("sign_up", Public),
    ("sign_in", Public),
    ("list_sessions", SignedIn),
    ("sign_out", SignedIn),
    ("show_session", SignedIn),
    ("end_session", InPerson),
    ("show_me", SignedIn),
    ("update_me", InPerson),
    ("change_password", InPerson),
    ("list_users", PEOPLE),
    ("add_user", PEOPLE),
    ("show_user", PEOPLE),
    ("update_user", PEOPLE),
    ("set_roles", PEOPLE),
    ("disable_user", PEOPLE),
    ("enable_user", PEOPLE),
    ("reset_password", PEOPLE),
    ("list_tokens", SignedIn),
    ("create_token", InPerson),
    ("show_token", SignedIn),
    ("revoke_token", SignedIn),
    ("list_access_keys", AnyOf(&[P::SellerDevelop])),
    ("create_access_key", AnyOf(&[P::SellerDevelop])),
    ("show_access_key", AnyOf(&[P::SellerDevelop])),
    ("revoke_access_key", AnyOf(&[P::SellerDevelop])),
    ("show_balance", AnyOf(&[P::BuyerView])),
    ("list_movements", AnyOf(&[P::BuyerView])),
    ("list_own_deposits", AnyOf(&[P::BuyerView])),
    ("list_notices", SignedIn),
    ("read_notice", SignedIn),
    ("create_export", SignedIn),
    ("list_exports", SignedIn),
    ("show_export", SignedIn),
    ("delete_export", SignedIn),
    ("download_export", SignedIn),
    ("list_history", AnyOf(&[P::BuyerManage])),
    ("list_accounts", AnyOf(&[P::OperatorView])),
    ("show_account", AnyOf(&[P::OperatorView])),
    ("list_deposits", AnyOf(&[P::OperatorFinance])),
    ("record_deposit", AnyOf(&[P::OperatorFinance])),
    ("show_deposit", AnyOf(&[P::OperatorFinance])),
    ("list_book", AnyOf(&[P::OperatorFinance])),
    ("list_transactions", AnyOf(&[P::OperatorFinance])),
    ("list_audit", AnyOf(&[P::OperatorView])),
    ("list_jobs", AnyOf(&[P::OperatorView])),
    ("retry_job", AnyOf(&[P::OperatorSupport])),
    ("show_application", AnyOf(&[P::BuyerManage, P::SellerView])),
    ("apply", AnyOf(&[P::BuyerManage])),
    ("update_seller", AnyOf(&[P::SellerManage])),
    ("list_signing_keys", AnyOf(&[P::SellerDevelop])),
    ("create_signing_key", AnyOf(&[P::SellerDevelop])),
    ("show_signing_key", AnyOf(&[P::SellerDevelop])),
    ("retire_signing_key", AnyOf(&[P::SellerDevelop])),
    ("list_addresses", AnyOf(&[P::SellerView])),
    ("create_address", AnyOf(&[P::SellerDevelop])),
    ("show_address", AnyOf(&[P::SellerView])),
    ("update_address", AnyOf(&[P::SellerDevelop])),
    ("retire_address", AnyOf(&[P::SellerDevelop])),
    ("list_sellers", AnyOf(&[P::OperatorView])),
    ("show_seller", AnyOf(&[P::OperatorView])),
    ("approve_seller", AnyOf(&[P::OperatorReview])),
    ("reject_seller", AnyOf(&[P::OperatorReview])),
    ("reveal_bank_account", AnyOf(&[P::OperatorFinance])),
    ("list_own_statements", AnyOf(&[P::SellerFinance])),
    ("show_own_statement", AnyOf(&[P::SellerFinance])),
    ("list_own_statement_lines", AnyOf(&[P::SellerFinance])),
    ("list_sales", AnyOf(&[P::SellerFinance])),
    ("list_statements", AnyOf(&[P::OperatorFinance])),
    ("show_statement", AnyOf(&[P::OperatorFinance])),
    ("list_statement_lines", AnyOf(&[P::OperatorFinance])),
    ("settle_month", AnyOf(&[P::OperatorFinance])),
    ("record_payout", AnyOf(&[P::OperatorFinance])),
    ("list_ledger_keys", Public),
    ("list_ledger_heads", Public),
    ("show_newest_ledger_head", Public),
    ("prove_ledger_growth", Public),
    ("prove_order", AnyOf(&[P::BuyerView])),
    ("prove_seller_order", AnyOf(&[P::SellerView])),
    ("prove_any_order", AnyOf(&[P::OperatorView])),
    ("prove_own_statement", AnyOf(&[P::SellerFinance])),
    ("prove_own_payout", AnyOf(&[P::SellerFinance])),
    ("prove_statement", AnyOf(&[P::OperatorFinance])),
    ("prove_payout", AnyOf(&[P::OperatorFinance])),
    ("list_products", Public),
    ("show_product", Public),
    ("list_own_products", AnyOf(&[P::SellerView])),
    ("create_product", AnyOf(&[P::SellerProducts])),
    ("show_own_product", AnyOf(&[P::SellerView])),
    ("update_draft", AnyOf(&[P::SellerProducts])),
    ("submit_product", AnyOf(&[P::SellerProducts])),
    ("withdraw_submission", AnyOf(&[P::SellerProducts])),
    ("hide_own_product", AnyOf(&[P::SellerProducts])),
    ("unhide_own_product", AnyOf(&[P::SellerProducts])),
    ("retire_own_product", AnyOf(&[P::SellerProducts])),
    ("retire_own_edition", AnyOf(&[P::SellerProducts])),
    ("retire_own_sku", AnyOf(&[P::SellerProducts])),
    ("list_all_products", AnyOf(&[P::OperatorView])),
    ("hide_product", AnyOf(&[P::OperatorReview])),
    ("unhide_product", AnyOf(&[P::OperatorReview])),
    ("retire_product", AnyOf(&[P::OperatorReview])),
    ("list_submissions", AnyOf(&[P::OperatorView])),
    ("show_submission", AnyOf(&[P::OperatorView])),
    ("approve_submission", AnyOf(&[P::OperatorReview])),
    ("reject_submission", AnyOf(&[P::OperatorReview])),
    ("quote_purchase", AnyOf(&[P::BuyerView])),
    ("place_order", AnyOf(&[P::BuyerPurchase])),
    ("list_orders", AnyOf(&[P::BuyerView])),
    ("show_order", AnyOf(&[P::BuyerView])),
    ("pay_order", AnyOf(&[P::BuyerPay])),
    ("cancel_order", AnyOf(&[P::BuyerPurchase])),
    ("refund_order", AnyOf(&[P::BuyerPurchase])),
    ("show_order_timeline", AnyOf(&[P::BuyerView])),
    ("list_seller_orders", AnyOf(&[P::SellerView])),
    ("show_seller_order", AnyOf(&[P::SellerView])),
    ("show_seller_order_timeline", AnyOf(&[P::SellerView])),
    ("list_all_orders", AnyOf(&[P::OperatorView])),
    ("show_any_order", AnyOf(&[P::OperatorView])),
    ("show_any_order_timeline", AnyOf(&[P::OperatorView])),
    ("refund_unconfirmed_order", AnyOf(&[P::OperatorFinance])),
    ("approve_refund", AnyOf(&[P::OperatorFinance])),
    ("refuse_refund", AnyOf(&[P::OperatorFinance])),
    ("list_subscriptions", AnyOf(&[P::BuyerView])),
    ("show_subscription", AnyOf(&[P::BuyerView])),
    ("show_instance", AnyOf(&[P::BuyerPurchase])),
    ("list_subscription_lines", AnyOf(&[P::BuyerView])),
    ("show_timeline", AnyOf(&[P::BuyerView])),
    ("set_renewal", AnyOf(&[P::BuyerPurchase])),
    ("quote_renewal", AnyOf(&[P::BuyerView])),
    ("renew_subscription", AnyOf(&[P::BuyerPurchase])),
    ("quote_change", AnyOf(&[P::BuyerView])),
    ("change_subscription", AnyOf(&[P::BuyerPurchase])),
    ("show_refund_offer", AnyOf(&[P::BuyerView])),
    ("refund_subscription", AnyOf(&[P::BuyerPurchase])),
    ("list_seller_subscriptions", AnyOf(&[P::SellerView])),
    ("show_seller_subscription", AnyOf(&[P::SellerView])),
    ("show_seller_timeline", AnyOf(&[P::SellerView])),
    ("list_all_subscriptions", AnyOf(&[P::OperatorView])),
    ("show_any_subscription", AnyOf(&[P::OperatorView])),
    ("show_any_timeline", AnyOf(&[P::OperatorView])),
    ("freeze_subscription", AnyOf(&[P::OperatorSupport])),
    ("unfreeze_subscription", AnyOf(&[P::OperatorSupport])),
    ("list_calls", AnyOf(&[P::SellerView])),
    ("show_call", AnyOf(&[P::SellerView])),
    ("restart_call", AnyOf(&[P::SellerDevelop])),
    ("replay_call", AnyOf(&[P::SellerDevelop])),
    ("list_all_calls", AnyOf(&[P::OperatorView])),
    ("show_any_call", AnyOf(&[P::OperatorView])),
    ("restart_any_call", AnyOf(&[P::OperatorSupport])),
    ("list_debug_tries", AnyOf(&[P::SellerDevelop])),
    ("try_request", AnyOf(&[P::SellerDevelop])),
    ("show_debug_try", AnyOf(&[P::SellerDevelop])),
    ("list_debug_cases", AnyOf(&[P::SellerDevelop])),
    ("save_debug_case", AnyOf(&[P::SellerDevelop])),
    ("show_debug_case", AnyOf(&[P::SellerDevelop])),
    ("delete_debug_case", AnyOf(&[P::SellerDevelop])),
    ("run_debug_case", AnyOf(&[P::SellerDevelop])),
    ("set_clock", AnyOf(&[P::OperatorAdmin])),
    ("advance_clock", AnyOf(&[P::OperatorAdmin])),
    ("show_clock", Public),
];

/// Answers with lists that are short by their nature, and why.
const UNPAGED: &[(&str, &str)] = &[
    ("show_order", FIFTY_LINES),
    ("show_seller_order", FIFTY_LINES),
    ("show_any_order", FIFTY_LINES),
    ("pay_order", FIFTY_LINES),
    ("cancel_order", FIFTY_LINES),
    ("quote_purchase", FIFTY_LINES),
    ("quote_change", FIFTY_LINES),
    ("quote_renewal", FIFTY_LINES),
    ("approve_refund", FIFTY_LINES),
    ("refuse_refund", FIFTY_LINES),
    ("refund_unconfirmed_order", FIFTY_LINES),
    ("prove_order", ONE_PROOF),
    ("prove_seller_order", ONE_PROOF),
    ("prove_any_order", ONE_PROOF),
    ("prove_statement", ONE_PROOF),
    ("prove_own_statement", ONE_PROOF),
    ("prove_payout", ONE_PROOF),
    ("prove_own_payout", ONE_PROOF),
    ("show_product", ONE_PRODUCT),
    ("show_own_product", ONE_PRODUCT),
    ("update_draft", ONE_PRODUCT),
    ("submit_product", ONE_PRODUCT),
    ("withdraw_submission", ONE_PRODUCT),
    ("hide_own_product", ONE_PRODUCT),
    ("unhide_own_product", ONE_PRODUCT),
    ("retire_own_product", ONE_PRODUCT),
    ("show_submission", ONE_PRODUCT),
    ("approve_submission", ONE_PRODUCT),
    ("reject_submission", ONE_PRODUCT),
    ("try_request", FORTY_FINDINGS),
    ("show_debug_try", FORTY_FINDINGS),
    ("run_debug_case", FORTY_FINDINGS),
    ("list_exports", "an account has twenty exports at most"),
    ("list_ledger_keys", "a key is seldom changed"),
    ("show_instance", "an answer of a seller's server has a largest size"),
];
const FIFTY_LINES: &str = "an order has fifty lines at most";
const FORTY_FINDINGS: &str = "forty findings of an answer are kept at most";
const ONE_PROOF: &str = "a proof is one document, of the few transactions of an order or a statement";
const ONE_PRODUCT: &str = "a product has a largest number of editions, SKUs and prices";

/// Some filters; that of a list is lost easily, for the program works without its description.
const FILTERS: &[(&str, &[&str])] = &[
    ("list_products", &["query"]),
    ("list_own_products", &["state"]),
    ("list_all_products", &["state", "flagged"]),
    ("list_accounts", &["name"]),
    ("list_deposits", &["account_id"]),
    ("list_audit", &["account_id"]),
    ("list_transactions", &["reference"]),
    ("list_sellers", &["state"]),
    ("list_own_statements", &["state"]),
    ("list_sales", &["state"]),
    ("list_statements", &["state", "seller_id"]),
    ("list_orders", &["state"]),
    ("list_seller_orders", &["state"]),
    ("list_all_orders", &["state"]),
    ("list_subscriptions", &["state"]),
    ("list_seller_subscriptions", &["state"]),
    ("list_all_subscriptions", &["state"]),
    ("list_calls", &["state", "subscription_id"]),
    ("list_debug_cases", &["address_id"]),
    ("show_call", &["limit", "cursor"]),
    ("show_any_call", &["limit", "cursor"]),
    ("list_all_calls", &["state", "subscription_id", "seller_id"]),
];

/// An operation of the document.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pass: Pass,
    description: Value,
}

pub(crate) fn doors(document: &Value) -> Vec<Door> {
    let known: BTreeMap<&str, Pass> = DOORS.iter().copied().collect();
    assert_eq!(known.len(), DOORS.len(), "an operation is listed twice");
    let mut doors = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            let pass = *known.get(name.as_str()).unwrap_or_else(|| panic!("{name} is new: decide in DOORS who may use it"));
            let method = method.to_uppercase().parse().unwrap();
            doors.push(Door { name, method, path: path.clone(), pass, description: operation.clone() });
        }
    }
    assert_eq!(doors.len(), known.len(), "DOORS names operations that are gone, or names are used twice");
    doors
}

impl Door {
    /// The path with an id of nothing in each place.
    fn filled(&self) -> String {
        let parts = self.path.split('/').map(|part| match part.strip_prefix('{') {
            Some(_) => "acc_01jd8z3k5wf2q9v7n4x6m0t1ya",
            None => part,
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// The scopes that the document names, whichever way one signs in.
    fn scopes(&self, scheme: &str) -> Option<Vec<String>> {
        let all = self.description["security"].as_array()?;
        let of_scheme = all.iter().filter_map(|one| one.get(scheme));
        Some(of_scheme.flat_map(|scopes| scopes.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned())).collect())
    }
}

#[tokio::test]
async fn the_document_says_who_may_use_what() {
    let app = TestApp::new().await;
    for door in doors(&app.get("/openapi.json").await.body) {
        let expected = match door.pass {
            Public => None,
            SignedIn | InPerson => Some(Vec::new()),
            AnyOf(permissions) => Some(permissions.iter().map(ToString::to_string).collect()),
        };
        assert_eq!(door.scopes("bearer"), expected, "{}", door.name);
        assert_eq!(door.scopes("cookie"), expected, "{}", door.name);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_document_describes_every_operation_whole() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.body;
    let mut wrong = Vec::new();
    for Door { name, path, description, .. } in doors(&document) {
        assert!(description["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        assert_eq!(description["tags"].as_array().map(Vec::len), Some(1), "{name} has one tag");
        let in_path = path.matches('{').count();
        let parameters = description["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(parameters.iter().filter(|p| p["in"] == "path").count(), in_path, "{name} describes its path");
        assert!(parameters.iter().all(|p| !p["schema"].is_null()), "{name} gives its parameters types");
        let responses = description["responses"].as_object().unwrap();
        let described =
            |response: &Value| response["$ref"].is_string() || response["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(responses.values().all(described), "{name} describes its answers");
        let paged = parameters.iter().any(|p| p["name"] == "cursor");
        let excused = UNPAGED.iter().any(|(unpaged, _)| *unpaged == name);
        let arrays = arrays(&document, &description["responses"]["200"], &mut Vec::new());
        if arrays > 0 && !paged && !excused {
            wrong.push(name.clone());
        }
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name} says what it answers");
        assert!(responses.contains_key("429") && responses.contains_key("500"), "{name} says how it refuses");
    }
    assert!(wrong.is_empty(), "these come in pages, or stand in UNPAGED with the reason: {wrong:?}");
    app.finish().await;
}

/// How many arrays of things stand in what `schema` describes; words and numbers are no things.
fn arrays(document: &Value, schema: &Value, seen: &mut Vec<String>) -> usize {
    if let Some(reference) = schema["$ref"].as_str() {
        if seen.iter().any(|known| known == reference) {
            return 0;
        }
        seen.push(reference.to_owned());
        return arrays(document, document.pointer(&reference[1..]).unwrap(), seen);
    }
    let item = schema["items"]["$ref"].as_str().and_then(|reference| document.pointer(&reference[1..])).unwrap_or(&schema["items"]);
    let own = usize::from(schema["type"] == "array" && item["type"] != "string" && item["type"] != "integer");
    let parts = match schema {
        Value::Object(members) => members.values().collect::<Vec<_>>(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    own + parts.into_iter().map(|part| arrays(document, part, seen)).sum::<usize>()
}

#[tokio::test]
async fn the_document_names_every_filter() {
    let app = TestApp::new().await;
    let doors = doors(&app.get("/openapi.json").await.body);
    for (name, filters) in FILTERS {
        let door = doors.iter().find(|door| door.name == *name).unwrap();
        let parameters = door.description["parameters"].as_array().unwrap().iter();
        let named: Vec<_> = parameters.filter(|p| p["in"] == "query").map(|p| p["name"].as_str().unwrap()).collect();
        assert!(filters.iter().all(|filter| named.contains(filter)), "{name} has {named:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn nobody_passes_without_a_sign_in() {
    let app = TestApp::new().await;
    for door in doors(&app.get("/openapi.json").await.body) {
        for token in [None, Some("yss_nonsense"), Some("nonsense")] {
            let request = app.request(door.method.clone(), &door.filled());
            let answer = app.send(token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth)).await;
            if door.pass == Public {
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{}", door.name);
                continue;
            }
            let expected = if token.is_none() { "sign-in-needed" } else { "token-invalid" };
            assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, expected), "{}", door.name);
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{}", door.name);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn the_wrong_role_is_told_what_it_lacks() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "acme").await;
    people::admit(&app.market, &owner).await;
    let viewer = people::colleague(&app.market, &owner, "viewer", &[Role::BuyerViewer]).await;
    let support = people::colleague(&app.market, &owner, "support", &[Role::SellerSupport]).await;
    let (viewer, support) = (people::session(&app.market, &viewer).await, people::session(&app.market, &support).await);
    for door in doors(&app.get("/openapi.json").await.body) {
        let AnyOf(permissions) = door.pass else { continue };
        let token = if permissions == [P::BuyerView] { &support } else { &viewer };
        let answer = app.send(app.request(door.method.clone(), &door.filled()).bearer_auth(token)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "role-missing"), "{}", door.name);
        assert_eq!(answer.body["permission"], permissions[0].word(), "{}", door.name);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_token_opens_exactly_the_doors_of_its_scopes() {
    let app = TestApp::new().await;
    let operator = people::operator(&app.market).await;
    let almighty = [Role::OperatorAdmin, Role::BuyerOwner];
    let almighty = people::colleague(&app.market, &operator, "almighty", &almighty).await;
    people::admit(&app.market, &almighty).await;
    let mut tokens = BTreeMap::new();
    for permission in P::ALL {
        tokens.insert(*permission, people::token(&app.market, &almighty, [*permission]).await);
    }
    for door in doors(&app.get("/openapi.json").await.body) {
        let permissions = match door.pass {
            Public | SignedIn => continue,
            InPerson => &[],
            AnyOf(permissions) => permissions,
        };
        for (permission, token) in &tokens {
            let answer = app.send(app.request(door.method.clone(), &door.filled()).bearer_auth(token)).await;
            if door.pass == InPerson {
                assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "session-needed"), "{} {permission}", door.name);
            } else if permissions.contains(permission) {
                assert!(![401, 403, 405, 500].contains(&answer.status.as_u16()), "{} {permission}: {answer:?}", door.name);
            } else {
                assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "scope-missing"), "{} {permission}", door.name);
            }
        }
    }
    app.finish().await;
}

/// Everything that is referred to is there, under the name that is used.
#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.body;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    app.finish().await;
}

/// Whatever is sent by somebody who may do everything: an answer with a code, never a fault of ours.
#[tokio::test]
async fn nonsense_gets_a_code_and_never_a_fault() {
    let app = TestApp::new().await;
    let operator = people::operator(&app.market).await;
    let almighty = people::colleague(&app.market, &operator, "almighty", &[Role::OperatorAdmin, Role::BuyerOwner]).await;
    people::admit(&app.market, &almighty).await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(200_000));
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "0",
        "\"\"",
        "{",
        "\u{feff}{}",
        "{\"a\":1,\"a\":2}",
        "{\"\\u0000\":\"\\u0000\"}",
        "[1e400]",
        &deep,
        &long,
        r#"{"name":null,"title":[],"owner":{"login":{}}}"#,
        r#"{"account_id":"acc_7zzzzzzzzzzzzzzzzzzzzzzzzz","amount":{"minor":9223372036854775807,"currency":"CNY"},"bank_reference":"x"}"#,
        r#"{"amount":{"minor":-9223372036854775808,"currency":"XXX"}}"#,
        r#"{"confirm":"%s%n' OR 1=1 --"}"#,
    ];
    let queries =
        ["", "?limit=-1", "?limit=99999999999999999999", "?cursor=%00", "?cursor=fg", "?state=' OR 1=1 --", "?%ff=%ff", "?query=%25_"];
    for door in doors(&app.get("/openapi.json").await.body) {
        // A fresh session each time: some doors end it.
        let token = people::session(&app.market, &almighty).await;
        for id in ["acc_01jd8z3k5wf2q9v7n4x6m0t1ya", "%00", "..%2f..", "%F0%9F%92%A9", "'--"] {
            let path = door.filled().replace("acc_01jd8z3k5wf2q9v7n4x6m0t1ya", id);
            for body in if door.method == Method::GET { &bodies[..1] } else { &bodies[..] } {
                let request = app.request(door.method.clone(), &path).bearer_auth(&token).header("content-type", "application/json");
                let answer = app.send(request.header("idempotency-key", "k").header("if-match", "\"1\"").body((*body).to_owned())).await;
                check(&door, &answer, body);
            }
            if id != "%00" && !path.contains(id) {
                break;
            }
        }
        for query in queries.iter().filter(|_| door.method == Method::GET) {
            let answer = app.send(app.request(Method::GET, &format!("{}{query}", door.filled())).bearer_auth(&token)).await;
            check(&door, &answer, query);
        }
    }
    app.finish().await;
}

fn check(door: &Door, answer: &crate::support::Answer, sent: &str) {
    assert!(answer.status.as_u16() < 500, "{} with {sent:.100}: {answer:?}", door.name);
    if !answer.status.is_success() && answer.status != StatusCode::UNAUTHORIZED {
        assert!(!answer.code().is_empty());
    }
}
