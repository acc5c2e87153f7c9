//! Messages to the account, in the reader's words.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{Currency, NoticeId};
use market::catalog::{Names, Texts};
use market::notices::{self, Notice, NoticeKind};
use market::page::Page as Listed;
use serde_json::Value;

use super::super::parts::{Stamp, more};
use super::super::shell::{Shell, Words};
use super::super::{Page, go_to, go_to_done};
use crate::AppState;
use crate::auth::SignedIn;
use crate::extract::{Paging, Segment};
use crate::pages::shell::Person;
use crate::problem::ApiResult;
use crate::texts;

struct Row {
    id: String,
    at: Stamp,
    title: String,
    text: String,
    is_new: bool,
}

#[derive(Template)]
#[template(path = "account/notices.html")]
pub(crate) struct Inbox {
    shell: Shell,
    rows: Vec<Row>,
    more: Option<String>,
    has_new: bool,
}

/// What a message says, by its kind and particulars.
pub(crate) fn told(notice: &Notice, words: &Words) -> (String, String) {
    let args = &notice.args;
    let text = |name: &str| args[name].as_str().unwrap_or_default().to_owned();
    let time = |name: &str| args[name].as_i64().map_or_else(String::new, |at| words.time(at));
    let names = serde_json::from_value::<Names>(args["names"].clone()).ok().map(|names| names.product);
    let product = names.or_else(|| serde_json::from_value::<Texts>(args["product"].clone()).ok());
    // A verdict, a decision, a state and a reason are words of the program.
    let word = |kind: &str, name: &str| args[name].as_str().map_or_else(String::new, |word| texts::word(words.locale, kind, word));
    let values = [
        ("what", product.map_or_else(String::new, |texts| texts.pick(words.locale).to_owned())),
        ("order", text("order")),
        ("days", args["days"].as_i64().map_or_else(String::new, |days| days.to_string())),
        ("ends", time("ends_at")),
        ("released", time("release_at")),
        ("amount", amount(args, words)),
        ("reason", text("reason")),
        ("decision", word("state", if args["decision"].is_string() { "decision" } else { "state" })),
        ("verdict", word("verdict", "verdict")),
        ("period", text("period")),
        ("count", args["failed_orders"].as_i64().map_or_else(String::new, |count| count.to_string())),
    ];
    let key = notice.kind.word();
    (texts::part(words.locale, &format!("page-notice-{key}"), &[]), texts::part(words.locale, &format!("page-notice-{key}-text"), &values))
}

/// What a message says, and the path it leads to.
pub(crate) fn told_and_target(notice: &Notice, words: &Words) -> (String, String, String) {
    let (title, text) = told(notice, words);
    (title, text, target(notice))
}

/// The sum that a message is about.
fn amount(args: &Value, words: &Words) -> String {
    let whole = |minor: &str| args[minor].as_i64().zip(serde_json::from_value::<Currency>(args["currency"].clone()).ok());
    let found = ["amount_minor", "payable_minor", "total_minor"].iter().find_map(|name| whole(name));
    found.map_or_else(|| args["amount"].as_str().unwrap_or_default().to_owned(), |(minor, currency)| words.money(minor, currency))
}

/// Where a message leads.
fn target(notice: &Notice) -> String {
    use NoticeKind as K;
    let subject = &notice.subject;
    match notice.kind {
        K::OrderFailed | K::Refunded | K::RefundDecided => format!("/buyer/orders/{subject}"),
        K::SubscriptionOpened
        | K::SubscriptionEnds
        | K::SubscriptionFrozen
        | K::SubscriptionReleases
        | K::SubscriptionReleased
        | K::SubscriptionSuspended
        | K::SubscriptionResumed
        | K::RenewalDone
        | K::RenewalFailed
        | K::RenewalUnconfirmed => format!("/buyer/services/{subject}"),
        K::CallsStopped => format!("/seller/calls/{subject}"),
        K::ProductFlagged | K::ReviewDecided => format!("/seller/products/{subject}"),
        K::ApplicationDecided => "/seller/apply".to_owned(),
        K::StatementReady | K::StatementPaid => format!("/seller/statements/{subject}"),
        K::DepositRecorded => "/buyer/balance".to_owned(),
    }
}

pub(crate) async fn inbox(State(app): State<AppState>, person: Person, Paging(page): Paging) -> ApiResult<Page<Inbox>> {
    let account = person.principal.account;
    let found: Listed<Notice> = app.read(async move |tx| notices::inbox(tx, account, &page).await).await?;
    let (words, now) = (person.shell.t.clone(), person.ctx.now);
    let row = |notice: &Notice| {
        let (title, text) = told(notice, &words);
        Row { id: notice.id.to_string(), at: words.stamp(notice.at, now), title, text, is_new: notice.read_at.is_none() }
    };
    Ok(Page(Inbox {
        rows: found.items.iter().map(row).collect(),
        more: more("/account/notices", found.next.as_deref()),
        has_new: person.shell.who.as_ref().is_some_and(|who| !who.unread.is_empty()),
        shell: person.shell,
    }))
}

/// Marks a message as read and goes where it leads.
pub(crate) async fn open(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<NoticeId>) -> ApiResult<Response> {
    let SignedIn { principal, ctx } = me;
    let notice = app
        .write(async move |tx| {
            notices::mark_read(tx, &ctx, principal.account, id).await?;
            notices::get(tx, principal.account, id).await
        })
        .await?;
    Ok(go_to(&target(&notice)).into_response())
}

pub(crate) async fn read_all(State(app): State<AppState>, me: SignedIn) -> ApiResult<Response> {
    let SignedIn { principal, ctx } = me;
    app.write(async move |tx| notices::mark_all_read(tx, &ctx, principal.account).await).await?;
    Ok(go_to_done("/account/notices", "read").into_response())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kernel::Locale;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_message_is_told_in_both_languages_without_holes() {
        let names = json!({ "product": { "zh": "网格", "en": "Mesh" }, "edition": { "zh": "", "en": "" }, "sku": { "zh": "", "en": "" } });
        let args = json!({
            "names": names, "product": { "zh": "网格", "en": "Mesh" }, "order": "CS1", "days": 3, "ends_at": 1_000, "release_at": 2_000,
            "amount_minor": 100, "currency": "CNY", "reason": "because", "decision": "approved", "verdict": "no_answer", "period": "2026-10",
            "failed_orders": 4,
        });
        for kind in NoticeKind::ALL {
            let id = NoticeId::new(0, &kernel::Entropy::from_seed([1; 32]));
            let notice = Notice { id, at: 0, kind: *kind, subject: "x".to_owned(), args: args.clone(), read_at: None };
            for locale in [Locale::En, Locale::ZhCn] {
                let (title, text) = told(&notice, &Words::of(locale));
                assert!(!title.starts_with("page-") && !text.starts_with("page-") && !text.is_empty(), "{kind:?}: {title} {text}");
            }
            assert!(target(&notice).starts_with('/'));
        }
    }

    #[test]
    fn a_message_about_money_says_how_much() {
        let words = Words::of(Locale::En);
        assert_eq!(amount(&json!({ "amount_minor": 123_450, "currency": "CNY" }), &words), "¥1,234.50");
        assert_eq!(amount(&json!({ "amount": kernel::Money::new(5, Currency::CNY).to_string() }), &words), "0.05 CNY");
        assert_eq!(amount(&json!({}), &words), "");
    }
}
