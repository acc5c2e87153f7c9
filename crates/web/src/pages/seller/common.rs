//! What several pages of the seller center share.

use axum::response::{IntoResponse, Response};
use db::Tx;
use kernel::{AccountId, Currency, Refusal};
use market::calls::CallState;
use market::catalog::{Names, ProductState};
use market::debugging::DebugVerdict;
use market::orders::{LineState, OrderState};
use market::page::{PAGE_MAX, PageRequest};
use market::sellers::{self, Address, SellerKey};
use market::settlement::{ItemState, StatementState};
use market::subscriptions::SubscriptionState;

use crate::pages::Page;
use crate::pages::parts::{Chip, Choice};
use crate::pages::shell::Words;
use crate::problem::{self, ApiError, ApiResult};

/// A form that carries nothing but its button.
#[derive(serde::Deserialize)]
pub(crate) struct NoFields {}

/// What a browser sends of a form, in its order.
pub(crate) type Pairs = Vec<(String, String)>;

/// The refusal that a form shows beside its fields; a fault stays one.
pub(super) fn refused(error: ApiError) -> ApiResult<Refusal> {
    match error {
        ApiError::Refused(refusal) => Ok(refusal),
        fault @ (ApiError::Unavailable(_) | ApiError::Broken(_)) => Err(fault),
    }
}

/// A page that shows a refused form again.
pub(super) fn again<T: askama::Template>(refusal: &Refusal, page: T) -> Response {
    (problem::status(refusal.code), Page(page)).into_response()
}

pub(super) fn order_chip(state: OrderState, words: &Words) -> Chip {
    let tone = match state {
        OrderState::PendingPayment | OrderState::PendingReview => "warn",
        OrderState::Processing | OrderState::Refunding => "wait",
        OrderState::Completed => "ok",
        OrderState::Failed => "bad",
        OrderState::Cancelled | OrderState::Refunded => "idle",
    };
    Chip { word: words.state(state.word()), tone }
}

pub(super) fn line_chip(state: LineState, words: &Words) -> Chip {
    let tone = match state {
        LineState::Waiting => "warn",
        LineState::Processing => "wait",
        LineState::Done => "ok",
        LineState::Failed => "bad",
        LineState::Cancelled | LineState::Refunded => "idle",
    };
    Chip { word: words.state(state.word()), tone }
}

pub(super) fn subscription_chip(state: SubscriptionState, words: &Words) -> Chip {
    let tone = match state {
        SubscriptionState::Opening => "wait",
        SubscriptionState::InUse => "ok",
        SubscriptionState::Frozen => "ice",
        SubscriptionState::Failed => "bad",
        SubscriptionState::Released => "idle",
    };
    Chip { word: words.state(state.word()), tone }
}

pub(super) fn call_chip(state: CallState, words: &Words) -> Chip {
    let tone = match state {
        CallState::Queued | CallState::Withdrawn => "idle",
        CallState::Waiting => "warn",
        CallState::Polling => "wait",
        CallState::Done => "ok",
        CallState::GaveUp => "bad",
    };
    Chip { word: words.state(state.word()), tone }
}

pub(super) fn product_chip(state: ProductState, words: &Words) -> Chip {
    let tone = match state {
        ProductState::Draft => "warn",
        ProductState::OnSale => "ok",
        ProductState::Hidden => "ice",
        ProductState::Retired => "idle",
    };
    Chip { word: words.state(state.word()), tone }
}

pub(super) fn verdict_chip(verdict: DebugVerdict, words: &Words) -> Chip {
    let (key, tone) = match verdict {
        DebugVerdict::Sending => ("page-sell-try-sending", "wait"),
        DebugVerdict::Passed => ("page-sell-try-passed", "ok"),
        DebugVerdict::Failed => ("page-sell-try-failed", "bad"),
    };
    Chip { word: words.s(key), tone }
}

pub(super) fn statement_chip(state: StatementState, words: &Words) -> Chip {
    let tone = match state {
        StatementState::Payable => "warn",
        StatementState::Carried => "idle",
        StatementState::Paid => "ok",
    };
    Chip { word: words.state(state.word()), tone }
}

