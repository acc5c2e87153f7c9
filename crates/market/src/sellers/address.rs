//! Production addresses: where a seller's server takes our calls, in which dialect, signed with which key (spec: protocol §1.1).

use std::fmt;

use db::{Result, Tx};
use kernel::{AccountId, AddressId, Code, Ctx, Refusal, SellerKeyId};
use serde::Serialize;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::{key, not_found, require_approved, store};
use crate::accounts::rules;
use crate::audit;
use crate::page::{Page, PageRequest};
use crate::vault::Vault;

/// Live addresses of one seller.
pub const ADDRESSES_MAX: i64 = 50;
/// Characters of a production address.
pub const URL_LEN_MAX: usize = 512;

kernel::words! {
    /// How a seller's server speaks.
    pub enum Dialect {
        /// The SaaS access guide V2.0 (spec: protocol §1).
        KoogalleryV2 = "koogallery-v2",
    }
}

/// A production address.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Address {
    /// Its id.
    pub id: AddressId,
    /// What the seller calls it.
    pub name: String,
    /// Where calls go.
    pub url: String,
    /// How they speak.
    pub dialect: Dialect,
    /// The key that signs them.
    pub key_id: SellerKeyId,
    /// When it was made, market ms UTC.
    pub created_at: i64,
    /// When it was retired, market ms UTC: no further product may name it.
    pub retired_at: Option<i64>,
    /// Counts its changes.
    pub version: i64,
}

/// A URL that may be registered as a production address: see [`check_url`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedUrl(String);

/// Checks what a seller typed as a production address. `allowed` is the outbound client's rule, which says in a word why it would not
/// call it.
///
/// # Errors
/// [`Code::FieldInvalid`] for `url` unless it is an `http` or `https` URL of at most [`URL_LEN_MAX`] characters without user name, password and
/// fragment; [`Code::AddressRefused`] with `reason` when `allowed` says no.
pub fn check_url(text: &str, allowed: &dyn Fn(&str) -> Result<(), String>) -> Result<CheckedUrl, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::field("url", "required"));
    }
    if text.len() > URL_LEN_MAX {
        return Err(Refusal::field("url", format!("length:1-{URL_LEN_MAX}")));
    }
    let wrong = || Refusal::field("url", "url");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // Parsing may lengthen it: percent signs, the letters of a name that is not ASCII.
    if !matches!(url.scheme(), "http" | "https") || !plain || url.as_str().len() > URL_LEN_MAX {
        return Err(wrong());
    }
    allowed(url.as_str()).map_err(|reason| Refusal::new(Code::AddressRefused).with("reason", reason))?;
    Ok(CheckedUrl(url.into()))
}

/// What a production address is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressInput {
    /// 1 to 60 characters.
    pub name: String,
    /// Where calls go.
    pub url: CheckedUrl,
    /// How they speak.
    pub dialect: Dialect,
    /// A live key of the same seller.
    pub key_id: SellerKeyId,
}

/// Whether something above names an address. The domains above know; they tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Nothing that can be bought names it.
    Unused,
    /// A product that is not retired names it.
    InUse,
}

/// Registers a production address.
///
/// # Errors
/// [`Code::NotSeller`], [`Code::TooMany`] beyond [`ADDRESSES_MAX`] live ones, [`Code::FieldInvalid`] for `name` or `key_id`.
pub async fn create_address(tx: &mut Tx, ctx: &Ctx, seller: AccountId, input: AddressInput) -> Result<Address> {
    require_approved(tx, seller).await?;
    rules::at_most(store::count_addresses(tx, seller).await? + 1, ADDRESSES_MAX)?;
    key::require_live(tx, seller, input.key_id).await?;
    let address = Address {
        id: AddressId::new(ctx.now, &ctx.entropy),
        name: rules::text("name", &input.name, 1, 60)?,
        url: input.url.0,
        dialect: input.dialect,
        key_id: input.key_id,
        created_at: ctx.now,
        retired_at: None,
        version: 1,
    };
    store::insert_address(tx, seller, &address).await?;
    audit::record(tx, ctx, "sellers.address_created", &address.id, &particulars(&address)).await?;
    Ok(address)
}

fn particulars(address: &Address) -> serde_json::Value {
    json!({ "name": address.name, "url": address.url, "dialect": address.dialect, "key": address.key_id })
}

