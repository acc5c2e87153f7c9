//! All SQL of the catalogue: products, listings, editions, SKUs, prices.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, AddressId, Currency, EditionId, ListingId, Money, PriceId, ProductId, SkuId};

use super::content::{ChangeRule, ChargingMode, EditionContent, PriceUnit, ProductContent, QuantityRule, RefundRule, SkuContent, Texts};
use super::state::{ListingState, PartState, ProductState, Standing};
use super::views::{LastListing, ProductSummary};
use super::{Item, Names, Offer};
use crate::edition::TaxKind;
use crate::page::PageRequest;

fn take_texts(row: &mut Row) -> Result<Texts> {
    Ok(Texts { zh: row.take()?, en: row.take()? })
}

/// Below every product id that a page may begin under.
const LAST_PRODUCT: &str = "prd_zzzzzzzzzzzzzzzzzzzzzzzzzz";

/// The cursor of a list whose newest rows come first.
fn before(page: &PageRequest) -> String {
    if page.after.is_empty() { LAST_PRODUCT.to_owned() } else { page.after.clone() }
}

// ---- products ----

/// A row of `products`.
pub(super) struct Product {
    pub(super) id: ProductId,
    pub(super) seller_id: AccountId,
    pub(super) standing: Standing,
    pub(super) names: Texts,
    pub(super) draft: ProductContent,
    pub(super) content: Option<ProductContent>,
    pub(super) created_at: i64,
    pub(super) published_at: Option<i64>,
    pub(super) retired_at: Option<i64>,
    pub(super) flagged_at: Option<i64>,
    pub(super) version: i64,
}

impl FromRow for Product {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            seller_id: row.take()?,
            standing: Standing { state: row.take()?, hidden_by: row.take()? },
            names: take_texts(row)?,
            draft: serde_json::from_str(&row.take::<String>()?)?,
            content: row.take::<Option<String>>()?.map(|text| serde_json::from_str(&text)).transpose()?,
            created_at: row.take()?,
            published_at: row.take()?,
            retired_at: row.take()?,
            flagged_at: row.take()?,
            version: row.take()?,
        })
    }
}

/// Both names as searches compare them.
fn name_key(names: &Texts) -> String {
    format!("{}\n{}", names.zh, names.en).to_lowercase()
}

pub(super) async fn insert_product(tx: &mut Tx, product: &Product) -> Result<()> {
    let insert = sql!(
        "INSERT INTO products (id, seller_id, state, name_zh, name_en, name_key, draft, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    let Product { id, seller_id, standing, names, draft, created_at, version, .. } = product;
    let (key, draft) = (name_key(names), serde_json::to_string(draft)?);
    tx.execute(insert, &[id, seller_id, &standing.state, &names.zh, &names.en, &key, &draft, created_at, version]).await.map(drop)
}

/// The product; only when it is `seller`'s, if one is given.
pub(super) async fn product(tx: &mut Tx, id: ProductId, seller: Option<AccountId>) -> Result<Option<Product>> {
    let select = sql!(
        "SELECT id, seller_id, state, hidden_by, name_zh, name_en, draft, content, created_at, published_at, retired_at, flagged_at, version
         FROM products WHERE id = $1 AND (CAST($2 AS TEXT) IS NULL OR seller_id = $2)"
    );
    tx.find(select, &[&id, &seller]).await
}

/// Writes everything that may change of a product, if nobody has since it was read; its version goes up by one.
pub(super) async fn save_product(tx: &mut Tx, product: &Product) -> Result<bool> {
    let update = sql!(
        "UPDATE products SET state = $1, hidden_by = $2, name_zh = $3, name_en = $4, name_key = $5, draft = $6, content = $7,
           published_at = $8, retired_at = $9, version = version + 1
         WHERE id = $10 AND version = $11"
    );
    let Product { id, standing, names, draft, content, published_at, retired_at, version, .. } = product;
    let draft = serde_json::to_string(draft)?;
    let content = content.as_ref().map(serde_json::to_string).transpose()?;
    let changed = tx
        .execute(
            update,
            &[
                &standing.state,
                &standing.hidden_by,
                &names.zh,
                &names.en,
                &name_key(names),
                &draft,
                &content,
                published_at,
                retired_at,
                id,
                version,
            ],
        )
        .await?;
    Ok(changed == 1)
}

pub(super) async fn flag(tx: &mut Tx, id: ProductId, now: i64) -> Result<bool> {
    Ok(tx.execute(sql!("UPDATE products SET flagged_at = $1 WHERE id = $2 AND flagged_at IS NULL"), &[&now, &id]).await? == 1)
}

impl FromRow for ProductSummary {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            seller_id: row.take()?,
            state: row.take()?,
            hidden_by: row.take()?,
            names: take_texts(row)?,
            created_at: row.take()?,
            published_at: row.take()?,
            flagged_at: row.take()?,
            version: row.take()?,
            last_listing: match row.take::<Option<ListingId>>()? {
                Some(id) => Some(LastListing {
                    id,
                    revision: row.take()?,
                    state: row.take()?,
                    submitted_at: row.take()?,
                    decided_at: row.take()?,
                    reason: row.take()?,
                }),
                None => None,
            },
        })
    }
}