pub(super) fn item_chip(state: ItemState, words: &Words) -> Chip {
    let (key, tone) = match state {
        ItemState::Open => ("page-sell-item-open", "wait"),
        ItemState::Billed => ("page-sell-item-billed", "ok"),
        ItemState::Void => ("page-sell-item-void", "idle"),
    };
    Chip { word: words.s(key), tone }
}

/// A name with its variant.
pub(super) fn full_name(names: &Names, words: &Words) -> (String, String) {
    let (edition, sku) = (names.edition.pick(words.locale), names.sku.pick(words.locale));
    let variant = if edition == sku { sku.to_owned() } else { format!("{edition} · {sku}") };
    (names.product.pick(words.locale).to_owned(), variant)
}

/// A filter by words: no choice first, then each word with its text.
pub(super) fn filter<T: Copy + PartialEq>(
    all: &[T],
    on: Option<T>,
    words: &Words,
    word: fn(T) -> &'static str,
    label: impl Fn(T) -> String,
) -> Vec<Choice> {
    let one = |value: &T| Choice { value: word(*value).to_owned(), label: label(*value), on: on == Some(*value) };
    std::iter::once(Choice::all(words, on.is_none())).chain(all.iter().map(one)).collect()
}

/// The word of a set that a filter names; one that does not exist chooses nothing, as when none is chosen.
pub(super) fn wanted<T: Copy>(all: &[T], typed: &str, word: fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|one| word(*one) == typed)
}

/// The addresses of a seller, with the retired ones.
pub(super) async fn addresses(tx: &mut Tx, seller: AccountId) -> db::Result<Vec<Address>> {
    let page = PageRequest { after: String::new(), limit: PAGE_MAX };
    Ok(sellers::addresses(tx, seller, &page).await?.items)
}

/// The signing keys of a seller, with the retired ones.
pub(super) async fn signing_keys(tx: &mut Tx, seller: AccountId) -> db::Result<Vec<SellerKey>> {
    let page = PageRequest { after: String::new(), limit: PAGE_MAX };
    Ok(sellers::keys(tx, seller, &page).await?.items)
}

/// JSON with lines and indents; anything else as it is.
pub(super) fn pretty(body: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(body);
    value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| body.to_owned())
}

/// The request for a shell. What was masked stays masked: signed anew it is by a replay.
pub(super) fn curl(url: &str, body: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let quoted_body = quoted(body);
    format!("curl -X POST {} -H 'content-type: application/json' -d {quoted_body}", quoted(url))
}

/// An amount as somebody types it, in minor units; none when it is no amount of the currency.
pub(super) fn minor(typed: &str, currency: Currency) -> Option<i64> {
    let plain: String = typed.trim().chars().filter(|c| *c != ',' && *c != '¥' && *c != '$' && *c != '€').collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let places = usize::try_from(currency.decimals()).ok()?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 || fraction.len() > places || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_sent_from_a_shell_as_it_was() {
        let line = curl("https://seller.example/it's", r#"{"a":"it's"}"#);
        assert_eq!(line, r#"curl -X POST 'https://seller.example/it'\''s' -H 'content-type: application/json' -d '{"a":"it'\''s"}'"#);
    }

    #[test]
    fn an_answer_is_shown_by_its_parts() {
        assert_eq!(pretty(r#"{"a":1}"#), "{\n  \"a\": 1\n}");
        assert_eq!(pretty("<html>"), "<html>");
    }

    #[test]
    fn an_amount_is_read_as_people_type_it() {
        for (typed, expected) in [
            ("12", Some(1_200)),
            (" 1,234.5 ", Some(123_450)),
            ("¥0.05", Some(5)),
            ("0", Some(0)),
            ("", None),
            ("-1", None),
            ("1.234", None),
            ("1e5", None),
            (".5", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(minor(typed, Currency::CNY), expected, "{typed}");
        }
    }
}
