//! Where the seller's servers are called, and with which keys the calls are signed.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{AccountId, AddressId, Code, Ctx, SellerKeyId};
use market::calls;
use market::catalog;
use market::idempotency;
use market::sellers::{self, Address, AddressInput, Dialect, SellerKey, Usage};
use market::views::selling::KEY_OLD_MS;

use super::common::{addresses, signing_keys};
use crate::AppState;
use crate::auth::seller;
use crate::extract::{Form, Segment};
use crate::pages::again;
use crate::pages::form::Filled;
use crate::pages::form::{NoFields, Pairs, refused};
use crate::pages::parts::{Chip, Choice, Stamp};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, go_to_done, new_key};
use crate::problem::{ApiError, ApiResult};

struct AddressRow {
    href: String,
    name: String,
    url: String,
    key: String,
    chip: Chip,
    made: Stamp,
}

struct KeyRow {
    id: String,
    name: String,
    hint: String,
    made: Stamp,
    /// The live addresses that it signs the calls to.
    used_by: String,
    is_old: bool,
    chip: Chip,
}

fn key_rows(keys: &[SellerKey], own: &[Address], now: i64, words: &Words) -> Vec<KeyRow> {
    let row = |key: &SellerKey| {
        let users = own.iter().filter(|address| address.key_id == key.id && address.retired_at.is_none());
        let (word, tone) = if key.retired_at.is_some() { (words.state("retired"), "idle") } else { (words.s("page-sell-live"), "ok") };
        KeyRow {
            id: key.id.to_string(),
            name: key.name.clone(),
            hint: format!("…{}", key.hint),
            made: words.stamp(key.created_at, now),
            used_by: users.map(|address| address.name.as_str()).collect::<Vec<_>>().join(", "),
            is_old: key.retired_at.is_none() && now - key.created_at > KEY_OLD_MS,
            chip: Chip { word, tone },
        }
    };
    keys.iter().map(row).collect()
}

fn key_choices(keys: &[SellerKey], on: &str) -> Vec<Choice> {
    let live = keys.iter().filter(|key| key.retired_at.is_none() || key.id.to_string() == on);
    live.map(|key| Choice { value: key.id.to_string(), label: format!("{} (…{})", key.name, key.hint), on: key.id.to_string() == on })
        .collect()
}

/// How calls to an address stand.
fn address_chip(address: &Address, breaker: calls::Breaker, now: i64, words: &Words) -> Chip {
    if address.retired_at.is_some() {
        return Chip { word: words.state("retired"), tone: "idle" };
    }
    if breaker.is_open(now) {
        return Chip { word: words.s("page-sell-breaker-open"), tone: "bad" };
    }
    if breaker.failures > 0 {
        return Chip { word: words.s("page-sell-breaker-failing"), tone: "warn" };
    }
    Chip { word: words.s("page-sell-live"), tone: "ok" }
}

#[derive(Template)]
#[template(path = "seller/addresses.html")]
pub(crate) struct Addresses {
    shell: Shell,
    rows: Vec<AddressRow>,
    keys: Vec<KeyRow>,
    key_choices: Vec<Choice>,
    may_develop: bool,
    address_form: Filled,
    key_form: Filled,
    /// A key that has just been made: shown this once.
    secret: Option<(String, String)>,
    once: String,
}

#[derive(Default)]
struct Forms {
    address: Option<Filled>,
    key: Option<Filled>,
    secret: Option<(String, String)>,
}

async fn page(app: &AppState, shell: Shell, account: AccountId, ctx: &Ctx, may_develop: bool, forms: Forms) -> ApiResult<Addresses> {
    let now = ctx.now;
    let (own, breakers, keys) = app
        .read(async move |tx| {
            let own = addresses(tx, account).await?;
            let mut breakers = Vec::with_capacity(own.len());
            for address in &own {
                breakers.push(calls::breaker(tx, address.id).await?);
            }
            Ok((own, breakers, signing_keys(tx, account).await?))
        })
        .await?;
    let words = shell.t.clone();
    let rows = own.iter().zip(breakers).map(|(address, breaker)| AddressRow {
        href: format!("/seller/addresses/{}", address.id),
        name: address.name.clone(),
        url: address.url.clone(),
        key: keys.iter().find(|key| key.id == address.key_id).map_or_else(String::new, |key| key.name.clone()),
        chip: address_chip(address, breaker, now, &words),
        made: words.stamp(address.created_at, now),
    });
    let address_form =
        forms.address.unwrap_or_else(|| ["name", "url", "key_id"].iter().fold(Filled::default(), |form, name| form.with(name, "")));
    Ok(Addresses {
        rows: rows.collect(),
        keys: key_rows(&keys, &own, now, &words),
        key_choices: key_choices(&keys, address_form.value("key_id")),
        may_develop,
        address_form,
        key_form: forms.key.unwrap_or_else(|| Filled::default().with("key_name", "").with("key", "")),
        secret: forms.secret,
        once: new_key(ctx),
        shell,
    })
}

