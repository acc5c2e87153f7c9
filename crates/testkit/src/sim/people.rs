//! Who is there from the beginning: the operator, sellers with a product each, buyers.

use std::sync::OnceLock;

use db::Tx;
use kernel::{Actor, Entropy, Locale, ProductId, SkuId};
use market::accounts::{self, AccountKind, NewAccount, PasswordHash};
use market::catalog;
use market::sellers::{self as seller_accounts, AddressInput, Application, BankAccount, Decision, Dialect};
use market::{Market, catalog::ProductContent};

use super::actions::{BUYERS, SELLERS};
use super::network::Network;
use super::requests::{Person, new_user, publish};
use crate::world::{PASSWORD, content};

/// A seller with what they sell.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    pub(super) who: Person,
    pub(super) product: ProductId,
    /// Basic, pro, and what is sold once.
    pub(super) skus: [SkuId; 3],
}

/// Everybody.
#[derive(Clone, Debug)]
pub(super) struct People {
    pub(super) operator: Person,
    pub(super) shops: Vec<Shop>,
    pub(super) buyers: Vec<Person>,
}

/// The password of everybody; hashing it takes longer than a history.
pub(super) fn password() -> PasswordHash {
    static HASH: OnceLock<PasswordHash> = OnceLock::new();
    HASH.get_or_init(|| PasswordHash::new(PASSWORD, "somebody", &Entropy::from_seed([42; 32])).expect("a good password")).clone()
}

/// Has everybody sign up, sellers approved and their products published.
pub(super) async fn settle(market: &Market, network: &Network) -> db::Result<People> {
    let ctx = market.ctx(Actor::System("simulation"), Locale::En).await?;
    let addresses: Vec<_> = (0..SELLERS).map(|_| network.add()).collect();
    let at = market.clone();
    market
        .db()
        .write(async move |tx| {
            let (account, user) = accounts::create_operator(tx, &ctx, account_of("operator"), new_user("operator")).await?;
            let mut people = People { operator: Person { account: account.id, user: user.id }, shops: Vec::new(), buyers: Vec::new() };
            for (n, (url, key)) in addresses.iter().enumerate() {
                people.shops.push(shop(tx, &ctx, &at, &format!("seller-{n}"), url, key).await?);
            }
            for n in 0..BUYERS {
                let name = format!("buyer-{n}");
                let (account, user) = accounts::create_account(tx, &ctx, account_of(&name), new_user(&name)).await?;
                people.buyers.push(Person { account: account.id, user: user.id });
            }
            Ok(people)
        })
        .await
}

fn account_of(name: &str) -> NewAccount {
    NewAccount { name: name.to_owned(), kind: AccountKind::Enterprise, title: format!("{name} Ltd") }
}

async fn shop(tx: &mut Tx, ctx: &kernel::Ctx, market: &Market, name: &str, url: &str, key: &str) -> db::Result<Shop> {
    let (account, user) = accounts::create_account(tx, ctx, account_of(name), new_user(name)).await?;
    let who = Person { account: account.id, user: user.id };
    let application = Application {
        company: format!("{name} Ltd"),
        website: "https://www.example.com".to_owned(),
        contact_name: "Wang".to_owned(),
        contact_email: "wang@example.com".to_owned(),
        contact_phone: "+86 755 1234567".to_owned(),
        bank: BankAccount { name: "Bank of Examples".to_owned(), number: "6222020200112233".to_owned() },
    };
    seller_accounts::apply(tx, ctx, market.vault(), who.account, application).await?;
    seller_accounts::decide(tx, ctx, who.account, Decision::Approve).await?;
    let (key, _) = seller_accounts::create_key(tx, ctx, market.vault(), who.account, "main", Some(key.to_owned())).await?;
    let url = seller_accounts::check_url(url, &|_| Ok(()))?;
    let input = AddressInput { name: "main".to_owned(), url, dialect: Dialect::KoogalleryV2, key_id: key.id };
    let address = seller_accounts::create_address(tx, ctx, who.account, input).await?.id;
    let product = catalog::create(tx, ctx, who.account, content(address)).await?.summary.id;
    publish(tx, ctx, market, who.account, product).await?;
    let view = catalog::view(tx, None, product).await?;
    let sku = |edition: usize, sku: usize| view.editions[edition].skus[sku].id;
    Ok(Shop { who, product, skus: [sku(0, 0), sku(0, 1), sku(1, 0)] })
}

/// The product as it is now, its prices changed by so many percent.
pub(super) fn repriced(mut content: ProductContent, percent: i64) -> ProductContent {
    for edition in &mut content.editions {
        for price in edition.skus.iter_mut().flat_map(|sku| &mut sku.prices) {
            price.amount_minor = (price.amount_minor * percent / 100).clamp(1_000, 10_000_000);
        }
    }
    content
}
