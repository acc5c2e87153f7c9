//! Commands that do one thing and end.

use kernel::{AccountId, Actor, Currency, Entropy, Locale, RequestId};
use market::ledger::{self, Book, EntryKind, Posting};

use crate::support::{Place, exists};

#[tokio::test]
async fn the_schema_is_brought_up_once() {
    let place = Place::new().await;
    let last = market::MIGRATIONS.last().unwrap().version;
    assert_eq!(place.done(&["migrate"]), format!("the schema went from version 0 to {last}\n"));
    assert_eq!(place.done(&["migrate"]), format!("the schema is at version {last}, nothing to do\n"));
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_left_alone() {
    let place = Place::new().await;
    place.done(&["migrate"]);
    place.tamper("INSERT INTO schema_history (version, name, digest) VALUES (9999, 'later', 0)").await;
    let ended = place.run(&["migrate"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.complaint().contains("use the newer program"), "{ended:?}");
}

#[tokio::test]
async fn commands_that_look_do_not_make_a_database() {
    let place = Place::new().await;
    let export = ["ledger", "export", "--format", "csv"];
    for command in [&["verify"][..], &["settle"], &["clock", "show"], &["doctor"], &export] {
        let ended = place.run(command);
        assert_ne!(ended.code, Some(0), "{command:?}: {ended:?}");
    }
    assert!(!exists(&place.path("yunshi-data")));
    let ended = place.run(&["verify"]);
    assert!(ended.complaint().contains("run yunshi migrate") || ended.complaint().contains("yunshi serve makes one"), "{ended:?}");
}

#[tokio::test]
async fn the_first_operator_is_made_at_the_console_and_only_once() {
    let place = Place::new().await;
    let said = place.done(&["operator", "create", "--title", "云市运营有限公司", "--email", "ops@market.example"]);
    assert!(said.contains("sign in as: admin"), "{said}");
    let password = said.lines().find_map(|line| line.strip_prefix("password:")).unwrap().trim();
    assert!(password.len() >= 20, "{said}");

    let ended = place.run(&["operator", "create", "--title", "Another", "--email", "ops@market.example", "--login", "admin2"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(!ended.err.contains(password));
}

#[tokio::test]
async fn a_password_of_ones_own_is_read_and_not_shown() {
    let place = Place::new().await;
    let arguments = ["operator", "create", "--title", "Yunshi", "--email", "ops@market.example", "--password-file", "-"];
    let weak = place.fed(&arguments, "admin\n");
    assert_eq!(weak.code, Some(1), "{weak:?}");
    let ended = place.fed(&arguments, "wooden horse at the gate\nsecond line\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.out.contains("horse") && !ended.out.contains("password"), "{ended:?}");
}

#[tokio::test]
async fn a_lost_master_key_is_not_replaced() {
    let place = Place::new().await;
    place.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    let key = std::fs::read(place.path("yunshi-data/master.key")).unwrap();
    std::fs::remove_file(place.path("yunshi-data/master.key")).unwrap();
    let ended = place.run(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    assert!(ended.complaint().contains("put the file back from its copy"), "{ended:?}");
    assert!(!exists(&place.path("yunshi-data/master.key")));
    std::fs::write(place.path("yunshi-data/master.key"), key).unwrap();
    place.done(&["settle", "202001"]);
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_one_clear_line() {
    let place = Place::new().await;
    place.write("yunshi.toml", "lisen = \"127.0.0.1:1\"\n");
    let ended = place.run(&["migrate"]);
    assert_eq!((ended.code, ended.complaint()), (Some(2), r#"yunshi.toml: unknown setting "lisen", did you mean "listen"?"#));

    place.write("other.toml", "data_dir = \"elsewhere\"\n");
    place.done(&["--config", "other.toml", "migrate"]);
    assert!(exists(&place.path("elsewhere")), "the named file is read, and the usual one is not");

    let ended = place.run(&["--config", "missing.toml", "migrate"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.complaint().starts_with("cannot read the configuration file missing.toml"), "{ended:?}");
}

#[tokio::test]
async fn a_month_that_is_not_over_is_not_settled() {
    let place = Place::new().await;
    place.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    assert_eq!(place.done(&["settle", "202001"]), "202001: 0 statements\n");
    let ended = place.run(&["settle", "299901"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.complaint().contains("2999-02"), "it says when: {ended:?}");
    assert_eq!(place.run(&["settle", "2020-01"]).code, Some(2));
}

#[tokio::test]
async fn a_changed_figure_is_found() {
    let place = Place::new().await;
    place.done(&["migrate"]);
    place
        .db()
        .await
        .write(async |tx| {
            let entropy = Entropy::from_seed([5; 32]);
            let ctx = kernel::Ctx {
                now: 1_767_225_600_000,
                wall: 1_767_225_600_000,
                actor: Actor::Console,
                locale: Locale::En,
                request_id: RequestId::new(0, &entropy),
                entropy,
            };
            let buyer = AccountId::new(ctx.now, &ctx.entropy);
            let posting = Posting { source: Book::Bank, destination: Book::Buyer(buyer), amount_minor: 12_345 };
            ledger::post(tx, &ctx, EntryKind::Deposit, "dep_1", Currency::CNY, &[posting]).await?;
            ledger::seal(tx, ctx.now, 10).await.map(drop)
        })
        .await
        .unwrap();
    let said = place.done(&["verify"]);
    assert!(said.contains("ledger: 1 transaction, 1 posting, 1 sealed, 0 not yet"), "{said}");
    assert!(said.contains("123.45 CNY") && said.contains("every figure is right"), "{said}");

    place.tamper("UPDATE ledger_postings SET amount_minor = 12346").await;
    let ended = place.run(&["verify"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.out.contains("WRONG: "), "{ended:?}");
    assert!(!ended.out.contains("every figure is right"));
}

#[tokio::test]
async fn the_clock_of_a_sandbox_can_be_moved_and_no_other() {
    let place = Place::new().await.with("YUNSHI_MODE", "sandbox");
    place.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    let shown = place.done(&["clock", "show"]);
    assert!(shown.ends_with("Asia/Shanghai  standing\n"), "{shown}");
    assert_eq!(place.done(&["clock", "show"]), shown, "it stands");
    assert!(place.done(&["clock", "tick"]).ends_with("ticking\n"));
    assert!(place.done(&["clock", "stand"]).ends_with("standing\n"));

    let moved = place.done(&["clock", "advance", "2099-01-01T00:00:00Z"]);
    assert!(moved.contains("2099-01-01T00:00:00Z  2099-01-01 08:00 Asia/Shanghai"), "{moved}");
    assert!(place.done(&["clock", "advance", "40d"]).contains("2099-02-10T00:00:00Z"));
    assert_eq!(place.run(&["clock", "advance", "2026-01-01T00:00:00Z"]).code, Some(1), "never back");
    let ended = place.run(&["clock", "advance", "-1d"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complaint().ends_with("(clock-backwards)"), "{ended:?}");
    assert!(place.done(&["clock", "advance", "--help"]).contains("How far"));
    assert_eq!(place.run(&["clock", "advance", "soon"]).code, Some(2));

    let production = Place::new().await;
    production.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    assert!(production.done(&["clock", "show"]).contains("the machine's"));
    let ended = production.run(&["clock", "advance", "1d"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.complaint().ends_with("(clock-not-sandbox)") && ended.complaint().len() > 30, "a sentence and the code: {ended:?}");
}

#[tokio::test]
async fn a_market_is_not_opened_in_the_other_mode() {
    let place = Place::new().await;
    place.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    let place = place.with("YUNSHI_MODE", "sandbox");
    let ended = place.run(&["clock", "show"]);
    assert!(ended.complaint().contains("holds a market whose mode is production"), "{ended:?}");
}
