//! The numbers of the business: what each is, who changed it and when, and setting it while the market runs.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::{Code, Currency, Rate, Refusal};
use market::accounts::Permission;
use market::edition::FeeStep;
use market::page::PageRequest;
use market::site::{self, Change, Measure, Number, Snapshot, Topic, Value};

use super::view::{Act, Actors, Block, Cell, Pair, Staff, Table, Thing, money_to_type, shown};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::form::typed_money;
use crate::pages::go_to_done;
use crate::pages::parts::{Chip, more};
use crate::pages::shell::{Member, Words};
use crate::problem::{ApiError, ApiResult};

/// The key of a number's texts: what it is called is `page-number-…`, what it does `page-number-…-what`.
fn text_key(number: &Number) -> String {
    format!("page-op-number-{}", number.key.replace('_', "-"))
}

/// A number as it is typed: `7`, `5.00`, `15, 7, 3, 1`.
fn to_type(number: &Number, value: &Value, currency: Currency) -> String {
    let percent = |bp: i64| format!("{}.{:02}", bp / 100, bp % 100);
    match (number.measure, value) {
        (Measure::Rate, Value::Whole(bp)) => percent(*bp),
        (Measure::Money, Value::Whole(minor)) => money_to_type(*minor, currency),
        (_, Value::Whole(whole)) => whole.to_string(),
        (_, Value::Days(days)) => days.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        (_, Value::Dates(dates)) => dates.join("\n"),
        (_, Value::Steps(steps)) => {
            let step = |step: &FeeStep| format!("{}: {}", money_to_type(step.from_minor, currency), percent(step.reduction.bp));
            steps.iter().map(step).collect::<Vec<_>>().join("\n")
        }
    }
}

/// A number as it is read: `7 days`, `5.00 %`.
fn to_read(number: &Number, value: &Value, currency: Currency, t: &Words) -> String {
    let typed = to_type(number, value, currency);
    let is_empty = typed.is_empty();
    match (number.measure, value) {
        _ if is_empty => t.s("page-op-number-none"),
        (Measure::Rate, _) => format!("{typed} %"),
        (Measure::Money, Value::Whole(minor)) => t.money(*minor, currency),
        (Measure::FeeSteps, Value::Steps(steps)) => {
            let step = |step: &FeeStep| {
                let reduction = format!("−{}.{:02} %", step.reduction.bp / 100, step.reduction.bp % 100);
                format!("≥ {} {reduction}", t.money(step.from_minor, currency))
            };
            steps.iter().map(step).collect::<Vec<_>>().join(" · ")
        }
        (Measure::HourOfDay, _) => format!("{typed:0>2}:00"),
        (Measure::Days | Measure::DaysBefore, _) => t.with("page-op-so-many-days", typed),
        (Measure::Hours, _) => t.with("page-op-so-many-hours", typed),
        (Measure::Minutes, _) => t.with("page-op-so-many-minutes", typed),
        _ => typed,
    }
}

/// The bounds of a number, in the unit in which it is typed.
fn bounds(number: &Number, currency: Currency, t: &Words) -> String {
    let one = |bound: i64| match number.measure {
        Measure::FeeSteps => money_to_type(bound, currency),
        Measure::Dates => String::new(),
        _ => to_type(number, &Value::Whole(bound), currency),
    };
    let how = t.s(&format!("page-op-typed-{}", number.measure.word()));
    if matches!(number.measure, Measure::Dates | Measure::FeeSteps) {
        how
    } else {
        format!("{how} {}–{}", one(number.min), one(number.max))
    }
}

/// Hundredths of a percent from what people type: `5`, `5.25`, `5 %`.
fn typed_percent(text: &str) -> Option<i64> {
    let plain = text.trim().trim_end_matches(['%', '％']).trim();
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<2}").parse().ok()
}

