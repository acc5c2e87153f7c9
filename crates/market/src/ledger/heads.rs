//! Signed heads of the tree: once for each hour in which something was sealed, dated by the end of that hour.
//!
//! One job looks after it. Sealing sets it down for the end of the hour; it appends the leaves of that hour to the tree, signs the head, and
//! goes on to the next hour that has something, or ends. Each of its runs is one transaction with a limit. A run that comes late makes the
//! heads that it would have made in time: what was sealed after the end of the hour waits for the next.
//!
//! Heads are signed with Ed25519, the secret sealed in the vault. A key that is replaced signs no more; its heads stay good.

use db::jobs::{self, Lease};
use db::{Error, Result, Tx};
use kernel::{Code, Ctx, Entropy, HOUR_MS, Refusal};
use serde::Serialize;
use serde_json::json;
use wire::proof::{PublicKey, SignedHead, Signer};
use zeroize::Zeroizing;

use super::{store, tree};
use crate::Market;
use crate::audit;
use crate::page::{Page, PageRequest};
use crate::vault::Vault;

/// The job that signs heads. There is one.
pub const HEAD_JOB: &str = "ledger.head";
/// Its subject.
const HEAD_SUBJECT: &str = "tree";
/// Leaves appended in one transaction: as many as are sealed in one.
const LEAVES_MAX: i64 = 1_000;
/// Random bytes of a log's name.
const NAME_BYTES: usize = 8;

kernel::words! {
    /// How a key stands.
    pub enum KeyState {
        /// It signs.
        Current = "current",
        /// It signs no more; what it has signed stays good.
        Retired = "retired",
    }
}

/// A key that heads are or were signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LogKey {
    /// Eight hexadecimal digits; each head names its key by them.
    pub id: String,
    /// How it stands.
    pub state: KeyState,
    /// The key as `NAME+ID+KEY`.
    pub public_key: String,
    /// Since when, ms UTC of the machine.
    pub created_at: i64,
    /// Until when it signed, ms UTC of the machine.
    pub retired_at: Option<i64>,
}

/// A head of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HeadView {
    /// The head.
    #[serde(flatten)]
    pub head: SignedHead,
    /// The id of the key that signed.
    pub key_id: String,
    /// The head as a signed note, as other programs for transparency logs read it.
    pub note: String,
}

impl From<SignedHead> for HeadView {
    fn from(head: SignedHead) -> Self {
        Self { key_id: head.key.id(), note: head.note(), head }
    }
}

/// A key that was drawn and is not in use yet.
pub(crate) struct NewLogKey {
    key: PublicKey,
    secret: Vec<u8>,
}

impl NewLogKey {
    /// A key for a log of a new name.
    ///
    /// # Errors
    /// None that can be.
    pub(crate) fn draw(vault: &Vault, entropy: &Entropy) -> Result<Self> {
        // What the market is called and where it is may change; what its log is called may not.
        let name = format!("yunshi.market/{}", hex::encode(entropy.bytes::<NAME_BYTES>()));
        Self::named(&name, vault, entropy)
    }

    fn named(name: &str, vault: &Vault, entropy: &Entropy) -> Result<Self> {
        let seed = Zeroizing::new(entropy.bytes::<32>());
        let signer = Signer::new(name, &seed).ok_or_else(|| Error::broken(format!("{name:?} cannot be the name of a log")))?;
        let key = signer.public_key().clone();
        let secret = vault.seal(&owner(&key.id()), seed.as_slice(), entropy);
        Ok(Self { key, secret })
    }
}

/// Whose the secret is, for the vault.
fn owner(id: &str) -> String {
    format!("ledger_keys/{id}")
}

/// Takes `new` into use when the market has no key yet (`wall`: ms UTC of the machine).
///
/// # Errors
/// Those of the database.
pub(crate) async fn ensure_key(tx: &mut Tx, new: &NewLogKey, wall: i64) -> Result<()> {
    if store::current_key(tx).await?.is_some() {
        return Ok(());
    }
    store::insert_key(tx, &new.key, &new.secret, wall).await
}

/// Replaces the key that signs. Its heads stay good, and it stays in the list of keys.
///
/// # Errors
/// Those of the database.
pub async fn rotate_key(tx: &mut Tx, ctx: &Ctx, vault: &Vault) -> Result<LogKey> {
    let (old, _) = current(tx).await?;
    let new = NewLogKey::named(old.name(), vault, &ctx.entropy)?;
    store::retire_key(tx, &old.id(), ctx.wall).await?;
    store::insert_key(tx, &new.key, &new.secret, ctx.wall).await?;
    audit::record(tx, ctx, "ledger.key_rotated", &new.key.id(), &json!({ "before": old.id() })).await?;
    let keys = store::keys(tx).await?;
    keys.into_iter().find(|key| key.id == new.key.id()).ok_or_else(|| Error::broken("a key that was written is not there"))
}

/// The keys, newest first. There are as many as were ever in use: a handful.
///
/// # Errors
/// Those of the database.
pub async fn keys(tx: &mut Tx) -> Result<Vec<LogKey>> {
    store::keys(tx).await
}

