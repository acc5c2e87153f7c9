//! Becoming a seller, and what a seller says of themselves.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{AccountId, Code};
use market::accounts::Permission;
use market::sellers::{self, Application, BankAccount, Seller, SellerDetails, SellerState};

use crate::AppState;
use crate::auth::{applicant, buyer, seller};
use crate::extract::Form;
use crate::pages::again;
use crate::pages::form::Filled;
use crate::pages::form::{Pairs, refused};
use crate::pages::parts::{Chip, Stamp};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::states::Shown;
use crate::pages::{Page, go_to_done};
use crate::problem::{ApiError, ApiResult};

const FIELDS: [&str; 7] = ["company", "website", "contact_name", "contact_email", "contact_phone", "bank.name", "bank.number"];

#[derive(Template)]
#[template(path = "seller/apply.html")]
pub(crate) struct Apply {
    shell: Shell,
    filled: Filled,
    /// Where the application stands; nowhere when none was sent yet.
    chip: Option<Chip>,
    company: String,
    applied: Option<Stamp>,
    decided: Option<Stamp>,
    reason: String,
    bank_hint: String,
    /// Which of the steps is at hand, from 1.
    step: usize,
    steps: Vec<String>,
    may_apply: bool,
    may_change: bool,
}

fn chip(state: SellerState, words: &Words) -> Chip {
    Chip { word: words.s(&format!("page-sell-application-{}", state.word())), tone: state.tone() }
}

fn written(seller: Option<&Seller>) -> Filled {
    let empty = FIELDS.iter().fold(Filled::default(), |filled, name| filled.with(name, ""));
    let Some(seller) = seller else { return empty };
    empty
        .with("company", seller.company.as_str())
        .with("website", seller.website.as_str())
        .with("contact_name", seller.contact_name.as_str())
        .with("contact_email", seller.contact_email.as_str())
        .with("contact_phone", seller.contact_phone.as_str())
        .with(
            "bank.name",
            if matches!(seller.state, SellerState::Applied | SellerState::Approved) { "" } else { seller.bank_name.as_str() },
        )
        .with("version", seller.version.to_string())
}

/// What the reader may do about it.
#[derive(Clone, Copy)]
struct Able {
    apply: bool,
    change: bool,
}

async fn page(app: &AppState, shell: Shell, account: AccountId, now: i64, able: Able, filled: Option<Filled>) -> ApiResult<Apply> {
    let found = app.read(async move |tx| sellers::get(tx, account).await).await;
    let seller = match found {
        Ok(seller) => Some(seller),
        Err(ApiError::Refused(refusal)) if refusal.code == Code::NotFound => None,
        Err(fault) => return Err(fault),
    };
    let words = shell.t.clone();
    let state = seller.as_ref().map(|seller| seller.state);
    let is_open = matches!(state, Some(SellerState::Applied | SellerState::Approved));
    Ok(Apply {
        filled: filled.unwrap_or_else(|| written(seller.as_ref())),
        chip: state.map(|state| chip(state, &words)),
        company: seller.as_ref().map_or_else(String::new, |seller| seller.company.clone()),
        applied: seller.as_ref().map(|seller| words.stamp(seller.applied_at, now)),
        decided: seller.as_ref().and_then(|seller| seller.decided_at).map(|at| words.stamp(at, now)),
        reason: seller
            .as_ref()
            .filter(|seller| !is_open || seller.state == SellerState::Exited)
            .and_then(|seller| seller.reason.clone())
            .unwrap_or_default(),
        bank_hint: seller.as_ref().map_or_else(String::new, |seller| format!("{} …{}", seller.bank_name, seller.bank_account_hint)),
        step: match state {
            Some(SellerState::Applied) => 2,
            Some(SellerState::Approved) => 3,
            Some(SellerState::Rejected | SellerState::Exited) | None => 1,
        },
        steps: ["page-sell-apply-step-form", "page-sell-apply-step-review", "page-sell-apply-step-sell"]
            .iter()
            .map(|key| words.s(key))
            .collect(),
        may_apply: able.apply && !is_open,
        may_change: able.change && is_open,
        shell,
    })
}

fn able<R>(member: &Member<R>) -> Able {
    let can = |permission| member.may.principal.permissions.contains(&permission);
    Able { apply: can(Permission::BuyerManage), change: can(Permission::SellerManage) }
}

pub(crate) async fn show(State(app): State<AppState>, member: Member<applicant::View>) -> ApiResult<Page<Apply>> {
    let (account, able) = (member.may.principal.account, able(&member));
    Ok(Page(page(&app, member.shell, account, member.may.ctx.now, able, None).await?))
}

fn bank(filled: &Filled) -> BankAccount {
    BankAccount { name: filled.value("bank.name").to_owned(), number: filled.value("bank.number").to_owned() }
}

pub(crate) async fn apply(State(app): State<AppState>, member: Member<buyer::Manage>, form: Form<Pairs>) -> ApiResult<Response> {
    let (account, able, ctx, market) =
        (member.may.principal.account, able(&member), member.may.ctx.at(member.may.ctx.now), app.market().clone());
    let filled = Filled::of(form.fields);
    let text = |name: &str| filled.value(name).to_owned();
    let application = Application {
        company: text("company"),
        website: text("website"),
        contact_name: text("contact_name"),
        contact_email: text("contact_email"),
        contact_phone: text("contact_phone"),
        bank: bank(&filled),
    };
    let act = async move |tx: &mut db::Tx| sellers::apply(tx, &ctx, market.vault(), account, application.clone()).await;
    match app.write(act).await {
        Ok(_) => Ok(go_to_done("/seller/apply", "application-sent").into_response()),
        Err(error) => {
            let refusal = refused(error)?;
            let filled = filled.refused(&refusal, member.shell.t.locale);
            Ok(again(&refusal, page(&app, member.shell, account, member.may.ctx.now, able, Some(filled)).await?))
        }
    }
}

pub(crate) async fn change(State(app): State<AppState>, member: Member<seller::Manage>, form: Form<Pairs>) -> ApiResult<Response> {
    let (account, able, ctx, market) =
        (member.may.principal.account, able(&member), member.may.ctx.at(member.may.ctx.now), app.market().clone());
    let mut filled = Filled::of(form.fields);
    let text = |name: &str| filled.value(name).to_owned();
    // A bank account is changed as a whole; left empty, it stays as it is.
    let is_changed = ["bank.name", "bank.number"].iter().any(|name| !filled.trimmed(name).is_empty());
    let details = SellerDetails {
        website: text("website"),
        contact_name: text("contact_name"),
        contact_email: text("contact_email"),
        contact_phone: text("contact_phone"),
        bank: is_changed.then(|| bank(&filled)),
    };
    let version = filled.value("version").parse().unwrap_or(0);
    let act = async move |tx: &mut db::Tx| sellers::update_details(tx, &ctx, market.vault(), account, details.clone(), Some(version)).await;
    match app.write(act).await {
        Ok(_) => Ok(go_to_done("/seller/apply", "saved").into_response()),
        Err(error) => {
            let refusal = refused(error)?;
            filled = filled.refused(&refusal, member.shell.t.locale);
            if refusal.code == Code::VersionStale {
                let now = app.read(async move |tx| sellers::get(tx, account).await).await?;
                filled = filled.with("version", now.version.to_string());
            }
            Ok(again(&refusal, page(&app, member.shell, account, member.may.ctx.now, able, Some(filled)).await?))
        }
    }
}
