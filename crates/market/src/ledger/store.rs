//! The SQL of the ledger.

use std::collections::HashMap;

use db::{FromRow, OnConstraint, Result, Row, Tx, sql};
use kernel::{AccountId, Code, Ctx, Currency, DepositId, TransactionId};

use super::chain::{Entry, Line};
use super::{Book, Deposit, EntryKind, Movement, NewDeposit, Posting};
use crate::page::PageRequest;

pub(super) async fn insert_transaction(
    tx: &mut Tx,
    ctx: &Ctx,
    id: TransactionId,
    kind: EntryKind,
    reference: &str,
    currency: Currency,
) -> Result<()> {
    let insert = sql!("INSERT INTO ledger_transactions (id, at, kind, reference, currency) VALUES ($1, $2, $3, $4, $5)");
    tx.execute(insert, &[&id, &ctx.now, &kind, &reference, &currency]).await?;
    tx.execute(sql!("INSERT INTO ledger_unsealed (transaction_id) VALUES ($1)"), &[&id]).await.map(drop)
}

pub(super) async fn insert_posting(tx: &mut Tx, id: TransactionId, line: i64, posting: &Posting) -> Result<()> {
    let insert = sql!("INSERT INTO ledger_postings (transaction_id, line, source, destination, amount_minor) VALUES ($1, $2, $3, $4, $5)");
    tx.execute(insert, &[&id, &line, &posting.source, &posting.destination, &posting.amount_minor]).await.map(drop)
}

pub(super) async fn wallet(tx: &mut Tx, account: AccountId, currency: Currency) -> Result<i64> {
    let select = sql!("SELECT balance_minor FROM ledger_wallets WHERE account = $1 AND currency = $2");
    Ok(tx.find::<(i64,)>(select, &[&account, &currency]).await?.map_or(0, |(balance,)| balance))
}

/// Not one INSERT … ON CONFLICT: its CHECK would look at the row to be inserted, which is negative when money leaves the wallet.
pub(super) async fn change_wallet(tx: &mut Tx, account: AccountId, currency: Currency, change: i64) -> Result<()> {
    let update = sql!("UPDATE ledger_wallets SET balance_minor = balance_minor + $1 WHERE account = $2 AND currency = $3");
    let changed = tx.execute(update, &[&change, &account, &currency]).await.on_constraint("wallet_not_negative", Code::BalanceTooLow)?;
    if changed > 0 {
        return Ok(());
    }
    let insert = sql!("INSERT INTO ledger_wallets (account, currency, balance_minor) VALUES ($1, $2, $3)");
    tx.execute(insert, &[&account, &currency, &change]).await.on_constraint("wallet_not_negative", Code::BalanceTooLow).map(drop)
}

pub(super) async fn balance(tx: &mut Tx, book: &Book, currency: Currency) -> Result<i64> {
    let fold = sql!(
        "SELECT CAST(COALESCE(SUM(m.amount), 0) AS BIGINT) FROM
           (SELECT p.amount_minor AS amount FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
             WHERE p.destination = $1 AND t.currency = $2
            UNION ALL
            SELECT -p.amount_minor FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
             WHERE p.source = $1 AND t.currency = $2) m"
    );
    Ok(tx.one::<(i64,)>(fold, &[book, &currency]).await?.0)
}

impl FromRow for Movement {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            transaction_id: row.take()?,
            line: row.take()?,
            at: row.take()?,
            kind: row.take()?,
            reference: row.take()?,
            currency: row.take()?,
            amount_minor: row.take()?,
            counter: row.take()?,
        })
    }
}

/// Movements before the one at (`before_id`, `before_line`), newest first. Each side is cut to the page before they are merged, so a book
/// with a million movements costs a page.
pub(super) async fn movements(tx: &mut Tx, book: &Book, before: (&str, i64), fetch: i64) -> Result<Vec<Movement>> {
    let select = sql!(
        "SELECT m.transaction_id, m.line, t.at, t.kind, t.reference, t.currency, m.amount_minor, m.counter FROM
           (SELECT * FROM
              (SELECT transaction_id, line, amount_minor, source AS counter FROM ledger_postings
                WHERE destination = $1 AND (transaction_id, line) < ($2, $3) ORDER BY transaction_id DESC, line DESC LIMIT $4) i
            UNION ALL
            SELECT * FROM
              (SELECT transaction_id, line, -amount_minor AS amount_minor, destination AS counter FROM ledger_postings
                WHERE source = $1 AND (transaction_id, line) < ($2, $3) ORDER BY transaction_id DESC, line DESC LIMIT $4) o) m
         JOIN ledger_transactions t ON t.id = m.transaction_id
         ORDER BY m.transaction_id DESC, m.line DESC LIMIT $4"
    );
    tx.all(select, &[book, &before.0, &before.1, &fetch]).await
}