/// The products of a seller, newest first.
pub(super) async fn products_of(
    tx: &mut Tx,
    seller: AccountId,
    state: Option<ProductState>,
    page: &PageRequest,
) -> Result<Vec<ProductSummary>> {
    let select = sql!(
        "SELECT p.id, p.seller_id, p.state, p.hidden_by, p.name_zh, p.name_en, p.created_at, p.published_at, p.flagged_at, p.version,
                l.id, l.revision, l.state, l.submitted_at, l.decided_at, l.reason
         FROM products p LEFT JOIN listings l ON l.product_id = p.id
              AND l.revision = (SELECT MAX(m.revision) FROM listings m WHERE m.product_id = p.id)
         WHERE p.seller_id = $1 AND p.id < $2 AND (CAST($3 AS TEXT) IS NULL OR p.state = $3) ORDER BY p.id DESC LIMIT $4"
    );
    tx.all(select, &[&seller, &before(page), &state, &page.fetch()]).await
}

/// The products of every seller, newest first; those that were flagged only, if `flagged_from` is given.
pub(super) async fn products(
    tx: &mut Tx,
    state: Option<ProductState>,
    flagged_from: Option<i64>,
    page: &PageRequest,
) -> Result<Vec<ProductSummary>> {
    let select = sql!(
        "SELECT p.id, p.seller_id, p.state, p.hidden_by, p.name_zh, p.name_en, p.created_at, p.published_at, p.flagged_at, p.version,
                l.id, l.revision, l.state, l.submitted_at, l.decided_at, l.reason
         FROM products p LEFT JOIN listings l ON l.product_id = p.id
              AND l.revision = (SELECT MAX(m.revision) FROM listings m WHERE m.product_id = p.id)
         WHERE p.id < $1 AND (CAST($2 AS TEXT) IS NULL OR p.state = $2) AND (CAST($3 AS BIGINT) IS NULL OR p.flagged_at >= $3)
         ORDER BY p.id DESC LIMIT $4"
    );
    tx.all(select, &[&before(page), &state, &flagged_from, &page.fetch()]).await
}

/// What a list of products on sale shows of one: id, seller, content as JSON.
pub(super) type OnSale = (ProductId, AccountId, String);

/// Products on sale whose name contains `query` (any case), newest first.
pub(super) async fn on_sale(tx: &mut Tx, query: &str, page: &PageRequest) -> Result<Vec<OnSale>> {
    let select = sql!(
        "SELECT id, seller_id, content FROM products
         WHERE state = 'on_sale' AND id < $1 AND name_key LIKE $2 ESCAPE '!'
           AND EXISTS (SELECT 1 FROM editions e WHERE e.product_id = products.id AND e.state = 'active')
         ORDER BY id DESC LIMIT $3"
    );
    tx.all(select, &[&before(page), &contains(&query.to_lowercase()), &page.fetch()]).await
}

