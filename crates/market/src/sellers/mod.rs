//! Sellers: the application to sell, the seller's data, the keys that sign our calls and the production addresses we call (spec: business
//! §1.2, protocol §1.1).
//!
//! Invariants:
//! * an account sells while its state is `approved`, and its own row says so ([`crate::accounts::Account::seller_at`]) in the same transaction;
//! * bank accounts and signing keys are sealed by the vault; of both only the last characters are shown, a signing key once in full;
//! * an address names a key of the same seller, and a key is not retired while a live address names it;
//! * a retired address can still be called for the subscriptions that were opened there.
//!
//! Left out: agreements, deposits and certification of the seller's bank data (spec: business §1.2), usage of addresses by products, which
//! the caller tells ([`Usage`]).

mod address;
mod key;
mod state;
mod store;

use std::fmt;

use db::{OnConstraint, Result, Tx};
use kernel::{AccountId, Code, Ctx, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::accounts::{self, rules};
use crate::audit;
use crate::notices::{self, NoticeKind};
use crate::page::{Page, PageRequest};
use crate::vault::Vault;

pub use address::{
    ADDRESSES_MAX, Address, AddressInput, CallTarget, CheckedUrl, Dialect, URL_LEN_MAX, Usage, addresses, call_target, check_url,
    create_address, get_address, retire_address, update_address,
};
pub use key::{KEYS_MAX, SellerKey, create_key, get_key, keys, retire_key};
pub use state::{Event, REAPPLY_AFTER_MS, SellerState, TABLE};

/// Characters of the company's website address.
const WEBSITE_LEN_MAX: usize = 255;
/// Letters and digits of a bank account number (an IBAN has up to 34).
const BANK_NUMBER_CHARS: (usize, usize) = (6, 34);
/// How many of them are shown.
const BANK_HINT_LEN: usize = 4;

/// A seller, or an account that wants to become one.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Seller {
    /// The account.
    pub account_id: AccountId,
    /// Where the application stands.
    pub state: SellerState,
    /// The company's name, as on its licence.
    pub company: String,
    /// The company's website.
    pub website: String,
    /// Whom to ask.
    pub contact_name: String,
    /// Their e-mail address.
    pub contact_email: String,
    /// Their phone number.
    pub contact_phone: String,
    /// The bank that payouts go to.
    pub bank_name: String,
    /// The last four characters of the bank account.
    pub bank_account_hint: String,
    /// When the application was sent, market ms UTC.
    pub applied_at: i64,
    /// When it was decided, or when the seller left, market ms UTC.
    pub decided_at: Option<i64>,
    /// Who decided: as in the audit.
    pub decided_by: Option<String>,
    /// Why it was rejected, or why the seller left.
    pub reason: Option<String>,
    /// Counts the changes.
    pub version: i64,
}

/// A bank account. Shows nothing of its number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BankAccount {
    /// The bank, 2 to 120 characters.
    pub name: String,
    /// The number: 6 to 34 letters and digits; spaces and hyphens are left out.
    pub number: String,
}

impl fmt::Debug for BankAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BankAccount").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The application to sell (spec: business §1.2, the registration form).
#[derive(Clone, Debug, PartialEq, Deserialize, utoipa::ToSchema)]
pub struct Application {
    /// The company's name as on its licence, 2 to 120 characters. Cannot be changed by the seller later.
    pub company: String,
    /// Its website, `http` or `https`, by name.
    pub website: String,
    /// Whom to ask, 1 to 60 characters.
    pub contact_name: String,
    /// Their e-mail address.
    pub contact_email: String,
    /// Their phone number.
    pub contact_phone: String,
    /// Where payouts go.
    pub bank: BankAccount,
}

/// What a seller may change without a new review.
#[derive(Clone, Debug, PartialEq, Deserialize, utoipa::ToSchema)]
pub struct SellerDetails {
    /// The company's website.
    pub website: String,
    /// Whom to ask.
    pub contact_name: String,
    /// Their e-mail address.
    pub contact_email: String,
    /// Their phone number.
    pub contact_phone: String,
    /// Where payouts go; none leaves it as it is.
    pub bank: Option<BankAccount>,
}

/// What the operator says to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The account may sell.
    Approve,
    /// It may not; it may apply again.
    Reject {
        /// Why, 1 to 500 characters; the seller reads it.
        reason: String,
    },
}

/// What was typed, checked and sealed.
struct Checked {
    website: String,
    contact_name: String,
    contact_email: String,
    contact_phone: String,
    bank: Option<SealedBank>,
}

/// A bank account on its way into the database.
struct SealedBank {
    name: String,
    sealed: Vec<u8>,
    hint: String,
}

