//! What runs the market: jobs, the audit, and the clock of a sandbox.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use db::jobs::{self as queue, JobReport};
use http::StatusCode;
use kernel::{AccountId, Code, DAY_MS, HOUR_MS, Refusal};
use market::accounts::Permission;
use market::audit::{self as log, Search};
use market::exports::ExportKind;
use market::runner;
use market::views::queues::QUEUE_MAX;
use market::{Clock, SANDBOX_LATEST_MS, Ticking};
use serde::Deserialize;
use serde_json::json;

use super::view::{Act, Actors, Block, Cell, Entry, Filter, List, Staff, Table, Thing, Titles, shown};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::parts::{Chip, Choice, Tab, more_of};
use crate::pages::shell::{Member, Words};
use crate::pages::{go_to, go_to_done};
use crate::problem::{ApiError, ApiResult};

/// What a job does, in words.
fn job_name(kind: &str, t: &Words) -> String {
    let key = format!("page-op-job-{}", kind.replace(['.', '_'], "-"));
    let text = t.s(&key);
    if text == key { kind.to_owned() } else { text }
}

fn job_row(staff: &Staff, report: &JobReport) -> Vec<Cell> {
    let t = &staff.shell.t;
    let JobReport { job, lease_until, last_error, stuck_at } = report;
    let chip = match (stuck_at, *lease_until > staff.ctx.wall, job.tries) {
        (Some(_), ..) => Chip { word: t.s("page-op-job-stuck"), tone: "bad" },
        (None, true, _) => Chip { word: t.s("page-op-job-held"), tone: "wait" },
        (None, false, 0) => Chip { word: t.s("page-op-job-waits"), tone: "idle" },
        (None, false, _) => Chip { word: t.s("page-op-job-again"), tone: "warn" },
    };
    let subject = if job.subject.starts_with("dlv_") {
        Cell::Code(format!("/operator/calls/{}", job.subject), job.subject.clone())
    } else {
        Cell::Mono(job.subject.clone())
    };
    vec![
        Cell::Text(job_name(&job.kind, t)),
        subject,
        staff.at(job.due_at),
        Cell::Num(job.tries.to_string()),
        Cell::Two(last_error.clone().unwrap_or_default(), String::new()),
        Cell::Chip(chip),
    ]
}

#[derive(Deserialize, Default)]
pub(super) struct OfJobs {
    #[serde(default)]
    state: String,
}

async fn jobs_page(app: &AppState, staff: Staff, filter: OfJobs, page: market::page::PageRequest) -> ApiResult<Response> {
    let stuck_only = filter.state == "stuck";
    let (reports, next, stuck, next_due) = app
        .read(async move |tx: &mut Tx| {
            let stuck = queue::stuck(tx, QUEUE_MAX).await?;
            let next_due = queue::next_due(tx).await?;
            if stuck_only {
                return Ok((queue::list_stuck(tx, market::page::PAGE_MAX).await?, None, stuck, next_due));
            }
            let after = page.after.split_once(' ').unwrap_or_default();
            let rows = queue::list(tx, after, page.fetch()).await?;
            let found = page.cut(rows, |report| format!("{} {}", report.job.kind, report.job.subject));
            Ok((found.items, found.next, stuck, next_due))
        })
        .await?;
    let t = staff.shell.t.clone();
    let rows = reports.iter().map(|report| job_row(&staff, report)).collect();
    let heads = ["page-op-job", "page-for", "page-op-due", "page-op-tries", "page-op-last-error", "page-state"];
    let empty = if stuck_only { "page-op-no-stuck-jobs" } else { "page-op-no-jobs" };
    let table = Table::new(&t, &heads, rows, empty).with_more(more_of("/operator/jobs", &[], next.as_deref()));
    let tab = |href: &str, label: String, on| Tab { href: href.to_owned(), label, on };
    let tabs = vec![
        tab("/operator/jobs", t.s("page-op-all-of-them"), !stuck_only),
        tab("/operator/jobs?state=stuck", t.with("page-op-stuck-count", stuck.0.to_string()), stuck_only),
    ];
    let note = next_due.map_or_else(|| t.s("page-op-nothing-due"), |at| t.with("page-op-next-due", t.time(at)));
    let mut acts = Vec::new();
    if staff.may(Permission::OperatorSupport) {
        // The form of each that is stuck: who tries again says which.
        for report in reports.iter().filter(|report| report.stuck_at.is_some() || report.job.tries > 0).take(20) {
            let job = &report.job;
            let mut act = Act::new(&staff, "retry", "/operator/jobs/retry", "page-op-retry-job", "")
                .hide("kind", job.kind.clone())
                .hide("subject", job.subject.clone());
            act.button = format!("{}: {} {}", t.s("page-op-retry-job"), job_name(&job.kind, &t), job.subject);
            acts.push(act);
        }
    }
    let status = staff.status();
    Ok(shown(status, List { note, tabs, acts, ..List::new(staff, "page-jobs", "/operator/jobs", table) }))
}

