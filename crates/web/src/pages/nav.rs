//! The ways through the centers, as data.

use market::accounts::{Audience, Permission, Principal};

use super::shell::Words;

/// A center: pages for one kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Center {
    /// What somebody buys and uses.
    Buyer,
    /// What somebody sells.
    Seller,
    /// How the market is run.
    Operator,
}

/// A page in the navigation: its path, the key of its text, who may go there.
type Item = (&'static str, &'static str, Permission);
/// A heading's key (none for what stands first) and its pages.
type Group = (&'static str, &'static [Item]);

use Permission::{
    BuyerManage, BuyerPurchase, BuyerView, OperatorAdmin, OperatorFinance, OperatorView, SellerDevelop, SellerFinance, SellerView,
};

const BUYER: &[Group] = &[
    ("", &[("/buyer", "page-overview", BuyerView)]),
    (
        "page-nav-mine",
        &[
            ("/buyer/services", "page-services", BuyerView),
            ("/buyer/orders", "page-orders", BuyerView),
            ("/cart", "page-cart", BuyerPurchase),
            ("/buyer/favourites", "page-favourites", BuyerView),
        ],
    ),
    ("page-nav-money", &[("/buyer/balance", "page-balance", BuyerView), ("/buyer/agreements", "page-agreements", BuyerView)]),
    ("page-nav-selling", &[("/seller/apply", "page-apply", BuyerManage)]),
];

const SELLER: &[Group] = &[
    ("", &[("/seller", "page-overview", SellerView)]),
    ("page-nav-products", &[("/seller/products", "page-own-products", SellerView)]),
    (
        "page-nav-access",
        &[
            ("/seller/addresses", "page-addresses", SellerView),
            ("/seller/debug", "page-debugging", SellerDevelop),
            ("/seller/calls", "page-calls", SellerView),
            ("/seller/keys", "page-access-keys", SellerDevelop),
        ],
    ),
    (
        "page-nav-trade",
        &[("/seller/orders", "page-sell-seller-orders", SellerView), ("/seller/subscriptions", "page-subscriptions", SellerView)],
    ),
    ("page-nav-settlement", &[("/seller/sales", "page-sales", SellerFinance), ("/seller/statements", "page-statements", SellerFinance)]),
];

const OPERATOR: &[Group] = &[
    ("", &[("/operator", "page-overview", OperatorView)]),
    (
        "page-nav-queues",
        &[
            ("/operator/applications", "page-applications", OperatorView),
            ("/operator/listings", "page-submissions", OperatorView),
            ("/operator/refunds", "page-refunds", OperatorView),
        ],
    ),
    (
        "page-nav-market",
        &[
            ("/operator/products", "page-products", OperatorView),
            ("/operator/sellers", "page-sellers", OperatorView),
            ("/operator/accounts", "page-accounts", OperatorView),
            ("/operator/orders", "page-op-all-orders", OperatorView),
            ("/operator/subscriptions", "page-subscriptions", OperatorView),
            ("/operator/calls", "page-all-calls", OperatorView),
        ],
    ),
    (
        "page-nav-money",
        &[
            ("/operator/deposits", "page-deposits", OperatorFinance),
            ("/operator/statements", "page-statements", OperatorFinance),
            ("/operator/ledger", "page-ledger", OperatorFinance),
        ],
    ),
    (
        "page-nav-system",
        &[
            ("/operator/jobs", "page-jobs", OperatorView),
            ("/operator/audit", "page-audit", OperatorView),
            ("/operator/settings", "page-settings", OperatorView),
            ("/operator/clock", "page-clock", OperatorAdmin),
        ],
    ),
];

/// What everybody has of their own, below the rest.
const OWN: &[(&str, &str)] = &[
    ("/account", "page-me"),
    ("/account/notices", "page-notices"),
    ("/account/members", "page-members"),
    ("/account/tokens", "page-tokens"),
    ("/account/exports", "page-exports"),
];

/// A link of the navigation.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) href: &'static str,
    pub(crate) label: String,
    pub(crate) on: bool,
}

/// Links under a heading.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub(crate) title: String,
    pub(crate) links: Vec<Link>,
}

impl Center {
    /// The center that a path belongs to; of what is nobody's alone, the first that the reader has.
    pub(crate) fn of(path: &str, principal: &Principal) -> Self {
        let on = |side| principal.sides.contains(&side);
        match path.split('/').nth(1).unwrap_or_default() {
            "operator" => Self::Operator,
            "seller" if on(Audience::Seller) => Self::Seller,
            "buyer" | "cart" | "checkout" | "seller" => Self::Buyer,
            _ if on(Audience::Operator) => Self::Operator,
            _ => Self::Buyer,
        }
    }

    /// The key of its name.
    pub(crate) const fn title_key(self) -> &'static str {
        match self {
            Self::Buyer => "page-center-buyer",
            Self::Seller => "page-center-seller",
            Self::Operator => "page-center-operator",
        }
    }

    const fn groups(self) -> &'static [Group] {
        match self {
            Self::Buyer => BUYER,
            Self::Seller => SELLER,
            Self::Operator => OPERATOR,
        }
    }

    /// The navigation as the reader may use it, with the page that they are on.
    pub(crate) fn navigation(self, path: &str, principal: &Principal, words: &Words) -> Vec<Links> {
        let is_on = |href: &str| path == href || (href.matches('/').count() > 1 && path.starts_with(&format!("{href}/")));
        let link = |href: &'static str, key: &str| Link { href, label: words.s(key), on: is_on(href) };
        let mut all: Vec<Links> = self
            .groups()
            .iter()
            .map(|(title, items)| {
                // Whoever sells already has nothing to apply for.
                let open = items.iter().filter(|(href, _, permission)| {
                    principal.permissions.contains(permission) && !(*href == "/seller/apply" && principal.sides.contains(&Audience::Seller))
                });
                let title = if title.is_empty() { String::new() } else { words.s(title) };
                Links { title, links: open.map(|(href, key, _)| link(href, key)).collect() }
            })
            .filter(|group| !group.links.is_empty())
            .collect();
        all.push(Links { title: words.s("page-nav-own"), links: OWN.iter().map(|(href, key)| link(href, key)).collect() });
        all
    }
}
