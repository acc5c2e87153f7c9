//! The books, as they are typed for.

use kernel::{AccountId, Actor, Currency, Entropy, Locale, RequestId};
use market::ledger::{self, Book, EntryKind, Posting};

use crate::support::{Place, exists};

/// 2026-01-01 08:00 in Shanghai.
const NEW_YEAR: i64 = 1_767_225_600_000;

/// A market into whose ledger a bank transfer came on new year's day, and another a day later.
async fn two_transfers() -> Place {
    let place = Place::new().await;
    place.done(&["migrate"]);
    for (at, minor) in [(NEW_YEAR, 12_345), (NEW_YEAR + kernel::DAY_MS, 5)] {
        let post = async move |tx: &mut db::Tx| {
            let entropy = Entropy::from_seed([5; 32]);
            let ctx = kernel::Ctx {
                now: at,
                wall: at,
                actor: Actor::Console,
                locale: Locale::En,
                request_id: RequestId::new(0, &entropy),
                entropy,
            };
            let buyer = AccountId::new(NEW_YEAR, &Entropy::from_seed([6; 32]));
            let posting = Posting::new(Book::Bank, Book::Buyer(buyer), minor);
            ledger::post(tx, &ctx, EntryKind::Deposit, "dep_1", Currency::CNY, &[posting]).await.map(drop)
        };
        place.db().await.write(post).await.unwrap();
    }
    place
}

#[tokio::test]
async fn books_are_written_to_standard_output_and_nothing_else_is() {
    let place = two_transfers().await;
    let ended = place.run(&["ledger", "export", "--format", "csv"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out.lines().count(), 5, "{ended:?}");
    assert!(ended.out.starts_with("date,time,transaction,kind,"), "{ended:?}");
    assert!(ended.out.contains("2026-01-01,2026-01-01T08:00:00.000+08:00,ltx_"), "{ended:?}");
    assert!(ended.err.ends_with("2 transactions, 2 accounts\n"), "{ended:?}");
}

#[tokio::test]
async fn a_part_of_the_books_goes_into_a_file_that_is_whole() {
    let place = two_transfers().await;
    let part = ["ledger", "export", "--format", "hledger", "--from", "2026-01-02", "--to", "2026-01-02", "--out", "books.journal"];
    assert_eq!(place.done(&part), "");
    let books = std::fs::read_to_string(place.path("books.journal")).unwrap();
    assert!(books.contains("2026-01-02 * opening balances") && books.contains("Assets:Bank"), "{books}");
    assert!(books.contains("= 123.50 CNY"), "{books}");

    place.tamper("UPDATE ledger_postings SET destination = 'nowhere'").await;
    let ended = place.run(&["ledger", "export", "--format", "beancount", "--out", "books.beancount"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.complaint().contains("run yunshi verify"), "{ended:?}");
    assert!(!exists(&place.path("books.beancount")));
    assert_eq!(
        std::fs::read_dir(place.path("")).unwrap().filter(|it| it.as_ref().unwrap().path().is_file()).count(),
        1,
        "nothing is left over"
    );
}

#[tokio::test]
async fn days_and_formats_that_are_none_are_misuse() {
    let place = two_transfers().await;
    for wrong in [
        &["--format", "quicken"][..],
        &[],
        &["--format", "csv", "--from", "1 May"],
        &["--format", "csv", "--to", "2026-02-30"],
        &["--format", "csv", "--from", "2026-01-02", "--to", "2026-01-01"],
    ] {
        let ended = place.run(&[&["ledger", "export"], wrong].concat());
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{wrong:?}: {ended:?}");
    }
}
