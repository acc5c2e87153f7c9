//! Favourites: products that somebody has put aside to look at again (spec: business §10.2).
//!
//! They are a person's, not an account's, and nobody else's business: no audit. A product that is hidden or retired stays a favourite and is
//! shown as what it is by whoever shows it.

mod store;

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, ProductId, Refusal, UserId};

use crate::catalog;

/// The most favourites of one person. `[ours]`
pub const FAVOURITES_MAX: i64 = 200;

/// A favourite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Favourite {
    /// The product.
    pub product_id: ProductId,
    /// When it was put aside, market ms UTC.
    pub added_at: i64,
}

/// Puts a product aside; again changes nothing.
///
/// # Errors
/// [`Code::NotFound`] for what `account` cannot see; [`Code::FavouritesFull`] with `max`.
pub async fn add(tx: &mut Tx, ctx: &Ctx, account: AccountId, user: UserId, product: ProductId) -> Result<()> {
    catalog::view(tx, Some(account), product).await?;
    if store::is_favourite(tx, user, product).await? {
        return Ok(());
    }
    if store::count(tx, user).await? >= FAVOURITES_MAX {
        return Err(Refusal::new(Code::FavouritesFull).with("max", FAVOURITES_MAX).into());
    }
    store::insert(tx, account, user, product, ctx.now).await
}

/// Takes a product out of the favourites; what is not among them is out already.
///
/// # Errors
/// Those of the database.
pub async fn remove(tx: &mut Tx, user: UserId, product: ProductId) -> Result<()> {
    store::delete(tx, user, product).await
}

/// Whether a product is among somebody's favourites.
///
/// # Errors
/// Those of the database.
pub async fn is_favourite(tx: &mut Tx, user: UserId, product: ProductId) -> Result<bool> {
    store::is_favourite(tx, user, product).await
}

/// Somebody's favourites, the last one first; at most [`FAVOURITES_MAX`].
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<Favourite>> {
    store::list(tx, user).await
}
