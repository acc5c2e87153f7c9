//! What can go wrong with a transaction.

use kernel::{Code, Refusal, ScalarError};

/// Why a transaction did not take place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The business says no. Nothing was changed.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// A named constraint of the schema would be broken; see [`OnConstraint`].
    #[error("the constraint {0} would be broken")]
    Constraint(String),
    /// The database asks to run the transaction again; handled inside this crate.
    #[error("the transaction met another one")]
    Again,
    /// The transaction must run again as a serializable one ([`crate::Tx::need_serializable`]); handled inside this crate.
    #[error("the transaction relies on what others may be changing")]
    NeedsSerializable,
    /// The database, its disk or its network cannot do it now.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A fault in the statement, the data or the code.
    #[error("a fault in the database layer")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The result of everything that touches the database.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A fault, described.
    #[must_use]
    pub fn broken(text: impl Into<String>) -> Self {
        Self::Broken(text.into().into())
    }

    /// What a caller hears of a commit that was lost, or whose answer was.
    pub(crate) fn lost_commit() -> Self {
        Self::Unavailable("the commit failed; repeat the request to learn whether it took place".to_owned())
    }

    /// So many wait that one more would wait for nothing.
    pub(crate) fn overloaded() -> Self {
        Self::Unavailable("too many transactions wait; try again".to_owned())
    }

    /// The code, when this is the business saying no.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Constraint(_) | Self::Again | Self::NeedsSerializable | Self::Unavailable(_) | Self::Broken(_) => None,
        }
    }
}

impl From<ScalarError> for Error {
    fn from(error: ScalarError) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// Turns a broken constraint into what it means to the business: the database checks, the code translates.
pub trait OnConstraint<T> {
    /// Refuses with `code` when the constraint `name` would be broken; leaves every other result alone.
    ///
    /// # Errors
    /// [`Error::Refused`] with `code`, or the error as it was.
    fn on_constraint(self, name: &str, code: Code) -> Result<T>;
}

impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, name: &str, code: Code) -> Self {
        match self {
            Err(Error::Constraint(broken)) if broken == name => Err(Refusal::new(code).into()),
            other => other,
        }
    }
}
