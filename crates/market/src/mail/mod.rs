//! Mails to people: written in the transaction of what they tell, handed to the operator's mail server by a job.
//!
//! What is said, and in which words, is decided where texts are ([`Wording`]); the words are made when the mail is written. A server that
//! does not take a mail is asked again after 1 min, 5 min, 30 min, 2 h and 8 h, and then no more. A mail whose hand-over was not noted
//! down, because the process died, is handed over again under the same Message-ID.
//!
//! Invariants: what a mail says is in the database only sealed, and in production only until it is handed over or given up; no address, no
//! text and no subject is logged; a sandbox without a mail server keeps its mails for its outbox and sends nothing.
//!
//! Left out: HTML, attachments, what servers later say of mails that they took.

mod store;

use std::fmt;
use std::sync::Arc;

use db::jobs::{self, Lease};
use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, DAY_MS, HOUR_MS, Locale, MINUTE_MS, MailId, Refusal, UserId};
use outbound::mail::{MailError, Mailer, Outgoing};
use serde::Serialize;

use crate::market::{Market, Mode};
use crate::notices::Notice;
use crate::page::{Page, PageRequest};

/// The job that hands a mail over; its subject is the mail.
pub const SEND_JOB: &str = "mail.send";
/// All mails go to one server, as calls of a seller do.
const LANE: &str = "mail";
/// After so long a mail that was not taken is tried again. `[ours]`
const PAUSES_MS: [i64; 5] = [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 8 * HOUR_MS];
/// Characters of a subject.
const SUBJECT_CHARS_MAX: usize = 200;
/// Characters of what a mail says.
const TEXT_CHARS_MAX: usize = 16 * 1024;
/// Mails are kept this long. `[ours]`
const KEPT_MS: i64 = 30 * DAY_MS;
/// No more mails than this are kept, the newest. `[ours]`
const KEPT_MAX: i64 = 10_000;
/// After so many mails in an hour an account's notices wait. `[ours]`
const MAILS_PER_HOUR_MAX: i64 = 60;

kernel::words! {
    /// What a mail is about.
    pub enum MailKind {
        /// The link to a new password.
        PasswordReset = "password-reset",
        /// That the password was changed.
        PasswordChanged = "password-changed",
        /// What stands in the account's inbox.
        Notices = "notices",
    }
}

kernel::words! {
    /// How a mail stands.
    pub enum MailState {
        /// Waits to be handed over.
        Queued = "queued",
        /// The mail server took it.
        Sent = "sent",
        /// Given up.
        Failed = "failed",
        /// Kept in the outbox of a sandbox, and sent to nobody.
        Kept = "kept",
    }
}

/// What there is to say.
#[derive(Debug)]
pub enum Matter<'a> {
    /// Somebody asked for a new password.
    PasswordReset {
        /// The sign-in name.
        login: &'a str,
        /// What the link must carry.
        token: &'a str,
        /// How long it works.
        minutes: i64,
    },
    /// The password was changed.
    PasswordChanged {
        /// The sign-in name.
        login: &'a str,
        /// When, market ms UTC.
        at: i64,
    },
    /// What came into the inbox, oldest first; at least one.
    Notices {
        /// Those that are told.
        notices: &'a [Notice],
        /// How many more there are.
        more: i64,
    },
}

impl Matter<'_> {
    const fn kind(&self) -> MailKind {
        match self {
            Self::PasswordReset { .. } => MailKind::PasswordReset,
            Self::PasswordChanged { .. } => MailKind::PasswordChanged,
            Self::Notices { .. } => MailKind::Notices,
        }
    }
}

/// Whom a mail is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The person.
    pub user: UserId,
    /// Their account.
    pub account: AccountId,
    /// What they are called.
    pub name: String,
    /// Their address.
    pub email: String,
    /// The language they read.
    pub locale: Locale,
}

/// A mail in words.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// What it is about, one line. Holds no secret.
    pub subject: String,
    /// What it says, plain text.
    pub text: String,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letter(..)")
    }
}

