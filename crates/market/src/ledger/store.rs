//! The SQL of the ledger.

use std::collections::HashMap;

use db::{Error, FromRow, OnConstraint, Result, Row, Tx, sql};
use kernel::{AccountId, Code, Ctx, Currency, DepositId, ToScalar, TransactionId};
use wire::proof::tree::Subtree;
use wire::proof::{Hash, PublicKey, SignedHead};

use super::chain::{Entry, Line};
use super::{Book, Deposit, EntryKind, KeyState, LogKey, Movement, NewDeposit, Posting};
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
    tx.defer(insert, &[&id, &ctx.now, &kind, &reference, &currency]).await?;
    tx.defer(sql!("INSERT INTO ledger_unsealed (transaction_id) VALUES ($1)"), &[&id]).await
}

/// The beginning of the statement that inserts postings.
macro_rules! insert_postings {
    ($($row:literal),+) => {
        sql!(concat!("INSERT INTO ledger_postings (transaction_id, line, source, destination, amount_minor) VALUES ", $($row),+))
    };
}

/// Inserts postings in their order, counting from 1; many in one statement, for each statement costs more than its rows.
pub(super) async fn insert_postings(tx: &mut Tx, id: TransactionId, postings: &[&Posting]) -> Result<()> {
    let (many, few) = postings.as_chunks::<MANY>();
    let mut line = 0;
    for postings in many {
        let insert = insert_postings!(
            "($1, CAST($2 AS BIGINT) + 1, $3, $4, $5), ($1, CAST($2 AS BIGINT) + 2, $6, $7, $8), ($1, CAST($2 AS BIGINT) + 3, $9, $10, $11), ($1, CAST($2 AS BIGINT) + 4, $12, $13, $14), ",
            "($1, CAST($2 AS BIGINT) + 5, $15, $16, $17), ($1, CAST($2 AS BIGINT) + 6, $18, $19, $20), ($1, CAST($2 AS BIGINT) + 7, $21, $22, $23), ($1, CAST($2 AS BIGINT) + 8, $24, $25, $26)"
        );
        let mut params: Vec<&dyn ToScalar> = vec![&id, &line];
        params.extend(postings.iter().flat_map(|p| [&p.source as &dyn ToScalar, &p.destination, &p.amount_minor]));
        tx.defer(insert, &params).await?;
        line += i64::try_from(MANY).unwrap_or(0);
    }
    for posting in few {
        line += 1;
        let insert = insert_postings!("($1, $2, $3, $4, $5)");
        tx.defer(insert, &[&id, &line, &posting.source, &posting.destination, &posting.amount_minor]).await?;
    }
    Ok(())
}

/// Postings inserted with one statement.
const MANY: usize = 8;

pub(super) async fn wallet(tx: &mut Tx, account: AccountId, currency: Currency) -> Result<i64> {
    let select = sql!("SELECT balance_minor FROM ledger_wallets WHERE account = $1 AND currency = $2");
    Ok(tx.find::<(i64,)>(select, &[&account, &currency]).await?.map_or(0, |(balance,)| balance))
}

/// Adds `change` to a wallet, or takes it away; false, with nothing changed, when the wallet does not hold so much.
///
/// Not one INSERT … ON CONFLICT: its CHECK would look at the row to be inserted, which is negative when money leaves the wallet. On PostgreSQL
/// a broken constraint would end the transaction, so the statement looks first; the constraint stays the last guard.
pub(super) async fn change_wallet(tx: &mut Tx, account: AccountId, currency: Currency, change: i64) -> Result<bool> {
    let update = sql!(
        "UPDATE ledger_wallets SET balance_minor = balance_minor + $1 WHERE account = $2 AND currency = $3 AND balance_minor + $1 >= 0"
    );
    let changed = tx.execute(update, &[&change, &account, &currency]).await.on_constraint("wallet_not_negative", Code::BalanceTooLow)?;
    if changed > 0 || change < 0 {
        return Ok(changed > 0);
    }
    let insert = sql!("INSERT INTO ledger_wallets (account, currency, balance_minor) VALUES ($1, $2, $3)");
    tx.defer(insert, &[&account, &currency, &change]).await?;
    Ok(true)
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

/// The place and the time of a transaction's seal.
pub(super) async fn seal_of(tx: &mut Tx, transaction_id: &str) -> Result<Option<(i64, i64)>> {
    tx.find(sql!("SELECT sequence, sealed_at FROM ledger_seals WHERE transaction_id = $1"), &[&transaction_id]).await
}

/// When the transaction at a place of the chain was sealed.
pub(super) async fn sealed_at(tx: &mut Tx, sequence: i64) -> Result<Option<i64>> {
    let found: Option<(i64,)> = tx.find(sql!("SELECT sealed_at FROM ledger_seals WHERE sequence = $1"), &[&sequence]).await?;
    Ok(found.map(|(at,)| at))
}

// ---- the tree and its heads ----

/// Numbers of the tree are never negative and far below the largest that fits.
fn stored(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::broken(format!("{number} is beyond what the database holds")))
}