/// The pattern of LIKE for texts that contain `part`, with `!` before what would be a wildcard.
fn contains(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for letter in part.chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// The least that has to be paid for one period at the smallest quantity, by product and unit, for the products from `first` to `last`.
pub(super) async fn entry_prices(tx: &mut Tx, first: ProductId, last: ProductId) -> Result<Vec<(ProductId, PriceUnit, i64, Currency)>> {
    let select = sql!(
        "SELECT e.product_id, p.unit, CAST(MIN(p.amount_minor * s.quantity_min) AS BIGINT), p.currency
         FROM editions e JOIN skus s ON s.edition_id = e.id JOIN prices p ON p.sku_id = s.id
         WHERE e.product_id >= $1 AND e.product_id <= $2 AND e.state = 'active' AND s.state = 'active' AND p.withdrawn_at IS NULL
         GROUP BY e.product_id, p.unit, p.currency"
    );
    tx.all(select, &[&first, &last]).await
}

// ---- listings ----

/// A row of `listings`.
pub(super) struct Listing {
    pub(super) id: ListingId,
    pub(super) product_id: ProductId,
    pub(super) revision: i64,
    pub(super) state: ListingState,
    pub(super) content: ProductContent,
    pub(super) submitted_at: i64,
    pub(super) decided_at: Option<i64>,
    pub(super) reason: Option<String>,
}

impl FromRow for Listing {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            product_id: row.take()?,
            revision: row.take()?,
            state: row.take()?,
            content: serde_json::from_str(&row.take::<String>()?)?,
            submitted_at: row.take()?,
            decided_at: row.take()?,
            reason: row.take()?,
        })
    }
}

pub(super) async fn insert_listing(tx: &mut Tx, listing: &Listing, by: &str) -> Result<()> {
    let insert = sql!(
        "INSERT INTO listings (id, product_id, revision, state, content, submitted_by, submitted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)"
    );
    let content = serde_json::to_string(&listing.content)?;
    let Listing { id, product_id, revision, state, submitted_at, .. } = listing;
    tx.execute(insert, &[id, product_id, revision, state, &content, &by, submitted_at]).await.map(drop)
}

pub(super) async fn listing(tx: &mut Tx, id: ListingId) -> Result<Option<Listing>> {
    let select = sql!("SELECT id, product_id, revision, state, content, submitted_at, decided_at, reason FROM listings WHERE id = $1");
    tx.find(select, &[&id]).await
}

/// The last submission of a product.
pub(super) async fn last_listing(tx: &mut Tx, product: ProductId) -> Result<Option<Listing>> {
    let select = sql!(
        "SELECT id, product_id, revision, state, content, submitted_at, decided_at, reason FROM listings
         WHERE product_id = $1 ORDER BY revision DESC LIMIT 1"
    );
    tx.find(select, &[&product]).await
}

/// Whether an earlier submission of the product than `revision` was approved.
pub(super) async fn approved_before(tx: &mut Tx, product: ProductId, revision: i64) -> Result<bool> {
    let select = sql!("SELECT id FROM listings WHERE product_id = $1 AND revision < $2 AND state = 'approved' LIMIT 1");
    Ok(tx.find::<(ListingId,)>(select, &[&product, &revision]).await?.is_some())
}

/// Decides a submission if nobody has yet.
pub(super) async fn decide_listing(
    tx: &mut Tx,
    id: ListingId,
    state: ListingState,
    by: &str,
    at: i64,
    reason: Option<&str>,
) -> Result<bool> {
    let update =
        sql!("UPDATE listings SET state = $1, decided_by = $2, decided_at = $3, reason = $4 WHERE id = $5 AND state = 'under_review'");
    Ok(tx.execute(update, &[&state, &by, &at, &reason, &id]).await? == 1)
}

/// What the review queue shows of a submission: listing, product, seller, revision, content as JSON, when it was submitted, when the
/// product was first published.
pub(super) type Queued = (ListingId, ProductId, AccountId, i64, String, i64, Option<i64>);

