//! Who acts, when, and in which language: handed to every use case.

use crate::{AccountId, Entropy, Locale, RequestId, UserId};

/// Who acts. Goes into the audit of every change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    User {
        /// The person.
        user: UserId,
        /// The account they act for.
        account: AccountId,
    },
    /// A seller's server, by AK/SK.
    Server {
        /// The account whose key signed.
        account: AccountId,
    },
    /// The marketplace itself: a timer, a job. The word says which.
    System(&'static str),
    /// Somebody at the machine's command line.
    Console,
}

impl Actor {
    /// The account acted for, if one is.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::User { account, .. } | Self::Server { account } => Some(*account),
            Self::System(_) | Self::Console => None,
        }
    }

    /// The actor as one text for the audit: `usr_…`, `acc_…`, `system:renewals`, `console`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::User { user, .. } => user.to_string(),
            Self::Server { account } => account.to_string(),
            Self::System(name) => format!("system:{name}"),
            Self::Console => "console".to_owned(),
        }
    }
}

/// The circumstances of one act.
#[derive(Debug)]
pub struct Ctx {
    /// The market's time of the act, ms UTC. In a sandbox this is the sandbox clock's.
    pub now: i64,
    /// The machine's time of the act, ms UTC: sessions, leases and signatures go by it, never by the sandbox clock.
    pub wall: i64,
    /// Who acts.
    pub actor: Actor,
    /// The language to answer in.
    pub locale: Locale,
    /// What a person quotes when asking for help.
    pub request_id: RequestId,
    /// Random bytes for ids and secrets of this act.
    pub entropy: Entropy,
}

impl Ctx {
    /// The same circumstances at another time: a missed transition is dated by its own due time.
    #[must_use]
    pub fn at(&self, now: i64) -> Self {
        Self {
            now,
            wall: self.wall,
            actor: self.actor.clone(),
            locale: self.locale,
            request_id: self.request_id,
            entropy: self.entropy.fork(),
        }
    }
}