/// How many leaves the tree has.
pub(super) async fn leaf_count(tx: &mut Tx) -> Result<i64> {
    let last: Option<(i64,)> = tx.find(sql!("SELECT place FROM ledger_tree WHERE level = 0 ORDER BY place DESC LIMIT 1"), &[]).await?;
    Ok(last.map_or(0, |(place,)| place + 1))
}

/// A hash as it is stored; one of another length was changed by hand, and is no hash of anything.
fn hash_of(bytes: Vec<u8>) -> Hash {
    Hash(bytes.try_into().unwrap_or_default())
}

pub(super) async fn subtree(tx: &mut Tx, subtree: Subtree) -> Result<Option<Hash>> {
    let select = sql!("SELECT hash FROM ledger_tree WHERE level = $1 AND place = $2");
    let found: Option<(Vec<u8>,)> = tx.find(select, &[&i64::from(subtree.level), &stored(subtree.index)?]).await?;
    Ok(found.map(|(hash,)| hash_of(hash)))
}

pub(super) async fn insert_subtree(tx: &mut Tx, subtree: Subtree, hash: &Hash) -> Result<()> {
    let insert = sql!("INSERT INTO ledger_tree (level, place, hash) VALUES ($1, $2, $3)");
    tx.execute(insert, &[&i64::from(subtree.level), &stored(subtree.index)?, &hash.0]).await.map(drop)
}

/// The subtrees of a level from one place up to before another, in their order.
pub(super) async fn subtrees(tx: &mut Tx, level: u32, from: u64, to: u64) -> Result<HashMap<Subtree, Hash>> {
    let select = sql!("SELECT place, hash FROM ledger_tree WHERE level = $1 AND place >= $2 AND place < $3 ORDER BY place");
    let rows: Vec<(i64, Vec<u8>)> = tx.all(select, &[&i64::from(level), &stored(from)?, &stored(to)?]).await?;
    let subtree = |place| Some(Subtree { level, index: u64::try_from(place).ok()? });
    Ok(rows.into_iter().filter_map(|(place, hash)| Some((subtree(place)?, hash_of(hash)))).collect())
}

/// Subtrees of a level at places where none can be: from `from` on, or below zero.
pub(super) async fn subtrees_beyond(tx: &mut Tx, level: u32, from: u64, limit: i64) -> Result<Vec<i64>> {
    let after = sql!("SELECT place FROM ledger_tree WHERE level = $1 AND place >= $2 ORDER BY place LIMIT $3");
    let mut places: Vec<(i64,)> = tx.all(after, &[&i64::from(level), &stored(from)?, &limit]).await?;
    let below = sql!("SELECT place FROM ledger_tree WHERE level = $1 AND place < 0 ORDER BY place LIMIT $2");
    places.extend(tx.all::<(i64,)>(below, &[&i64::from(level), &limit]).await?);
    Ok(places.into_iter().map(|(place,)| place).collect())
}

/// Subtrees of levels that no tree has.
pub(super) async fn levels_beyond(tx: &mut Tx, levels: u32, limit: i64) -> Result<Vec<(i64, i64)>> {
    let after = sql!("SELECT level, place FROM ledger_tree WHERE level >= $1 ORDER BY level, place LIMIT $2");
    let mut found: Vec<(i64, i64)> = tx.all(after, &[&i64::from(levels), &limit]).await?;
    let below = sql!("SELECT level, place FROM ledger_tree WHERE level < 0 ORDER BY level, place LIMIT $1");
    found.extend(tx.all::<(i64, i64)>(below, &[&limit]).await?);
    Ok(found)
}

/// The size and the time of the newest head.
pub(super) async fn newest_head_marks(tx: &mut Tx) -> Result<Option<(i64, i64)>> {
    tx.find(sql!("SELECT size, at FROM ledger_heads ORDER BY size DESC LIMIT 1"), &[]).await
}