/// What waits for a decision, oldest first.
pub(super) async fn queue(tx: &mut Tx, page: &PageRequest) -> Result<Vec<Queued>> {
    let select = sql!(
        "SELECT l.id, l.product_id, p.seller_id, l.revision, l.content, l.submitted_at, p.published_at
         FROM listings l JOIN products p ON p.id = l.product_id
         WHERE l.state = 'under_review' AND l.id > $1 ORDER BY l.id LIMIT $2"
    );
    tx.all(select, &[&page.after, &page.fetch()]).await
}

// ---- editions, SKUs, prices ----

/// A row of `editions`.
pub(super) struct Edition {
    pub(super) id: EditionId,
    pub(super) state: PartState,
    pub(super) names: Texts,
    pub(super) charging_mode: ChargingMode,
    pub(super) tax_kind: TaxKind,
    pub(super) refund_rule: RefundRule,
    pub(super) address_id: AddressId,
    pub(super) position: i64,
}

impl FromRow for Edition {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            state: row.take()?,
            names: take_texts(row)?,
            charging_mode: row.take()?,
            tax_kind: row.take()?,
            refund_rule: row.take()?,
            address_id: row.take()?,
            position: row.take()?,
        })
    }
}

/// The editions of a product, as the seller arranged them.
pub(super) async fn editions(tx: &mut Tx, product: ProductId) -> Result<Vec<Edition>> {
    let select = sql!(
        "SELECT id, state, name_zh, name_en, charging_mode, tax_kind, refund_rule, address_id, position
         FROM editions WHERE product_id = $1 ORDER BY position, id"
    );
    tx.all(select, &[&product]).await
}

/// A row of `skus`.
pub(super) struct Sku {
    pub(super) edition_id: EditionId,
    pub(super) id: SkuId,
    pub(super) state: PartState,
    pub(super) names: Texts,
    pub(super) quantity: QuantityRule,
    pub(super) change: Option<ChangeRule>,
    pub(super) position: i64,
}

impl FromRow for Sku {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            edition_id: row.take()?,
            id: row.take()?,
            state: row.take()?,
            names: take_texts(row)?,
            quantity: QuantityRule { min: row.take()?, max: row.take()?, step: row.take()?, unit: take_texts(row)? },
            change: row.take::<Option<String>>()?.map(|text| serde_json::from_str(&text)).transpose()?,
            position: row.take()?,
        })
    }
}

/// The SKUs of a product, as the seller arranged them.
pub(super) async fn skus(tx: &mut Tx, product: ProductId) -> Result<Vec<Sku>> {
    let select = sql!(
        "SELECT s.edition_id, s.id, s.state, s.name_zh, s.name_en, s.quantity_min, s.quantity_max, s.quantity_step,
                s.quantity_unit_zh, s.quantity_unit_en, s.change_rule, s.position
         FROM editions e JOIN skus s ON s.edition_id = e.id WHERE e.product_id = $1 ORDER BY s.position, s.id"
    );
    tx.all(select, &[&product]).await
}

/// A row of `prices`.
pub(super) struct Price {
    pub(super) sku_id: SkuId,
    pub(super) id: PriceId,
    pub(super) unit: PriceUnit,
    pub(super) price: Money,
    pub(super) withdrawn_at: Option<i64>,
}

impl FromRow for Price {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            sku_id: row.take()?,
            id: row.take()?,
            unit: row.take()?,
            price: Money { minor: row.take()?, currency: row.take()? },
            withdrawn_at: row.take()?,
        })
    }
}

/// The prices of a product, also withdrawn ones.
pub(super) async fn prices(tx: &mut Tx, product: ProductId) -> Result<Vec<Price>> {
    let select = sql!(
        "SELECT p.sku_id, p.id, p.unit, p.amount_minor, p.currency, p.withdrawn_at
         FROM editions e JOIN skus s ON s.edition_id = e.id JOIN prices p ON p.sku_id = s.id WHERE e.product_id = $1 ORDER BY p.id"
    );
    tx.all(select, &[&product]).await
}

