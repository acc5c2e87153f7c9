//! A running market: the database, the clock, the numbers, the vault, and randomness.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use db::{Db, Migration, Result, Tx, sql};
use kernel::{Actor, Ctx, Entropy, Locale, RequestId};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::edition::Edition;
use crate::machine::MachineTime;
use crate::mail::Post;
use crate::vault::Vault;
use crate::{ledger, site};

/// How often a process looks whether somebody set a number of the business, ms of the machine's time: so old is what it goes by at most. `[ours]`
const NUMBERS_LOOK_MS: i64 = 1_000;

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration { version: $version, name: $name, text: include_str!(concat!("../migrations/", $name, ".sql")) }),+]
    };
}

/// The schema of the market.
pub const MIGRATIONS: &[Migration] = migrations![
    1 "0001_foundation",
    2 "0002_ledger",
    3 "0003_accounts",
    4 "0004_sellers",
    5 "0005_catalog",
    6 "0006_orders",
    7 "0007_subscriptions",
    8 "0008_delivery",
    9 "0009_settlement",
    10 "0010_signed_heads",
    11 "0011_upkeep",
    12 "0012_storefront",
    13 "0013_debugging",
    14 "0014_console",
    15 "0015_exports",
    16 "0016_mail",
];

kernel::words! {
    /// What kind of market a database holds. Decided when it is made, for good.
    pub enum Mode {
        /// Real money, real time.
        Production = "production",
        /// A market to try things in: its clock can be moved forward.
        Sandbox = "sandbox",
    }
}

/// What a market is made of.
#[derive(Debug)]
pub struct Setup {
    /// The database, with its schema.
    pub db: Db,
    /// The kind of market; must be that of the database.
    pub mode: Mode,
    /// The numbers of the business as they are configured. What the operator set while the market ran goes before them.
    pub edition: Edition,
    /// The master key of the vault.
    pub master_key: [u8; 32],
    /// Where ids, nonces and secrets come from.
    pub entropy: Entropy,
    /// Calls that leave the market.
    pub outbound: outbound::Client,
    /// How it writes to people; none for a market that sends no mail.
    pub mail: Option<Post>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    machine: MachineTime,
    numbers: Numbers,
    vault: Vault,
    entropy: Entropy,
    /// Numbers the acts of this process, so that what they make in one millisecond sorts in their order.
    turn: AtomicU64,
    outbound: outbound::Client,
    mail: Option<Post>,
}

/// The numbers of the business in one process. An edition that was given out stays as it is for as long as the process runs, so that a use
/// case decides by one from its beginning to its end; there are few, for each is a change that a person made.
#[derive(Debug)]
struct Numbers {
    configured: Edition,
    editions: boxcar::Vec<Edition>,
    /// Which of them holds.
    current: AtomicUsize,
    /// When somebody looked last, machine ms.
    looked_at: AtomicI64,
    /// The version of the last change that was seen; one looks at a time.
    seen: tokio::sync::Mutex<i64>,
}

impl Numbers {
    fn new(configured: Edition) -> Self {
        let editions = boxcar::Vec::new();
        let current = AtomicUsize::new(editions.push(configured.clone()));
        Self { configured, editions, current, looked_at: AtomicI64::new(i64::MIN), seen: tokio::sync::Mutex::new(0) }
    }

    fn edition(&self) -> &Edition {
        self.editions.get(self.current.load(Ordering::Acquire)).unwrap_or(&self.configured)
    }

    async fn look(&self, db: &Db) -> Result<()> {
        let mut seen = self.seen.lock().await;
        let known = *seen;
        let newer = db.read(async move |tx| if site::version(tx).await? == known { Ok(None) } else { site::snapshot(tx).await.map(Some) });
        if let Some(snapshot) = newer.await? {
            let edition = snapshot.over(&self.configured);
            if edition != *self.edition() {
                self.current.store(self.editions.push(edition), Ordering::Release);
            }
            *seen = snapshot.version;
        }
        Ok(())
    }
}

/// A running market. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Market(Arc<Inner>);

impl Market {
    /// Opens the market that the database holds, or makes it when the database is new.
    ///
    /// # Errors
    /// [`db::Error::Unavailable`] when the database holds a market of the other mode or currency, with what to do.
    pub async fn open(setup: Setup) -> Result<Self> {
        Self::open_at(setup, MachineTime::real()).await
    }

    /// The same on a machine with a time of its own: in a simulation.
    ///
    /// # Errors
    /// As [`Market::open`].
    pub async fn open_at(setup: Setup, machine: MachineTime) -> Result<Self> {
        let wall = machine.now();
        let (mode, currency) = (setup.mode, setup.edition.currency);
        setup
            .db
            .write(async move |tx| {
                settle_fact(tx, "mode", mode.word()).await?;
                settle_fact(tx, "currency", currency.code()).await
            })
            .await?;
        let clock = Clock::open(&setup.db, setup.mode, wall).await?;
        let vault = Vault::new(&setup.master_key);
        let (prover, sealed) = (vault.clone(), hex::encode(vault.seal(KEY_PROOF, KEY_PROOF.as_bytes(), &setup.entropy)));
        let log_key = ledger::NewLogKey::draw(&vault, &setup.entropy)?;
        setup
            .db
            .write(async move |tx| {
                prove_key(tx, &prover, &sealed).await?;
                ledger::ensure_key(tx, &log_key, wall).await
            })
            .await?;
        let Setup { db, edition, entropy, outbound, mail, .. } = setup;
        // A later start goes on after an earlier one: there are fewer acts than one in a millisecond of the machine's time, on average.
        let turn = AtomicU64::new(u64::try_from(wall).unwrap_or(0));
        let numbers = Numbers::new(edition);
        numbers.look(&db).await?;
        Ok(Self(Arc::new(Inner { db, clock, machine, numbers, vault, entropy, turn, outbound, mail })))
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The machine's time. Leases, sessions and signatures go by it; the business goes by [`Ctx::now`].
    #[must_use]
    pub fn machine(&self) -> &MachineTime {
        &self.0.machine
    }

    /// The numbers of the business, as they were last seen: what the operator set goes before what is configured.
    #[must_use]
    pub fn edition(&self) -> &Edition {
        self.0.numbers.edition()
    }

    /// The numbers of the business as they are configured.
    #[must_use]
    pub fn configured(&self) -> &Edition {
        &self.0.numbers.configured
    }

    /// Looks at once whether a number of the business was set: whoever set one goes by it from then on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn look_at_numbers(&self) -> Result<()> {
        self.0.numbers.look(&self.0.db).await
    }