/// Who finds the words: texts are not the business's.
pub trait Wording: fmt::Debug + Send + Sync {
    /// A matter in the words of the addressee's language.
    fn letter(&self, matter: &Matter<'_>, to: &Addressee) -> Letter;
}

/// Where mails go.
#[derive(Clone, Debug)]
pub enum Transport {
    /// To the operator's mail server.
    Server(Mailer),
    /// Nowhere: they are kept, and can be read in the sandbox.
    Outbox,
}

/// How a market writes to people.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where mails go.
    pub transport: Transport,
    /// In which words.
    pub wording: Arc<dyn Wording>,
}

/// A mail as it stands, without what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// What it is about.
    pub kind: MailKind,
    /// Whose account.
    pub account_id: AccountId,
    /// For whom.
    pub user_id: UserId,
    /// Their address.
    pub recipient: String,
    /// Its first line.
    pub subject: String,
    /// How it stands.
    pub state: MailState,
    /// How often it was tried.
    pub attempts: i64,
    /// What the last try came to.
    pub last_error: Option<String>,
    /// When it was written, market ms UTC.
    pub created_at: i64,
    /// When it was handed over, market ms UTC.
    pub sent_at: Option<i64>,
}

/// An address of which only its owner sees which it is: `l***@example.com`.
#[must_use]
pub fn masked(address: &str) -> String {
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{domain}")
}

/// Whether an account may get more mails about notices at market time `now`: it gets no more than so many in an hour.
///
/// # Errors
/// Those of the database.
pub async fn has_room(tx: &mut Tx, account: AccountId, now: i64) -> Result<bool> {
    Ok(store::count_since(tx, account, now - HOUR_MS, MAILS_PER_HOUR_MAX).await? < MAILS_PER_HOUR_MAX)
}

/// Writes a mail, to be sent after this transaction; nothing in a market that sends no mail. How many somebody gets is for the caller to
/// limit.
///
/// # Errors
/// Those of the database.
pub async fn write(tx: &mut Tx, ctx: &Ctx, market: &Market, to: &Addressee, matter: &Matter<'_>) -> Result<Option<MailId>> {
    let Some(post) = market.mail() else { return Ok(None) };
    let letter = post.wording.letter(matter, to);
    let id = MailId::new(ctx.now, &ctx.entropy);
    let state = match post.transport {
        Transport::Server(_) => MailState::Queued,
        Transport::Outbox => MailState::Kept,
    };
    let mail = Mail {
        id,
        kind: matter.kind(),
        account_id: to.account,
        user_id: to.user,
        recipient: to.email.clone(),
        subject: one_line(&letter.subject),
        state,
        attempts: 0,
        last_error: None,
        created_at: ctx.now,
        sent_at: None,
    };
    let text: String = letter.text.chars().take(TEXT_CHARS_MAX).collect();
    let sealed = market.vault().seal(&id.to_string(), text.as_bytes(), &ctx.entropy);
    store::insert(tx, &mail, &sealed).await?;
    if state == MailState::Queued {
        jobs::enqueue(tx, SEND_JOB, &id, LANE, ctx.now).await?;
    }
    Ok(Some(id))
}