/// A number from what was typed.
fn typed(number: &Number, text: &str, currency: Currency) -> Result<Value, Refusal> {
    let refused = |rule: &str| Refusal::field("value", rule);
    let parts = || text.split([',', '，', '、', '\n', ' ', '\r']).map(str::trim).filter(|part| !part.is_empty());
    match number.measure {
        Measure::Rate => typed_percent(text).map(Value::Whole).ok_or_else(|| refused("percent")),
        Measure::Money => typed_money("value", text, currency).map(Value::Whole),
        Measure::DaysBefore => parts().map(str::parse).collect::<Result<Vec<i64>, _>>().map(Value::Days).map_err(|_| refused("number")),
        Measure::Dates => Ok(Value::Dates(parts().map(str::to_owned).collect())),
        Measure::FeeSteps => {
            let step = |line: &str| {
                let (from, reduction) = line.split_once([':', '：']).ok_or_else(|| refused("steps"))?;
                let reduction = typed_percent(reduction).ok_or_else(|| refused("steps"))?;
                let from_minor = typed_money("value", from, currency).map_err(|_| refused("steps"))?;
                Ok(FeeStep { from_minor, reduction: Rate::bp(reduction) })
            };
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.map(step).collect::<Result<Vec<_>, Refusal>>().map(Value::Steps)
        }
        Measure::Days | Measure::Hours | Measure::Minutes | Measure::Count | Measure::HourOfDay | Measure::DayOfMonth => {
            text.trim().parse().map(Value::Whole).map_err(|_| refused("number"))
        }
    }
}

/// Where a number's value comes from.
fn origin(snapshot: &Snapshot, number: &Number, t: &Words) -> Chip {
    if snapshot.is_set(number.key) {
        Chip { word: t.s("page-op-number-set"), tone: "wait" }
    } else {
        Chip { word: t.s("page-op-number-configured"), tone: "idle" }
    }
}

pub(super) async fn settings(State(app): State<AppState>, member: Member<operator::View>, Paging(page): Paging) -> ApiResult<Response> {
    let (staff, market) = (Staff::from(member), app.market().clone());
    let own = staff.principal.account;
    let (snapshot, changes, actors) = app
        .read(async move |tx: &mut Tx| {
            let changes = site::changes(tx, None, &page).await?;
            let actors = Actors::read(tx, changes.items.iter().map(|change| (change.actor.clone(), Some(own)))).await?;
            Ok((site::snapshot(tx).await?, changes, actors))
        })
        .await?;
    // What the database says, not what this process saw last: whoever has just set a number sees it.
    let edition = snapshot.over(market.configured());
    let (t, currency) = (staff.shell.t.clone(), edition.currency);
    let row = |number: &&Number| {
        let key = text_key(number);
        vec![
            Cell::Link(format!("/operator/settings/{}", number.key), t.s(&key), t.s(&format!("{key}-what"))),
            Cell::Num(to_read(number, &number.of(&edition), currency, &t)),
            Cell::Chip(origin(&snapshot, number, &t)),
        ]
    };
    let mut blocks = vec![Block::Say("ok", t.s("page-op-settings-note"))];
    for topic in Topic::ALL {
        let rows = site::ALL.iter().filter(|number| number.topic == *topic).collect::<Vec<_>>();
        let rows = rows.iter().map(row).collect();
        let table = Table::new(&t, &["page-op-number", "page-op-value", "page-op-origin"], rows, "page-op-nothing-yet");
        blocks.push(Block::Table(t.s(&format!("page-op-topic-{}", topic.word())), table));
    }
    let kept = vec![
        staff.fact("page-op-fixed-kind", Cell::Text(edition.kind.word().to_owned())),
        staff.fact("page-op-fixed-currency", Cell::Text(edition.currency.code().to_owned())),
        staff.fact("page-op-fixed-zone", Cell::Two(t.s("page-op-fixed-zone-value"), String::new())),
    ];
    blocks.push(Block::Facts(t.s("page-op-fixed"), kept));
    blocks.push(Block::Say("warn", t.s("page-op-fixed-why")));
    let rows = changes.items.iter().filter_map(|change| history_row(&staff, change, &actors, currency, true)).collect();
    let heads = ["page-when", "page-op-number", "page-op-before", "page-op-after", "page-op-who", "page-reason"];
    let rest = more("/operator/settings", changes.next.as_deref());
    blocks.push(Block::Table(t.s("page-op-changes"), Table::new(&t, &heads, rows, "page-op-no-changes").with_more(rest)));
    let page = Thing {
        title: t.s("page-settings"),
        up: (String::new(), String::new()),
        under: t.s("page-op-settings-what"),
        chips: Vec::new(),
        blocks,
        shell: staff.shell,
    };
    Ok(shown(StatusCode::OK, page))
}

