//! Interface debugging: a seller tries a request out against their own server, reads what came of it, and keeps what passed as a test case
//! (spec: protocol §1.13, business §3.4.2, §3.8).
//!
//! Invariants: every request of a try carries `testFlag=1`; nothing of a try enters subscriptions, orders, calls, breakers or the ledger; no
//! transaction is open while the server is waited for; secrets are masked before they are stored; a test case was once a try that passed.
//!
//! Leaves out: whether a product has the cases that its editions need, and the daily probing with them (later issues).

mod judge;
mod scenes;
mod store;

use db::{Result, Tx};
use kernel::{AccountId, AddressId, Code, Ctx, DebugCaseId, DebugTryId, Refusal};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::accounts::rules;
use crate::market::Market;
use crate::page::{Page, PageRequest};
use crate::sellers::CallTarget;
use crate::{audit, delivery, sellers};

pub use judge::{Finding, Weight};
pub use scenes::{DebugField, DebugScene, Parameters, Signing};

/// Tries of one seller in a minute of the machine's time: a server is tried out, not put under load. `[ours]`
pub const TRIES_PER_MINUTE: i64 = 60;
/// The tries of a seller that are kept; older ones are forgotten. `[ours]`
pub const TRIES_KEPT: i64 = 500;
/// The test cases of one production address. `[ours]`
pub const CASES_MAX: i64 = 200;
/// Characters of a test case's name.
pub const CASE_NAME_MAX: usize = 60;

kernel::words! {
    /// What became of a try.
    pub enum DebugVerdict {
        /// The server has not answered yet; of an old try: the marketplace was stopped before it did.
        Sending = "sending",
        /// Nothing must be put right.
        Passed = "passed",
        /// Something must be put right.
        Failed = "failed",
    }
}

/// What is to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// The production address.
    pub address: AddressId,
    /// What is tried there.
    pub scene: DebugScene,
    /// How it is signed.
    pub signing: Signing,
    /// What was filled in.
    pub parameters: Parameters,
    /// The test case that this is a run of.
    pub case: Option<DebugCaseId>,
}

/// A request that was tried out, and what came of it; secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Try {
    /// Its id.
    pub id: DebugTryId,
    /// The production address.
    pub address_id: AddressId,
    /// The test case that this was a run of.
    pub case_id: Option<DebugCaseId>,
    /// What was tried.
    pub scene: DebugScene,
    /// How it was signed.
    pub signing: Signing,
    /// What was filled in.
    pub parameters: Parameters,
    /// When, market ms UTC.
    pub at: i64,
    /// When by the machine's time, ms UTC: what the signature was made with.
    pub wall_at: i64,
    /// Who: as in the audit.
    pub tried_by: String,
    /// What became of it.
    pub verdict: DebugVerdict,
    /// The full URL, its signature masked.
    pub url: String,
    /// The body that was sent.
    pub request_body: String,
    /// The HTTP status of the answer.
    pub status: Option<i64>,
    /// The content type of the answer.
    pub answer_type: Option<String>,
    /// The answer's body, passwords masked; cut when very long.
    pub answer_body: Option<String>,
    /// How long it took.
    pub elapsed_ms: Option<i64>,
    /// What was found, what matters most first.
    pub findings: Vec<Finding>,
}

/// A try that passed, kept under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TestCase {
    /// Its id.
    pub id: DebugCaseId,
    /// The production address.
    pub address_id: AddressId,
    /// What it is called; each name once at an address.
    pub name: String,
    /// What is tried.
    pub scene: DebugScene,
    /// How it is signed.
    pub signing: Signing,
    /// What is filled in.
    pub parameters: Parameters,
    /// When it was saved, market ms UTC.
    pub created_at: i64,
    /// Who saved it: as in the audit.
    pub created_by: String,
    /// The last try of it.
    pub last_try_id: Option<DebugTryId>,
    /// When that was, market ms UTC.
    pub last_at: i64,
    /// What became of it.
    pub last_verdict: DebugVerdict,
}

fn not_found() -> db::Error {
    Refusal::new(Code::NotFound).into()
}

/// Sends a request to the seller's own server and judges the answer.
///
/// # Errors
/// [`Code::NotFound`] for an address that is not the seller's; [`Code::FieldInvalid`] with the field of the form;
/// [`Code::TooManyRequests`] beyond [`TRIES_PER_MINUTE`].
pub async fn run(market: &Market, ctx: &Ctx, seller: AccountId, attempted: Attempted) -> Result<Try> {
    let parameters = attempted.parameters.of_scene(attempted.scene);
    let request = attempted.scene.request(&parameters, delivery::business_id(&ctx.entropy))?;
    let new = Try {
        id: DebugTryId::new(ctx.now, &ctx.entropy),
        address_id: attempted.address,
        case_id: attempted.case,
        scene: attempted.scene,
        signing: attempted.signing,
        parameters,
        at: ctx.now,
        wall_at: ctx.wall,
        tried_by: ctx.actor.label(),
        verdict: DebugVerdict::Sending,
        url: String::new(),
        request_body: String::new(),
        status: None,
        answer_type: None,
        answer_body: None,
        elapsed_ms: None,
        findings: Vec::new(),
    };
    let (beginner, begin_ctx) = (market.clone(), ctx.at(ctx.now));
    let (mut tried, target) = market.db().write(async move |tx| begin(tx, &begin_ctx, &beginner, seller, new.clone()).await).await?;
    let target = match tried.signing {
        Signing::Right => target,
        Signing::Forged => CallTarget { access_key: Zeroizing::new(hex::encode(ctx.entropy.bytes::<16>())), ..target },
    };
    let out = delivery::try_out(market, &target, &request, ctx.now).await;
    let back = judge::Back { outcome: &out.outcome, warnings: &out.warnings, elapsed_ms: out.attempt.elapsed_ms };
    (tried.verdict, tried.findings) = judge::judge(tried.scene, tried.signing, &tried.parameters, back);
    let attempt = out.attempt;
    tried.url = attempt.url;
    tried.request_body = attempt.request_body;
    tried.status = attempt.status;
    tried.answer_type = attempt.answer_type;
    tried.answer_body = attempt.answer_body;
    tried.elapsed_ms = Some(attempt.elapsed_ms);
    let ctx = ctx.at(ctx.now);
    market.db().write(async move |tx| conclude(tx, &ctx, &tried).await.map(|()| tried.clone())).await
}