/// A row of `ledger_transactions`.
pub(super) struct Head {
    pub(super) id: String,
    at: i64,
    kind: String,
    reference: String,
    currency: String,
}

impl FromRow for Head {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.take()?, at: row.take()?, kind: row.take()?, reference: row.take()?, currency: row.take()? })
    }
}

impl Head {
    pub(super) fn entry(self, lines: Vec<Line>) -> Entry {
        Entry { id: self.id, at: self.at, kind: self.kind, reference: self.reference, currency: self.currency, lines }
    }
}

/// Postings by transaction, each list in the order of its lines.
pub(super) type Lines = HashMap<String, Vec<Line>>;

fn by_transaction(rows: Vec<(String, i64, String, String, i64)>) -> Lines {
    let mut lines = Lines::new();
    for (id, line, source, destination, amount_minor) in rows {
        lines.entry(id).or_default().push(Line { line, source, destination, amount_minor });
    }
    lines
}

pub(super) async fn transactions_of(tx: &mut Tx, reference: &str, after: &str, fetch: i64) -> Result<Vec<Entry>> {
    let find =
        sql!("SELECT id, at, kind, reference, currency FROM ledger_transactions WHERE reference = $1 AND id > $2 ORDER BY id LIMIT $3");
    let heads: Vec<Head> = tx.all(find, &[&reference, &after, &fetch]).await?;
    let (Some(first), Some(last)) = (heads.first(), heads.last()) else { return Ok(Vec::new()) };
    let select = sql!(
        "SELECT p.transaction_id, p.line, p.source, p.destination, p.amount_minor
         FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
         WHERE t.reference = $1 AND t.id >= $2 AND t.id <= $3 ORDER BY p.transaction_id, p.line"
    );
    let mut lines = by_transaction(tx.all(select, &[&reference, &first.id, &last.id]).await?);
    Ok(heads
        .into_iter()
        .map(|head| {
            let own = lines.remove(&head.id).unwrap_or_default();
            head.entry(own)
        })
        .collect())
}

/// The next transactions to seal, in the order of their ids.
pub(super) async fn unsealed_entries(tx: &mut Tx, limit: i64) -> Result<Vec<Entry>> {
    let select = sql!(
        "SELECT t.id, t.at, t.kind, t.reference, t.currency
         FROM ledger_unsealed u JOIN ledger_transactions t ON t.id = u.transaction_id ORDER BY u.transaction_id LIMIT $1"
    );
    let heads: Vec<Head> = tx.all(select, &[&limit]).await?;
    let (Some(first), Some(last)) = (heads.first(), heads.last()) else { return Ok(Vec::new()) };
    let postings = sql!(
        "SELECT p.transaction_id, p.line, p.source, p.destination, p.amount_minor
         FROM ledger_postings p JOIN ledger_unsealed u ON u.transaction_id = p.transaction_id
         WHERE u.transaction_id >= $1 AND u.transaction_id <= $2 ORDER BY p.transaction_id, p.line"
    );
    let mut lines = by_transaction(tx.all(postings, &[&first.id, &last.id]).await?);
    Ok(heads
        .into_iter()
        .map(|head| {
            let own = lines.remove(&head.id).unwrap_or_default();
            head.entry(own)
        })
        .collect())
}

pub(super) async fn head(tx: &mut Tx) -> Result<Option<(i64, Vec<u8>)>> {
    tx.find(sql!("SELECT sequence, hash FROM ledger_seals ORDER BY sequence DESC LIMIT 1"), &[]).await
}

pub(super) async fn insert_seal(tx: &mut Tx, sequence: i64, id: &str, sealed_at: i64, hash: &[u8; 32]) -> Result<()> {
    let insert = sql!("INSERT INTO ledger_seals (sequence, transaction_id, sealed_at, hash) VALUES ($1, $2, $3, $4)");
    tx.execute(insert, &[&sequence, &id, &sealed_at, hash]).await.map(drop)
}

pub(super) async fn delete_sealed_after(tx: &mut Tx, sequence: i64) -> Result<u64> {
    let delete = sql!("DELETE FROM ledger_unsealed WHERE transaction_id IN (SELECT transaction_id FROM ledger_seals WHERE sequence > $1)");
    tx.execute(delete, &[&sequence]).await
}

