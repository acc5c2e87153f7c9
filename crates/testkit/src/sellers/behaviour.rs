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
    /// As documented, in a way of its own.
    Otherwise(Manner),
}

/// A freedom that the documentation leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Refuses a nonce that it has seen before.
    RemembersNonces,
    /// Knows no upgrades and no renewal checks.
    WithoutUpgrades,
    /// Knows purchases, queries and releases only.
    OneOff,
    /// Names a new instance with success, and is asked once more before it tells about it.
    SlowToTell,
    /// Sends the access data by mail.
    WithoutAccess,
    /// Verifies the body parsed and written again, as the published sample does.
    Reserialises,
    /// Answers without `resultMsg`, which is optional.
    Terse,
}

impl Manner {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RemembersNonces,
        Self::WithoutUpgrades,
        Self::OneOff,
        Self::SlowToTell,
        Self::WithoutAccess,
        Self::Reserialises,
        Self::Terse,
    ];
}

/// Declares the lies, and lists each of them once.
macro_rules! lies {
    ($($(#[$doc:meta])* $name:ident $(($of:ty = $sample:expr))?,)+) => {
        /// A wrong answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Lie {
            $($(#[$doc])* $name $(($of))?,)+
        }

        impl Lie {
            /// Each of them once.
            pub const ALL: &'static [Self] = &[$(Self::$name $(($sample))?,)+];
        }
    };
}

lies! {
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
    Status(u16 = 500),
    /// Two JSON documents in one body.
    TwoAnswers,
    /// Success and failure in one JSON object: `resultCode` twice.
    TwoCodes,
    /// `newInstance` names the instance of the order's first line, whichever line is asked for.
    OneInstanceAnOrder,
    /// New instances stay in progress for ever.
    NeverOpens,
    /// `newInstance` is in progress without naming an instance.
    PendingWithoutInstance,
    /// `queryInstance` succeeds and tells about nothing.
    TellsNothing,
    /// `queryInstance` tells about the first of the instances asked for.
    TellsOnlyFirst,
    /// `appInfo` has no `frontEndUrl`.
    NoFrontEndUrl,
    /// A renewal, upgrade, status change or release that was made before is refused.
    RefusesRepeats,
    /// A renewal cannot be taken back.
    OnlyRenewals,
    /// A frozen instance cannot be unfrozen.
    FreezesForGood,
    /// A frozen instance is unknown to `queryInstance`.
    FreezingDeletes,
    /// A frozen instance cannot be renewed.
    FrozenNotRenewed,
    /// An upgraded instance has another id.
    UpgradingMoves,
    /// A repeated release is answered "unknown".
    ForgetsReleased,
    /// A released instance is still told about.
    ReleasesOnPaper,
    /// A release without an order is refused.
    ReleaseNeedsOrder,
    /// Freezing, renewing and releasing succeed for instances that never were.
    KnowsEverybody,
    /// A call without a signature is believed.
    SignatureOptional,
    /// A forged call is refused and carried out.
    ActsOnForgeries,
    /// Calls of any time are believed.
    AnyTime,
    /// Calls of the last ten minutes are believed.
    WideWindow,
    /// Calls of the future are believed.
    AnyFuture,
    /// A call without a timestamp is believed.
    TimestampOptional,
    /// A call without a nonce is believed.
    NonceOptional,
    /// A call that is replayed opens another instance.
    ReplayOpensAnother,
    /// Nonces of more than 32 characters are refused.
    ShortNoncesOnly,
    /// Signatures are compared as upper-case text.
    UpperCaseOnly,
    /// An order that was refused once is refused for ever.
    BearsGrudges,
    /// An order whose caller hung up is in the works for ever.
    StuckAfterHangUp,
    /// Looks whether the order is known, and opens an instance a moment later.
    Races,
    /// Any activity succeeds.
    AnyActivity,
    /// A purchase without an order opens an instance.
    NothingMissing,
    /// Signatures over other text than ASCII are not believed.
    AsciiOnly,
    /// Reads Chinese as question marks.
    ForgetsChinese,
    /// Debugging calls are refused.
    NoDebugging,
    /// Debugging calls are carried out.
    DebuggingIsReal,
    /// `testFlag` of any value makes a debugging call.
    ZeroIsDebugging,
    /// The content type is plain text.
    PlainText,
    /// `resultMsg` is longer than documented.
    LongMessage,
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
