//! Everything recomputed: the chain, the tree and its signed heads, the shape of each transaction, the balances, the wallets. Names what is wrong.
//!
//! The whole walk is one reading transaction, so orders that go on meanwhile do not disturb it; memory holds one page at a time. Overdrafts
//! *between* transactions are not looked for: transactions of one moment have no order among themselves, and the wallet's constraint has
//! refused them when they were written.

use std::collections::BTreeMap;

use db::{Db, Result, Tx};
use kernel::Currency;
use serde::Serialize;

use super::book::{self, Book, BookKind, EntryKind};
use super::chain::{self, Entry};
use super::store::{self, Seal, Standing};
use super::tree_walk::{Leaf, TreeWalk};
use crate::progress::{Steps, told};

/// Rows of one page of the walk.
const PAGE: i64 = 2_000;
/// After this many problems the walk ends: what comes after the first few follows from them.
pub const PROBLEMS_MAX: usize = 20;

/// A row that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// The table.
    pub table: &'static str,
    /// The row's key.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// The problems of a walk, in the order of the walk, at most [`PROBLEMS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem; those beyond the limit are left out.
    pub fn add(&mut self, table: &'static str, row: impl Into<String>, what: impl Into<String>) {
        if !self.full() {
            self.0.push(Problem { table, row: row.into(), what: what.into() });
        }
    }

    /// Whether the walk may end.
    #[must_use]
    pub fn full(&self) -> bool {
        self.0.len() >= PROBLEMS_MAX
    }

    /// The problems; the first is the first wrong row.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

/// What all books of a kind hold together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BookTotal {
    /// The kind of book.
    pub kind: BookKind,
    /// The currency.
    pub currency: Currency,
    /// The sum of their balances, minor units.
    pub balance_minor: i64,
}

/// What a walk through the ledger found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Verification {
    /// Transactions walked.
    pub transactions: i64,
    /// Their postings.
    pub postings: i64,
    /// Transactions in the chain.
    pub sealed: i64,
    /// Transactions that wait to be sealed.
    pub unsealed: i64,
    /// The sequence of the newest seal; 0 when there is none.
    pub head_sequence: i64,
    /// The hash of the newest seal, hexadecimal; empty when there is none.
    pub head_hash: String,
    /// Transactions under the tree of the signed heads.
    pub leaves: u64,
    /// Signed heads.
    pub heads: i64,
    /// Balances by kind of book; their sum is zero.
    pub balances: Vec<BookTotal>,
    /// What is wrong, the first wrong row first; empty when all is well.
    pub problems: Vec<Problem>,
}

/// Walks the whole ledger. `progress` is told how many rows were checked so far.
///
/// # Errors
/// Those of the database. A damaged row is not an error, it is a [`Problem`].
pub async fn verify(db: &Db, progress: impl FnMut(i64)) -> Result<Verification> {
    told(db, progress, async |tx, steps| Walk::new(steps).through(tx).await).await
}

struct Walk<'a> {
    steps: &'a Steps,
    checked: i64,
    found: Verification,
    totals: BTreeMap<(BookKind, String), i64>,
    problems: Problems,
}

/// A seal whose hash does not fit, until the next seal tells which of the two was changed: the hash or the transaction.
struct Doubt {
    sequence: i64,
    transaction_id: String,
    stored: Vec<u8>,
    computed: [u8; 32],
}

impl<'a> Walk<'a> {
    fn new(steps: &'a Steps) -> Self {
        let found = Verification {
            transactions: 0,
            postings: 0,
            sealed: 0,
            unsealed: 0,
            head_sequence: 0,
            head_hash: String::new(),
            leaves: 0,
            heads: 0,
            balances: Vec::new(),
            problems: Vec::new(),
        };
        Self { steps, checked: 0, found, totals: BTreeMap::new(), problems: Problems::default() }
    }

    async fn through(mut self, tx: &mut Tx) -> Result<Verification> {
        self.seals(tx).await?;
        self.transactions(tx).await?;
        self.orphans(tx).await?;
        self.books(tx).await?;
        self.wallets(tx).await?;
        for ((kind, currency), balance_minor) in self.totals {
            if let Ok(currency) = currency.parse() {
                self.found.balances.push(BookTotal { kind, currency, balance_minor });
            }
        }
        self.found.problems = self.problems.into_vec();
        Ok(self.found)
    }