/// The production addresses of a seller, oldest first, with the retired ones.
///
/// # Errors
/// Those of the database.
pub async fn addresses(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Page<Address>> {
    let rows = store::addresses(tx, seller, page).await?;
    Ok(page.cut(rows, |address: &Address| address.id.to_string()))
}

/// One production address of a seller, retired or not.
///
/// # Errors
/// [`Code::NotFound`], also for addresses of other sellers.
pub async fn get_address(tx: &mut Tx, seller: AccountId, id: AddressId) -> Result<Address> {
    store::address(tx, seller, id).await?.ok_or_else(not_found)
}

/// Changes a production address, for every call from now on. Also a retired one: its subscriptions live on, and servers move.
///
/// # Errors
/// [`Code::NotFound`], [`Code::VersionStale`], [`Code::FieldInvalid`] for `name`, or for `key_id` unless it is as before or a live key of the seller.
pub async fn update_address(
    tx: &mut Tx,
    ctx: &Ctx,
    seller: AccountId,
    id: AddressId,
    input: AddressInput,
    expected_version: Option<i64>,
) -> Result<Address> {
    let before = get_address(tx, seller, id).await?;
    if expected_version.is_some_and(|version| version != before.version) {
        return Err(Refusal::new(Code::VersionStale).into());
    }
    if input.key_id != before.key_id {
        key::require_live(tx, seller, input.key_id).await?;
    }
    let name = rules::text("name", &input.name, 1, 60)?;
    let after =
        Address { name, url: input.url.0, dialect: input.dialect, key_id: input.key_id, version: before.version + 1, ..before.clone() };
    store::update_address(tx, &after).await?;
    let changed = json!({ "before": particulars(&before), "after": particulars(&after) });
    audit::record(tx, ctx, "sellers.address_updated", &id, &changed).await?;
    Ok(after)
}

/// Retires a production address; a second time changes nothing.
///
/// # Errors
/// [`Code::AddressInUse`] when `usage` says so, [`Code::NotFound`].
pub async fn retire_address(tx: &mut Tx, ctx: &Ctx, seller: AccountId, id: AddressId, usage: Usage) -> Result<Address> {
    let before = get_address(tx, seller, id).await?;
    if before.retired_at.is_some() {
        return Ok(before);
    }
    if usage == Usage::InUse {
        return Err(Refusal::new(Code::AddressInUse).into());
    }
    store::retire_address(tx, id, ctx.now).await?;
    audit::record(tx, ctx, "sellers.address_retired", &id, &json!({})).await?;
    get_address(tx, seller, id).await
}

/// All that a call to a seller's server needs.
#[derive(Clone, PartialEq, Eq)]
pub struct CallTarget {
    /// The address.
    pub address_id: AddressId,
    /// Whose server it is.
    pub seller_id: AccountId,
    /// Where the call goes.
    pub url: String,
    /// How it speaks.
    pub dialect: Dialect,
    /// The key that signs it, in clear.
    pub access_key: Zeroizing<String>,
}

impl fmt::Debug for CallTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallTarget").field("address_id", &self.address_id).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Where and how to call for a subscription that was opened at this address; retired or not.
///
/// # Errors
/// [`Code::NotFound`]; [`db::Error::Broken`] when the vault's master key is another one.
pub async fn call_target(tx: &mut Tx, vault: &Vault, id: AddressId) -> Result<CallTarget> {
    let (seller_id, url, dialect, key_id, sealed) = store::sealed_target(tx, id).await?.ok_or_else(not_found)?;
    let access_key = key::open(vault, key_id, &sealed)?;
    Ok(CallTarget { address_id: id, seller_id, url, dialect, access_key })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_plain_url_that_may_be_called() {
        let anything = |_: &str| Ok(());
        assert_eq!(check_url(" https://saas.example.com/produce ", &anything).unwrap().0, "https://saas.example.com/produce");
        assert_eq!(check_url("https://例子.中国/produce?a=b", &anything).unwrap().0, "https://xn--fsqu00a.xn--fiqs8s/produce?a=b");
        let long = format!("https://saas.example.com/{}", "a".repeat(URL_LEN_MAX));
        let long_once_parsed = format!("https://saas.example.com/{}", "云".repeat(100));
        for wrong in [
            "",
            "saas.example.com",
            "ftp://saas.example.com/",
            "https://wang@saas.example.com/",
            "https://:secret@saas.example.com/",
            "https://saas.example.com/#top",
            "https://",
            &long,
            &long_once_parsed,
        ] {
            assert_eq!(check_url(wrong, &anything).unwrap_err().code, Code::FieldInvalid, "{wrong}");
        }
        let refused = check_url("https://10.0.0.1/", &|_| Err("not-public".to_owned())).unwrap_err();
        assert_eq!(refused, Refusal::new(Code::AddressRefused).with("reason", "not-public"));
    }
}
