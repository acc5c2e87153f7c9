//! The keys that sign our calls to a seller's server: opaque texts that both sides know (spec: protocol §1.1). Not AK/SK.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, Refusal, SellerKeyId};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{not_found, require_approved, store};
use crate::accounts::rules;
use crate::audit;
use crate::page::{Page, PageRequest};
use crate::vault::Vault;

/// Live keys of one seller.
pub const KEYS_MAX: i64 = 20;
/// Characters of a key that the seller brings along.
const KEY_LEN: (usize, usize) = (8, 128);

/// A signing key, without the key itself.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SellerKey {
    /// Its id.
    pub id: SellerKeyId,
    /// What the seller calls it.
    pub name: String,
    /// Its last characters, to tell it from others.
    pub hint: String,
    /// When it was made, market ms UTC.
    pub created_at: i64,
    /// When it was retired, market ms UTC: no further address may name it.
    pub retired_at: Option<i64>,
}

/// Makes a signing key, or takes one that the seller's server knows already; the second value is the key, shown this once.
///
/// A key of ours is a lower-case UUID with hyphens, as all known ones are (spec: protocol §1.1).
///
/// # Errors
/// [`Code::NotSeller`], [`Code::TooMany`] beyond [`KEYS_MAX`] live ones, [`Code::FieldInvalid`] for `name`, or for `key` unless 8 to 128 visible
/// ASCII characters.
pub async fn create_key(
    tx: &mut Tx,
    ctx: &Ctx,
    vault: &Vault,
    seller: AccountId,
    name: &str,
    key: Option<String>,
) -> Result<(SellerKey, String)> {
    require_approved(tx, seller).await?;
    rules::at_most(store::count_keys(tx, seller).await? + 1, KEYS_MAX)?;
    let name = rules::text("name", name, 1, 60)?;
    let key = match key {
        Some(key) => check_key(key)?,
        None => uuid::Builder::from_random_bytes(ctx.entropy.bytes()).into_uuid().hyphenated().to_string(),
    };
    let view = SellerKey { id: SellerKeyId::new(ctx.now, &ctx.entropy), name, hint: hint(&key), created_at: ctx.now, retired_at: None };
    let sealed = vault.seal(&view.id.to_string(), key.as_bytes(), &ctx.entropy);
    store::insert_key(tx, seller, &view, &sealed).await?;
    audit::record(tx, ctx, "sellers.key_created", &view.id, &json!({ "name": view.name, "ends_with": view.hint })).await?;
    Ok((view, key))
}

fn check_key(key: String) -> Result<String, Refusal> {
    let fits = (KEY_LEN.0..=KEY_LEN.1).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(key) } else { Err(Refusal::field("key", format!("visible_ascii:{}-{}", KEY_LEN.0, KEY_LEN.1))) }
}

/// The end of a key: little enough of a short one that the rest cannot be guessed.
fn hint(key: &str) -> String {
    let shown = if key.len() >= 16 { 4 } else { 2 };
    key[key.len() - shown..].to_owned()
}

/// The signing keys of a seller, oldest first, with the retired ones.
///
/// # Errors
/// Those of the database.
pub async fn keys(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Page<SellerKey>> {
    let rows = store::keys(tx, seller, page).await?;
    Ok(page.cut(rows, |key: &SellerKey| key.id.to_string()))
}

/// A signing key of a seller, retired or not.
///
/// # Errors
/// [`Code::NotFound`], also for keys of other sellers.
pub async fn get_key(tx: &mut Tx, seller: AccountId, id: SellerKeyId) -> Result<SellerKey> {
    store::key(tx, seller, id).await?.ok_or_else(not_found)
}

/// Retires a signing key; a second time changes nothing. Calls to retired addresses that name it are still signed with it.
///
/// # Errors
/// [`Code::AddressInUse`] while a live address names it, [`Code::NotFound`].
pub async fn retire_key(tx: &mut Tx, ctx: &Ctx, seller: AccountId, id: SellerKeyId) -> Result<SellerKey> {
    let before = get_key(tx, seller, id).await?;
    if before.retired_at.is_some() {
        return Ok(before);
    }
    if store::count_addresses_of_key(tx, id).await? > 0 {
        return Err(Refusal::new(Code::AddressInUse).into());
    }
    store::retire_key(tx, id, ctx.now).await?;
    audit::record(tx, ctx, "sellers.key_retired", &id, &json!({})).await?;
    Ok(SellerKey { retired_at: Some(ctx.now), ..before })
}

/// A live key of the seller.
///
/// # Errors
/// [`Code::FieldInvalid`] for `key_id` otherwise.
pub(super) async fn require_live(tx: &mut Tx, seller: AccountId, id: SellerKeyId) -> Result<()> {
    match store::key(tx, seller, id).await? {
        Some(SellerKey { retired_at: None, .. }) => Ok(()),
        _ => Err(Refusal::field("key_id", "unknown").into()),
    }
}

/// What a sealed key says.
pub(super) fn open(vault: &Vault, id: SellerKeyId, sealed: &[u8]) -> Result<Zeroizing<String>> {
    vault.open_text(&id.to_string(), sealed).map(Zeroizing::new)
}