/// A change as a row; none of a number that this program does not know any more.
fn history_row(staff: &Staff, change: &Change, actors: &Actors, currency: Currency, named: bool) -> Option<Vec<Cell>> {
    let (t, number) = (&staff.shell.t, site::named(&change.key)?);
    let after = to_read(number, &change.after, currency, t);
    let after = if change.given_back { Cell::Two(after, t.s("page-op-given-back")) } else { Cell::Text(after) };
    let mut row = vec![staff.at(change.at)];
    if named {
        row.push(Cell::link(format!("/operator/settings/{}", number.key), t.s(&text_key(number))));
    }
    row.extend([
        Cell::Text(to_read(number, &change.before, currency, t)),
        after,
        Cell::Text(actors.of(&change.actor, t)),
        Cell::Text(change.reason.clone()),
    ]);
    Some(row)
}

async fn setting_page(app: &AppState, staff: Staff, key: &str, page: PageRequest) -> ApiResult<Response> {
    let number = site::named(key).ok_or_else(|| ApiError::refused(Code::NotFound))?;
    let (market, own) = (app.market().clone(), staff.principal.account);
    let (snapshot, changes, actors) = app
        .read(async move |tx: &mut Tx| {
            let changes = site::changes(tx, Some(number.key), &page).await?;
            let actors = Actors::read(tx, changes.items.iter().map(|change| (change.actor.clone(), Some(own)))).await?;
            Ok((site::snapshot(tx).await?, changes, actors))
        })
        .await?;
    let edition = snapshot.over(market.configured());
    let (t, currency, value) = (staff.shell.t.clone(), edition.currency, number.of(&edition));
    let version = snapshot.version_of(number.key);
    let configured = number.of(market.configured());
    let facts = vec![
        staff.fact("page-op-value", Cell::Text(to_read(number, &value, currency, &t))),
        staff.fact("page-op-configured", Cell::Text(to_read(number, &configured, currency, &t))),
        staff.fact("page-op-bounds", Cell::Text(bounds(number, currency, &t))),
    ];
    let mut blocks = vec![Block::Facts(String::new(), facts)];
    if staff.may(Permission::OperatorAdmin) {
        // Whoever comes second sees what holds now beside what they typed, and decides anew.
        let was_refused = staff.filled("set");
        if was_refused.is_refused() && !was_refused.value("version").is_empty() && was_refused.value("version") != version.to_string() {
            let pair = Pair {
                label: t.s(&text_key(number)),
                before: to_read(number, &value, currency, &t),
                after: was_refused.value("value").to_owned(),
            };
            blocks.push(Block::Say("warn", t.with("page-op-changed-meanwhile", pair.before)));
        }
        let path = format!("/operator/settings/{}", number.key);
        let mut set =
            Act::new(&staff, "set", &*path, "page-op-set-number", "page-op-set-number-what").hide("version", version.to_string()).main();
        let hint = bounds(number, currency, &t);
        let lines = matches!(number.measure, Measure::Dates | Measure::FeeSteps);
        set = if lines {
            set.entry(super::view::Entry::Area { name: "value", label: t.s("page-op-value"), hint, max: 10_000 })
        } else {
            set.entry(super::view::Entry::Line { name: "value", label: t.s("page-op-value"), hint, max: 4_000 })
        };
        set = set.line(&t, "reason", "page-reason", "page-op-reason-of-change", 200);
        if !set.filled.is_refused() {
            set.filled = set.filled.with("value", to_type(number, &value, currency));
        }
        blocks.push(Block::Act(set));
        if snapshot.is_set(number.key) {
            let back = Act::new(&staff, "default", format!("{path}/default"), "page-op-give-back", "page-op-give-back-what");
            let back = back.line(&t, "reason", "page-reason", "page-op-reason-of-change", 200).hide("version", version.to_string());
            blocks.push(Block::Act(back));
        }
    }
    let rows = changes.items.iter().filter_map(|change| history_row(&staff, change, &actors, currency, false)).collect();
    let heads = ["page-when", "page-op-before", "page-op-after", "page-op-who", "page-reason"];
    let rest = more(&format!("/operator/settings/{}", number.key), changes.next.as_deref());
    blocks.push(Block::Table(t.s("page-op-changes"), Table::new(&t, &heads, rows, "page-op-no-changes").with_more(rest)));
    let page = Thing {
        title: t.s(&text_key(number)),
        up: ("/operator/settings".to_owned(), t.s("page-settings")),
        under: t.s(&format!("{}-what", text_key(number))),
        chips: vec![origin(&snapshot, number, &t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn setting(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(key): Segment<String>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    setting_page(&app, member.into(), &key, page).await
}

async fn change(app: &AppState, staff: Staff, key: String, act: &'static str, filled: Filled) -> ApiResult<Response> {
    let number = site::named(&key).ok_or_else(|| ApiError::refused(Code::NotFound))?;
    let (market, ctx, gives_back) = (app.market().clone(), staff.act(), act == "default");
    let work = async {
        let value = if gives_back { None } else { Some(typed(number, filled.value("value"), market.configured().currency)?) };
        let (expected, reason) = (filled.number("version")?, filled.value("reason").to_owned());
        let of = market.clone();
        app.write(async move |tx: &mut Tx| {
            site::set(tx, &ctx, of.configured(), number.key, value.clone(), &reason, expected).await.map(drop)
        })
        .await?;
        // Whoever set it goes by it at once; other processes see it within a second.
        market.look_at_numbers().await?;
        Ok::<_, ApiError>(())
    };
    match work.await {
        Ok(()) => Ok(go_to_done(&format!("/operator/settings/{}", number.key), "number").into_response()),
        Err(error) => {
            let error = in_its_unit(error, number, market.configured().currency);
            setting_page(app, staff.refuse(act, filled, error)?, number.key, PageRequest::default()).await
        }
    }
}

/// Bounds in the unit in which the number is typed: money and percent are kept in smaller ones.
fn in_its_unit(error: ApiError, number: &Number, currency: Currency) -> ApiError {
    match &error {
        ApiError::Refused(refusal)
            if matches!(number.measure, Measure::Money | Measure::Rate)
                && refusal.args.iter().any(|(name, value)| *name == "rule" && value.starts_with("range:")) =>
        {
            let one = |bound: i64| to_type(number, &Value::Whole(bound), currency);
            ApiError::Refused(Refusal::field("value", format!("range:{}-{}", one(number.min), one(number.max))))
        }
        _ => error,
    }
}

pub(super) async fn set(
    State(app): State<AppState>,
    member: Member<operator::Admin>,
    Segment(key): Segment<String>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    change(&app, member.into(), key, "set", Filled::of(form.fields)).await
}

pub(super) async fn give_back(
    State(app): State<AppState>,
    member: Member<operator::Admin>,
    Segment(key): Segment<String>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    change(&app, member.into(), key, "default", Filled::of(form.fields)).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::texts;
    use market::edition::{Edition, EditionKind};

    #[test]
    fn every_number_is_typed_as_it_is_shown_and_has_its_texts() {
        for kind in [EditionKind::Cn, EditionKind::Intl] {
            let edition = Edition::defaults(kind);
            for number in site::ALL {
                let value = number.of(&edition);
                let text = to_type(number, &value, edition.currency);
                let again = typed(number, &text, edition.currency).unwrap();
                assert_eq!(number.put(&edition, &again).as_ref(), Ok(&edition), "{}: {text}", number.key);
            }
        }
        for number in site::ALL {
            for key in [text_key(number), format!("{}-what", text_key(number)), format!("page-op-typed-{}", number.measure.word())] {
                for locale in [kernel::Locale::En, kernel::Locale::ZhCn] {
                    assert!(texts::is_there(locale, &key), "there is no {locale} text {key}");
                }
            }
        }
        for topic in Topic::ALL {
            assert!(texts::is_there(kernel::Locale::En, &format!("page-op-topic-{}", topic.word())), "{topic}");
        }
    }

    #[test]
    fn percent_and_steps_are_read_as_people_type_them() {
        for (text, bp) in
            [("5", Some(500)), ("5.25 %", Some(525)), ("0.5％", Some(50)), ("", None), ("5.123", None), ("-1", None), ("x", None)]
        {
            assert_eq!(typed_percent(text), bp, "{text}");
        }
        let steps = site::named("fee_steps").unwrap();
        let value = typed(steps, "500000: 1\n1,000,000.00：2.5 %\n", Currency::CNY).unwrap();
        let step = |from_minor, bp| FeeStep { from_minor, reduction: Rate::bp(bp) };
        assert_eq!(value, Value::Steps(vec![step(50_000_000, 100), step(100_000_000, 250)]));
        assert!(typed(steps, "500000", Currency::CNY).is_err());
    }
}