pub(crate) async fn list(State(app): State<AppState>, member: Member<seller::View>) -> ApiResult<Page<Addresses>> {
    let may_develop = member.may.principal.require(market::accounts::Permission::SellerDevelop).is_ok();
    let account = member.may.account();
    Ok(Page(page(&app, member.shell, account, &member.may.ctx, may_develop, Forms::default()).await?))
}

/// What was typed of an address.
fn input(app: &AppState, filled: &Filled) -> Result<AddressInput, kernel::Refusal> {
    let policy = app.settings().production_addresses;
    let allowed = |url: &str| outbound::check_url(url, policy).map(drop).map_err(|refused| refused.word().to_owned());
    let url = sellers::check_url(filled.value("url"), &allowed)?;
    let key_id: SellerKeyId = filled.value("key_id").parse().map_err(|_| kernel::Refusal::field("key_id", "required"))?;
    Ok(AddressInput { name: filled.value("name").to_owned(), url, dialect: Dialect::KoogalleryV2, key_id })
}

/// A refused address stands beside its field, also when it is the address itself that may not be called.
fn address_refused(filled: Filled, refusal: &kernel::Refusal, words: &Words) -> Filled {
    match refusal.code {
        Code::AddressRefused => filled.wrong_at_field("url", crate::problem::sentence(refusal, words.locale)),
        _ => filled.refused(refusal, words.locale),
    }
}

pub(crate) async fn create(State(app): State<AppState>, member: Member<seller::Develop>, form: Form<Pairs>) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx);
    let filled = Filled::of(form.fields.clone());
    let key = form.key(account, filled.value("once"));
    let made = match (input(&app, &filled), key) {
        (Ok(input), Ok(key)) => {
            let by = ctx.at(ctx.now);
            let create = async move |tx: &mut db::Tx| {
                idempotency::once(tx, &by, &key, async |tx: &mut db::Tx| {
                    Ok(serde_json::to_value(sellers::create_address(tx, &by, account, input.clone()).await?)?)
                })
                .await
            };
            app.write(create).await
        }
        (Err(refusal), _) | (_, Err(refusal)) => Err(ApiError::Refused(refusal)),
    };
    match made {
        Ok(_) => Ok(go_to_done("/seller/addresses", "address-created").into_response()),
        Err(error) => {
            let refusal = refused(error)?;
            let filled = address_refused(filled, &refusal, &member.shell.t);
            let forms = Forms { address: Some(filled), ..Forms::default() };
            Ok(again(&refusal, page(&app, member.shell, account, &ctx, true, forms).await?))
        }
    }
}

pub(crate) async fn create_key(State(app): State<AppState>, member: Member<seller::Develop>, form: Form<Pairs>) -> ApiResult<Response> {
    let (account, ctx, market) = (member.may.account(), member.may.ctx, app.market().clone());
    let filled = Filled::of(form.fields);
    let (name, by) = (filled.value("key_name").to_owned(), ctx.at(ctx.now));
    let brought = Some(filled.trimmed("key").to_owned()).filter(|key| !key.is_empty());
    let create = async move |tx: &mut db::Tx| sellers::create_key(tx, &by, market.vault(), account, &name, brought.clone()).await;
    match app.write(create).await {
        Ok((key, secret)) => {
            // A page of its own would need the secret in its address: it is shown by the answer itself, this once.
            let forms = Forms { secret: Some((key.name, secret)), ..Forms::default() };
            Ok(Page(page(&app, member.shell, account, &ctx, true, forms).await?).into_response())
        }
        Err(error) => {
            let refusal = refused(error)?;
            let refusal_here = rename(&refusal, "name", "key_name");
            let forms = Forms { key: Some(filled.with("key", "").refused(&refusal_here, member.shell.t.locale)), ..Forms::default() };
            Ok(again(&refusal, page(&app, member.shell, account, &ctx, true, forms).await?))
        }
    }
}