pub(super) async fn jobs(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfJobs>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    jobs_page(&app, member.into(), filter, page).await
}

pub(super) async fn retry(State(app): State<AppState>, member: Member<operator::Support>, form: Form<Pairs>) -> ApiResult<Response> {
    let (staff, filled) = (Staff::from(member), Filled::of(form.fields));
    let (kind, subject) = (filled.value("kind").to_owned(), filled.value("subject").to_owned());
    let ctx = staff.act();
    let retry = async move |tx: &mut Tx| {
        if !queue::retry(tx, &kind, &subject, ctx.now).await? {
            return Err(Refusal::new(Code::NotFound).into());
        }
        log::record(tx, &ctx, "jobs.retried", &format!("{kind} {subject}"), &json!({})).await
    };
    app.write(retry).await?;
    Ok(go_to_done("/operator/jobs", "retried").into_response())
}

/// What is found by its name alone; the acts on orders and subscriptions stand in their timelines.
pub(crate) const ACTIONS: &[&str] = &[
    "accounts.signed_in",
    "accounts.sign_in_locked",
    "accounts.created",
    "accounts.user_added",
    "accounts.user_updated",
    "accounts.user_disabled",
    "accounts.user_enabled",
    "accounts.roles_set",
    "accounts.role_added",
    "accounts.password_changed",
    "accounts.password_reset",
    "accounts.password_reset_asked",
    "accounts.password_reset_by_mail",
    "accounts.notices_by_mail",
    "accounts.signed_out",
    "accounts.session_ended",
    "accounts.token_created",
    "accounts.token_revoked",
    "accounts.access_key_created",
    "accounts.access_key_revoked",
    "accounts.seller_admitted",
    "accounts.seller_dismissed",
    "sellers.applied",
    "sellers.decided",
    "sellers.updated",
    "sellers.exited",
    "sellers.bank_account_shown",
    "sellers.address_created",
    "sellers.address_updated",
    "sellers.address_retired",
    "sellers.key_created",
    "sellers.key_retired",
    "catalog.created",
    "catalog.draft_saved",
    "catalog.submitted",
    "catalog.approved",
    "catalog.rejected",
    "catalog.withdrawn",
    "catalog.hidden",
    "catalog.shown",
    "catalog.retired",
    "catalog.edition_retired",
    "catalog.sku_retired",
    "catalog.flagged",
    "exports.asked",
    "exports.deleted",
    "ledger.deposit_recorded",
    "ledger.key_rotated",
    "settlement.statement_made",
    "settlement.statement_paid",
    "site.number_set",
    "jobs.retried",
    "clock.advanced",
    "clock.set",
    "market.restored",
];

/// What an act is called.
pub(super) fn did(action: &str, t: &Words) -> String {
    let key = format!("page-did-{}", action.replace('.', "-"));
    let text = t.s(&key);
    if text == key { action.to_owned() } else { text }
}

#[derive(Deserialize, Default)]
pub(super) struct OfAudit {
    #[serde(default)]
    account: String,
    #[serde(default)]
    thing: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
}