fn one_line(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(SUBJECT_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// What came of a try.
enum Tried {
    Sent,
    /// Not now; a later try may succeed.
    Later(String),
    /// Never.
    Failed(String),
}

/// Carries a [`SEND_JOB`] out: hands the mail over and notes what came of it, together with the end of the job.
///
/// # Errors
/// [`db::Error::Unavailable`] when the lease was lost, or those of the database; the mail may have been handed over.
pub async fn run_send_job(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let id: MailId = lease.job.subject.parse().map_err(|_| db::Error::broken("the subject of a mail's job is no mail"))?;
    let found = market.db().read(async move |tx| store::with_text(tx, id).await).await?;
    let waiting = found.filter(|(mail, _)| mail.state == MailState::Queued);
    let Some((mail, sealed)) = waiting else {
        // Forgotten or sent meanwhile: there is nothing left to do.
        let lease = lease.clone();
        return market.db().write(async move |tx| jobs::finish(tx, &lease).await).await;
    };
    let tried = match sealed {
        Some(sealed) => hand_over(market, &mail, &market.vault().open_text(&id.to_string(), &sealed)?).await,
        None => Tried::Failed("what it says is gone".to_owned()),
    };
    let (lease, forgets) = (lease.clone(), market.mode() == Mode::Production);
    market.db().write(async move |tx| note(tx, &lease, &mail, &tried, now, forgets).await).await
}

async fn hand_over(market: &Market, mail: &Mail, text: &str) -> Tried {
    let Some(Post { transport: Transport::Server(mailer), .. }) = market.mail() else {
        return Tried::Later("no mail server is set up any more".to_owned());
    };
    let id = mail.id.to_string();
    let outgoing = Outgoing { id: &id, to: &mail.recipient, subject: &mail.subject, text };
    match mailer.send(&outgoing).await {
        Ok(()) => Tried::Sent,
        // Servers like to repeat the address.
        Err(error) if error.may_pass() => Tried::Later(without(&error, &mail.recipient)),
        Err(error) => Tried::Failed(without(&error, &mail.recipient)),
    }
}

fn without(error: &MailError, address: &str) -> String {
    error.to_string().replace(address, &masked(address))
}

async fn note(tx: &mut Tx, lease: &Lease, mail: &Mail, tried: &Tried, now: i64, forgets: bool) -> Result<()> {
    let attempts = mail.attempts + 1;
    let pause = usize::try_from(mail.attempts).ok().and_then(|turn| PAUSES_MS.get(turn));
    let (state, error) = match (tried, pause) {
        (Tried::Sent, _) => (MailState::Sent, None),
        (Tried::Later(why), Some(pause)) => {
            store::note(tx, mail.id, MailState::Queued, attempts, Some(why), None).await?;
            return jobs::postpone(tx, lease, now + pause).await;
        }
        (Tried::Later(why) | Tried::Failed(why), _) => {
            tracing::warn!(mail = %mail.id, kind = mail.kind.word(), attempts, "a mail was given up; the operator's page of mails says why");
            (MailState::Failed, Some(why))
        }
    };
    let sent_at = (state == MailState::Sent).then_some(now);
    store::note(tx, mail.id, state, attempts, error.map(String::as_str), sent_at).await?;
    if forgets {
        store::forget_text(tx, mail.id).await?;
    }
    jobs::finish(tx, lease).await
}

/// The mails of the market, newest first; only those in a state when one is given. For the operator.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, state: Option<MailState>, page: &PageRequest) -> Result<Page<Mail>> {
    let rows = store::list(tx, state, page).await?;
    Ok(page.cut(rows, |mail: &Mail| mail.id.to_string()))
}

/// A mail by its id. For the operator.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn get(tx: &mut Tx, id: MailId) -> Result<Mail> {
    Ok(store::with_text(tx, id).await?.ok_or_else(|| Refusal::new(Code::NotFound))?.0)
}

/// What a mail says, where that may be read: in a sandbox. None in production, and for a mail whose text is gone.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn text_of(tx: &mut Tx, market: &Market, id: MailId) -> Result<Option<String>> {
    let (_, sealed) = store::with_text(tx, id).await?.ok_or_else(|| Refusal::new(Code::NotFound))?;
    match (market.mode(), sealed) {
        (Mode::Sandbox, Some(sealed)) => market.vault().open_text(&id.to_string(), &sealed).map(Some),
        _ => Ok(None),
    }
}

/// Removes mails that are older than 30 days at market time `now`, or more than are kept; at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn forget_old(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    let oldest = MailId::first_at(now - KEPT_MS);
    let bound = store::oldest_of_newest(tx, KEPT_MAX).await?.map_or(oldest, |kept| oldest.max(kept));
    store::delete_before(tx, bound, limit).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_being_told() {
        assert_eq!(masked("li.wei@example.com"), "l***@example.com");
        assert_eq!(masked("王芳@例子.中国"), "王***@例子.中国");
        assert_eq!(masked(""), "***@");
        let error = MailError::Refused("550 li.wei@example.com is unknown".to_owned());
        assert_eq!(without(&error, "li.wei@example.com"), "the mail server refused the mail: 550 l***@example.com is unknown");
    }

    #[test]
    fn a_subject_is_one_line() {
        assert_eq!(one_line("Hello\r\nBcc: everybody@example.com"), "Hello  Bcc: everybody@example.com");
        assert_eq!(one_line(&"长".repeat(500)).chars().count(), SUBJECT_CHARS_MAX);
    }
}