/// A refusal about a field that the form calls otherwise.
fn rename(refusal: &kernel::Refusal, from: &str, to: &str) -> kernel::Refusal {
    let mut renamed = refusal.clone();
    for (name, value) in &mut renamed.args {
        if *name == "field" && value == from {
            to.clone_into(value);
        }
    }
    renamed
}

pub(crate) async fn retire_key(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<SellerKeyId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx);
    app.write(async move |tx| sellers::retire_key(tx, &ctx, account, id).await).await?;
    Ok(go_to_done("/seller/addresses", "signing-key-retired").into_response())
}

#[derive(Template)]
#[template(path = "seller/address.html")]
pub(crate) struct AddressPage {
    shell: Shell,
    id: String,
    name: String,
    chip: Chip,
    is_retired: bool,
    failures: i64,
    waits_until: Option<Stamp>,
    in_use: bool,
    keys: Vec<Choice>,
    filled: Filled,
    may_develop: bool,
}

async fn address_page(
    app: &AppState,
    shell: Shell,
    account: AccountId,
    ctx: &Ctx,
    id: AddressId,
    may_develop: bool,
    filled: Option<Filled>,
) -> ApiResult<AddressPage> {
    let now = ctx.now;
    let (address, breaker, keys, in_use) = app
        .read(async move |tx| {
            let address = sellers::get_address(tx, account, id).await?;
            let breaker = calls::breaker(tx, id).await?;
            Ok((address, breaker, signing_keys(tx, account).await?, catalog::address_in_use(tx, id).await?))
        })
        .await?;
    let words = shell.t.clone();
    let of_address = || {
        Filled::default()
            .with("name", address.name.as_str())
            .with("url", address.url.as_str())
            .with("key_id", address.key_id.to_string())
            .with("version", address.version.to_string())
    };
    let filled = filled.unwrap_or_else(of_address);
    Ok(AddressPage {
        id: id.to_string(),
        name: address.name.clone(),
        chip: address_chip(&address, breaker, now, &words),
        is_retired: address.retired_at.is_some(),
        failures: breaker.failures,
        waits_until: breaker.is_open(now).then(|| words.stamp(breaker.open_until, now)),
        in_use,
        keys: key_choices(&keys, filled.value("key_id")),
        filled,
        may_develop,
        shell,
    })
}

pub(crate) async fn address(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Segment(id): Segment<AddressId>,
) -> ApiResult<Page<AddressPage>> {
    let may_develop = member.may.principal.require(market::accounts::Permission::SellerDevelop).is_ok();
    let account = member.may.account();
    Ok(Page(address_page(&app, member.shell, account, &member.may.ctx, id, may_develop, None).await?))
}

pub(crate) async fn update(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<AddressId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx);
    let mut filled = Filled::of(form.fields);
    let version: Option<i64> = filled.value("version").parse().ok();
    let changed = match input(&app, &filled) {
        Ok(input) => {
            let by = ctx.at(ctx.now);
            let change =
                async move |tx: &mut db::Tx| sellers::update_address(tx, &by, account, id, input.clone(), Some(version.unwrap_or(0))).await;
            app.write(change).await
        }
        Err(refusal) => Err(ApiError::Refused(refusal)),
    };
    match changed {
        Ok(_) => Ok(go_to_done(&format!("/seller/addresses/{id}"), "saved").into_response()),
        Err(error) => {
            let refusal = refused(error)?;
            filled = address_refused(filled, &refusal, &member.shell.t);
            if refusal.code == Code::VersionStale {
                // Whoever saves again has read that it was changed meanwhile.
                let now = app.read(async move |tx| sellers::get_address(tx, account, id).await).await?;
                filled = filled.with("version", now.version.to_string());
            }
            Ok(again(&refusal, address_page(&app, member.shell, account, &ctx, id, true, Some(filled)).await?))
        }
    }
}

pub(crate) async fn retire(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<AddressId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx);
    let retire = async move |tx: &mut db::Tx| {
        let usage = if catalog::address_in_use(tx, id).await? { Usage::InUse } else { Usage::Unused };
        sellers::retire_address(tx, &ctx, account, id, usage).await
    };
    app.write(retire).await?;
    Ok(go_to_done(&format!("/seller/addresses/{id}"), "address-retired").into_response())
}
