//! Personal API tokens: named, scoped, ending, shown once. All times are the machine's.

use std::collections::BTreeSet;

use db::{Result, Tx};
use kernel::{Code, Ctx, DAY_MS, Refusal, TokenId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Permission, Principal, rules, secret, store};
use crate::audit;
use crate::page::{Page, PageRequest};

/// The longest life of a token: a year, also a leap one.
pub const TOKEN_LIFE_MS_MAX: i64 = 366 * DAY_MS;
/// Live tokens of one person.
pub const TOKENS_MAX: i64 = 20;
/// Characters of a token that lists show.
const HINT_LEN: usize = 8;

/// A token, without what opens.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// The first characters of the token, to tell it from others.
    pub hint: String,
    /// What it may do, as far as its owner still may.
    pub scopes: BTreeSet<Permission>,
    /// When it was made, ms UTC of the machine.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// When it was last used, to five minutes.
    pub used_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

/// What a token is made of.
#[derive(Clone, Debug, PartialEq, Deserialize, utoipa::ToSchema)]
pub struct NewToken {
    /// 1 to 60 characters.
    pub name: String,
    /// What it may do; each must be allowed to who makes it.
    pub scopes: BTreeSet<Permission>,
    /// When it ends, ms UTC of the machine; at most [`TOKEN_LIFE_MS_MAX`] from now.
    pub expires_at: i64,
}

/// Makes a token for `principal`; the second value is the token, shown this once.
///
/// Nobody gets more than they have, and no token makes another: it would outlive its own end.
///
/// # Errors
/// [`Code::SessionNeeded`] for who came with an API token; as [`Principal::require`] for a scope that `principal` lacks; [`Code::TooMany`] beyond [`TOKENS_MAX`] live ones; [`Code::FieldInvalid`].
pub async fn create_token(tx: &mut Tx, ctx: &Ctx, principal: &Principal, new: NewToken) -> Result<(TokenView, String)> {
    principal.require_session()?;
    if new.scopes.is_empty() {
        return Err(Refusal::field("scopes", "required").into());
    }
    for scope in &new.scopes {
        principal.require(*scope)?;
    }
    if new.expires_at <= ctx.wall || new.expires_at > ctx.wall + TOKEN_LIFE_MS_MAX {
        let days = TOKEN_LIFE_MS_MAX / DAY_MS;
        return Err(Refusal::field("expires_at", format!("days:1-{days}")).into());
    }
    rules::at_most(store::count_tokens(tx, principal.user, ctx.wall).await? + 1, TOKENS_MAX)?;
    let token = secret::token(secret::TOKEN_PREFIX, &ctx.entropy);
    let view = TokenView {
        id: TokenId::new(ctx.now, &ctx.entropy),
        name: rules::text("name", &new.name, 1, 60)?,
        hint: token.chars().take(HINT_LEN).collect(),
        scopes: new.scopes,
        created_at: ctx.wall,
        expires_at: new.expires_at,
        used_at: None,
        revoked_at: None,
    };
    store::insert_token(tx, principal.user, &secret::token_hash(&token), &view).await?;
    let detail = json!({ "name": view.name, "scopes": view.scopes, "expires_at": view.expires_at });
    audit::record(tx, ctx, "accounts.token_created", &view.id, &detail).await?;
    Ok((view, token))
}

/// The tokens of a person, oldest first, with those that ended.
///
/// # Errors
/// Those of the database.
pub async fn tokens(tx: &mut Tx, user: UserId, page: &PageRequest) -> Result<Page<TokenView>> {
    let rows = store::tokens(tx, user, page).await?;
    Ok(page.cut(rows, |token: &TokenView| token.id.to_string()))
}

/// A token of a person, also one that ended.
///
/// # Errors
/// [`Code::NotFound`] when it is not theirs.
pub async fn get_token(tx: &mut Tx, user: UserId, token: TokenId) -> Result<TokenView> {
    store::token(tx, user, token).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Ends a token of a person at once and for good.
///
/// # Errors
/// [`Code::NotFound`] when it is not theirs or is revoked already.
pub async fn revoke_token(tx: &mut Tx, ctx: &Ctx, user: UserId, token: TokenId) -> Result<()> {
    if store::revoke_token(tx, user, token, ctx.wall).await? == 0 {
        return Err(Refusal::new(Code::NotFound).into());
    }
    audit::record(tx, ctx, "accounts.token_revoked", &token, &json!({})).await
}
