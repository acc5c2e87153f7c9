//! The reading for exports, in pages by key.

use std::collections::HashMap;

use db::{Error, FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, Currency, Money, TransactionId};

use super::chart::Party;
use crate::ledger::{Book, EntryKind};

/// Sorts after every transaction: the first letter of an id's number is at most `7`.
const AFTER_ALL: &str = "ltx_z";

/// A posting, with the names of whom its books belong to.
pub(super) struct Posting {
    pub(super) source: Book,
    pub(super) source_party: Option<Party>,
    pub(super) destination: Book,
    pub(super) destination_party: Option<Party>,
    pub(super) amount: Money,
}

/// A transaction, with what is known of its reference.
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) at: i64,
    pub(super) kind: EntryKind,
    pub(super) reference: String,
    currency: Currency,
    /// Of a deposit or a payout.
    pub(super) bank_reference: Option<String>,
    /// The operator's, of a deposit.
    pub(super) note: Option<String>,
    /// The month of a statement.
    pub(super) period: Option<String>,
    pub(super) postings: Vec<Posting>,
}

/// A row of the ledger that does not read is a damaged one.
fn damaged(error: &Error) -> Error {
    Error::broken(format!("a row of the ledger is damaged, run yunshi verify: {error}"))
}

impl FromRow for Transaction {
    fn from_row(row: &mut Row) -> Result<Self> {
        let read = |row: &mut Row| -> Result<Self> {
            Ok(Self {
                id: row.take()?,
                at: row.take()?,
                kind: row.take()?,
                reference: row.take()?,
                currency: row.take()?,
                bank_reference: row.take()?,
                note: row.take()?,
                period: row.take()?,
                postings: Vec::new(),
            })
        };
        read(row).map_err(|error| damaged(&error))
    }
}

fn party(book: &Book, name: Option<String>, title: Option<String>) -> Option<Party> {
    let of = |id: AccountId| Some(Party { id, name: name.unwrap_or_default(), title: title.unwrap_or_default() });
    match book {
        Book::Buyer(id) | Book::SellerPending(id) | Book::SellerPayable(id) => of(*id),
        Book::Bank | Book::Held(_) | Book::PlatformFee | Book::Tax | Book::Refund(_) => None,
    }
}

struct PostingRow {
    transaction_id: String,
    source: Book,
    source_party: Option<Party>,
    destination: Book,
    destination_party: Option<Party>,
    minor: i64,
}

impl FromRow for PostingRow {
    fn from_row(row: &mut Row) -> Result<Self> {
        let read = |row: &mut Row| -> Result<Self> {
            let (transaction_id, source, destination, minor) = (row.take()?, row.take()?, row.take()?, row.take()?);
            let source_party = party(&source, row.take()?, row.take()?);
            let destination_party = party(&destination, row.take()?, row.take()?);
            Ok(Self { transaction_id, source, source_party, destination, destination_party, minor })
        };
        read(row).map_err(|error| damaged(&error))
    }
}

