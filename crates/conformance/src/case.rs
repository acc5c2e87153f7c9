//! The words that cases are written in. They are those of the business, not of a protocol.

use crate::text::Text;

kernel::words! {
    /// How a product is sold, which decides what its server must be able to do (spec: protocol §1.5).
    pub enum Product {
        /// For a period that may be renewed.
        Period = "period",
        /// Once, without an end.
        OneOff = "one-off",
        /// By usage.
        PayPerUse = "pay-per-use",
    }
}

kernel::words! {
    /// What a server need not be able to do for every product.
    pub enum Feature {
        /// Renewals.
        Renewal = "renewal",
        /// Freezing and unfreezing.
        Status = "status",
        /// Upgrades.
        Upgrade = "upgrade",
        /// Saying whether a renewal may change the instance.
        RenewalCheck = "renewal-check",
        /// One instance for each line of an order.
        Lines = "lines",
    }
}

/// Whether a server must be able to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may; a server that cannot says so as it does to an activity that it does not know.
    Optional,
    /// It is never asked.
    Absent,
}

impl Product {
    /// Whether a server of such a product must have `feature` (spec: protocol §1.5; what the copy that was read leaves open is optional).
    #[must_use]
    pub const fn need(self, feature: Feature) -> Need {
        match (self, feature) {
            (Self::Period, Feature::Renewal | Feature::Status | Feature::Lines) | (Self::OneOff, Feature::Lines) => Need::Required,
            (Self::Period, Feature::Upgrade | Feature::RenewalCheck) | (Self::PayPerUse, Feature::Renewal | Feature::Status) => {
                Need::Optional
            }
            (Self::OneOff, _) | (Self::PayPerUse, Feature::Upgrade | Feature::RenewalCheck | Feature::Lines) => Need::Absent,
        }
    }
}

/// How bad it is to break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The server is wrong.
    Must,
    /// The server works, and would be better otherwise.
    Should,
}

impl Severity {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
        }
    }
}

/// An order of this run; its ids are made of the run's own number and these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Order {
    /// What the order's number ends with.
    pub number: &'static str,
    /// Which line of it, from 1.
    pub line: u8,
}

impl Order {
    /// The first line of the order that ends with `number`.
    #[must_use]
    pub const fn new(number: &'static str) -> Self {
        Self { number, line: 1 }
    }
}

/// An instance that a step speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The instance of an order.
    Of(Order),
    /// One that never was.
    Nobody,
    /// One that never was, whose name has Chinese and everything that JSON escapes.
    Strange,
}

/// What the server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// To open an instance for a paid order.
    Open(Order),
    /// To tell about instances.
    Tell(&'static [Which]),
    /// To renew an instance, by an order of its own.
    Renew(Which, Order),
    /// To take a renewal back, by a refund order.
    TakeBack(Which, Order),
    /// To stop serving and keep the data.
    Freeze(Which),
    /// To serve again.
    Unfreeze(Which),
    /// To give an instance a larger specification, by an order of its own.
    Upgrade(Which, Order),
    /// Whether a renewal may change the instance.
    MayChange(Which),
    /// To delete an instance; by a refund order, or because its time is over.
    Release(Which, Option<Order>),
    /// Something that no protocol knows.
    Nonsense,
}

/// What is not as it should be in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing: a right call.
    None,
    /// Signed with another key.
    WrongKey,
    /// The body was changed after signing.
    ChangedBody,
    /// No signature.
    NoSignature,
    /// Nothing that proves who sent it.
    NoProof,
    /// Rightly signed this many ms ago.
    Ago(i64),
    /// Rightly signed this many ms ahead.
    Ahead(i64),
    /// Rightly signed over no timestamp.
    NoTimestamp,
    /// Rightly signed over no nonce.
    NoNonce,
    /// A right call with a nonce of another documented form.
    Nonce(NonceForm),
    /// A right call with the signature in lower case.
    LowerCase,
    /// Byte for byte what was sent last.
    Replayed,
    /// Rightly signed, a mandatory member left out.
    Without(Member),
    /// A debugging call.
    Debugging,
    /// A real call in the older spelling, which says that it is no debugging call.
    NotDebugging,
}