    /// The same when nobody has looked for a while. That the database does not answer is for the act to meet that needs it.
    pub(crate) async fn look_now_and_then(&self, wall: i64) {
        let numbers = &self.0.numbers;
        let last = numbers.looked_at.load(Ordering::Relaxed);
        let due = wall.saturating_sub(last) >= NUMBERS_LOOK_MS;
        if !due || numbers.looked_at.compare_exchange(last, wall, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        if let Err(error) = self.look_at_numbers().await {
            tracing::warn!(%error, "whether a number of the business was set could not be seen; the last ones seen go on to hold");
        }
    }

    /// Where secrets are sealed.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The client for calls that leave the market.
    #[must_use]
    pub fn outbound(&self) -> &outbound::Client {
        &self.0.outbound
    }

    /// How it writes to people; none when it sends no mail.
    #[must_use]
    pub fn mail(&self) -> Option<&Post> {
        self.0.mail.as_ref()
    }

    /// What kind of market it is.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.0.clock {
            Clock::Wall => Mode::Production,
            Clock::Sandbox => Mode::Sandbox,
        }
    }

    /// A stream of random bytes of its own.
    #[must_use]
    pub fn entropy(&self) -> Entropy {
        self.0.entropy.fork().at_turn(self.0.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The circumstances of an act that begins now.
    ///
    /// # Errors
    /// Those of the database: a sandbox's clock stands there.
    pub async fn ctx(&self, actor: Actor, locale: Locale) -> Result<Ctx> {
        let wall = self.0.machine.now();
        self.look_now_and_then(wall).await;
        let now = self.0.clock.now(&self.0.db, wall).await?;
        Ok(self.ctx_at(now, actor, locale))
    }

    /// The circumstances of an act at a given market time.
    #[must_use]
    pub fn ctx_at(&self, now: i64, actor: Actor, locale: Locale) -> Ctx {
        let entropy = self.entropy();
        let wall = self.0.machine.now();
        Ctx { now, wall, actor, locale, request_id: RequestId::new(wall, &entropy), entropy }
    }
}

/// What the database says of itself, such as its `mode`; none before a market was made in it.
pub(crate) async fn fact(tx: &mut Tx, name: &'static str) -> Result<Option<String>> {
    let found = tx.find::<(String,)>(sql!("SELECT value FROM market_facts WHERE name = $1"), &[&name]).await?;
    Ok(found.map(|(value,)| value))
}

/// The fact that proves a master key, and what is sealed in it.
const KEY_PROOF: &str = "master_key_proof";

/// Seals a proof with the master key of a new database; refuses a key that does not open the proof of an old one, before a secret is needed.
async fn prove_key(tx: &mut Tx, vault: &Vault, sealed: &str) -> Result<()> {
    let proof = settled(tx, KEY_PROOF, sealed).await?;
    let opens = hex::decode(&proof).is_ok_and(|proof| vault.open(KEY_PROOF, &proof).is_ok());
    if opens {
        return Ok(());
    }
    Err(db::Error::Unavailable("the master key is not the one with which this market's secrets were sealed; give the right one".to_owned()))
}

/// Whether `master_key` is the one that a database's secrets were sealed with; `None` in a database that no market was made in yet.
///
/// # Errors
/// Those of the database.
pub async fn opens_with(db: &Db, master_key: &[u8; 32]) -> Result<Option<bool>> {
    let vault = Vault::new(master_key);
    Ok(proof(db).await?.map(|proof| hex::decode(&proof).is_ok_and(|proof| vault.open(KEY_PROOF, &proof).is_ok())))
}

/// What tells one market from every other, copies of it apart: 16 hexadecimal digits of a digest of what was drawn when it was made. `None`
/// in a database that no market was made in yet.
///
/// # Errors
/// Those of the database.
pub async fn market_id(db: &Db) -> Result<Option<String>> {
    Ok(proof(db).await?.map(|proof| hex::encode(&Sha256::digest(proof)[..8])))
}

async fn proof(db: &Db) -> Result<Option<String>> {
    db.read(async |tx| fact(tx, KEY_PROOF).await).await
}

/// Writes a fact into a new database; refuses to open one where it is another.
async fn settle_fact(tx: &mut Tx, name: &'static str, value: &str) -> Result<()> {
    let found = settled(tx, name, value).await?;
    if found == value {
        return Ok(());
    }
    Err(db::Error::Unavailable(format!(
        "this database holds a market whose {name} is {found}, not {value}; use another database, or set {name} to {found}"
    )))
}

/// The value of a fact: `value` when it was not settled before.
async fn settled(tx: &mut Tx, name: &'static str, value: &str) -> Result<String> {
    let insert = sql!("INSERT INTO market_facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
    tx.execute(insert, &[&name, &value]).await?;
    let (found,): (String,) = tx.one(sql!("SELECT value FROM market_facts WHERE name = $1"), &[&name]).await?;
    Ok(found)
}
