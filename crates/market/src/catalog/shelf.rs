//! The shelf: what is on sale, as those keep it who derive something from it.
//!
//! Its mark goes up with every change, in the transaction of the change; so whoever remembers the mark knows with one small read whether what
//! they made is still true, also of what another process has changed. What one holds may be late by that read; the shelf never is.

use db::{Result, Tx};
use kernel::{AccountId, Currency, Money, ProductId};

use super::content::ProductContent;
use super::store;
use super::views::{PriceFrom, lowest};
use crate::page::{Page, PageRequest};

/// A product on sale with everything that is published of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfEntry {
    /// The product.
    pub id: ProductId,
    /// Who sells it.
    pub seller_id: AccountId,
    /// What is published; editions and SKUs that were retired are not in it.
    pub content: ProductContent,
    /// When it was first published, ms UTC.
    pub published_at: i64,
}

impl ShelfEntry {
    fn of((id, seller_id, content, published_at): store::Shelved) -> Result<Self> {
        Ok(Self { id, seller_id, content: serde_json::from_str(&content)?, published_at: published_at.unwrap_or(0) })
    }

    /// The least to pay; none when nothing of it is sold any more.
    #[must_use]
    pub fn price_from(&self, currency: Currency) -> Option<PriceFrom> {
        let skus = self.content.editions.iter().flat_map(|edition| &edition.skus);
        // The limits of prices and quantities keep this product far below the bounds of money.
        lowest(skus.flat_map(|sku| {
            let least = |amount: i64| Money::new(amount.saturating_mul(sku.quantity.min), currency);
            sku.prices.iter().map(move |price| (price.unit, least(price.amount_minor)))
        }))
    }
}

/// The mark of the shelf now; 0 before anything was published.
///
/// # Errors
/// Those of the database.
pub async fn shelf_mark(tx: &mut Tx) -> Result<i64> {
    store::shelf_mark(tx).await
}

/// The products that changed after `mark`, each with the mark of its last change, in that order; at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn shelf_changes(tx: &mut Tx, mark: i64, limit: i64) -> Result<Vec<(ProductId, i64)>> {
    store::shelf_changes(tx, mark, limit).await
}

/// What is on sale, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn shelf_page(tx: &mut Tx, page: &PageRequest) -> Result<Page<ShelfEntry>> {
    let rows = page.cut(store::shelf_page(tx, page).await?, |row| row.0.to_string());
    let items = rows.items.into_iter().map(ShelfEntry::of).collect::<Result<_>>()?;
    Ok(Page { items, next: rows.next })
}

/// What a seller has on sale, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_on_sale_of(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Page<ProductId>> {
    Ok(page.cut(store::on_sale_of(tx, seller, page).await?, ToString::to_string))
}

/// Those of `ids` that are on sale, in the order of `ids`.
///
/// # Errors
/// Those of the database.
pub async fn shelf_of(tx: &mut Tx, ids: &[ProductId]) -> Result<Vec<ShelfEntry>> {
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(8) {
        let mut texts: [String; 8] = Default::default();
        for (text, id) in texts.iter_mut().zip(some) {
            *text = id.to_string();
        }
        let rows = store::shelf_of(tx, texts).await?;
        let mut entries = rows.into_iter().map(ShelfEntry::of).collect::<Result<Vec<_>>>()?;
        entries.sort_by_key(|entry| some.iter().position(|id| *id == entry.id));
        found.extend(entries);
    }
    Ok(found)
}