fn not_found() -> db::Error {
    Refusal::new(Code::NotFound).into()
}

/// Whose secret a sealed bank account is.
fn bank_owner(account: AccountId) -> String {
    format!("{account}:bank")
}

fn check(ctx: &Ctx, vault: &Vault, account: AccountId, details: &SellerDetails) -> Result<Checked, Refusal> {
    let contact_phone = rules::phone("contact_phone", &details.contact_phone)?;
    if contact_phone.is_empty() {
        return Err(Refusal::field("contact_phone", "required"));
    }
    Ok(Checked {
        website: check_website(&details.website)?,
        contact_name: rules::text("contact_name", &details.contact_name, 1, 60)?,
        contact_email: rules::email("contact_email", &details.contact_email)?,
        contact_phone,
        bank: details.bank.as_ref().map(|bank| seal_bank(ctx, vault, account, bank)).transpose()?,
    })
}

/// The address of a website: by name, for people (spec: business §1.2).
fn check_website(text: &str) -> Result<String, Refusal> {
    let text = rules::text("website", text, 1, WEBSITE_LEN_MAX)?;
    let wrong = || Refusal::field("website", "url");
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let by_name = matches!(url.host(), Some(Host::Domain(name)) if name.trim_end_matches('.').contains('.'));
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    if by_name && plain { Ok(url.into()) } else { Err(wrong()) }
}

fn seal_bank(ctx: &Ctx, vault: &Vault, account: AccountId, bank: &BankAccount) -> Result<SealedBank, Refusal> {
    let name = rules::text("bank.name", &bank.name, 2, 120)?;
    let number: Zeroizing<String> = Zeroizing::new(bank.number.chars().filter(|c| !c.is_whitespace() && *c != '-').collect());
    let fits = number.bytes().all(|b| b.is_ascii_alphanumeric()) && (BANK_NUMBER_CHARS.0..=BANK_NUMBER_CHARS.1).contains(&number.len());
    if !fits {
        return Err(Refusal::field("bank.number", "bank_account"));
    }
    let sealed = vault.seal(&bank_owner(account), number.as_bytes(), &ctx.entropy);
    Ok(SealedBank { name, sealed, hint: number[number.len() - BANK_HINT_LEN..].to_owned() })
}

/// Sends the application of an account, for the first time or again after a rejection or an exit.
///
/// # Errors
/// [`Code::AlreadySeller`] while one is under review or approved, [`Code::SellerExited`] within 90 days of an exit, [`Code::FieldInvalid`],
/// [`Code::NotFound`] for the account.
pub async fn apply(tx: &mut Tx, ctx: &Ctx, vault: &Vault, account: AccountId, application: Application) -> Result<Seller> {
    accounts::get(tx, account).await?;
    let before = store::seller(tx, account).await?;
    let state = state::decide(before.as_ref().map(|seller| (seller.state, seller.decided_at)), Event::Apply, ctx.now)?;
    let company = rules::text("company", &application.company, 2, 120)?;
    let details = SellerDetails {
        website: application.website,
        contact_name: application.contact_name,
        contact_email: application.contact_email,
        contact_phone: application.contact_phone,
        bank: Some(application.bank),
    };
    let checked = check(ctx, vault, account, &details)?;
    match &before {
        None => store::insert_seller(tx, account, state, &company, &checked, ctx.now)
            .await
            .on_constraint("sellers_pkey", Code::AlreadySeller)?,
        Some(before) => {
            store::apply_again(tx, before, state, &company, ctx.now).await?;
            store::update_details(tx, account, &checked).await?;
        }
    }
    audit::record(tx, ctx, "sellers.applied", &account, &json!({ "company": company, "website": checked.website })).await?;
    get(tx, account).await
}

/// Decides an application under review; tells the account. With an approval its owners also become owners of the seller's side.
///
/// # Errors
/// [`Code::NotFound`], [`Code::ReviewDecided`], [`Code::FieldInvalid`] for `reason`.
pub async fn decide(tx: &mut Tx, ctx: &Ctx, account: AccountId, decision: Decision) -> Result<Seller> {
    let (event, reason) = match decision {
        Decision::Approve => (Event::Approve, None),
        Decision::Reject { reason } => (Event::Reject, Some(one_line("reason", &reason)?)),
    };
    let after = step(tx, ctx, account, event, reason.as_deref()).await?;
    if after.state == SellerState::Approved {
        accounts::admit_seller(tx, ctx, account).await?;
    }
    let told = json!({ "state": after.state, "reason": reason });
    notices::send(tx, ctx, account, NoticeKind::ApplicationDecided, &account, &told).await?;
    audit::record(tx, ctx, "sellers.decided", &account, &told).await?;
    Ok(after)
}