/// The particulars of an act: what each is, and its value, a line for each.
fn particulars(detail: &serde_json::Value) -> String {
    let Some(map) = detail.as_object() else { return String::new() };
    let line = |(name, value): (&String, &serde_json::Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{}: {value}", name.replace('_', " "))
    };
    map.iter().filter(|(_, value)| !value.is_null()).map(line).collect::<Vec<_>>().join("\n")
}

/// Where a thing of the audit is looked at.
fn thing_cell(thing: &str) -> Cell {
    let place = match thing {
        order if order.starts_with("CS") => "orders",
        sub if sub.starts_with("sub_") => "subscriptions",
        account if account.starts_with("acc_") => "accounts",
        call if call.starts_with("dlv_") => "calls",
        product if product.starts_with("prd_") => "products",
        listing if listing.starts_with("lst_") => "listings",
        statement if statement.starts_with("stm_") => "statements",
        other => return Cell::Mono(other.to_owned()),
    };
    let number = if place == "orders" { thing.split('-').next().unwrap_or(thing) } else { thing };
    Cell::Code(format!("/operator/{place}/{number}"), thing.to_owned())
}

pub(super) async fn audit(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfAudit>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let (t, zone) = (staff.shell.t.clone(), app.market().edition().zone.clone());
    let account: Option<AccountId> = filter.account.trim().parse().ok();
    let day = |text: &str| zone.day_start(text).ok();
    let search = Search {
        account,
        thing: Some(filter.thing.trim().to_owned()).filter(|thing| !thing.is_empty()),
        action: ACTIONS.iter().find(|action| **action == filter.action).map(|action| (*action).to_owned()),
        from: day(&filter.from),
        // The day that is named belongs to it.
        until: day(&filter.until).map(|at| zone.add_days(at, 1)),
    };
    let (found, titles, actors) = app
        .read(async move |tx: &mut Tx| {
            let found = log::find(tx, &search, &page).await?;
            let titles = Titles::read(tx, found.items.iter().filter_map(|entry| entry.account_id)).await?;
            let actors = Actors::of_entries(tx, &found.items).await?;
            Ok((found, titles, actors))
        })
        .await?;
    let rows = found.items.iter().map(|entry| {
        vec![
            staff.at(entry.at),
            Cell::Text(did(&entry.action, &t)),
            thing_cell(&entry.subject),
            Cell::Text(actors.of(&entry.actor, &t)),
            entry.account_id.map_or(Cell::Empty, |id| titles.account(id)),
            Cell::Text(particulars(&entry.detail)),
        ]
    });
    let heads = ["page-when", "page-what", "page-op-on-what", "page-op-who", "page-account", "page-op-particulars"];
    let chosen = [
        ("account", &*filter.account),
        ("thing", &*filter.thing),
        ("action", &*filter.action),
        ("from", &*filter.from),
        ("until", &*filter.until),
    ];
    let table = Table::new(&t, &heads, rows.collect(), "page-op-no-audit");
    let table = table.with_more(more_of("/operator/audit", &chosen, found.next.as_deref()));
    // One that is asked for by its address stands among the others while it is.
    let asked = Some(&*filter.action).filter(|action| !action.is_empty() && !ACTIONS.contains(action));
    let words: Vec<_> = ACTIONS.iter().copied().chain(asked).map(|action| (action, did(action, &t))).collect();
    let wrong = match (account, filter.account.trim()) {
        (None, given) if !given.is_empty() => t.s("page-op-no-such-id"),
        _ => String::new(),
    };
    let filters = vec![
        Filter::Seek { name: "thing", label: t.s("page-op-seek-thing"), value: filter.thing },
        Filter::Seek { name: "account", label: t.s("page-op-seek-account-id"), value: filter.account },
        Filter::of_words(&t, "action", "page-what", &words, &filter.action),
        Filter::Day { name: "from", label: t.s("page-op-from-day"), value: filter.from },
        Filter::Day { name: "until", label: t.s("page-op-until-day"), value: filter.until },
    ];
    let list = List { wrong, filters, ..List::new(staff, "page-audit", "/operator/audit", table) };
    Ok(shown(StatusCode::OK, list.exported(ExportKind::OperatorAudit, &["account"])))
}

/// Furthest that the clock is moved at once: a hundred years (ours), as by the API.
const ADVANCE_MS_MAX: i64 = 100 * 366 * DAY_MS;