pub(super) async fn insert_head(tx: &mut Tx, head: &SignedHead) -> Result<()> {
    let insert = sql!("INSERT INTO ledger_heads (size, at, root, key_id, signature) VALUES ($1, $2, $3, $4, $5)");
    let signature = head.signature.0.as_slice();
    tx.execute(insert, &[&stored(head.size)?, &head.at, &head.root.0, &head.key.id(), &signature]).await.map(drop)
}

/// A head as its row holds it; what it says is not looked at.
pub(super) struct RawHead {
    pub(super) size: i64,
    pub(super) at: i64,
    pub(super) root: Vec<u8>,
    pub(super) key_id: String,
    pub(super) signature: Vec<u8>,
}

impl FromRow for RawHead {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { size: row.take()?, at: row.take()?, root: row.take()?, key_id: row.take()?, signature: row.take()? })
    }
}

impl RawHead {
    /// The head, if its row can be one that was signed with this key.
    pub(super) fn signed_with(&self, key: &PublicKey) -> Option<SignedHead> {
        Some(SignedHead {
            at: self.at,
            key: key.clone(),
            root: Hash(self.root.as_slice().try_into().ok()?),
            signature: wire::proof::Signature(self.signature.as_slice().try_into().ok()?),
            size: u64::try_from(self.size).ok()?,
        })
    }
}

struct HeadRow(SignedHead);

impl FromRow for HeadRow {
    fn from_row(row: &mut Row) -> Result<Self> {
        let (raw, key) = (RawHead::from_row(row)?, row.take::<String>()?);
        let head = key.parse::<PublicKey>().ok().and_then(|key| raw.signed_with(&key));
        head.map(Self).ok_or_else(|| Error::broken(format!("the head over {} entries or its key is damaged; run yunshi verify", raw.size)))
    }
}

/// Heads over fewer than `before` entries, newest first.
pub(super) async fn heads_before(tx: &mut Tx, before: i64, limit: i64) -> Result<Vec<SignedHead>> {
    let select = sql!(
        "SELECT h.size, h.at, h.root, h.key_id, h.signature, k.public_key FROM ledger_heads h JOIN ledger_keys k ON k.id = h.key_id
         WHERE h.size < $1 ORDER BY h.size DESC LIMIT $2"
    );
    let rows: Vec<HeadRow> = tx.all(select, &[&before, &limit]).await?;
    Ok(rows.into_iter().map(|HeadRow(head)| head).collect())
}

/// Heads over more than `after` entries as their rows hold them, oldest first.
pub(super) async fn raw_heads_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<RawHead>> {
    let select = sql!("SELECT size, at, root, key_id, signature FROM ledger_heads WHERE size > $1 ORDER BY size LIMIT $2");
    tx.all(select, &[&after, &limit]).await
}

impl FromRow for LogKey {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.take()?, state: row.take()?, public_key: row.take()?, created_at: row.take()?, retired_at: row.take()? })
    }
}

pub(super) async fn keys(tx: &mut Tx) -> Result<Vec<LogKey>> {
    tx.all(sql!("SELECT id, state, public_key, created_at, retired_at FROM ledger_keys ORDER BY created_at DESC, id"), &[]).await
}

/// Ids and public keys as their rows hold them.
pub(super) async fn raw_keys(tx: &mut Tx) -> Result<Vec<(String, String)>> {
    tx.all(sql!("SELECT id, public_key FROM ledger_keys ORDER BY id"), &[]).await
}

/// The public key that signs, and its sealed secret.
pub(super) async fn current_key(tx: &mut Tx) -> Result<Option<(String, Vec<u8>)>> {
    let select = sql!("SELECT public_key, secret FROM ledger_keys WHERE state = 'current'");
    tx.find(select, &[]).await
}

pub(super) async fn insert_key(tx: &mut Tx, key: &PublicKey, secret: &[u8], created_at: i64) -> Result<()> {
    let insert = sql!("INSERT INTO ledger_keys (id, state, public_key, secret, created_at) VALUES ($1, $2, $3, $4, $5)");
    tx.execute(insert, &[&key.id(), &KeyState::Current, &key.to_string(), &secret, &created_at]).await.map(drop)
}

pub(super) async fn retire_key(tx: &mut Tx, id: &str, at: i64) -> Result<()> {
    let update = sql!("UPDATE ledger_keys SET state = $1, retired_at = CAST($2 AS BIGINT) WHERE id = $3");
    tx.execute(update, &[&KeyState::Retired, &at, &id]).await.map(drop)
}

pub(super) async fn any_unsealed(tx: &mut Tx) -> Result<bool> {
    Ok(tx.find::<(String,)>(sql!("SELECT transaction_id FROM ledger_unsealed LIMIT 1"), &[]).await?.is_some())
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