/// The documented examples of nonces (spec: protocol §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceForm {
    /// 64 upper-case hex digits.
    Hex64,
    /// 32 letters and digits.
    Alphanumeric32,
    /// 16 letters and digits.
    Alphanumeric16,
}

/// A mandatory member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// The order's id.
    Order,
    /// The instance's id.
    Instance,
}

/// Why a server says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// It does not believe who sent the call.
    NotAuthenticated,
    /// Something is missing or wrong in the call.
    BadParameter,
    /// It has no such instance.
    UnknownInstance,
    /// Anything else.
    Other,
}

/// What must come of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// An answer in the right form, whatever it says.
    Answer,
    /// Anything: the call only prepares the next one.
    Whatever,
    /// The order's own instance is named, the same as before.
    Opened,
    /// As [`Expect::Opened`], or one of these refusals; any refusal when there are none.
    OpenedOr(&'static [No]),
    /// Success as for a purchase, whatever it names: nothing was bought.
    Rehearsed,
    /// The instances asked for are told about and no other; asked again while they are being made.
    Told,
    /// No instance is told about.
    TellsNothing,
    /// As [`Expect::TellsNothing`], in the end.
    ToldNoMore,
    /// Success.
    Done,
    /// Success; that the instance is unknown is as good, but not as documented.
    DoneOrGone,
    /// Success, or that the instance is unknown.
    DoneOrUnknown,
    /// A refusal, best one of these.
    Refused(&'static [No]),
    /// Anything but the refusal to believe the signature.
    Believed,
}

/// One step of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How often and how patiently the call is made.
    pub manner: Manner,
    /// What is asked for.
    pub action: Action,
    /// What is wrong with the call.
    pub twist: Twist,
    /// What must come of it.
    pub expect: Expect,
    /// Left out where the product does not have this.
    pub only_with: Option<Feature>,
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Once, and its answer is waited for.
    Once,
    /// So many of them at one time, each with proofs of its own.
    Together(u8),
    /// Once, and the line is cut before the answer is likely to be there.
    CutShort,
}

/// Builders that keep the table of cases readable.
impl Step {
    /// A right call.
    #[must_use]
    pub const fn call(action: Action, expect: Expect) -> Self {
        Self { manner: Manner::Once, action, twist: Twist::None, expect, only_with: None }
    }

    /// A call with something wrong.
    #[must_use]
    pub const fn twisted(action: Action, twist: Twist, expect: Expect) -> Self {
        Self { manner: Manner::Once, action, twist, expect, only_with: None }
    }

    /// The same step, made in another manner.
    #[must_use]
    pub const fn made(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }

    /// The same step, for products with `feature` only.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self { only_with: Some(feature), ..self }
    }
}

/// How a case is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// By these steps, until one fails.
    Steps(&'static [Step]),
    /// By the address and the first call.
    Address,
    /// By the very first call, which decides whether there is a server at all.
    FirstAnswer,
    /// By what was waited for until the instance of the first order was ready.
    Opening,
    /// By how long every answer took.
    Times,
    /// By the content types of all answers.
    ContentTypes,
    /// By what was odd in all answers.
    Oddities,
}

/// One rule and how it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Stable; for `--only`, JSON and JUnit.
    pub id: &'static str,
    /// The rule.
    pub title: Text,
    /// How bad it is to break it.
    pub severity: Severity,
    /// Makes sense only where the product has this.
    pub feature: Option<Feature>,
    /// Instances that must be open; one that is not is opened first.
    pub needs: &'static [Order],
    /// Makes no sense when this case failed.
    pub follows: Option<&'static str>,
    /// How it is judged.
    pub check: Check,
}