/// Ends the selling of an account, by itself or by the operator. `open_order` is an order of its customers that has not ended, if there is
/// one: the caller knows (spec: business §1.2, open orders must end first).
///
/// # Errors
/// [`Code::OrderOpen`], [`Code::NotSeller`] unless approved, [`Code::NotFound`], [`Code::FieldInvalid`] for `reason`.
pub async fn exit(tx: &mut Tx, ctx: &Ctx, account: AccountId, open_order: Option<&str>, reason: &str) -> Result<Seller> {
    let reason = one_line("reason", reason)?;
    let after = step(tx, ctx, account, Event::Exit, Some(&reason)).await?;
    if let Some(order) = open_order {
        return Err(Refusal::new(Code::OrderOpen).with("order", order).into());
    }
    accounts::dismiss_seller(tx, ctx, account).await?;
    audit::record(tx, ctx, "sellers.exited", &account, &json!({ "reason": reason })).await?;
    Ok(after)
}

fn one_line(field: &'static str, text: &str) -> Result<String, Refusal> {
    rules::text(field, &text.split_whitespace().collect::<Vec<_>>().join(" "), 1, 500)
}

async fn step(tx: &mut Tx, ctx: &Ctx, account: AccountId, event: Event, reason: Option<&str>) -> Result<Seller> {
    let before = get(tx, account).await?;
    let next = state::decide(Some((before.state, before.decided_at)), event, ctx.now)?;
    store::set_state(tx, &before, next, ctx.now, &ctx.actor.label(), reason).await?;
    get(tx, account).await
}

/// The seller's data of an account, whatever state it is in.
///
/// # Errors
/// [`Code::NotFound`] when the account never applied.
pub async fn get(tx: &mut Tx, account: AccountId) -> Result<Seller> {
    store::seller(tx, account).await?.ok_or_else(not_found)
}

/// Refuses unless the account is an approved seller.
///
/// # Errors
/// [`Code::NotSeller`].
pub async fn require_approved(tx: &mut Tx, account: AccountId) -> Result<()> {
    match store::seller(tx, account).await? {
        Some(Seller { state: SellerState::Approved, .. }) => Ok(()),
        _ => Err(Refusal::new(Code::NotSeller).into()),
    }
}

/// Everybody who applied, by account; only those in `state` when one is given. For the operator.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, state: Option<SellerState>, page: &PageRequest) -> Result<Page<Seller>> {
    let rows = store::sellers(tx, state, page).await?;
    Ok(page.cut(rows, |seller: &Seller| seller.account_id.to_string()))
}

/// Changes what needs no new review. A new company name needs a new application (spec: business §1.2).
///
/// # Errors
/// [`Code::NotFound`], [`Code::NotSeller`] after a rejection or an exit, [`Code::VersionStale`], [`Code::FieldInvalid`].
pub async fn update_details(
    tx: &mut Tx,
    ctx: &Ctx,
    vault: &Vault,
    account: AccountId,
    details: SellerDetails,
    expected_version: Option<i64>,
) -> Result<Seller> {
    let before = get(tx, account).await?;
    if !matches!(before.state, SellerState::Applied | SellerState::Approved) {
        return Err(Refusal::new(Code::NotSeller).into());
    }
    if expected_version.is_some_and(|version| version != before.version) {
        return Err(Refusal::new(Code::VersionStale).into());
    }
    let checked = check(ctx, vault, account, &details)?;
    store::update_details(tx, account, &checked).await?;
    let bank = checked.bank.as_ref().map(|bank| json!({ "name": bank.name, "ends_with": bank.hint }));
    let changed = json!({
        "website": checked.website, "contact_name": checked.contact_name, "contact_email": checked.contact_email,
        "contact_phone": checked.contact_phone, "bank": bank,
    });
    audit::record(tx, ctx, "sellers.updated", &account, &changed).await?;
    get(tx, account).await
}

/// Where to pay a seller, in full, for whoever makes the transfer. Leaves a trace.
///
/// # Errors
/// [`Code::NotFound`]; [`db::Error::Broken`] when the vault's master key is another one.
pub async fn reveal_bank_account(tx: &mut Tx, ctx: &Ctx, vault: &Vault, account: AccountId) -> Result<BankAccount> {
    let (name, sealed) = store::sealed_bank(tx, account).await?.ok_or_else(not_found)?;
    let number = vault.open_text(&bank_owner(account), &sealed)?;
    audit::record(tx, ctx, "sellers.bank_account_shown", &account, &json!({})).await?;
    Ok(BankAccount { name, number })
}