pub(super) async fn unsealed(tx: &mut Tx) -> Result<i64> {
    Ok(tx.one::<(i64,)>(sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_unsealed"), &[]).await?.0)
}

// ---- verification: everything in pages, so that memory stays small ----

/// A row of `ledger_seals`, with the transaction it names when that is there.
pub(super) struct Seal {
    pub(super) sequence: i64,
    pub(super) transaction_id: String,
    pub(super) sealed_at: i64,
    pub(super) hash: Vec<u8>,
    pub(super) head: Option<Head>,
}

impl FromRow for Seal {
    fn from_row(row: &mut Row) -> Result<Self> {
        let (sequence, transaction_id, sealed_at, hash) = (row.take()?, row.take()?, row.take()?, row.take()?);
        let found: Option<String> = row.take()?;
        let head = match found {
            None => None,
            Some(id) => Some(Head { id, at: row.take()?, kind: row.take()?, reference: row.take()?, currency: row.take()? }),
        };
        Ok(Self { sequence, transaction_id, sealed_at, hash, head })
    }
}

pub(super) async fn seals_after(tx: &mut Tx, sequence: i64, limit: i64) -> Result<(Vec<Seal>, Lines)> {
    let select = sql!(
        "SELECT s.sequence, s.transaction_id, s.sealed_at, s.hash, t.id, t.at, t.kind, t.reference, t.currency
         FROM ledger_seals s LEFT JOIN ledger_transactions t ON t.id = s.transaction_id
         WHERE s.sequence > $1 ORDER BY s.sequence LIMIT $2"
    );
    let seals: Vec<Seal> = tx.all(select, &[&sequence, &limit]).await?;
    let Some(last) = seals.last() else { return Ok((seals, Lines::new())) };
    let postings = sql!(
        "SELECT p.transaction_id, p.line, p.source, p.destination, p.amount_minor
         FROM ledger_seals s JOIN ledger_postings p ON p.transaction_id = s.transaction_id
         WHERE s.sequence > $1 AND s.sequence <= $2 ORDER BY s.sequence, p.line"
    );
    let lines = by_transaction(tx.all(postings, &[&sequence, &last.sequence]).await?);
    Ok((seals, lines))
}

/// A transaction with where it stands: sealed, waiting, both or neither.
pub(super) struct Standing {
    pub(super) head: Head,
    pub(super) sealed: i64,
    pub(super) waiting: i64,
}

impl FromRow for Standing {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { head: Head::from_row(row)?, sealed: row.take()?, waiting: row.take()? })
    }
}

pub(super) async fn transactions_after(tx: &mut Tx, id: &str, limit: i64) -> Result<(Vec<Standing>, Lines)> {
    let select = sql!(
        "SELECT t.id, t.at, t.kind, t.reference, t.currency,
                (SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_seals s WHERE s.transaction_id = t.id),
                (SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_unsealed u WHERE u.transaction_id = t.id)
         FROM ledger_transactions t WHERE t.id > $1 ORDER BY t.id LIMIT $2"
    );
    let standings: Vec<Standing> = tx.all(select, &[&id, &limit]).await?;
    let Some(last) = standings.last() else { return Ok((standings, Lines::new())) };
    let postings = sql!(
        "SELECT transaction_id, line, source, destination, amount_minor FROM ledger_postings
         WHERE transaction_id > $1 AND transaction_id <= $2 ORDER BY transaction_id, line"
    );
    let lines = by_transaction(tx.all(postings, &[&id, &last.head.id]).await?);
    Ok((standings, lines))
}

/// Postings and waiting marks whose transaction is gone: a foreign key forbids the first, but not to a person with the file.
pub(super) async fn orphans(tx: &mut Tx, limit: i64) -> Result<Vec<(String, String)>> {
    let select = sql!(
        "SELECT 'ledger_postings', p.transaction_id FROM ledger_postings p
          WHERE NOT EXISTS (SELECT 1 FROM ledger_transactions t WHERE t.id = p.transaction_id)
         UNION
         SELECT 'ledger_unsealed', u.transaction_id FROM ledger_unsealed u
          WHERE NOT EXISTS (SELECT 1 FROM ledger_transactions t WHERE t.id = u.transaction_id)
         ORDER BY 1, 2 LIMIT $1"
    );
    tx.all(select, &[&limit]).await
}

/// The last of the next `limit` books after `book`, in the engine's own order of texts.
pub(super) async fn book_page_end(tx: &mut Tx, book: &str, limit: i64) -> Result<Option<String>> {
    let select = sql!(
        "SELECT b.book FROM
           (SELECT * FROM
              (SELECT DISTINCT source AS book FROM ledger_postings WHERE source > $1 ORDER BY source LIMIT $2) s
            UNION
            SELECT * FROM
              (SELECT DISTINCT destination AS book FROM ledger_postings WHERE destination > $1 ORDER BY destination LIMIT $2) d) b
         ORDER BY b.book LIMIT $2"
    );
    let mut books: Vec<(String,)> = tx.all(select, &[&book, &limit]).await?;
    Ok(books.pop().map(|(book,)| book))
}

