//! What a seller can be told to do.

use std::time::Duration;

use wire::koogallery_v2::ResultCode;

/// How a seller behaves in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As documented.
    #[default]
    Sound,
    /// As documented, but a new instance opens in the background: `newInstance` and this many queries are answered `000004`.
    Asynchronous(u32),
    /// Does it, and answers after this long.
    Slow(Duration),
    /// Its port refuses connections. For a single activity or inside a pattern: as [`Behaviour::HangsUp`].
    Dead,
    /// Reads the call, does nothing, and closes the connection without an answer.
    HangsUp,
    /// Does nothing and answers with this code.
    Answers(ResultCode),
    /// These in turn, one a call, over and over.
    Flapping(Vec<Behaviour>),
    /// Does it (unless the lie says otherwise), and answers wrongly.
    Lying(Lie),
}

/// A wrong answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// `newInstance` names another instance in every repeat; `queryInstance` tells about an instance that nobody asked for.
    AnotherInstance,
    /// `newInstance` names the instance of the first order, whichever order is asked for.
    SameInstance,
    /// `newInstance` succeeds without naming an instance.
    NoInstance,
    /// Success to everybody, whoever signed.
    AnySignature,
    /// A web page with status 200.
    WebPage,
    /// 302 to another address of the same seller.
    Redirect,
    /// An answer of ten million bytes.
    Huge,
    /// The connection ends in the middle of the body.
    HalfABody,
    /// Chinese in GBK.
    Gbk,
    /// UTF-16 with a byte order mark.
    Utf16,
    /// `resultCode` as a JSON number.
    NumericCode,
    /// Status 200 without a body.
    Empty,
    /// This HTTP status.
    Status(u16),
    /// Two JSON documents in one body.
    TwoAnswers,
    /// Success and failure in one JSON object: `resultCode` twice.
    TwoCodes,
    /// NUL and a line break in the message and in the id of a new instance.
    ControlCharacters,
}

impl Behaviour {
    /// What this means for the call that comes after `count` others.
    pub(super) fn turn(&self, count: usize) -> Self {
        match self {
            Self::Flapping(pattern) => match pattern.get(count.checked_rem(pattern.len()).unwrap_or(0)) {
                Some(behaviour) => behaviour.turn(count),
                None => Self::Sound,
            },
            Self::Dead => Self::HangsUp,
            other => other.clone(),
        }
    }
}
