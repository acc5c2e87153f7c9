//! How states look: each has one colour, in whichever center it stands.
//!
//! `ok` is well, `wait` goes on by itself, `warn` waits for somebody, `bad` needs a look, `ice` rests and can come back, `idle` is over.

use market::calls::CallState;
use market::catalog::{ListingState, PartState, ProductState};
use market::orders::{LineState, OrderState};
use market::sellers::SellerState;
use market::settlement::StatementState;
use market::subscriptions::SubscriptionState;

use super::parts::{Chip, Choice};
use super::shell::Words;

/// A state that is shown as a chip, and by which lists are filtered.
pub(crate) trait Shown: Copy + PartialEq + 'static {
    /// Every one of them.
    const ALL: &'static [Self];

    /// Its word in the program.
    fn word(self) -> &'static str;

    /// The colour that it is shown in.
    fn tone(self) -> &'static str;

    /// As it is shown.
    fn chip(self, words: &Words) -> Chip {
        Chip { word: words.state(self.word()), tone: self.tone() }
    }

    /// The one that a filter names; one that does not exist chooses nothing, as when none is chosen.
    fn named(typed: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.word() == typed)
    }

    /// A filter by these states: no choice first.
    fn choices(on: Option<Self>, words: &Words) -> Vec<Choice> {
        choices(Self::ALL, on, words, Self::word, |state| words.state(state.word()))
    }
}

/// A filter by the words of any set: no choice first, then each with its text.
pub(crate) fn choices<T: Copy + PartialEq>(
    all: &[T],
    on: Option<T>,
    words: &Words,
    word: fn(T) -> &'static str,
    label: impl Fn(T) -> String,
) -> Vec<Choice> {
    let one = |value: &T| Choice { value: word(*value).to_owned(), label: label(*value), on: on == Some(*value) };
    std::iter::once(Choice::all(words, on.is_none())).chain(all.iter().map(one)).collect()
}

macro_rules! states {
    ($($state:ident { $($($variant:ident)|+ => $tone:literal),+ $(,)? })+) => {$(
        impl Shown for $state {
            const ALL: &'static [Self] = &Self::ALL;

            fn word(self) -> &'static str {
                Self::word(self)
            }

            fn tone(self) -> &'static str {
                match self {
                    $($(Self::$variant)|+ => $tone),+
                }
            }
        }
    )+};
}

states! {
    OrderState {
        PendingPayment | PendingReview => "warn",
        Processing | Refunding => "wait",
        Completed => "ok",
        Failed => "bad",
        Cancelled | Refunded => "idle",
    }
    LineState { Waiting => "warn", Processing => "wait", Done => "ok", Failed => "bad", Cancelled | Refunded => "idle" }
    SubscriptionState { Opening => "wait", InUse => "ok", Frozen => "ice", Failed => "bad", Released => "idle" }
    CallState { Waiting => "warn", Polling => "wait", Done => "ok", GaveUp => "bad", Queued | Withdrawn => "idle" }
    ProductState { Draft => "warn", OnSale => "ok", Hidden => "ice", Retired => "idle" }
    ListingState { UnderReview => "warn", Approved => "ok", Rejected => "bad", Withdrawn => "idle" }
    SellerState { Applied => "warn", Approved => "ok", Rejected => "bad", Exited => "idle" }
    StatementState { Payable => "warn", Paid => "ok", Carried => "idle" }
}

/// Whether a part of a product is sold.
pub(crate) fn part_chip(state: PartState, words: &Words) -> Chip {
    match state {
        PartState::Active => Chip { word: words.state(ProductState::OnSale.word()), tone: ProductState::OnSale.tone() },
        PartState::Retired => Chip { word: words.state(ProductState::Retired.word()), tone: ProductState::Retired.tone() },
    }
}
