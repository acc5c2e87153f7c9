//! A market with people in it: one that is gone after the measurement, or a data set that stays.
//!
//! Everything comes from one seed, so that two runs measure the same: names, keys, prices and choices.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use db::scratch::Scratch;
use db::{Db, Durability, Location, Options};
use kernel::{AccountId, Entropy, SkuId, UserId};
use market::edition::{Edition, EditionKind};
use market::{MIGRATIONS, Market, Mode, Setup};
use serde::{Deserialize, Serialize};

use crate::seed::{self, Tell};

/// The master key of every measured market; nothing in it is worth hiding.
const MASTER_KEY: [u8; 32] = [7; 32];
/// A buyer who can be measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Buyer {
    /// The account.
    pub(crate) account: AccountId,
    /// Its owner.
    pub(crate) user: UserId,
    /// The value of `Authorization`.
    pub(crate) bearer: String,
}

/// Something to buy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Good {
    /// What.
    pub(crate) sku: SkuId,
    /// What a month of one costs, minor units.
    pub(crate) month_minor: i64,
}

/// A market with people in it.
#[derive(Debug)]
pub(crate) struct Town {
    /// The market, as this process has opened it.
    pub(crate) market: Market,
    /// Who buys.
    pub(crate) buyers: Arc<Vec<Buyer>>,
    /// What is sold.
    pub(crate) goods: Arc<Vec<Good>>,
    options: Options,
    /// Gone with the town, unless it stays.
    _scratch: Option<Scratch>,
    folder: tempfile::TempDir,
}

/// How many of what a town has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Accounts that buy and can be measured: with money and an API token.
    pub(crate) buyers: usize,
    /// Accounts that sell.
    pub(crate) sellers: usize,
    /// Products on sale, over all sellers.
    pub(crate) listings: usize,
    /// Further accounts.
    pub(crate) accounts: usize,
    /// Subscriptions in use.
    pub(crate) subscriptions: usize,
}

impl Size {
    /// A town of so many buyers, and sellers with one product each.
    pub(crate) const fn small(buyers: usize, sellers: usize) -> Self {
        Self { buyers, sellers, listings: sellers, accounts: 0, subscriptions: 0 }
    }
}

/// What a town that stays needs to be opened again; beside its database.
#[derive(Debug, Serialize, Deserialize)]
struct Register {
    database: String,
    buyers: Vec<Buyer>,
    goods: Vec<Good>,
}

/// The file of the register in the folder of a town that stays.
const REGISTER: &str = "bench.json";

/// Where a town is built.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// The PostgreSQL server; SQLite when there is none.
    pub(crate) server: Option<String>,
    /// The folder for files.
    pub(crate) folder: std::path::PathBuf,
    /// What everything comes from.
    pub(crate) seed: u64,
    /// Connections to the database, of this process and of the server each.
    pub(crate) connections: usize,
}

impl Ground {
    /// The stream of randomness that `purpose` numbers.
    #[must_use]
    pub(crate) fn entropy(&self, purpose: u8) -> Entropy {
        let mut seed = [purpose; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        Entropy::from_seed(seed)
    }
}

impl Town {
    /// Builds a town that is gone when dropped. `url_of` gives the production address of the seller of a number.
    ///
    /// # Errors
    /// When the database refuses or a use case does.
    pub(crate) async fn build(ground: &Ground, size: Size, url_of: impl Fn(usize) -> String, tell: Tell<'_>) -> anyhow::Result<Self> {
        let scratch = match &ground.server {
            None => Scratch::in_folder(&ground.folder, MIGRATIONS).await?,
            Some(server) => Scratch::on_server(server.clone(), MIGRATIONS).await?,
        };
        let options = Options { durability: Durability::Full, connections: ground.connections, ..scratch.options.clone() };
        let market = open(Db::open(options.clone()).await?, ground.entropy(1)).await?;
        let (buyers, goods) = seed::fill(&market, ground, size, url_of, tell).await?;
        let folder = folder_in(&ground.folder)?;
        Ok(Self { market, buyers: Arc::new(buyers), goods: Arc::new(goods), options, _scratch: Some(scratch), folder })
    }

