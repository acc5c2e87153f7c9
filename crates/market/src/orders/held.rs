//! Which line pays for which part of the time that a subscription has left.
//!
//! Purchase and renewals pay for times that follow each other without a gap. A change pays the difference for what was left when it was
//! made, with a line of its own for each of those times, so that a renewal which returns before it begins takes its part of the change along.
//! Leaves out: prices (`pricing`).

use kernel::SkuId;

use super::{LineState, OrderKind, OrderLine};

/// A line of a subscription, and what its order is for.
#[derive(Clone, Debug)]
pub(super) struct LineOf {
    pub(super) kind: OrderKind,
    pub(super) line: OrderLine,
}

/// A part of the time that is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left<'a> {
    /// Where it ends, market ms UTC.
    pub(super) until: i64,
    /// What it is held as: the last change that pays for it, or what bought it.
    pub(super) line: &'a OrderLine,
}

/// The time that is left at `now` (market ms UTC), in order. `what` the subscription is now decides between two changes of the same moment.
pub(super) fn time_left(lines: &[LineOf], now: i64, what: (SkuId, i64)) -> Vec<Left<'_>> {
    let mut bought: Vec<_> = paid_times(lines).filter(|(_, until, _)| *until > now).collect();
    bought.sort_by_key(|(from, _, _)| *from);
    bought.into_iter().map(|(from, until, line)| Left { until, line: changed(lines, from.max(now), until, what).unwrap_or(line) }).collect()
}

/// The times that purchase and renewals pay for, with their lines.
fn paid_times(lines: &[LineOf]) -> impl Iterator<Item = (i64, i64, &OrderLine)> {
    lines
        .iter()
        .filter(|of| matches!(of.kind, OrderKind::New | OrderKind::Renew))
        .filter(|of| matches!(of.line.state, LineState::Processing | LineState::Done))
        .filter_map(|of| Some((of.line.effective_at?, of.line.ends_at?, &of.line)))
}

/// The last change that pays for this time.
fn changed(lines: &[LineOf], from: i64, until: i64, what: (SkuId, i64)) -> Option<&OrderLine> {
    lines
        .iter()
        .filter(|of| of.kind == OrderKind::Change && of.line.state == LineState::Done)
        .map(|of| &of.line)
        .filter(|line| line.effective_at.is_some_and(|at| at <= from) && line.ends_at.is_some_and(|at| at >= until))
        .max_by_key(|line| (line.done_at, (line.item.sku_id, line.quantity) == what))
}

/// The line that pays for the last moment of what is paid.
pub(super) fn last_line(lines: &[LineOf], what: (SkuId, i64)) -> Option<&OrderLine> {
    let end = paid_times(lines).map(|(_, until, _)| until).max()?;
    time_left(lines, end - 1, what).last().map(|left| left.line)
}
