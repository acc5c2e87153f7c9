//! A market of its own for each test.

use db::Db;
use db::scratch::Scratch;
use kernel::{Actor, Ctx, Entropy, Locale};
use market::edition::{Edition, EditionKind};
use market::{MIGRATIONS, Market, Mode, Setup};

/// A sandbox market on a scratch database; the database goes when this does.
pub(crate) struct TestMarket {
    pub(crate) market: Market,
    _scratch: Scratch,
}

impl TestMarket {
    pub(crate) async fn new() -> Self {
        let scratch = Scratch::new(MIGRATIONS).await.unwrap();
        let db = Db::open(scratch.options.clone()).await.unwrap();
        let setup = Setup {
            db,
            mode: Mode::Sandbox,
            edition: Edition::defaults(EditionKind::Cn),
            master_key: [7; 32],
            entropy: Entropy::from_seed([42; 32]),
            outbound: outbound_client(),
        };
        Self { market: Market::open(setup).await.unwrap(), _scratch: scratch }
    }

    /// A moment of market time with the system as the actor.
    pub(crate) fn ctx(&self, now: i64) -> Ctx {
        self.market.ctx_at(now, Actor::System("test"), Locale::En)
    }
}

fn outbound_client() -> outbound::Client {
    outbound::Client::new(outbound::Settings::default()).unwrap()
}
