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

/// The same market an hour and more later, with a signed head.
async fn signed() -> Place {
    let place = Place::new().await.with("YUNSHI_MODE", "sandbox");
    place.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    pay(&place, "CS1", 6_000).await;
    place.done(&["clock", "advance", "2h"]);
    place
}

/// A payment of an order, posted at the market's time.
async fn pay(place: &Place, order: &'static str, minor: i64) {
    let shown = place.done(&["clock", "show"]);
    let now: jiff::Timestamp = shown.split_whitespace().next().unwrap().parse().unwrap();
    let now = now.as_millisecond();
    let post = async move |tx: &mut db::Tx| {
        let entropy = Entropy::from_seed([u8::try_from(order.len()).unwrap(); 32]);
        let ctx =
            kernel::Ctx { now, wall: now, actor: Actor::Console, locale: Locale::En, request_id: RequestId::new(0, &entropy), entropy };
        let buyer = AccountId::new(NEW_YEAR, &Entropy::from_seed([6; 32]));
        let deposit = Posting::new(Book::Bank, Book::Buyer(buyer), minor);
        ledger::post(tx, &ctx, EntryKind::Deposit, "dep_1", Currency::CNY, &[deposit]).await?;
        let payment = Posting::new(Book::Buyer(buyer), Book::Held(order.to_owned()), minor);
        ledger::post(tx, &ctx, EntryKind::Payment, order, Currency::CNY, &[payment]).await.map(drop)
    };
    place.db().await.write(post).await.unwrap();
}

fn key(place: &Place) -> String {
    place.done(&["ledger", "keys"]).split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_proof_is_checked_where_there_is_no_market() {
    let place = signed().await;
    place.done(&["ledger", "prove", "--order", "CS1", "--out", "proof.json"]);
    let elsewhere = Place::new().await;
    std::fs::copy(place.path("proof.json"), elsewhere.path("proof.json")).unwrap();
    let said = elsewhere.done(&["verify", "--proof", "proof.json", "--key", &key(&place)]);
    assert!(said.contains("the order CS1:") && said.contains("60.00 CNY  from buyer:acc_"), "{said}");
    assert!(said.contains("PROVEN: ") && said.contains("signed with the key that was given") && !said.contains("WARNING"), "{said}");
    assert!(!exists(&elsewhere.path("yunshi-data")), "no database is made");
    let said = elsewhere.done(&["verify", "--proof", "proof.json"]);
    assert!(said.contains("PROVEN: ") && said.contains("WARNING: this key was taken from the file itself"), "{said}");

    let proof = std::fs::read_to_string(elsewhere.path("proof.json")).unwrap();
    elsewhere.write("proof.json", &proof.replace("60.00", "50.00"));
    let ended = elsewhere.run(&["verify", "--proof", "proof.json"]);
    assert_eq!((ended.code, ended.out.starts_with("REFUSED: entry ")), (Some(3), true), "{ended:?}");
    assert!(!ended.out.contains("PROVEN"), "{ended:?}");
    assert_eq!(elsewhere.run(&["verify", "--proof", "nothing.json"]).code, Some(1));
    assert_eq!(elsewhere.run(&["verify", "--proof", "proof.json", "--key", "nonsense"]).code, Some(2));
    assert_eq!(elsewhere.run(&["verify", "--key", &key(&place)]).code, Some(2));
}

#[tokio::test]
async fn an_auditor_who_kept_a_head_sees_that_the_ledger_was_only_added_to() {
    let place = signed().await;
    let head: serde_json::Value = serde_json::from_str(&place.done(&["ledger", "head"])).unwrap();
    let size = head["size"].to_string();
    assert!(place.done(&["ledger", "head", "--note"]).contains(&format!("\n{size}\n")));
    let old = key(&place);
    let new = place.done(&["ledger", "rotate-key"]);
    let new = new.lines().next().unwrap();
    assert_eq!(key(&place), new);
    assert!(place.done(&["ledger", "keys"]).contains(&format!("{old}  retired")));
    pay(&place, "CS22", 100).await;
    place.done(&["clock", "advance", "2h"]);
    place.done(&["ledger", "prove", "--since", &size, "--out", "growth.json"]);
    let said = place.done(&["verify", "--proof", "growth.json", "--key", new]);
    assert!(said.contains("PROVEN: the newer ledger begins with the whole older one"), "{said}");
    let ended = place.run(&["verify", "--proof", "growth.json", "--key", &old]);
    assert_eq!((ended.code, ended.out.starts_with("REFUSED: the newer head was signed with the key")), (Some(3), true), "{ended:?}");
}

#[tokio::test]
async fn a_head_that_was_changed_is_found() {
    let place = signed().await;
    let said = place.done(&["verify"]);
    assert!(said.contains("signed heads: 1, over 2 transactions") && said.contains("every figure is right"), "{said}");
    place.tamper("UPDATE ledger_heads SET at = at + 1").await;
    let ended = place.run(&["verify"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.out.contains("WRONG: ledger_heads 2: its signature does not fit"), "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_proven_is_said_to_be_so() {
    let place = signed().await;
    let ended = place.run(&["ledger", "prove", "--order", "CS9"]);
    assert_eq!((ended.code, ended.complaint().ends_with("(nothing-posted)")), (Some(1), true), "{ended:?}");
    pay(&place, "CS22", 100).await;
    let ended = place.run(&["ledger", "prove", "--order", "CS22"]);
    assert_eq!((ended.code, ended.complaint().ends_with("(proof-pending)")), (Some(1), true), "{ended:?}");
    for wrong in [&[][..], &["--order", "CS1", "--since", "1"], &["--statement", "CS1"]] {
        assert_eq!(place.run(&[&["ledger", "prove"], wrong].concat()).code, Some(2), "{wrong:?}");
    }
}
