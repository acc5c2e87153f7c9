//! The ledger as books that an accountant's own tool reads: hledger, beancount, CSV.
//!
//! A posting of ours moves an amount from one book to another; in the export it is two sides of a transaction, debit positive, so the books say
//! what an accountant expects: the bank is an asset and positive, what is owed to buyers and sellers a liability and negative, the platform's
//! fee an income and negative. Every amount is therefore the negative of our book's.
//!
//! At the end stands what *our* ledger says each account holds, as an assertion of the format: the tool folds its own transactions and refuses
//! the file when it comes to anything else, to the cent. The assertions are folded by the database, the transactions are written from their
//! rows, so the two agree only when both are whole.
//!
//! Invariants: one unchanging view of the ledger; memory holds a page at a time, whatever the ledger's size. Left out: what CSV cannot say
//! (assertions, the chart of accounts).

mod beancount;
mod chart;
mod csv;
mod hledger;
mod store;
mod texts;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use db::{Db, Error, Result, Tx};
use kernel::{Currency, Money, TransactionId, Zone};

use crate::ledger::{Book, EntryKind};
use crate::progress::{Steps, told};
use chart::Account;

/// Transactions of one page of the walk.
const PAGE: i64 = 1_000;
/// Books of one page of the walk.
const BOOKS_PAGE: i64 = 1_000;

kernel::words! {
    /// What reads the books.
    pub enum Format {
        /// hledger's journal (and, but for the tags, ledger's).
        Hledger = "hledger",
        /// beancount's.
        Beancount = "beancount",
        /// One row for each side of each posting (RFC 4180).
        Csv = "csv",
    }
}

/// Which books.
#[derive(Clone, Debug)]
pub struct Export {
    /// For which tool.
    pub format: Format,
    /// The zone whose days are the days of the books.
    pub zone: Zone,
    /// The currency of the market, the only one that its ledger has.
    pub currency: Currency,
    /// From this moment on, ms UTC: what was before is an opening balance. From the beginning when left out.
    pub from: Option<i64>,
    /// Before this moment, ms UTC. To the end when left out.
    pub until: Option<i64>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Transactions, the opening balance not counted.
    pub transactions: i64,
    /// Accounts with their closing balances.
    pub accounts: i64,
}

/// Writes the books into `out` as it walks; `progress` is told how many transactions are written.
///
/// # Errors
/// [`Error::Unavailable`] when `out` takes no more, with what it said, or those of the database; [`Error::Broken`] when a row of the ledger is
/// damaged: `yunshi verify` names it. What was written until then is no whole export.
pub async fn export<W: Write + Send + 'static>(db: &Db, export: Export, out: W, progress: impl FnMut(i64)) -> Result<Exported> {
    // A reading closure runs once, so it may write as it goes; who reads slowly makes the walk wait, and nothing heaps up.
    let (export, out) = (Arc::new(export), Arc::new(Mutex::new(out)));
    told(db, progress, async move |tx, steps| {
        let layout: Box<dyn Layout> = match export.format {
            Format::Hledger => Box::new(hledger::Hledger::default()),
            Format::Beancount => Box::new(beancount::Beancount::default()),
            Format::Csv => Box::new(csv::Csv),
        };
        let sink = |page: &[u8]| out.lock().unwrap_or_else(PoisonError::into_inner).write_all(page);
        let walk = Walk { export: &export, steps, sink: &sink, layout, page: Vec::new(), last_at: export.from, found: Exported::default() };
        let found = walk.through(tx).await?;
        out.lock().unwrap_or_else(PoisonError::into_inner).flush().map_err(|error| unwritten(&error))?;
        Ok(found)
    })
    .await
}

fn unwritten(error: &io::Error) -> Error {
    Error::Unavailable(format!("the export cannot be written: {error}"))
}

/// One side of a posting, as an accountant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    account: Account,
    book: Book,
    /// Debit positive.
    amount: Money,
}

/// A transaction in words and sides.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    id: TransactionId,
    /// `2026-01-31`.
    day: String,
    /// `2026-01-31T10:00:00.000+08:00`.
    moment: String,
    kind: EntryKind,
    reference: String,
    /// Whom it concerns; empty when nobody by name.
    payee: String,
    /// What it was, in a few words.
    note: String,
    sides: Vec<Side>,
}

/// How a tool wants its books.
trait Layout {
    /// What stands first.
    fn begin(&mut self, currency: Currency, out: &mut Vec<u8>);
    /// What a book held when the first day began; called for each that held anything, before any transaction.
    fn opening(&mut self, day: &str, side: &Side, out: &mut Vec<u8>);
    /// A transaction.
    fn transaction(&mut self, entry: &Entry, out: &mut Vec<u8>);
    /// What an account holds when the last day ends; called for each there is, after all transactions.
    fn closing(&mut self, days: &Days, account: &Account, balance: Money, out: &mut Vec<u8>);
}