/// What a move of the clock came to, as the address says after it.
#[derive(Deserialize, Default)]
pub(super) struct Moved {
    jobs: Option<u64>,
    events: Option<u64>,
}

async fn clock_page(app: &AppState, staff: Staff, moved: Moved) -> ApiResult<Response> {
    let t = staff.shell.t.clone();
    let mut blocks = Vec::new();
    if let (Some(jobs), Some(events)) = (moved.jobs, moved.events) {
        let said = format!("{} {}", t.with("page-op-moved-jobs", jobs.to_string()), t.with("page-op-moved-events", events.to_string()));
        blocks.push(Block::Say("ok", said));
    }
    let mut chips = Vec::new();
    if *app.market().clock() == Clock::Wall {
        blocks.push(Block::Say("warn", t.s("page-op-clock-real")));
    } else {
        let (clock, wall) = (*app.market().clock(), staff.ctx.wall);
        let report = app.read(async move |tx: &mut Tx| clock.report(tx, wall).await).await?;
        let search = Search { thing: Some("sandbox-clock".to_owned()), ..Search::default() };
        let few = market::page::PageRequest { limit: 20, ..market::page::PageRequest::default() };
        let (moves, actors) = app
            .read(async move |tx: &mut Tx| {
                let moves = log::find(tx, &search, &few).await?.items;
                let actors = Actors::of_entries(tx, &moves).await?;
                Ok((moves, actors))
            })
            .await?;
        let manner = if report.ticking { "page-op-clock-ticks" } else { "page-op-clock-stands" };
        chips.push(Chip { word: t.s(manner), tone: if report.ticking { "ok" } else { "idle" } });
        blocks.push(Block::Facts(String::new(), vec![staff.fact("page-op-market-time", Cell::Text(t.time(report.now)))]));
        let unit = |value: &str, key: &str| Choice {
            value: value.to_owned(),
            label: t.s(key),
            on: staff.filled("advance").value("unit") == value,
        };
        let units = vec![unit("days", "page-op-days"), unit("hours", "page-op-hours")];
        let mut advance = Act::new(&staff, "advance", "/operator/clock/advance", "page-op-advance", "page-op-advance-what")
            .line(&t, "count", "page-op-advance-by", "page-op-advance-hint", 6)
            .entry(Entry::Choose { name: "unit", label: t.s("page-op-unit"), choices: units })
            .main();
        if !advance.filled.is_refused() {
            advance.filled = advance.filled.with("count", "1");
        }
        blocks.push(Block::Act(advance));
        let to = Act::new(&staff, "to", "/operator/clock/advance", "page-op-advance-to", "page-op-advance-to-what");
        blocks.push(Block::Act(to.line(&t, "day", "page-op-day", "page-op-day-hint", 10).hide("unit", "to")));
        let (button, what, ticking) = if report.ticking {
            ("page-op-clock-stop", "page-op-clock-stop-what", "stands")
        } else {
            ("page-op-clock-start", "page-op-clock-start-what", "ticks")
        };
        blocks.push(Block::Act(Act::new(&staff, "ticking", "/operator/clock", button, what).hide("ticking", ticking)));
        let rows = moves.iter().map(|entry| {
            let moved = entry.detail["from"].as_i64().zip(entry.detail["to"].as_i64());
            let said = moved.map_or_else(String::new, |(from, to)| format!("{} → {}", t.time(from), t.time(to)));
            vec![staff.at(entry.at), Cell::Text(did(&entry.action, &t)), Cell::Text(said), Cell::Text(actors.of(&entry.actor, &t))]
        });
        let heads = ["page-when", "page-what", "page-op-particulars", "page-op-who"];
        blocks.push(Block::Table(t.s("page-op-clock-moves"), Table::new(&t, &heads, rows.collect(), "page-op-no-clock-moves")));
    }
    let page = Thing {
        title: t.s("page-clock"),
        up: (String::new(), String::new()),
        under: t.s("page-op-clock-what"),
        chips,
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn clock(State(app): State<AppState>, member: Member<operator::Admin>, Query(moved): Query<Moved>) -> ApiResult<Response> {
    clock_page(&app, member.into(), moved).await
}

pub(super) async fn set_clock(State(app): State<AppState>, member: Member<operator::Admin>, form: Form<Pairs>) -> ApiResult<Response> {
    let (staff, filled, clock) = (Staff::from(member), Filled::of(form.fields), *app.market().clock());
    let ticking = if filled.value("ticking") == "ticks" { Ticking::Ticks } else { Ticking::Stands };
    let ctx = staff.act();
    match app.write(async move |tx: &mut Tx| clock.set_ticking(tx, &ctx, ticking).await).await {
        Ok(()) => Ok(go_to_done("/operator/clock", "saved").into_response()),
        Err(error) => clock_page(&app, staff.refuse("ticking", filled, error)?, Moved::default()).await,
    }
}

pub(super) async fn advance(State(app): State<AppState>, member: Member<operator::Admin>, form: Form<Pairs>) -> ApiResult<Response> {
    let (staff, filled, market) = (Staff::from(member), Filled::of(form.fields), app.market().clone());
    let ctx = staff.act();
    let id = if filled.value("unit") == "to" { "to" } else { "advance" };
    let act = async {
        let zone = &market.edition().zone;
        let to = match filled.value("unit") {
            "to" => zone.day_start(filled.trimmed("day")).map_err(|_| Refusal::field("day", "date"))?,
            unit => {
                let count = filled.number("count")?;
                if count <= 0 {
                    return Err(Refusal::field("count", "positive").into());
                }
                ctx.now.saturating_add(count.saturating_mul(if unit == "hours" { HOUR_MS } else { DAY_MS }))
            }
        };
        let latest = ctx.now.saturating_add(ADVANCE_MS_MAX).min(SANDBOX_LATEST_MS);
        if to > latest {
            return Err(Refusal::new(Code::ClockTooFar).with("latest", zone.readable_minute(latest)).into());
        }
        let (mover, order) = (market.clone(), ctx.at(ctx.now));
        // On its own task: a browser that goes away must not leave the clock half way with its lease taken.
        let moving = tokio::spawn(async move { runner::advance_by_order(&mover, &order, to, |_| {}).await });
        let progress = moving.await.map_err(|fault| ApiError::Broken(Box::new(fault)))?;
        Ok::<_, ApiError>(progress?)
    };
    match act.await {
        Ok(progress) => {
            let done = format!("/operator/clock?done=moved&jobs={}&events={}", progress.jobs, progress.events);
            Ok(go_to(&done).into_response())
        }
        Err(error) => clock_page(&app, staff.refuse(id, filled, error)?, Moved::default()).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts;

    /// The sources of the domains, as one text.
    fn sources(folder: &std::path::Path) -> String {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.map(|path| if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).unwrap_or_default() }).collect()
    }

    #[test]
    fn every_act_of_the_audit_has_a_name_and_can_be_looked_for() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let market = sources(&here.join("../market/src"));
        let domains = ["accounts.", "sellers.", "catalog.", "ledger.", "settlement.", "site.", "clock.", "market."];
        let is_action = |text: &&str| {
            let rest = domains.iter().find_map(|domain| text.strip_prefix(domain));
            rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        };
        // Jobs are named in the same way.
        let jobs = [
            market::catalog::RETIRED_JOB,
            market::settlement::MONTH_JOB,
            market::settlement::SELLER_JOB,
            market::ledger::HEAD_JOB,
            market::mail::SEND_JOB,
        ];
        let found: std::collections::BTreeSet<&str> =
            market.split('"').filter(is_action).filter(|action| !jobs.contains(action) || ACTIONS.contains(action)).collect();
        assert!(found.len() > 30, "{found:?}");
        let unknown: Vec<_> = found.iter().filter(|action| !ACTIONS.contains(action)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        for action in ACTIONS {
            for locale in [kernel::Locale::En, kernel::Locale::ZhCn] {
                let key = format!("page-did-{}", action.replace('.', "-"));
                assert!(texts::is_there(locale, &key), "there is no {locale} text {key}");
            }
        }
    }
}