/// The balances of the books after `after` up to `end`.
pub(super) async fn book_balances(tx: &mut Tx, after: &str, end: &str) -> Result<Vec<(String, String, i64)>> {
    let fold = sql!(
        "SELECT m.book, m.currency, CAST(SUM(m.amount) AS BIGINT) FROM
           (SELECT p.destination AS book, t.currency AS currency, p.amount_minor AS amount
              FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
             WHERE p.destination > $1 AND p.destination <= $2
            UNION ALL
            SELECT p.source, t.currency, -p.amount_minor
              FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
             WHERE p.source > $1 AND p.source <= $2) m
         GROUP BY m.book, m.currency ORDER BY m.book, m.currency"
    );
    tx.all(fold, &[&after, &end]).await
}

/// Wallets with what the postings say they hold.
pub(super) async fn wallets_after(tx: &mut Tx, after: (&str, &str), limit: i64) -> Result<Vec<(String, String, i64, i64)>> {
    let select = sql!(
        "SELECT w.account, w.currency, w.balance_minor,
                CAST(COALESCE((SELECT SUM(p.amount_minor) FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
                                WHERE p.destination = 'buyer:' || w.account AND t.currency = w.currency), 0) AS BIGINT)
              - CAST(COALESCE((SELECT SUM(p.amount_minor) FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
                                WHERE p.source = 'buyer:' || w.account AND t.currency = w.currency), 0) AS BIGINT)
         FROM ledger_wallets w WHERE (w.account, w.currency) > ($1, $2) ORDER BY w.account, w.currency LIMIT $3"
    );
    tx.all(select, &[&after.0, &after.1, &limit]).await
}

/// Buyers who were given money and have no wallet.
pub(super) async fn buyers_without_wallet(tx: &mut Tx, limit: i64) -> Result<Vec<(String, String)>> {
    let select = sql!(
        "SELECT DISTINCT p.destination, t.currency FROM ledger_postings p JOIN ledger_transactions t ON t.id = p.transaction_id
         WHERE p.destination LIKE 'buyer:%'
           AND NOT EXISTS (SELECT 1 FROM ledger_wallets w WHERE w.account = SUBSTR(p.destination, 7) AND w.currency = t.currency)
         ORDER BY 1, 2 LIMIT $1"
    );
    tx.all(select, &[&limit]).await
}

// ---- deposits ----

impl FromRow for Deposit {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            amount_minor: row.take()?,
            currency: row.take()?,
            bank_reference: row.take()?,
            note: row.take()?,
            recorded_by: row.take()?,
            recorded_at: row.take()?,
        })
    }
}

pub(super) async fn insert_deposit(tx: &mut Tx, ctx: &Ctx, id: DepositId, new: &NewDeposit) -> Result<Deposit> {
    let insert = sql!(
        "INSERT INTO deposits (id, account_id, amount_minor, currency, bank_reference, note, recorded_by, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         RETURNING id, account_id, amount_minor, currency, bank_reference, note, recorded_by, recorded_at"
    );
    let (reference, note, by) = (new.bank_reference.trim(), new.note.trim(), ctx.actor.label());
    tx.one(insert, &[&id, &new.account_id, &new.amount.minor, &new.amount.currency, &reference, &note, &by, &ctx.now])
        .await
        .on_constraint("deposit_reference_unique", Code::DepositDuplicate)
}

pub(super) async fn deposit(tx: &mut Tx, id: DepositId) -> Result<Option<Deposit>> {
    let select =
        sql!("SELECT id, account_id, amount_minor, currency, bank_reference, note, recorded_by, recorded_at FROM deposits WHERE id = $1");
    tx.find(select, &[&id]).await
}

pub(super) async fn deposits(tx: &mut Tx, account: Option<AccountId>, before: &str, page: &PageRequest) -> Result<Vec<Deposit>> {
    match account {
        Some(account) => {
            let select = sql!(
                "SELECT id, account_id, amount_minor, currency, bank_reference, note, recorded_by, recorded_at FROM deposits
                 WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
            );
            tx.all(select, &[&account, &before, &page.fetch()]).await
        }
        None => {
            let select = sql!(
                "SELECT id, account_id, amount_minor, currency, bank_reference, note, recorded_by, recorded_at FROM deposits
                 WHERE id < $1 ORDER BY id DESC LIMIT $2"
            );
            tx.all(select, &[&before, &page.fetch()]).await
        }
    }
}