/// The days of the books.
struct Days {
    /// The first on which anything may be.
    first: String,
    /// The last.
    last: String,
    /// The one after that.
    after: String,
}

struct Walk<'a> {
    export: &'a Export,
    steps: &'a Steps,
    sink: &'a dyn Fn(&[u8]) -> io::Result<()>,
    layout: Box<dyn Layout>,
    page: Vec<u8>,
    last_at: Option<i64>,
    found: Exported,
}

impl Walk<'_> {
    async fn through(mut self, tx: &mut Tx) -> Result<Exported> {
        let (from, until) = (self.export.from.map(bound), self.export.until.map(bound));
        self.layout.begin(self.export.currency, &mut self.page);
        if let Some(from) = &from {
            self.opening(tx, from).await?;
        }
        let first_at = self.transactions(tx, from.as_deref().unwrap_or_default(), until.as_deref()).await?;
        // With nothing to say, there is no day either.
        if let Some(first_at) = self.export.from.or(first_at) {
            let last_at = self.export.until.map_or(self.last_at, |until| Some(until - 1)).unwrap_or(first_at);
            let zone = &self.export.zone;
            let days = Days { first: zone.day(first_at), last: zone.day(last_at), after: zone.day(zone.add_days(last_at, 1)) };
            self.closing(tx, &days, until.as_deref()).await?;
        }
        self.hand_on()?;
        Ok(self.found)
    }

    /// Hands a page on and begins the next.
    fn hand_on(&mut self) -> Result<()> {
        (self.sink)(&self.page).map_err(|error| unwritten(&error))?;
        self.page.clear();
        // The caller may have stopped listening; the walk goes on to its end all the same.
        let _ = self.steps.send(self.found.transactions);
        Ok(())
    }

    async fn opening(&mut self, tx: &mut Tx, from: &str) -> Result<()> {
        let day = self.export.from.map(|at| self.export.zone.day(at)).unwrap_or_default();
        let mut after = String::new();
        loop {
            let page = store::balances_after(tx, &after, Some(from), self.export.currency, BOOKS_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.book.to_string();
            for balance in page {
                if let Some(minor) = balance.minor().filter(|minor| *minor != 0) {
                    let amount = Money::new(-minor, self.export.currency);
                    let side = Side { account: Account::of(&balance.book, balance.party.as_ref()), book: balance.book, amount };
                    self.layout.opening(&day, &side, &mut self.page);
                }
            }
            self.hand_on()?;
        }
    }

    /// When the first transaction was.
    async fn transactions(&mut self, tx: &mut Tx, from: &str, until: Option<&str>) -> Result<Option<i64>> {
        let (mut after, mut first_at) = (from.to_owned(), None);
        loop {
            let rows = store::transactions_after(tx, &after, until, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(first_at) };
            after = last.id.to_string();
            for row in rows {
                first_at = first_at.or(Some(row.at));
                self.last_at = self.last_at.max(Some(row.at));
                self.found.transactions += 1;
                self.layout.transaction(&texts::entry(row, &self.export.zone), &mut self.page);
            }
            self.hand_on()?;
        }
    }

    async fn closing(&mut self, tx: &mut Tx, days: &Days, until: Option<&str>) -> Result<()> {
        // Books of one account stand together, for books sort by their kinds.
        let mut open: Option<(Account, Money)> = None;
        let mut after = String::new();
        loop {
            let page = store::balances_after(tx, &after, until, self.export.currency, BOOKS_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.book.to_string();
            for balance in page {
                let Some(minor) = balance.minor() else { continue };
                let (account, amount) = (Account::of(&balance.book, balance.party.as_ref()), Money::new(-minor, self.export.currency));
                open = match open.take() {
                    Some((same, sum)) if same == account => Some((same, sum.plus(amount)?)),
                    other => {
                        self.close(days, other);
                        Some((account, amount))
                    }
                };
            }
            self.hand_on()?;
        }
        self.close(days, open);
        Ok(())
    }

    fn close(&mut self, days: &Days, account: Option<(Account, Money)>) {
        if let Some((account, balance)) = account {
            self.found.accounts += 1;
            self.layout.closing(days, &account, balance, &mut self.page);
        }
    }
}

/// What ids of transactions from this moment on sort after.
fn bound(at: i64) -> String {
    TransactionId::first_at(at).to_string()
}
