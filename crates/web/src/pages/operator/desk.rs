//! The desk: what needs somebody now, and how the last days went.

use axum::extract::State;
use axum::response::Response;
use db::Tx;
use kernel::{DAY_MS, HOUR_MS};
use market::views::queues::{self as view, QUEUE_MAX, Queue, Queues};

use super::view::{Block, Staff, Thing, shown};
use crate::AppState;
use crate::auth::operator;
use crate::pages::parts::{Chart, Tile, away};
use crate::pages::shell::Member;
use crate::problem::ApiResult;

/// Within this an application or a submission should be decided: three working days (spec: business §2.1), counted as days, so that nothing is
/// called late too late.
const REVIEW_MS: i64 = 3 * DAY_MS;

/// What a queue shows: how much waits, since when, and how that stands to its service level.
struct Waits<'a> {
    label: &'a str,
    href: &'a str,
    queue: Queue,
    /// Within this the oldest should be dealt with, ms; none where anything at all is too much.
    within: Option<i64>,
}

fn counted(count: i64) -> String {
    if count >= QUEUE_MAX { format!("{QUEUE_MAX}+") } else { count.to_string() }
}

fn tile(staff: &Staff, waits: &Waits<'_>) -> Tile {
    let (t, now) = (&staff.shell.t, staff.ctx.now);
    let oldest = waits.queue.oldest_at.filter(|_| waits.queue.count > 0);
    let is_late = oldest.is_some_and(|at| waits.within.is_none_or(|within| now - at > within));
    let note = match oldest {
        None => t.s("page-op-nothing-waits"),
        Some(at) => {
            let since = t.with("page-op-oldest", away(at, now, t.locale));
            match waits.within {
                Some(_) if is_late => format!("{since} · {}", t.s("page-op-late")),
                Some(within) => format!("{since} · {}", t.with("page-op-within-hours", (within / HOUR_MS).to_string())),
                None => since,
            }
        }
    };
    let tone = match (waits.queue.count, is_late) {
        (0, _) => "",
        (_, true) => "bad",
        _ => "warn",
    };
    Tile { label: t.s(waits.label), value: counted(waits.queue.count), note, href: waits.href.to_owned(), tone }
}

pub(super) async fn desk(State(app): State<AppState>, member: Member<operator::View>) -> ApiResult<Response> {
    let (staff, market) = (Staff::from(member), app.market().clone());
    let (now, review_ms) = (staff.ctx.now, market.edition().refund_review_hours.saturating_mul(HOUR_MS));
    let currency = market.edition().currency;
    let desk: Queues = app.read(async move |tx: &mut Tx| view::queues(tx, market.edition(), now).await).await?;
    let t = staff.shell.t.clone();
    let waits = [
        Waits { label: "page-applications", href: "/operator/applications", queue: desk.applications, within: Some(REVIEW_MS) },
        Waits { label: "page-submissions", href: "/operator/listings", queue: desk.submissions, within: Some(REVIEW_MS) },
        Waits { label: "page-refunds", href: "/operator/refunds", queue: desk.refunds, within: Some(review_ms) },
        Waits { label: "page-op-stuck-jobs", href: "/operator/jobs?state=stuck", queue: desk.jobs, within: None },
        Waits { label: "page-op-failed-orders", href: "/operator/orders?state=failed", queue: desk.failed_orders, within: None },
        Waits { label: "page-op-given-up", href: "/operator/calls?state=gave_up", queue: desk.calls, within: None },
    ];
    let mut tiles: Vec<Tile> = waits.iter().map(|waits| tile(&staff, waits)).collect();
    tiles.push(Tile {
        label: t.s("page-op-deposits-today"),
        value: t.money(desk.deposits.1, currency),
        note: t.with("page-op-deposits-count", counted(desk.deposits.0)),
        href: "/operator/deposits".to_owned(),
        tone: "",
    });
    let of_day = |count: fn(&view::Day) -> i64| desk.days.iter().map(|day| (t.day(day.at), count(day))).collect::<Vec<_>>();
    let chart = |title: &str, values: &[(String, i64)]| Block::Chart(Chart::new(t.s(title), values, |value| value.to_string()));
    let blocks = vec![
        Block::Tiles(tiles),
        chart("page-op-orders-a-day", &of_day(|day| day.orders)),
        chart("page-op-failures-a-day", &of_day(|day| day.failed)),
    ];
    let page = Thing {
        title: t.s("page-op-desk"),
        up: (String::new(), String::new()),
        under: t.s("page-op-desk-what"),
        chips: Vec::new(),
        blocks,
        shell: staff.shell,
    };
    Ok(shown(http::StatusCode::OK, page))
}
