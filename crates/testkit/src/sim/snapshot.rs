//! Everything that is kept, read table by table: what the checks look at. Read by SQL of its own, for the use cases are what is on trial.

use std::collections::{BTreeMap, BTreeSet};

use db::{FromRow, Result, Row, Tx, sql};

/// Declares a row as it is read.
macro_rules! rows {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $kind:ty),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) struct $name {
            $(pub(super) $field: $kind,)+
        }

        impl FromRow for $name {
            fn from_row(row: &mut Row) -> Result<Self> {
                Ok(Self { $($field: row.take()?,)+ })
            }
        }
    )+};
}

rows! {
    OrderRow {
        number: String, kind: String, state: String, buyer: String, seller: String, total: i64, created_at: i64, pay_until: i64,
        paid_at: Option<i64>, closed_at: Option<i64>, close_reason: Option<String>,
    }
    LineRow {
        number: String, order: String, state: String, sub: Option<String>, refunds_line: Option<String>, sku: String, mode: String,
        period_unit: Option<String>, period_count: Option<i64>, quantity: i64, unit_price: i64, amount: i64, refund_rule: String,
        effective_at: Option<i64>, ends_at: Option<i64>, done_at: Option<i64>,
    }
    SubRow {
        id: String, state: String, buyer: String, seller: String, sku: String, mode: String, quantity: i64, purchase_line: String,
        instance: Option<String>, created_at: i64, anchor_at: Option<i64>, months: i64, ends_at: Option<i64>, expired_at: Option<i64>,
        suspended_at: Option<i64>, release_at: Option<i64>, released_at: Option<i64>, renewal: String, renewal_left: Option<i64>,
        next_at: Option<i64>, open_order: Option<String>, due_at: Option<i64>, version: i64,
    }
    CallRow {
        id: String, scene: String, state: String, sub: String, order: Option<String>, line: Option<String>, created_at: i64,
        started_at: Option<i64>, attempts: i64, round: i64, ended_at: Option<i64>, request: String,
    }
    AttemptRow { call: String, n: i64, kind: String, at: i64, verdict: String }
    EntryRow { id: String, at: i64, kind: String, reference: String }
    PostingRow { entry: String, line: i64, source: String, destination: String, amount: i64 }
    SealRow { sequence: i64, entry: String, hash: Vec<u8> }
    AuditRow { id: String, at: i64, actor: String, action: String, subject: String, thread: Option<String>, detail: String }
    ItemRow { kind: String, state: String, seller: String, line: String, refunds_line: Option<String>, amount: i64, statement: Option<String> }
    StatementRow {
        id: String, seller: String, period: String, state: String, payable: i64, carried_out: i64, created_at: i64, paid_at: Option<i64>,
        reference: Option<String>,
    }
    JobRow { kind: String, subject: String, due_at: i64, tries: i64, lease_until: i64, last_error: Option<String>, stuck_at: Option<i64> }
    DepositRow { id: String, account: String, amount: i64, reference: String }
}

/// What is kept at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) now: i64,
    pub(super) orders: Vec<OrderRow>,
    pub(super) lines: Vec<LineRow>,
    pub(super) subs: Vec<SubRow>,
    pub(super) calls: Vec<CallRow>,
    pub(super) wallets: BTreeMap<String, i64>,
    pub(super) items: Vec<ItemRow>,
    pub(super) statements: Vec<StatementRow>,
    pub(super) jobs: Vec<JobRow>,
    pub(super) unsealed: i64,
    /// Of what is only added: everything, in the order it was first seen.
    pub(super) entries: Vec<EntryRow>,
    pub(super) postings: Vec<PostingRow>,
    pub(super) seals: Vec<SealRow>,
    pub(super) audit: Vec<AuditRow>,
    pub(super) attempts: Vec<AttemptRow>,
    pub(super) deposits: Vec<DepositRow>,
}

/// How many rows of what is only added were there before: the new ones come after.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) postings: usize,
    pub(super) seals: usize,
    pub(super) audit: usize,
    pub(super) attempts: usize,
}

impl Snapshot {
    pub(super) const fn seen(&self) -> Seen {
        Seen { postings: self.postings.len(), seals: self.seals.len(), audit: self.audit.len(), attempts: self.attempts.len() }
    }

    /// What any change would change; see [`trace`].
    pub(super) fn trace(&self) -> Trace {
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        let versions = self.subs.iter().map(|sub| sub.version).sum();
        (count(self.audit.len()), count(self.postings.len()), count(self.orders.len()), versions)
    }