/// Writes an edition as it was approved.
pub(super) async fn put_edition(
    tx: &mut Tx,
    product: ProductId,
    id: EditionId,
    address: AddressId,
    position: i64,
    edition: &EditionContent,
) -> Result<()> {
    let upsert = sql!(
        "INSERT INTO editions (id, product_id, position, state, name_zh, name_en, charging_mode, tax_kind, refund_rule, address_id)
         VALUES ($1, $2, $3, 'active', $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET position = excluded.position, name_zh = excluded.name_zh, name_en = excluded.name_en,
           tax_kind = excluded.tax_kind, refund_rule = excluded.refund_rule, address_id = excluded.address_id"
    );
    let EditionContent { names, charging_mode, tax_kind, refund_rule, .. } = edition;
    tx.execute(upsert, &[&id, &product, &position, &names.zh, &names.en, charging_mode, tax_kind, refund_rule, &address]).await.map(drop)
}

/// Writes a SKU as it was approved.
pub(super) async fn put_sku(tx: &mut Tx, edition: EditionId, id: SkuId, position: i64, sku: &SkuContent) -> Result<()> {
    let upsert = sql!(
        "INSERT INTO skus (id, edition_id, position, state, name_zh, name_en, quantity_min, quantity_max, quantity_step,
           quantity_unit_zh, quantity_unit_en, change_rule)
         VALUES ($1, $2, $3, 'active', $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET position = excluded.position, name_zh = excluded.name_zh, name_en = excluded.name_en,
           quantity_min = excluded.quantity_min, quantity_max = excluded.quantity_max, quantity_unit_zh = excluded.quantity_unit_zh,
           quantity_unit_en = excluded.quantity_unit_en, change_rule = excluded.change_rule"
    );
    let change = sku.change.as_ref().map(serde_json::to_string).transpose()?;
    let SkuContent { names, quantity: QuantityRule { min, max, step, unit }, .. } = sku;
    tx.execute(upsert, &[&id, &edition, &position, &names.zh, &names.en, min, max, step, &unit.zh, &unit.en, &change]).await.map(drop)
}

/// What a SKU may be changed to, where the seller has a rule.
pub(super) async fn change_rule(tx: &mut Tx, id: SkuId) -> Result<Option<ChangeRule>> {
    let found: Option<(Option<String>,)> = tx.find(sql!("SELECT change_rule FROM skus WHERE id = $1"), &[&id]).await?;
    Ok(found.and_then(|(text,)| text).map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Writes a price as it was approved. A unit that was sold before keeps its id: sellers' servers know it.
pub(super) async fn put_price(tx: &mut Tx, id: PriceId, sku: SkuId, unit: PriceUnit, price: Money) -> Result<()> {
    let upsert = sql!(
        "INSERT INTO prices (id, sku_id, unit, amount_minor, currency) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (sku_id, unit) DO UPDATE SET amount_minor = excluded.amount_minor, currency = excluded.currency, withdrawn_at = NULL"
    );
    tx.execute(upsert, &[&id, &sku, &unit, &price.minor, &price.currency]).await.map(drop)
}

pub(super) async fn withdraw_price(tx: &mut Tx, id: PriceId, now: i64) -> Result<()> {
    tx.execute(sql!("UPDATE prices SET withdrawn_at = $1 WHERE id = $2 AND withdrawn_at IS NULL"), &[&now, &id]).await.map(drop)
}

/// The product of an edition.
pub(super) async fn product_of_edition(tx: &mut Tx, id: EditionId) -> Result<Option<ProductId>> {
    let found: Option<(ProductId,)> = tx.find(sql!("SELECT product_id FROM editions WHERE id = $1"), &[&id]).await?;
    Ok(found.map(|(product,)| product))
}

/// The edition and the product of a SKU.
pub(super) async fn home_of_sku(tx: &mut Tx, id: SkuId) -> Result<Option<(EditionId, ProductId)>> {
    let select = sql!("SELECT e.id, e.product_id FROM skus s JOIN editions e ON e.id = s.edition_id WHERE s.id = $1");
    tx.find(select, &[&id]).await
}

/// Retires an edition and its SKUs; whether it was still sold.
pub(super) async fn retire_edition(tx: &mut Tx, id: EditionId) -> Result<bool> {
    tx.execute(sql!("UPDATE skus SET state = 'retired' WHERE edition_id = $1 AND state = 'active'"), &[&id]).await?;
    Ok(tx.execute(sql!("UPDATE editions SET state = 'retired' WHERE id = $1 AND state = 'active'"), &[&id]).await? == 1)
}

/// Retires a SKU; whether it was still sold.
pub(super) async fn retire_sku(tx: &mut Tx, id: SkuId) -> Result<bool> {
    Ok(tx.execute(sql!("UPDATE skus SET state = 'retired' WHERE id = $1 AND state = 'active'"), &[&id]).await? == 1)
}

pub(super) async fn active_skus(tx: &mut Tx, edition: EditionId) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM skus WHERE edition_id = $1 AND state = 'active'");
    Ok(tx.one::<(i64,)>(count, &[&edition]).await?.0)
}

// ---- offers and addresses ----

/// A SKU with all above it and its price for one unit, whatever their states.
pub(super) struct Candidate {
    pub(super) edition: PartState,
    pub(super) sku: PartState,
    pub(super) price: Option<(PriceId, Money)>,
    offer: Offerless,
}

/// What of an offer does not depend on the price.
struct Offerless {
    product_id: ProductId,
    seller_id: AccountId,
    state: ProductState,
    edition_id: EditionId,
    sku_id: SkuId,
    address_id: AddressId,
    charging_mode: ChargingMode,
    tax_kind: TaxKind,
    refund_rule: RefundRule,
    names: Names,
    quantity: QuantityRule,
}

impl Candidate {
    pub(super) const fn product(&self) -> ProductState {
        self.offer.state
    }

    /// Who sells it, and its names.
    pub(super) fn named(self) -> (AccountId, Names) {
        (self.offer.seller_id, self.offer.names)
    }

    /// The offer at a price.
    pub(super) fn at(self, unit: PriceUnit, price_id: PriceId, unit_price: Money) -> Offer {
        let Offerless {
            product_id,
            seller_id,
            state,
            edition_id,
            sku_id,
            address_id,
            charging_mode,
            tax_kind,
            refund_rule,
            names,
            quantity,
        } = self.offer;
        Offer {
            item: Item { product_id, edition_id, sku_id, price_id, address_id, names, charging_mode },
            seller_id,
            unit,
            unit_price,
            tax_kind,
            refund_rule,
            quantity,
            state,
        }
    }
}

impl FromRow for Candidate {
    fn from_row(row: &mut Row) -> Result<Self> {
        let (edition, sku) = (row.take()?, row.take()?);
        let offer = Offerless {
            product_id: row.take()?,
            seller_id: row.take()?,
            state: row.take()?,
            edition_id: row.take()?,
            sku_id: row.take()?,
            address_id: row.take()?,
            charging_mode: row.take()?,
            tax_kind: row.take()?,
            refund_rule: row.take()?,
            names: Names { product: take_texts(row)?, edition: take_texts(row)?, sku: take_texts(row)? },
            quantity: QuantityRule { min: row.take()?, max: row.take()?, step: row.take()?, unit: take_texts(row)? },
        };
        let price = match row.take::<Option<PriceId>>()? {
            Some(id) => Some((id, Money { minor: row.take()?, currency: row.take()? })),
            None => None,
        };
        Ok(Self { edition, sku, price, offer })
    }
}

pub(super) async fn candidate(tx: &mut Tx, sku: SkuId, unit: PriceUnit) -> Result<Option<Candidate>> {
    let select = sql!(
        "SELECT e.state, s.state, d.id, d.seller_id, d.state, e.id, s.id, e.address_id, e.charging_mode, e.tax_kind, e.refund_rule,
                d.name_zh, d.name_en, e.name_zh, e.name_en, s.name_zh, s.name_en,
                s.quantity_min, s.quantity_max, s.quantity_step, s.quantity_unit_zh, s.quantity_unit_en,
                p.id, p.amount_minor, p.currency
         FROM skus s JOIN editions e ON e.id = s.edition_id JOIN products d ON d.id = e.product_id
              LEFT JOIN prices p ON p.sku_id = s.id AND p.unit = $2 AND p.withdrawn_at IS NULL
         WHERE s.id = $1"
    );
    tx.find(select, &[&sku, &unit]).await
}

/// Whether an edition that is sold, or a submission under review, calls this address.
pub(super) async fn address_in_use(tx: &mut Tx, id: AddressId) -> Result<bool> {
    let sold = sql!(
        "SELECT e.id FROM editions e JOIN products p ON p.id = e.product_id
         WHERE e.address_id = $1 AND e.state = 'active' AND p.state <> 'retired' LIMIT 1"
    );
    if tx.find::<(EditionId,)>(sold, &[&id]).await?.is_some() {
        return Ok(true);
    }
    let submitted = sql!("SELECT id FROM listings WHERE state = 'under_review' AND content LIKE $1 ESCAPE '!' LIMIT 1");
    Ok(tx.find::<(ListingId,)>(submitted, &[&contains(&id.to_string())]).await?.is_some())
}

// ---- the shelf ----

/// Notes that what the lists show of a product has changed.
pub(super) async fn touch_shelf(tx: &mut Tx, product: ProductId) -> Result<()> {
    let up = sql!("INSERT INTO shelf (name, mark) VALUES ('shelf', 1) ON CONFLICT (name) DO UPDATE SET mark = shelf.mark + 1");
    tx.execute(up, &[]).await?;
    let note = sql!(
        "INSERT INTO shelf_changes (product_id, mark) SELECT $1, mark FROM shelf WHERE name = 'shelf'
         ON CONFLICT (product_id) DO UPDATE SET mark = excluded.mark"
    );
    tx.execute(note, &[&product]).await.map(drop)
}

pub(super) async fn shelf_mark(tx: &mut Tx) -> Result<i64> {
    let found: Option<(i64,)> = tx.find(sql!("SELECT mark FROM shelf WHERE name = 'shelf'"), &[]).await?;
    Ok(found.map_or(0, |(mark,)| mark))
}

/// What changed after `mark`, in its order.
pub(super) async fn shelf_changes(tx: &mut Tx, mark: i64, limit: i64) -> Result<Vec<(ProductId, i64)>> {
    tx.all(sql!("SELECT product_id, mark FROM shelf_changes WHERE mark > $1 ORDER BY mark LIMIT $2"), &[&mark, &limit]).await
}

/// A product on sale: id, seller, content as JSON, when it was first published.
pub(super) type Shelved = (ProductId, AccountId, String, Option<i64>);

/// What is on sale, oldest first.
pub(super) async fn shelf_page(tx: &mut Tx, page: &PageRequest) -> Result<Vec<Shelved>> {
    let select = sql!("SELECT id, seller_id, content, published_at FROM products WHERE state = 'on_sale' AND id > $1 ORDER BY id LIMIT $2");
    tx.all(select, &[&page.after, &page.fetch()]).await
}

/// What a seller has on sale, newest first.
pub(super) async fn on_sale_of(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Vec<ProductId>> {
    let select = sql!("SELECT id FROM products WHERE seller_id = $1 AND state = 'on_sale' AND id < $2 ORDER BY id DESC LIMIT $3");
    Ok(tx.all::<(ProductId,)>(select, &[&seller, &before(page), &page.fetch()]).await?.into_iter().map(|(id,)| id).collect())
}

/// The products of these ids that are on sale, in no order; ids beyond the eighth are not looked at.
pub(super) async fn shelf_of(tx: &mut Tx, ids: [String; 8]) -> Result<Vec<Shelved>> {
    let select = sql!(
        "SELECT id, seller_id, content, published_at FROM products
         WHERE state = 'on_sale' AND id IN ($1, $2, $3, $4, $5, $6, $7, $8)"
    );
    let [a, b, c, d, e, f, g, h] = &ids;
    tx.all(select, &[a, b, c, d, e, f, g, h]).await
}
