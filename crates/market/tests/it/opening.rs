//! A database is opened as the market it is, or not at all.

use db::{Db, Error};
use kernel::Entropy;
use market::edition::{Edition, EditionKind};
use market::{MIGRATIONS, Market, Mode, Setup};

async fn open(scratch: &db::scratch::Scratch, mode: Mode, kind: EditionKind, key: u8) -> Result<Market, Error> {
    let db = Db::open(scratch.options.clone()).await.unwrap();
    let setup = Setup {
        db,
        mode,
        edition: Edition::defaults(kind),
        master_key: [key; 32],
        entropy: Entropy::from_seed([1; 32]),
        outbound: outbound::Client::new(outbound::Settings::default()).unwrap(),
        mail: None,
    };
    Market::open(setup).await
}

#[tokio::test]
async fn another_mode_currency_or_key_is_refused_with_what_to_do() {
    let scratch = db::scratch::Scratch::new(MIGRATIONS).await.unwrap();
    open(&scratch, Mode::Production, EditionKind::Cn, 1).await.unwrap();
    open(&scratch, Mode::Production, EditionKind::Cn, 1).await.unwrap();
    for (mode, kind, key, says) in [
        (Mode::Sandbox, EditionKind::Cn, 1, "whose mode is production"),
        (Mode::Production, EditionKind::Intl, 1, "whose currency is CNY"),
        (Mode::Production, EditionKind::Cn, 2, "give the right one"),
    ] {
        let error = open(&scratch, mode, kind, key).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(why) if why.contains(says)), "{error}");
    }
}

#[tokio::test]
async fn a_production_clock_cannot_be_moved() {
    let scratch = db::scratch::Scratch::new(MIGRATIONS).await.unwrap();
    let market = open(&scratch, Mode::Production, EditionKind::Cn, 1).await.unwrap();
    let refused = market::runner::advance(&market, market::runner::To::Moment(i64::MAX), |_| {}).await.unwrap_err();
    assert_eq!(refused.code(), Some(kernel::Code::ClockNotSandbox));
}