/// The transactions after `after` and before `until`, oldest first.
pub(super) async fn transactions_after(tx: &mut Tx, after: &str, until: Option<&str>, limit: i64) -> Result<Vec<Transaction>> {
    let select = sql!(
        "SELECT t.id, t.at, t.kind, t.reference, t.currency, COALESCE(d.bank_reference, s.bank_reference), d.note, s.period
         FROM ledger_transactions t LEFT JOIN deposits d ON d.id = t.reference LEFT JOIN statements s ON s.id = t.reference
         WHERE t.id > $1 AND t.id < $2 ORDER BY t.id LIMIT $3"
    );
    let mut transactions: Vec<Transaction> = tx.all(select, &[&after, &until.unwrap_or(AFTER_ALL), &limit]).await?;
    let Some(last) = transactions.last() else { return Ok(transactions) };
    let select = sql!(
        "SELECT p.transaction_id, p.source, p.destination, p.amount_minor, f.name, f.title, g.name, g.title
         FROM ledger_postings p
         LEFT JOIN accounts f ON f.id = CASE WHEN p.source LIKE 'buyer:%' THEN SUBSTR(p.source, 7)
                                             WHEN p.source LIKE 'seller-%' THEN SUBSTR(p.source, 16) ELSE '' END
         LEFT JOIN accounts g ON g.id = CASE WHEN p.destination LIKE 'buyer:%' THEN SUBSTR(p.destination, 7)
                                             WHEN p.destination LIKE 'seller-%' THEN SUBSTR(p.destination, 16) ELSE '' END
         WHERE p.transaction_id > $1 AND p.transaction_id <= $2 ORDER BY p.transaction_id, p.line"
    );
    let rows: Vec<PostingRow> = tx.all(select, &[&after, &last.id]).await?;
    let mut postings: HashMap<String, Vec<PostingRow>> = HashMap::new();
    for row in rows {
        postings.entry(row.transaction_id.clone()).or_default().push(row);
    }
    for transaction in &mut transactions {
        let own = postings.remove(&transaction.id.to_string()).unwrap_or_default();
        let currency = transaction.currency;
        transaction.postings = own.into_iter().map(|row| row.posting(currency)).collect();
    }
    Ok(transactions)
}

impl PostingRow {
    fn posting(self, currency: Currency) -> Posting {
        let Self { source, source_party, destination, destination_party, minor, .. } = self;
        Posting { source, source_party, destination, destination_party, amount: Money::new(minor, currency) }
    }
}

/// A book with what came in and went out of it; nothing when it was never touched.
pub(super) struct Balance {
    pub(super) book: Book,
    pub(super) party: Option<Party>,
    came_in: Option<i64>,
    went_out: Option<i64>,
}

impl Balance {
    /// What it holds by our own signs, in − out, minor units; `None` when it was never touched.
    pub(super) fn minor(&self) -> Option<i64> {
        match (self.came_in, self.went_out) {
            (None, None) => None,
            (came_in, went_out) => Some(came_in.unwrap_or(0) - went_out.unwrap_or(0)),
        }
    }
}

impl FromRow for Balance {
    fn from_row(row: &mut Row) -> Result<Self> {
        let read = |row: &mut Row| -> Result<Self> {
            let book = row.take()?;
            let party = party(&book, row.take()?, row.take()?);
            Ok(Self { book, party, came_in: row.take()?, went_out: row.take()? })
        };
        read(row).map_err(|error| damaged(&error))
    }
}

/// The next `limit` books after `after`, folded from the postings of transactions before `until` in one currency.
///
/// Each book is summed up by itself: a GROUP BY over all of them would hold every posting in memory.
pub(super) async fn balances_after(tx: &mut Tx, after: &str, until: Option<&str>, currency: Currency, limit: i64) -> Result<Vec<Balance>> {
    let select = sql!(
        "SELECT b.book, a.name, a.title,
                (SELECT CAST(SUM(p.amount_minor) AS BIGINT) FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
                  WHERE p.destination = b.book AND p.transaction_id < $3 AND t.currency = $4),
                (SELECT CAST(SUM(p.amount_minor) AS BIGINT) FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
                  WHERE p.source = b.book AND p.transaction_id < $3 AND t.currency = $4)
         FROM
           (SELECT * FROM
              (SELECT DISTINCT source AS book FROM ledger_postings WHERE source > $1 ORDER BY source LIMIT $2) s
            UNION
            SELECT * FROM
              (SELECT DISTINCT destination AS book FROM ledger_postings WHERE destination > $1 ORDER BY destination LIMIT $2) d
            ORDER BY book LIMIT $2) b
         LEFT JOIN accounts a ON a.id = CASE WHEN b.book LIKE 'buyer:%' THEN SUBSTR(b.book, 7)
                                             WHEN b.book LIKE 'seller-%' THEN SUBSTR(b.book, 16) ELSE '' END
         ORDER BY b.book"
    );
    tx.all(select, &[&after, &limit, &until.unwrap_or(AFTER_ALL), &currency]).await
}
