//! The seam between cases and protocols: a dialect says the words of a case on the wire, reads what comes back, and knows the document that
//! each rule comes from.

use crate::case::{Case, No, Twist};
use crate::koogallery_v2;

kernel::words! {
    /// A protocol that sellers' servers speak.
    pub enum Dialect {
        /// `KooGallery`'s SaaS access guide V2.0 (spec: protocol §1).
        KooGalleryV2 = "koogallery-v2",
    }
}

/// What is asked for, with real ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Open { order: Ids, business_id: String },
    Tell { instances: Vec<String> },
    Renew { instance: String, order: Ids, expires_at: i64 },
    TakeBack { instance: String, order: Ids, expires_at: i64 },
    Freeze { instance: String },
    Unfreeze { instance: String },
    Upgrade { instance: String, order: Ids },
    MayChange { instance: String },
    Release { instance: String, order: Option<Ids> },
    Nonsense,
}

/// The ids of an order line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) order_id: String,
    pub(crate) line_id: String,
}

/// What makes one call different from every other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof<'a> {
    pub(crate) access_key: &'a str,
    /// Machine time, ms UTC.
    pub(crate) now: i64,
    pub(crate) nonce: &'a str,
}

/// A call as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// What it is called on the wire, for people.
    pub(crate) label: String,
    pub(crate) url: String,
    pub(crate) body: String,
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

/// What an answer says, in the words of cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Success; a purchase names its instance.
    Done { instance: Option<String> },
    /// Accepted, and not ready yet.
    Pending { instance: Option<String> },
    /// Success, and this is known.
    Told(Vec<Told>),
    /// A well-formed no.
    Refused(Refusal),
    /// No answer, or none in the right form.
    Broken(Broken),
}

/// What is told about an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) instance: String,
    /// Whether the buyer's way to it is told without its address.
    pub(crate) lacks_address: bool,
}

/// A well-formed no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) no: No,
    /// The code on the wire.
    pub(crate) code: String,
    pub(crate) meaning_en: String,
    pub(crate) meaning_zh: String,
    /// The server's own words.
    pub(crate) message: Option<String>,
}

/// Why something is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// A stable word.
    pub(crate) word: &'static str,
    pub(crate) en: String,
    pub(crate) zh: String,
    pub(crate) way: Way,
}

/// How far a call without an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Not out of this machine.
    NotSent,
    /// There was no connection.
    NotConnected,
    /// There was a connection and no trust.
    NotTrusted,
    /// It arrived.
    Arrived,
}

/// Something odd in an answer that could be read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub(crate) of_content_type: bool,
    pub(crate) en: String,
    pub(crate) zh: String,
}

/// What came of a call: the reply, and what was odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) reply: Reply,
    pub(crate) remarks: Vec<Remark>,
}

impl Dialect {
    /// Where the rule of a case stands; `None` when this protocol has no such rule.
    #[must_use]
    pub fn source(self, case: &Case) -> Option<&'static str> {
        match self {
            Self::KooGalleryV2 => koogallery_v2::source(case.id),
        }
    }

    /// How long an answer may take, in ms.
    #[must_use]
    pub const fn answer_limit_ms(self) -> i64 {
        match self {
            Self::KooGalleryV2 => wire::koogallery_v2::retry::REQUEST_TIMEOUT_MS,
        }
    }

    /// Writes and signs a call to `address`.
    pub(crate) fn call(self, address: &str, ask: &Ask, twist: Twist, proof: Proof<'_>) -> Result<Outgoing, String> {
        match self {
            Self::KooGalleryV2 => koogallery_v2::call(address, ask, twist, proof),
        }
    }

    /// Reads what came of it.
    pub(crate) fn read(self, ask: &Ask, answer: &Result<outbound::Response, outbound::CallError>) -> Heard {
        match self {
            Self::KooGalleryV2 => koogallery_v2::read(ask, answer),
        }
    }

    /// Hides what nobody should see in a URL.
    pub(crate) fn mask_url(self, url: &str) -> String {
        match self {
            Self::KooGalleryV2 => wire::koogallery_v2::mask_url(url),
        }
    }

    /// Hides what nobody should see in a body.
    pub(crate) fn mask_body(self, text: &str) -> String {
        match self {
            Self::KooGalleryV2 => wire::koogallery_v2::mask_body(text),
        }
    }
}