    fn step(&mut self, rows: usize) {
        self.checked += i64::try_from(rows).unwrap_or(0);
        // The caller may have stopped listening; the walk goes on to its end all the same.
        let _ = self.steps.send(self.checked);
    }

    async fn seals(&mut self, tx: &mut Tx) -> Result<()> {
        let mut previous = chain::GENESIS.to_vec();
        let mut doubt = None;
        let mut tree = TreeWalk::begin(tx, &mut self.problems).await?;
        while !self.problems.full() {
            let (seals, mut lines) = store::seals_after(tx, self.found.head_sequence, PAGE).await?;
            if seals.is_empty() {
                break;
            }
            self.step(seals.len());
            let mut leaves = Vec::new();
            for seal in seals {
                let expected = self.found.head_sequence + 1;
                if seal.sequence != expected {
                    self.problems.add("ledger_seals", expected.to_string(), format!("is missing; the next is {}", seal.sequence));
                    // As many as are missing, but no more than a page: a sequence far away must not fill the memory.
                    let missing = usize::try_from((seal.sequence - expected).clamp(0, PAGE)).unwrap_or(0);
                    leaves.resize(leaves.len() + missing, Leaf::Doubtful);
                }
                self.found.head_sequence = seal.sequence;
                let lines = lines.remove(&seal.transaction_id).unwrap_or_default();
                let hash = seal.hash.clone();
                let leaf;
                (doubt, leaf) = self.seal(&previous, doubt, seal, lines);
                leaves.push(leaf);
                previous = hash;
            }
            tree.go_on(tx, &mut self.problems, &leaves).await?;
        }
        if let Some(doubt) = doubt {
            self.resolve(&doubt, Culprit::Unknown);
        }
        if !self.problems.full() {
            tree.end(tx, &mut self.problems).await?;
        }
        (self.found.leaves, self.found.heads) = (tree.leaves(), tree.heads());
        if self.found.head_sequence > 0 {
            self.found.head_hash = hex::encode(previous);
        }
        Ok(())
    }

    fn seal(&mut self, previous: &[u8], doubt: Option<Doubt>, seal: Seal, lines: Vec<chain::Line>) -> (Option<Doubt>, Leaf) {
        let Seal { sequence, transaction_id, sealed_at, hash: stored, head } = seal;
        let Some(entry) = head.map(|head| head.entry(lines)) else {
            if let Some(doubt) = doubt {
                self.resolve(&doubt, Culprit::Unknown);
            }
            self.problems.add("ledger_transactions", transaction_id, format!("is missing; seal {sequence} covers it"));
            return (None, Leaf::Doubtful);
        };
        let leaf = Leaf::Known(chain::leaf(sequence, sealed_at, &entry).leaf_hash());
        let hash_after = |before: &[u8]| chain::seal_hash(before, sequence, sealed_at, &entry);
        let computed = hash_after(previous);
        if stored == computed {
            if let Some(doubt) = doubt {
                self.resolve(&doubt, Culprit::Transaction);
            }
            return (None, leaf);
        }
        if let Some(doubt) = doubt {
            if stored == hash_after(&doubt.computed) {
                self.resolve(&doubt, Culprit::Hash);
                return (None, leaf);
            }
            self.resolve(&doubt, Culprit::Unknown);
        }
        (Some(Doubt { sequence, transaction_id, stored, computed }), Leaf::Doubtful)
    }

    fn resolve(&mut self, doubt: &Doubt, culprit: Culprit) {
        let Doubt { sequence, transaction_id, stored, computed } = doubt;
        match culprit {
            Culprit::Hash => self.problems.add(
                "ledger_seals",
                sequence.to_string(),
                format!("has the hash {}; it must be {}", hex::encode(stored), hex::encode(computed)),
            ),
            Culprit::Transaction => self.problems.add(
                "ledger_transactions",
                transaction_id,
                format!("the transaction or one of its postings was changed after seal {sequence}"),
            ),
            Culprit::Unknown => self.problems.add(
                "ledger_transactions",
                transaction_id,
                format!("the transaction or one of its postings, or the hash or place of seal {sequence}, was changed"),
            ),
        }
    }

