//! What is to be checked, and what it waits for at most.

use std::path::PathBuf;
use std::time::Duration;

use crate::case::{Case, Feature, Product};
use crate::cases::{CASES, find};
use crate::dialect::Dialect;

/// How long a background opening is waited for (ours; the marketplace itself asks for three hours).
const OPENING: Duration = Duration::from_secs(60);
/// First wait between two questions whether an instance is ready (ours); it doubles.
const FIRST_POLL: Duration = Duration::from_millis(250);
/// How long the whole check may take (ours).
const TOTAL: Duration = Duration::from_secs(300);
/// How long cleaning up may take on top of that (ours).
const CLEANUP: Duration = Duration::from_secs(60);
/// What the check waits for at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one answer; slower ones break a rule. An answer is waited for twice as long.
    pub answer: Duration,
    /// For an instance that is made in the background.
    pub opening: Duration,
    /// Between the first two questions whether it is ready.
    pub first_poll: Duration,
    /// For all cases together.
    pub total: Duration,
    /// For cleaning up after them.
    pub cleanup: Duration,
}

impl Limits {
    /// The limits of a protocol, and ours.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        let answer = Duration::from_millis(dialect.answer_limit_ms().unsigned_abs());
        Self { answer, opening: OPENING, first_poll: FIRST_POLL, total: TOTAL, cleanup: CLEANUP }
    }
}

/// What is to be checked.
#[derive(Clone)]
pub struct Plan {
    /// The protocol.
    pub dialect: Dialect,
    /// The production address.
    pub address: String,
    /// The key that the server verifies with.
    pub access_key: String,
    /// How the product is sold.
    pub product: Product,
    /// Optional abilities that this server must have.
    pub required: Vec<Feature>,
    /// The cases to try; see [`selected`].
    pub cases: Vec<&'static Case>,
    /// What is waited for at most.
    pub limits: Limits,
    /// A PEM file with certificate authorities that are trusted besides the public ones.
    pub extra_ca_file: Option<PathBuf>,
}

impl Plan {
    /// Every case of the protocol, for a product sold by period, with the usual limits.
    #[must_use]
    pub fn new(dialect: Dialect, address: impl Into<String>, access_key: impl Into<String>) -> Self {
        Self {
            dialect,
            address: address.into(),
            access_key: access_key.into(),
            product: Product::Period,
            required: Vec::new(),
            cases: selected(dialect, &[]).unwrap_or_default(),
            limits: Limits::of(dialect),
            extra_ca_file: None,
        }
    }
}

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// There is no such case.
    #[error("there is no case {0:?}, --list shows all of them")]
    NoSuchCase(String),
    /// The address is none.
    #[error("the address cannot be called: {0}")]
    Address(String),
    /// Plain HTTP over the Internet.
    #[error("plain http is for a server on this machine or in a private network, use https for this one")]
    PlainHttp,
    /// No connection.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The HTTP client cannot be set up.
    #[error("cannot set up calls")]
    Client(#[from] outbound::BuildError),
}

/// The cases of a protocol with these ids, in the order in which they are tried; all of them when no id is given.
///
/// # Errors
/// [`CannotRun::NoSuchCase`] for an id that the protocol does not have.
pub fn selected(dialect: Dialect, ids: &[String]) -> Result<Vec<&'static Case>, CannotRun> {
    let known = |id: &String| find(id).is_some_and(|case| dialect.source(case).is_some());
    if let Some(unknown) = ids.iter().find(|id| !known(id)) {
        return Err(CannotRun::NoSuchCase(unknown.clone()));
    }
    let wanted = |case: &&Case| ids.is_empty() || ids.iter().any(|id| id == case.id);
    Ok(CASES.iter().filter(wanted).filter(|case| dialect.source(case).is_some()).collect())
}
