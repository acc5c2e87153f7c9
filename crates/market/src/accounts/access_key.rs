//! AK/SK pairs, with which an account's servers sign calls to the open API (spec: protocol §3.1, business §1.5). Times are the machine's.
//!
//! A signature is checked with the secret itself, so it is sealed, not hashed.

use std::fmt;

use db::{Result, Tx};
use kernel::{AccessKeyId, AccountId, Code, Ctx, Refusal, UserId};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{TOUCH_MS, rules, secret, store, user};
use crate::audit;
use crate::page::{Page, PageRequest};
use crate::vault::Vault;

/// Live pairs of one account.
pub const ACCESS_KEYS_MAX: i64 = 10;

/// A pair, without the secret.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AccessKeyView {
    /// The id of the pair.
    pub id: AccessKeyId,
    /// The person it belongs to: it works while they are enabled.
    pub user_id: UserId,
    /// The access key, sent with each call.
    pub access_key: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made, ms UTC of the machine.
    pub created_at: i64,
    /// When it was last used, to five minutes.
    pub used_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

/// A live pair with its secret, for checking a signature.
pub struct AccessKeySecret {
    /// The id of the pair.
    pub id: AccessKeyId,
    /// The account that signs.
    pub account_id: AccountId,
    /// The person the pair belongs to.
    pub user_id: UserId,
    /// When it was last used.
    pub used_at: Option<i64>,
    /// The secret key.
    pub secret: Zeroizing<String>,
}

impl fmt::Debug for AccessKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeySecret").field("id", &self.id).field("account_id", &self.account_id).finish_non_exhaustive()
    }
}

impl AccessKeySecret {
    /// Whether the last use is so long ago that it should be written: see [`touch_access_key`].
    #[must_use]
    pub fn is_stale(&self, wall: i64) -> bool {
        self.used_at.is_none_or(|used_at| wall - used_at >= TOUCH_MS)
    }
}

/// Makes a pair for a person of an account; the second value is the secret key, shown this once.
///
/// # Errors
/// [`Code::TooMany`] beyond [`ACCESS_KEYS_MAX`] live ones, [`Code::NotFound`], [`Code::FieldInvalid`] for `name`.
pub async fn create_access_key(
    tx: &mut Tx,
    ctx: &Ctx,
    vault: &Vault,
    account: AccountId,
    user: UserId,
    name: &str,
) -> Result<(AccessKeyView, String)> {
    user::get_user(tx, account, user).await?;
    rules::at_most(store::count_access_keys(tx, account).await? + 1, ACCESS_KEYS_MAX)?;
    let view = AccessKeyView {
        id: AccessKeyId::new(ctx.now, &ctx.entropy),
        user_id: user,
        access_key: secret::access_key(&ctx.entropy),
        name: rules::text("name", name, 1, 60)?,
        created_at: ctx.wall,
        used_at: None,
        revoked_at: None,
    };
    let secret_key = secret::secret_key(&ctx.entropy);
    let sealed = vault.seal(&view.id.to_string(), secret_key.as_bytes(), &ctx.entropy);
    store::insert_access_key(tx, account, &view, &sealed).await?;
    let detail = json!({ "access_key": view.access_key, "name": view.name, "user": user });
    audit::record(tx, ctx, "accounts.access_key_created", &view.id, &detail).await?;
    Ok((view, secret_key))
}

/// A pair of an account, also one that was revoked.
///
/// # Errors
/// [`Code::NotFound`], also for pairs of other accounts.
pub async fn get_access_key(tx: &mut Tx, account: AccountId, id: AccessKeyId) -> Result<AccessKeyView> {
    store::access_key(tx, account, id).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// The pairs of an account, oldest first, with the revoked ones.
///
/// # Errors
/// Those of the database.
pub async fn access_keys(tx: &mut Tx, account: AccountId, page: &PageRequest) -> Result<Page<AccessKeyView>> {
    let rows = store::access_keys(tx, account, page).await?;
    Ok(page.cut(rows, |key: &AccessKeyView| key.id.to_string()))
}

/// Ends a pair of an account at once and for good.
///
/// # Errors
/// [`Code::NotFound`] when it is not the account's or is revoked already.
pub async fn revoke_access_key(tx: &mut Tx, ctx: &Ctx, account: AccountId, id: AccessKeyId) -> Result<()> {
    if store::revoke_access_key(tx, account, id, ctx.wall).await? == 0 {
        return Err(Refusal::new(Code::NotFound).into());
    }
    audit::record(tx, ctx, "accounts.access_key_revoked", &id, &json!({})).await
}

/// The secret of an access key; none when it is unknown or revoked, or when its person is disabled or has no role of the
/// seller's side any more.
///
/// # Errors
/// [`db::Error::Broken`] when the vault's master key is another one.
pub async fn secret_of(tx: &mut Tx, vault: &Vault, access_key: &str) -> Result<Option<AccessKeySecret>> {
    let Some(row) = store::access_key_secret(tx, access_key).await? else { return Ok(None) };
    let secret = Zeroizing::new(vault.open_text(&row.id.to_string(), &row.sealed)?);
    Ok(Some(AccessKeySecret { id: row.id, account_id: row.account_id, user_id: row.user_id, used_at: row.used_at, secret }))
}

/// Writes the last use of a pair, at most every five minutes.
///
/// # Errors
/// Those of the database.
pub async fn touch_access_key(tx: &mut Tx, id: AccessKeyId, wall: i64) -> Result<()> {
    store::touch_access_key(tx, id, wall).await
}