async fn begin(tx: &mut Tx, ctx: &Ctx, market: &Market, seller: AccountId, mut new: Try) -> Result<(Try, CallTarget)> {
    // Whose it is; the target is found by the address alone.
    sellers::get_address(tx, seller, new.address_id).await?;
    let target = sellers::call_target(tx, market.vault(), new.address_id).await?;
    if store::begun_since(tx, seller, ctx.wall - 60_000).await? >= TRIES_PER_MINUTE {
        return Err(Refusal::new(Code::TooManyRequests).with("seconds", 60).into());
    }
    new.id = DebugTryId::new_after(store::newest(tx, seller).await?, ctx.now, &ctx.entropy);
    store::insert(tx, seller, &new).await?;
    store::forget_old(tx, seller, TRIES_KEPT).await?;
    Ok((new, target))
}

async fn conclude(tx: &mut Tx, ctx: &Ctx, tried: &Try) -> Result<()> {
    store::conclude(tx, tried).await?;
    if let Some(case) = tried.case_id {
        store::note_run(tx, case, tried).await?;
    }
    let detail = json!({ "address": tried.address_id, "scene": tried.scene, "signing": tried.signing, "verdict": tried.verdict });
    audit::record(tx, ctx, "debugging.tried", &tried.id, &detail).await
}

/// A try of a seller.
///
/// # Errors
/// [`Code::NotFound`], also for those of others and for what was forgotten.
pub async fn get(tx: &mut Tx, seller: AccountId, id: DebugTryId) -> Result<Try> {
    store::find(tx, seller, id).await?.ok_or_else(not_found)
}

/// The tries of a seller, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Page<Try>> {
    let rows = store::list(tx, seller, page).await?;
    Ok(page.cut(rows, |tried: &Try| tried.id.to_string()))
}

/// Keeps a try that passed as a test case.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::DebugNotPassed`]; [`Code::FieldInvalid`] for `name`; [`Code::CaseNameTaken`]; [`Code::TooMany`] beyond
/// [`CASES_MAX`] at the address.
pub async fn save_case(tx: &mut Tx, ctx: &Ctx, seller: AccountId, id: DebugTryId, name: &str) -> Result<TestCase> {
    let tried = get(tx, seller, id).await?;
    if tried.verdict != DebugVerdict::Passed {
        return Err(Refusal::new(Code::DebugNotPassed).into());
    }
    let name = rules::text("name", name, 1, CASE_NAME_MAX)?;
    rules::at_most(store::count_cases(tx, tried.address_id).await? + 1, CASES_MAX)?;
    if store::has_name(tx, tried.address_id, &name).await? {
        return Err(Refusal::new(Code::CaseNameTaken).into());
    }
    let case = TestCase {
        id: DebugCaseId::new(ctx.now, &ctx.entropy),
        address_id: tried.address_id,
        name,
        scene: tried.scene,
        signing: tried.signing,
        parameters: tried.parameters,
        created_at: ctx.now,
        created_by: ctx.actor.label(),
        last_try_id: Some(tried.id),
        last_at: tried.at,
        last_verdict: tried.verdict,
    };
    store::insert_case(tx, seller, &case).await?;
    let detail = json!({ "address": case.address_id, "name": case.name, "scene": case.scene });
    audit::record(tx, ctx, "debugging.case_saved", &case.id, &detail).await?;
    Ok(case)
}

/// A test case of a seller.
///
/// # Errors
/// [`Code::NotFound`], also for those of others.
pub async fn get_case(tx: &mut Tx, seller: AccountId, id: DebugCaseId) -> Result<TestCase> {
    store::find_case(tx, seller, id).await?.ok_or_else(not_found)
}

/// The test cases of a seller, oldest first; of one address when it is given.
///
/// # Errors
/// Those of the database.
pub async fn cases(tx: &mut Tx, seller: AccountId, address: Option<AddressId>, page: &PageRequest) -> Result<Page<TestCase>> {
    let rows = store::cases(tx, seller, address, page).await?;
    Ok(page.cut(rows, |case: &TestCase| case.id.to_string()))
}

/// Runs a test case again.
///
/// # Errors
/// [`Code::NotFound`]; else as [`run`].
pub async fn run_case(market: &Market, ctx: &Ctx, seller: AccountId, id: DebugCaseId) -> Result<Try> {
    let case = market.db().read(async move |tx| get_case(tx, seller, id).await).await?;
    let TestCase { address_id, scene, signing, parameters, .. } = case;
    run(market, ctx, seller, Attempted { address: address_id, scene, signing, parameters, case: Some(id) }).await
}

/// Deletes a test case; the tries of it stay until they are forgotten.
///
/// # Errors
/// [`Code::NotFound`], also for those of others.
pub async fn delete_case(tx: &mut Tx, ctx: &Ctx, seller: AccountId, id: DebugCaseId) -> Result<()> {
    let case = get_case(tx, seller, id).await?;
    store::delete_case(tx, id).await?;
    let detail = json!({ "address": case.address_id, "name": case.name, "scene": case.scene });
    audit::record(tx, ctx, "debugging.case_deleted", &id, &detail).await
}