async fn current(tx: &mut Tx) -> Result<(PublicKey, Vec<u8>)> {
    let (key, secret) = store::current_key(tx).await?.ok_or_else(|| Error::broken("the market has no key for its ledger"))?;
    let key = key.parse().map_err(|error| Error::broken(format!("{error}; run yunshi verify")))?;
    Ok((key, secret))
}

async fn signer(tx: &mut Tx, vault: &Vault) -> Result<Signer> {
    let (key, secret) = current(tx).await?;
    let seed = Zeroizing::new(vault.open(&owner(&key.id()), &secret)?);
    let seed: Zeroizing<[u8; 32]> =
        Zeroizing::new(seed.as_slice().try_into().map_err(|_| Error::broken("the secret of the ledger's key has not 32 bytes"))?);
    // A public key that was changed by hand signs nothing: nobody could check it.
    Signer::new(key.name(), &seed)
        .filter(|signer| *signer.public_key() == key)
        .ok_or_else(|| Error::broken(format!("the public key {} is not that of its secret; run yunshi verify", key.id())))
}

/// Heads, newest first.
///
/// # Errors
/// [`Code::CursorInvalid`], or those of the database.
pub async fn heads(tx: &mut Tx, page: &PageRequest) -> Result<Page<HeadView>> {
    let before = match page.after.as_str() {
        "" => i64::MAX,
        after => after.parse().map_err(|_| Refusal::new(Code::CursorInvalid))?,
    };
    let rows = store::heads_before(tx, before, page.fetch()).await?;
    Ok(page.cut(rows.into_iter().map(HeadView::from).collect(), |view| view.head.size.to_string()))
}

/// The newest head.
///
/// # Errors
/// [`Code::ProofPending`] when none is signed yet.
pub async fn newest_head(tx: &mut Tx) -> Result<HeadView> {
    let newest = store::heads_before(tx, i64::MAX, 1).await?.pop();
    newest.map(HeadView::from).ok_or_else(|| Refusal::new(Code::ProofPending).into())
}

/// The head over exactly so many entries.
///
/// # Errors
/// [`Code::NotFound`] when none was signed over so many.
pub async fn head_of_size(tx: &mut Tx, size: i64) -> Result<HeadView> {
    let head = store::heads_before(tx, size.saturating_add(1), 1).await?.pop();
    let head = head.filter(|head| i64::try_from(head.size) == Ok(size));
    head.map(HeadView::from).ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// The first full hour after `at`.
const fn next_hour(at: i64) -> i64 {
    (at.div_euclid(HOUR_MS) + 1) * HOUR_MS
}

/// Sets the job down for the end of the hour of `sealed_at`, unless it is there.
pub(super) async fn schedule(tx: &mut Tx, sealed_at: i64) -> Result<()> {
    jobs::ensure(tx, HEAD_JOB, &HEAD_SUBJECT, "", next_hour(sealed_at)).await
}

/// Makes sure that the job is there when something is under no head: in a database of an older version, nobody has set it down. To be called
/// at start.
///
/// # Errors
/// Those of the database.
pub async fn ensure_head_scheduled(tx: &mut Tx) -> Result<()> {
    match next(tx).await? {
        Some(next) => jobs::ensure(tx, HEAD_JOB, &HEAD_SUBJECT, "", next.due_at).await,
        None => Ok(()),
    }
}

/// A head that is to be signed.
struct Next {
    due_at: i64,
    /// The size of the one before; 0 when there is none.
    after: i64,
}

/// The next head: due at the end of the hour in which the oldest transaction was sealed that is under none, and no two at one hour.
async fn next(tx: &mut Tx) -> Result<Option<Next>> {
    let newest = store::newest_head_marks(tx).await?;
    let after = newest.map_or(0, |(size, _)| size);
    let Some(sealed_at) = store::sealed_at(tx, after + 1).await? else { return Ok(None) };
    let apart = newest.map_or(i64::MIN, |(_, at)| at + HOUR_MS);
    Ok(Some(Next { due_at: next_hour(sealed_at).max(apart), after }))
}

/// Runs the [`HEAD_JOB`]: appends what was sealed before the head's hour ended, signs when that is all, and goes on to the next, all in one
/// transaction with the end of the lease. What is too much for one is taken by the next.
///
/// # Errors
/// [`Error::Unavailable`] when the lease was lost; [`Error::Broken`] when the ledger or the tree is damaged. Then nothing is changed.
pub async fn run_head_job(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let (of, lease) = (market.clone(), lease.clone());
    market
        .db()
        .write(async move |tx| {
            let Some(due) = next(tx).await? else { return jobs::finish(tx, &lease).await };
            if now < due.due_at {
                return jobs::postpone(tx, &lease, due.due_at).await;
            }
            let grown = tree::grow(tx, due.due_at, LEAVES_MAX).await?;
            if grown.more {
                return jobs::postpone(tx, &lease, due.due_at).await;
            }
            let size = grown.frontier.size();
            if i64::try_from(size).is_ok_and(|size| size <= due.after) {
                return Err(Error::broken("the tree has no more leaves than its newest head; run yunshi verify"));
            }
            let head = signer(tx, of.vault()).await?.sign(size, grown.frontier.root(), due.due_at);
            store::insert_head(tx, &head).await?;
            match next(tx).await? {
                Some(next) => jobs::postpone(tx, &lease, next.due_at).await,
                None => jobs::finish(tx, &lease).await,
            }
        })
        .await
}