    pub(super) fn order(&self, number: &str) -> Option<&OrderRow> {
        self.orders.iter().find(|order| order.number == number)
    }

    pub(super) fn line(&self, number: &str) -> Option<&LineRow> {
        self.lines.iter().find(|line| line.number == number)
    }

    pub(super) fn lines_of<'a>(&'a self, order: &'a str) -> impl Iterator<Item = &'a LineRow> {
        self.lines.iter().filter(move |line| line.order == order)
    }

    pub(super) fn sub(&self, id: &str) -> Option<&SubRow> {
        self.subs.iter().find(|sub| sub.id == id)
    }
}

/// Rows of the audit, movements of money, orders, and the sum of all versions of subscriptions.
pub(super) type Trace = (i64, i64, i64, i64);

/// What any change would change.
pub(super) async fn trace(tx: &mut Tx) -> Result<Trace> {
    let statement = sql!(
        "SELECT (SELECT CAST(COUNT(*) AS BIGINT) FROM audit), (SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_postings),
           (SELECT CAST(COUNT(*) AS BIGINT) FROM orders), (SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM subscriptions)"
    );
    tx.one(statement, &[]).await
}

/// Reads what changes anew, and of what is only added what is new since `before`. Gives up the saving, and says what is missing, when a row
/// that was there is gone or was changed.
pub(super) async fn read(tx: &mut Tx, before: Snapshot) -> Result<Snapshot> {
    let Snapshot { entries, postings, seals, audit, attempts, deposits, .. } = before;
    let (now,): (i64,) = tx.one(sql!("SELECT base_at FROM sandbox_clock WHERE id = 1"), &[]).await?;
    let (unsealed,): (i64,) = tx.one(sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_unsealed"), &[]).await?;
    let wallets: Vec<(String, i64)> = tx.all(sql!("SELECT account, balance_minor FROM ledger_wallets"), &[]).await?;
    Ok(Snapshot {
        now,
        unsealed,
        wallets: wallets.into_iter().collect(),
        orders: tx
            .all(
                sql!(
                    "SELECT number, kind, state, buyer_id, seller_id, total_minor, created_at, pay_until, paid_at, closed_at, close_reason
                     FROM orders ORDER BY number"
                ),
                &[],
            )
            .await?,
        lines: tx
            .all(
                sql!(
                    "SELECT number, order_number, state, subscription_id, refunds_line, sku_id, charging_mode, period_unit, period_count,
                       quantity, unit_price_minor, amount_minor, refund_rule, effective_at, ends_at, done_at
                     FROM order_lines ORDER BY number"
                ),
                &[],
            )
            .await?,
        subs: tx
            .all(
                sql!(
                    "SELECT id, state, buyer_id, seller_id, sku_id, charging_mode, quantity, purchase_line, instance_id, created_at,
                       anchor_at, months, ends_at, expired_at, suspended_at, release_at, released_at, renewal_mode, renewal_left, next_at,
                       open_order, due_at, version
                     FROM subscriptions ORDER BY id"
                ),
                &[],
            )
            .await?,
        calls: tx
            .all(
                sql!(
                    "SELECT id, scene, state, subscription_id, order_number, line_number, created_at, started_at, attempts, round, ended_at,
                       request
                     FROM deliveries ORDER BY id"
                ),
                &[],
            )
            .await?,
        items: tx
            .all(
                sql!(
                    "SELECT kind, state, seller_id, line_number, refunds_line, amount_minor, statement_id FROM settlement_items ORDER BY id"
                ),
                &[],
            )
            .await?,
        statements: tx
            .all(
                sql!(
                    "SELECT id, seller_id, period, state, payable_minor, carried_out_minor, created_at, paid_at, bank_reference
                     FROM statements ORDER BY id"
                ),
                &[],
            )
            .await?,
        jobs: tx
            .all(sql!("SELECT kind, subject, due_at, tries, lease_until, last_error, stuck_at FROM jobs ORDER BY kind, subject"), &[])
            .await?,
        entries: added(
            tx,
            entries,
            &Added {
                count: sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_transactions"),
                newer: sql!("SELECT id, at, kind, reference FROM ledger_transactions WHERE id > $1 ORDER BY id"),
                key: |row: &EntryRow| row.id.clone(),
            },
        )
        .await?,
        postings: added(
            tx,
            postings,
            &Added {
                count: sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_postings"),
                newer: sql!(
                    "SELECT transaction_id, line, source, destination, amount_minor FROM ledger_postings WHERE transaction_id > $1
                 ORDER BY transaction_id, line"
                ),
                key: |row: &PostingRow| row.entry.clone(),
            },
        )
        .await?,
        audit: added(
            tx,
            audit,
            &Added {
                count: sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM audit"),
                newer: sql!("SELECT id, at, actor, action, subject, thread, detail FROM audit WHERE id > $1 ORDER BY id"),
                key: |row: &AuditRow| row.id.clone(),
            },
        )
        .await?,
        deposits: added(
            tx,
            deposits,
            &Added {
                count: sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM deposits"),
                newer: sql!("SELECT id, account_id, amount_minor, bank_reference FROM deposits WHERE id > $1 ORDER BY id"),
                key: |row: &DepositRow| row.id.clone(),
            },
        )
        .await?,
        seals: seals_added(tx, seals).await?,
        attempts: attempts_added(tx, attempts).await?,
    })
}

/// How to read what is new in a table to which rows are only added.
struct Added<T> {
    count: &'static db::Statement,
    newer: &'static db::Statement,
    key: fn(&T) -> String,
}

/// The rows of a table to which rows are only added, those that are known first. Rows may come late, with smaller keys: then all are read.
async fn added<T: FromRow + PartialEq + Clone>(tx: &mut Tx, mut known: Vec<T>, table: &Added<T>) -> Result<Vec<T>> {
    let (count,): (i64,) = tx.one(table.count, &[]).await?;
    let newest = known.iter().map(table.key).max().unwrap_or_default();
    let newer: Vec<T> = tx.all(table.newer, &[&newest]).await?;
    known.extend(newer);
    if i64::try_from(known.len()) == Ok(count) {
        return Ok(known);
    }
    let all: Vec<T> = tx.all(table.newer, &[&String::new()]).await?;
    // What is gone stays in the list, so that the count tells.
    let late: Vec<T> = all.into_iter().filter(|row| !known.contains(row)).collect();
    known.extend(late);
    Ok(known)
}

async fn seals_added(tx: &mut Tx, mut known: Vec<SealRow>) -> Result<Vec<SealRow>> {
    let newest = known.last().map_or(0, |seal| seal.sequence);
    let newer: Vec<SealRow> =
        tx.all(sql!("SELECT sequence, transaction_id, hash FROM ledger_seals WHERE sequence > $1 ORDER BY sequence"), &[&newest]).await?;
    known.extend(newer);
    Ok(known)
}

async fn attempts_added(tx: &mut Tx, mut known: Vec<AttemptRow>) -> Result<Vec<AttemptRow>> {
    let (count,): (i64,) = tx.one(sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM delivery_attempts"), &[]).await?;
    if i64::try_from(known.len()) == Ok(count) {
        return Ok(known);
    }
    let all: Vec<AttemptRow> =
        tx.all(sql!("SELECT delivery_id, n, kind, at, verdict FROM delivery_attempts ORDER BY at, delivery_id, n"), &[]).await?;
    let seen: std::collections::HashSet<(String, i64)> = known.iter().map(|row| (row.call.clone(), row.n)).collect();
    known.extend(all.into_iter().filter(|row| !seen.contains(&(row.call.clone(), row.n))));
    Ok(known)
}

/// Reads everything that is only added again and says which row is no longer what it was.
pub(super) async fn compare(tx: &mut Tx, known: &Snapshot) -> Result<Option<String>> {
    let fresh = read(tx, Snapshot::default()).await?;
    Ok(gone("ledger_transactions", &known.entries, &fresh.entries)
        .or_else(|| gone("ledger_postings", &known.postings, &fresh.postings))
        .or_else(|| gone("ledger_seals", &known.seals, &fresh.seals))
        .or_else(|| gone("audit", &known.audit, &fresh.audit))
        .or_else(|| gone("delivery_attempts", &known.attempts, &fresh.attempts))
        .or_else(|| gone("deposits", &known.deposits, &fresh.deposits)))
}

fn gone<T: std::fmt::Debug>(table: &str, known: &[T], fresh: &[T]) -> Option<String> {
    let texts = |rows: &[T]| -> BTreeSet<String> { rows.iter().map(|row| format!("{row:?}")).collect() };
    let (known, fresh) = (texts(known), texts(fresh));
    let lost = known.difference(&fresh).next().map(|row| format!("{table} no longer has {row}"));
    lost.or_else(|| fresh.difference(&known).next().map(|row| format!("{table} has {row}, which was never seen")))
}
