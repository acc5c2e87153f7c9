//! All parts of pages on one page, for whoever builds another one.

use askama::Template;
use axum::Router;
use axum::routing::get;
use kernel::{Currency, Locale, Refusal};

use super::Page;
use super::form::Filled;
use super::parts::{Chart, Chip, Choice, Moment, Stamp, Tab, Tile};
use super::shell::{Reader, Shell};
use crate::AppState;

#[derive(Template)]
#[template(path = "styleguide.html")]
struct Styleguide {
    shell: Shell,
    filled: Filled,
    chips: Vec<Chip>,
    choices: Vec<Choice>,
    tiles: Vec<Tile>,
    chart: Chart,
    tabs: Vec<Tab>,
    steps: Vec<String>,
    moments: Vec<Moment>,
    at: Stamp,
    money: String,
    rest: Option<String>,
}

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/styleguide", get(styleguide))
}

async fn styleguide(reader: Reader) -> Page<Styleguide> {
    let (t, now) = (reader.shell.t.clone(), reader.ctx.now);
    let tones =
        [("ok", "in_use"), ("wait", "processing"), ("warn", "waiting"), ("bad", "failed"), ("idle", "cancelled"), ("ice", "frozen")];
    let at = t.stamp(now - 7_200_000, now);
    let values: Vec<(String, i64)> = (1..=30).map(|day: i64| (t.day(now - (30 - day) * 86_400_000), (day * day * 37) % 101)).collect();
    let choice = |key: &str, on| Choice { value: key.to_owned(), label: t.s(key), on };
    let tab = |key: &str, on| Tab { href: "/styleguide".to_owned(), label: t.s(key), on };
    let wrong = Refusal::field("email", "email");
    let filled = Filled::default().with("login", "li.wei").with("email", "nowhere").with("kind", "").with("reason", "").with("sure", "yes");
    let money = t.money(123_450, Currency::CNY);
    let tile =
        |key: &str, value: String, tone| Tile { label: t.s(key), value, note: at.said.clone(), href: "/styleguide".to_owned(), tone };
    Page(Styleguide {
        filled: filled.refused(&wrong, t.locale),
        chips: tones.iter().map(|(tone, word)| Chip { word: t.state(word), tone }).collect(),
        choices: vec![Choice::all(&t, true), choice("page-kind-enterprise", false), choice("page-kind-individual", false)],
        tiles: vec![
            tile("page-orders", "1,428".to_owned(), ""),
            tile("page-balance", money.clone(), ""),
            tile("page-calls", "2".to_owned(), "bad"),
            tile("page-services", "12".to_owned(), "ok"),
        ],
        chart: Chart::new(t.s("page-orders"), &values, |value| value.to_string()),
        tabs: vec![tab("page-overview", true), tab("page-orders", false), tab("page-timeline", false)],
        steps: ["page-choose", "page-pay", "page-open"].iter().map(|key| t.s(key)).collect(),
        moments: vec![
            Moment { at: at.clone(), what: t.s("page-did-orders-placed"), note: String::new() },
            Moment {
                at: at.clone(),
                what: t.s("page-did-subscriptions-suspended"),
                note: if t.locale == Locale::En { "Asked by the buyer" } else { "买家要求" }.to_owned(),
            },
        ],
        at,
        money,
        rest: Some("/styleguide".to_owned()),
        shell: reader.shell,
    })
}