    /// Makes a town that stays, in an empty folder or in an empty database of a PostgreSQL server.
    ///
    /// # Errors
    /// As [`Town::build`], and when there is one already.
    pub(crate) async fn found(ground: &Ground, data: &Path, size: Size, tell: Tell<'_>) -> anyhow::Result<()> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot make the folder {}", data.display()))?;
        let register = data.join(REGISTER);
        anyhow::ensure!(!register.exists(), "there is a data set in {} already; remove it or name another folder", data.display());
        let location = match &ground.server {
            None => Location::Sqlite(data.join("yunshi.sqlite")),
            Some(server) => Location::Postgres(server.clone()),
        };
        // Nothing is lost that a second run would not make again.
        let options = Options { durability: Durability::Relaxed, connections: ground.connections, ..Options::new(location.clone()) };
        let db = Db::open(options).await?;
        db.migrate(MIGRATIONS).await?;
        let market = open(db, ground.entropy(1)).await?;
        let url_of = |n| format!("http://127.0.0.1:9/{n}");
        let (buyers, goods) = seed::fill(&market, ground, size, url_of, tell).await?;
        let text = serde_json::to_vec(&Register { database: database_url(&location), buyers, goods })?;
        std::fs::write(&register, text).with_context(|| format!("cannot write {}", register.display()))
    }

    /// Opens a town that was made to stay.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub(crate) async fn open(ground: &Ground, data: &Path) -> anyhow::Result<Self> {
        let register = data.join(REGISTER);
        let text =
            std::fs::read(&register).with_context(|| format!("there is no data set in {}; yunshi bench seed makes one", data.display()))?;
        let Register { database, buyers, goods } = serde_json::from_slice(&text)?;
        let location: Location = database.parse().map_err(anyhow::Error::msg)?;
        let options = Options { durability: Durability::Full, connections: ground.connections, ..Options::new(location) };
        // Another stream than the one that made it: its ids would be made again.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let market = open(Db::open(options.clone()).await?, Ground { seed: now.into(), ..ground.clone() }.entropy(3)).await?;
        let folder = folder_in(&ground.folder)?;
        Ok(Self { market, buyers: Arc::new(buyers), goods: Arc::new(goods), options, _scratch: None, folder })
    }

    /// How the database is opened.
    #[must_use]
    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }

    /// A folder for the server.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings with which the real program serves this town: only the doors' limits on one client are lifted, and the background is left
    /// to a worker.
    #[must_use]
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        settings(&self.options)
    }
}

fn folder_in(parent: &Path) -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("yunshi-bench-").tempdir_in(parent)
}

fn database_url(location: &Location) -> String {
    match location {
        Location::Sqlite(path) => format!("sqlite:{}", path.display()),
        Location::Postgres(url) => url.clone(),
    }
}

/// The settings with which the real program serves a market that is opened so.
#[must_use]
pub(crate) fn settings(options: &Options) -> Vec<(String, String)> {
    let url = database_url(&options.location);
    let no_limit = "1000000";
    let setting = |name: &str, value: &str| (format!("YUNSHI_{name}"), value.to_owned());
    vec![
        setting("DATABASE_URL", &url),
        setting("DATABASE_CONNECTIONS", &options.connections.to_string()),
        setting("MODE", "production"),
        setting("MASTER_KEY", &hex::encode(MASTER_KEY)),
        setting("REQUESTS_PER_SECOND", no_limit),
        setting("REQUESTS_BURST", no_limit),
        setting("WORK_IN_SERVE", "false"),
    ]
}

/// Opens the market of a database: real time, calls to loopback allowed.
///
/// # Errors
/// Those of the database.
pub(crate) async fn open(db: Db, entropy: Entropy) -> anyhow::Result<Market> {
    let policy = outbound::Policy { addresses: outbound::AddressPolicy::AllowLoopback, schemes: outbound::SchemePolicy::AllowHttp };
    let outbound = outbound::Client::new(outbound::Settings { policy, ..outbound::Settings::default() })?;
    let edition = Edition::defaults(EditionKind::Cn);
    let setup = Setup { db, mode: Mode::Production, edition, master_key: MASTER_KEY, entropy, outbound, mail: None };
    Ok(Market::open(setup).await?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_town_that_stays_is_made_once_and_opened_as_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let (ground, data) =
            (Ground { server: None, folder: folder.path().to_owned(), seed: 1, connections: 2 }, folder.path().join("data"));
        let size = Size { buyers: 2, sellers: 1, listings: 3, accounts: 1, subscriptions: 2 };
        Town::found(&ground, &data, size, &|_| ()).await.unwrap();
        let again = Town::found(&ground, &data, size, &|_| ()).await.unwrap_err();
        assert!(again.to_string().contains("there is a data set"), "{again}");

        let town = Town::open(&ground, &data).await.unwrap();
        assert_eq!((town.buyers.len(), town.goods.len()), (2, 3));
        assert_eq!(town.options().durability, Durability::Full, "what is measured waits for the disk, however it was made");
        let accounts = town.market.db().read(async |tx| tx.run_text("SELECT CAST(COUNT(*) AS TEXT) FROM accounts").await).await.unwrap();
        assert_eq!(accounts, ["5"], "the operator, a seller, two buyers and another");
        assert!(Town::open(&ground, folder.path()).await.unwrap_err().to_string().contains("yunshi bench seed"));
    }
}