    async fn transactions(&mut self, tx: &mut Tx) -> Result<()> {
        let mut after = String::new();
        while !self.problems.full() {
            let (standings, mut lines) = store::transactions_after(tx, &after, PAGE).await?;
            let Some(last) = standings.last() else { break };
            after.clone_from(&last.head.id);
            self.step(standings.len());
            for Standing { head, sealed, waiting } in standings {
                let lines = lines.remove(&head.id).unwrap_or_default();
                let entry = head.entry(lines);
                self.found.transactions += 1;
                self.found.postings += i64::try_from(entry.lines.len()).unwrap_or(0);
                self.found.sealed += sealed;
                self.found.unsealed += waiting;
                match (sealed, waiting) {
                    (0, 0) => self.problems.add("ledger_transactions", &entry.id, "is neither sealed nor waiting to be"),
                    (1, 0) | (0, 1) => {}
                    _ => self.problems.add("ledger_unsealed", &entry.id, "waits to be sealed though it is"),
                }
                self.shape(&entry);
            }
        }
        Ok(())
    }

    /// Lines from 1 without a gap, amounts above zero, and only the ways that money may take.
    fn shape(&mut self, entry: &Entry) {
        let Ok(kind) = entry.kind.parse::<EntryKind>() else {
            return self.problems.add("ledger_transactions", &entry.id, format!("has the unknown kind {:?}", entry.kind));
        };
        if entry.currency.parse::<Currency>().is_err() {
            self.problems.add("ledger_transactions", &entry.id, format!("has the unknown currency {:?}", entry.currency));
        }
        if entry.lines.is_empty() {
            self.problems.add("ledger_transactions", &entry.id, "has no postings");
        }
        for (expected, line) in (1..).zip(&entry.lines) {
            let row = format!("{}/{}", entry.id, line.line);
            if line.line != expected {
                return self.problems.add("ledger_postings", format!("{}/{expected}", entry.id), format!("is missing; the next is {row}"));
            }
            if line.amount_minor <= 0 {
                self.problems.add("ledger_postings", &row, format!("moves {}; a posting moves more than nothing", line.amount_minor));
            }
            let way = line.source.parse::<Book>().ok().zip(line.destination.parse::<Book>().ok());
            if !way.is_some_and(|(source, destination)| book::allowed(kind, source.kind(), destination.kind())) {
                self.problems.add("ledger_postings", row, format!("a {kind} cannot go from {} to {}", line.source, line.destination));
            }
        }
    }

    async fn orphans(&mut self, tx: &mut Tx) -> Result<()> {
        for (table, id) in store::orphans(tx, PAGE).await? {
            let table = if table == "ledger_postings" { "ledger_postings" } else { "ledger_unsealed" };
            self.problems.add(table, id, "has no transaction");
        }
        Ok(())
    }

    async fn books(&mut self, tx: &mut Tx) -> Result<()> {
        let mut after = String::new();
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        while let Some(end) = store::book_page_end(tx, &after, PAGE).await? {
            let balances = store::book_balances(tx, &after, &end).await?;
            self.step(balances.len());
            for (book, currency, balance) in balances {
                *sums.entry(currency.clone()).or_default() += balance;
                // A text that is no book was named with its posting.
                let Ok(kind) = book.parse::<Book>().map(|book| book.kind()) else { continue };
                if kind.never_negative() && balance < 0 {
                    self.problems.add("ledger_postings", &book, format!("the book owes {} {currency}", -balance));
                }
                *self.totals.entry((kind, currency)).or_default() += balance;
            }
            after = end;
        }
        for (currency, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
            self.problems.add("ledger_postings", currency, format!("the sum over all books is {sum}, not zero"));
        }
        Ok(())
    }

    async fn wallets(&mut self, tx: &mut Tx) -> Result<()> {
        let mut after = (String::new(), String::new());
        while !self.problems.full() {
            let wallets = store::wallets_after(tx, (&after.0, &after.1), PAGE).await?;
            let Some((account, currency, ..)) = wallets.last() else { break };
            after = (account.clone(), currency.clone());
            self.step(wallets.len());
            for (account, currency, kept, folded) in wallets.into_iter().filter(|(_, _, kept, folded)| kept != folded) {
                let what = format!("holds {kept}; its postings say {folded}");
                self.problems.add("ledger_wallets", format!("{account}/{currency}"), what);
            }
        }
        for (book, currency) in store::buyers_without_wallet(tx, PAGE).await? {
            let account = book.strip_prefix("buyer:").unwrap_or(&book);
            self.problems.add("ledger_wallets", format!("{account}/{currency}"), "is missing");
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Culprit {
    /// The hash in the seal's row: the next seal covers another one.
    Hash,
    /// The transaction: the next seal covers the stored hash.
    Transaction,
    /// No next seal tells.
    Unknown,
}
