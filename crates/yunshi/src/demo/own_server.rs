//! The first product of the demo: what the guided tour buys, and what can be bound to the visitor's own server.
//!
//! Binding goes the way a seller would: a signing key, a production address, a revision of the product, the operator's review.

use anyhow::{Context, Result, bail};
use db::Tx;
use kernel::{AccountId, Actor, Ctx, Locale, SkuId};
use market::Market;
use market::accounts;
use market::catalog::{self, PriceUnit, ProductState, Texts};
use market::page::{PAGE_MAX, PageRequest};
use market::sellers::{self, AddressInput, Dialect};

use super::cast::SHOPS;

/// What the visitor's address and key are called.
const NAME: &str = "your server";

/// Something to buy by the month.
#[derive(Debug)]
pub(crate) struct Featured {
    pub(crate) product: Texts,
    pub(crate) sku: SkuId,
    /// The smallest quantity.
    pub(crate) quantity: i64,
}

fn everything() -> PageRequest {
    PageRequest { limit: PAGE_MAX, ..PageRequest::default() }
}

async fn first_shop(tx: &mut Tx) -> db::Result<AccountId> {
    let account = accounts::find_by_name(tx, SHOPS[0].firm.login).await?;
    account.map(|account| account.id).ok_or_else(|| db::Error::broken("the demo has lost its first seller"))
}

async fn first_product(tx: &mut Tx, seller: AccountId) -> db::Result<kernel::ProductId> {
    let products = catalog::list_of_seller(tx, seller, Some(ProductState::OnSale), &everything()).await?;
    products.items.iter().map(|product| product.id).min().ok_or_else(|| db::Error::broken("the demo's first seller sells nothing"))
}

/// What the guided tour buys.
pub(crate) async fn featured(market: &Market) -> Result<Featured> {
    let (product, skus) = market
        .db()
        .read(async |tx| {
            let seller = first_shop(tx).await?;
            let product = first_product(tx, seller).await?;
            let view = catalog::view(tx, None, product).await?;
            Ok((view.names, view.editions.into_iter().flat_map(|edition| edition.skus).collect::<Vec<_>>()))
        })
        .await?;
    let monthly = skus.into_iter().find(|sku| sku.prices.iter().any(|price| price.unit == PriceUnit::Month));
    let sku = monthly.context("the demo's first product is not sold by the month")?;
    Ok(Featured { product, sku: sku.id, quantity: sku.quantity.min })
}

/// Lets the server at `url`, which checks signatures with `key`, provide the first product from now on.
pub(crate) async fn bind(market: &Market, policy: outbound::Policy, url: &str, key: &str) -> Result<()> {
    let allowed = |url: &str| outbound::check_url(url, policy).map(drop).map_err(|why| why.to_string());
    let Ok(url) = sellers::check_url(url, &allowed) else {
        bail!("{url:?} cannot be called; give an address such as http://127.0.0.1:9000/saasproduce");
    };
    let ctx = market.ctx(Actor::Console, Locale::En).await?;
    let (again, key) = (market.clone(), key.to_owned());
    let act = async move |tx: &mut Tx| {
        let seller = first_shop(tx).await?;
        let key_id = sellers::create_key(tx, &ctx, again.vault(), seller, NAME, Some(key.clone())).await?.0.id;
        let input = AddressInput { name: NAME.to_owned(), url: url.clone(), dialect: Dialect::KoogalleryV2, key_id };
        let known = sellers::addresses(tx, seller, &everything()).await?.items.into_iter().find(|address| address.name == NAME);
        match known {
            // Instances that were opened there stay there.
            Some(address) => {
                sellers::update_address(tx, &ctx, seller, address.id, input, None).await?;
                retire_former_key(tx, &ctx, seller, address.key_id).await
            }
            None => {
                let address = sellers::create_address(tx, &ctx, seller, input).await?;
                revise(tx, &ctx, &again, seller, address.id).await
            }
        }
    };
    market.db().write(act).await.context("the first product could not be bound to your server")
}

/// Each start brings its key along, and a seller may have so many: the one before goes, unless something else was bound to it meanwhile.
async fn retire_former_key(tx: &mut Tx, ctx: &Ctx, seller: AccountId, key: kernel::SellerKeyId) -> db::Result<()> {
    match sellers::retire_key(tx, ctx, seller, key).await {
        Err(error) if error.code() == Some(kernel::Code::AddressInUse) => Ok(()),
        other => other.map(drop),
    }
}

async fn revise(tx: &mut Tx, ctx: &Ctx, market: &Market, seller: AccountId, address: kernel::AddressId) -> db::Result<()> {
    let id = first_product(tx, seller).await?;
    let mut content = catalog::get_of_seller(tx, seller, id).await?.draft;
    for edition in &mut content.editions {
        edition.address_id = Some(address);
    }
    catalog::update_draft(tx, ctx, seller, id, content, None).await?;
    let submitted = catalog::submit(tx, ctx, seller, id).await?;
    let listing = submitted.summary.last_listing.map(|listing| listing.id).ok_or_else(|| db::Error::broken("a submission is missing"))?;
    catalog::approve(tx, ctx, market.edition(), listing).await.map(drop)
}
