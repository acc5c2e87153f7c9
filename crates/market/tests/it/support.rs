//! A market of its own for each test.

use std::sync::atomic::{AtomicBool, Ordering};

use db::Db;
use db::scratch::Scratch;
use kernel::{Actor, Ctx, Entropy, Locale};
use market::edition::{Edition, EditionKind};
use market::{MIGRATIONS, Market, Mode, Setup};

/// What a sandbox market on `db` is made of.
pub(crate) fn setup(db: Db) -> Setup {
    Setup {
        db,
        mode: Mode::Sandbox,
        edition: Edition::defaults(EditionKind::Cn),
        master_key: [7; 32],
        entropy: Entropy::from_seed([42; 32]),
        outbound: outbound_client(),
        mail: None,
    }
}

/// A sandbox market on a scratch database; the database goes when this does, after the reckoning that every history must stand.
pub(crate) struct TestMarket {
    pub(crate) market: Market,
    unreckoned: AtomicBool,
    _scratch: Scratch,
}

impl TestMarket {
    pub(crate) async fn new() -> Self {
        let scratch = Scratch::new(MIGRATIONS).await.unwrap();
        let db = Db::open(scratch.options.clone()).await.unwrap();
        Self { market: Market::open(setup(db)).await.unwrap(), unreckoned: AtomicBool::new(false), _scratch: scratch }
    }

    /// Ends without the reckoning: the test damages what it looks at, or posts what no order stands behind.
    pub(crate) fn is_not_reckoned(&self) {
        self.unreckoned.store(true, Ordering::Relaxed);
    }

    /// A moment of market time with the system as the actor.
    pub(crate) fn ctx(&self, now: i64) -> Ctx {
        self.market.ctx_at(now, Actor::System("test"), Locale::En)
    }
}

impl Drop for TestMarket {
    fn drop(&mut self) {
        if std::thread::panicking() || self.unreckoned.load(Ordering::Relaxed) {
            return;
        }
        let market = self.market.clone();
        // On a runtime of its own, for that of the test is waiting here.
        let reckon = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(testkit::world::reckon(&market));
        };
        if let Err(panic) = std::thread::spawn(reckon).join() {
            std::panic::resume_unwind(panic);
        }
    }
}

pub(crate) fn outbound_client() -> outbound::Client {
    outbound::Client::new(outbound::Settings::default()).unwrap()
}
