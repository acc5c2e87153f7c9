//! `yunshi clock`: the market's time, and in a sandbox the moving of it.

use anyhow::{Context, Result};
use jiff::{Span, Timestamp};
use kernel::{Actor, Locale};
use market::runner::{self, Progress};
use market::{Clock, Market, Ticking};

use super::{counted, meter::Meter};
use crate::{
    config::Config,
    failure::Failure,
    start::{self, Schema},
};

pub(super) async fn show(config: &Config) -> Result<(), Failure> {
    let market = start::market(config, Schema::Check).await?;
    say(&market, config).await
}

pub(super) async fn set(config: &Config, ticking: Ticking) -> Result<(), Failure> {
    let market = start::market(config, Schema::Check).await?;
    let ctx = market.ctx(Actor::Console, Locale::En).await?;
    let clock = *market.clock();
    market.db().write(async move |tx| clock.set_ticking(tx, &ctx, ticking).await).await?;
    say(&market, config).await
}

pub(super) async fn advance(config: &Config, to: &str) -> Result<(), Failure> {
    let market = start::market(config, Schema::Check).await?;
    let ctx = market.ctx(Actor::Console, Locale::En).await?;
    let to = moment(to, ctx.now, &config.zone)?;
    let meter = Meter::new();
    let progress = runner::advance_by_order(&market, &ctx, to, |so_far| {
        let time = market.edition().zone.readable_minute(so_far.now);
        meter.show(format_args!("{time}: {}", said(&so_far)));
    })
    .await?;
    drop(meter);
    println!("{}", said(&progress));
    say(&market, config).await
}

fn said(progress: &Progress) -> String {
    format!("{}, {}", counted(progress.jobs, "job"), counted(progress.events, "event"))
}

/// The moment that `text` means: one of its own, or a span from `now` on by the calendar of the market's zone.
fn moment(text: &str, now: i64, zone: &str) -> Result<i64, Failure> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let span: Span = text
        .parse()
        .map_err(|_| Failure::misused(format!("{text:?} is neither a span such as 40d nor a moment such as 2026-02-01T03:00:00Z")))?;
    later(now, span, zone).map_err(|_| {
        Failure::misused(format!("{text:?} leads beyond every calendar; a sandbox goes to the end of 2999, choose a shorter span"))
    })
}

fn later(now: i64, span: Span, zone: &str) -> Result<i64> {
    let now = Timestamp::from_millisecond(now)?.in_tz(zone)?;
    Ok(now.checked_add(span)?.timestamp().as_millisecond())
}

async fn say(market: &Market, config: &Config) -> Result<(), Failure> {
    let ctx = market.ctx(Actor::Console, Locale::En).await?;
    let manner = match market.clock() {
        Clock::Wall => "the machine's",
        clock @ Clock::Sandbox => {
            let (clock, wall) = (*clock, ctx.wall);
            if market.db().read(async move |tx| clock.report(tx, wall).await).await?.ticking { "ticking" } else { "standing" }
        }
    };
    let moment = Timestamp::from_millisecond(ctx.now).context("the market's time is no time")?;
    println!("{moment}  {} {}  {manner}", market.edition().zone.readable_minute(ctx.now), config.zone);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn spans_follow_the_calendar_of_the_market() {
        let now = ms("2026-01-31T02:00:00Z");
        for (text, expected) in [
            ("90m", "2026-01-31T03:30:00Z"),
            ("36h", "2026-02-01T14:00:00Z"),
            ("40d", "2026-03-12T02:00:00Z"),
            ("2w", "2026-02-14T02:00:00Z"),
            ("1mo", "2026-02-28T02:00:00Z"),
            ("1 year 2 days", "2027-02-02T02:00:00Z"),
            ("2026-06-01T00:00:00+08:00", "2026-05-31T16:00:00Z"),
        ] {
            assert_eq!(moment(text, now, "Asia/Shanghai").unwrap(), ms(expected), "{text}");
        }
        assert_eq!(moment("1d", ms("2026-03-28T12:00:00Z"), "Europe/Berlin").unwrap(), ms("2026-03-29T11:00:00Z"), "a day of 23 hours");
    }

    #[test]
    fn one_is_not_said_like_many() {
        let progress = Progress { jobs: 1, events: 0, ..Progress::default() };
        assert_eq!(said(&progress), "1 job, 0 events");
        assert_eq!(said(&Progress { jobs: 2, events: 1, ..progress }), "2 jobs, 1 event");
    }

    #[test]
    fn what_is_neither_a_span_nor_a_moment_is_said_to_be_so() {
        for text in ["", "soon", "40", "2026-02-01", "99999999y"] {
            assert!(moment(text, 0, "UTC").is_err(), "{text}");
        }
        let beyond = format!("{:?}", moment("9000y", ms("2026-01-31T02:00:00Z"), "UTC").unwrap_err());
        assert!(beyond.contains("choose a shorter span"), "{beyond}");
    }
}
