//! Every cent: double entry, append-only, hash-chained.
//!
//! A transaction is one or more postings, each of which moves an amount from one book to another, so no transaction can be unbalanced and
//! the sum over all books is always zero. Money takes only the ways of the table in `book.rs`:
//!
//! | entry | from | to |
//! |---|---|---|
//! | deposit | `bank` | `buyer:acc_…` |
//! | payment | `buyer:acc_…` | `held:CS…` |
//! | sale | `held:CS…` | `seller-pending:acc_…` |
//! | refund | `held:CS…` or `seller-pending:acc_…` | `refund:CS…`, and from there `buyer:acc_…` |
//! | settlement | `seller-pending:acc_…` | `platform-fee`, `tax`, `seller-payable:acc_…` (a fee that is given back goes the other way) |
//! | payout | `seller-payable:acc_…` | `bank` |
//!
//! Invariants: rows of transactions and postings are only added. Balances are folded from postings; the one kept balance is the wallet of
//! a buyer, a row of its own that no other buyer waits for, changed in the transaction of its postings and never negative. A transaction
//! waits in `ledger_unsealed` until [`seal`] puts it into the chain, so that no order waits for the head of the chain.
//!
//! The chain proves that nothing before its head was changed. It cannot prove that its newest end was not cut off: whoever needs that keeps
//! the head ([`Verification::head_sequence`], [`Verification::head_hash`]) somewhere else.
//!
//! Whoever does not have the database has the tree: hour by hour a Merkle tree over what was sealed gets a signed head ([`run_head_job`]), and
//! anything under a head can be proven to be in the ledger ([`prove`]), with a file that `wire::proof` checks.

mod book;
mod chain;
mod heads;
mod store;
mod tree;
mod tree_walk;
mod verify;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use db::{Error, Result, Tx};
use kernel::{AccountId, Code, Ctx, Currency, DepositId, MONEY_MAX_MINOR, Money, Refusal, TransactionId};
use serde::Serialize;
use serde_json::json;

pub use book::{Book, BookKind, EntryKind, Posting};
pub(crate) use chain::Canonical;
pub use heads::{
    HEAD_JOB, HeadView, KeyState, LogKey, ensure_head_scheduled, head_of_size, heads, keys, newest_head, rotate_key, run_head_job,
};
pub(crate) use heads::{NewLogKey, ensure_key};
pub use tree::{prove, prove_growth};
pub use verify::{BookTotal, PROBLEMS_MAX, Problem, Problems, Verification, verify};

use crate::audit;
use crate::edition::Edition;
use crate::notices::{self, NoticeKind};
use crate::page::{Page, PageRequest};

/// The most postings of one transaction; every use case needs a handful.
pub const POSTINGS_MAX: usize = 500;
/// The longest bank reference, in characters.
pub const BANK_REFERENCE_LEN_MAX: usize = 64;
/// The longest note of a deposit, in characters.
pub const NOTE_LEN_MAX: usize = 500;
/// Sorts after every transaction id: the first letter of an id's number is at most `7`.
const AFTER_ALL_TRANSACTIONS: &str = "ltx_z";
/// Sorts after every deposit id.
const AFTER_ALL_DEPOSITS: &str = "dep_z";

/// Appends a transaction of `kind` for `reference` (an order number, a deposit, a statement) and changes the wallets of the buyers in it.
/// Postings of nothing are left out; `None` when nothing is left.
///
/// # Errors
/// [`Code::BalanceTooLow`] with `balance` and `needed` when a buyer's wallet does not cover it; [`Code::AmountTooLarge`]. A negative amount,
/// a way that money may not take and too many postings are faults of the caller: [`Error::Broken`].
pub async fn post(
    tx: &mut Tx,
    ctx: &Ctx,
    kind: EntryKind,
    reference: &str,
    currency: Currency,
    postings: &[Posting],
) -> Result<Option<TransactionId>> {
    let moving: Vec<&Posting> = postings.iter().filter(|p| p.amount_minor != 0).collect();
    if moving.is_empty() {
        return Ok(None);
    }
    check(kind, reference, &moving)?;
    for (account, change) in wallet_changes(&moving) {
        if !store::change_wallet(tx, account, currency, change).await? {
            return Err(overdraft(tx, account, currency, change).await?.into());
        }
    }
    let id = TransactionId::new(ctx.now, &ctx.entropy);
    store::insert_transaction(tx, ctx, id, kind, reference, currency).await?;
    store::insert_postings(tx, id, &moving).await?;
    Ok(Some(id))
}

fn check(kind: EntryKind, reference: &str, postings: &[&Posting]) -> Result<()> {
    if postings.len() > POSTINGS_MAX {
        return Err(Error::broken(format!("a {kind} of {reference} has more than {POSTINGS_MAX} postings")));
    }
    for Posting { source, destination, amount_minor } in postings {
        if *amount_minor < 0 || source == destination || !book::allowed(kind, source.kind(), destination.kind()) {
            return Err(Error::broken(format!("a {kind} of {reference} cannot move {amount_minor} from {source} to {destination}")));
        }
        if *amount_minor > MONEY_MAX_MINOR {
            return Err(Refusal::new(Code::AmountTooLarge).into());
        }
    }
    Ok(())
}

/// What the postings together change in each buyer's wallet. In the order of accounts, so that two transactions never wait for each other
/// crosswise.
fn wallet_changes(postings: &[&Posting]) -> BTreeMap<AccountId, i64> {
    let mut changes = BTreeMap::new();
    for posting in postings {
        if let Book::Buyer(account) = posting.source {
            *changes.entry(account).or_insert(0) -= posting.amount_minor;
        }
        if let Book::Buyer(account) = posting.destination {
            *changes.entry(account).or_insert(0) += posting.amount_minor;
        }
    }
    changes.retain(|_, change| *change != 0);
    changes
}

/// The refusal of a wallet that does not hold what is to leave it.
async fn overdraft(tx: &mut Tx, account: AccountId, currency: Currency, change: i64) -> Result<Refusal> {
    let balance = store::wallet(tx, account, currency).await?;
    Ok(Refusal::new(Code::BalanceTooLow).with("balance", Money::new(balance, currency)).with("needed", Money::new(-change, currency)))
}

/// What a book holds, folded from its postings: in − out, minor units.
///
/// # Errors
/// Those of the database.
pub async fn balance(tx: &mut Tx, book: &Book, currency: Currency) -> Result<i64> {
    store::balance(tx, book, currency).await
}

/// A buyer's balance as kept in the wallet, minor units; 0 for an account that never had any.
///
/// # Errors
/// Those of the database.
pub async fn wallet(tx: &mut Tx, account: AccountId, currency: Currency) -> Result<i64> {
    store::wallet(tx, account, currency).await
}

/// A posting as seen from one of its books.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Movement {
    /// The transaction; ids sort by time.
    pub transaction_id: TransactionId,
    /// The posting's place in the transaction, from 1.
    pub line: i64,
    /// When, market ms UTC.
    pub at: i64,
    /// Why.
    pub kind: EntryKind,
    /// For what: an order number, a deposit, a statement.
    pub reference: String,
    /// The currency.
    pub currency: Currency,
    /// How much came in; negative when it went out. Minor units.
    pub amount_minor: i64,
    /// The book on the other side.
    pub counter: Book,
}

/// The movements of a book, newest first.
///
/// # Errors
/// [`Code::CursorInvalid`], or those of the database.
pub async fn movements(tx: &mut Tx, book: &Book, page: &PageRequest) -> Result<Page<Movement>> {
    let before = movement_cursor(&page.after)?;
    let rows = store::movements(tx, book, before, page.fetch()).await?;
    Ok(page.cut(rows, |m| format!("{}.{}", m.transaction_id, m.line)))
}

fn movement_cursor(after: &str) -> Result<(&str, i64)> {
    if after.is_empty() {
        return Ok((AFTER_ALL_TRANSACTIONS, 0));
    }
    let parts = after.split_once('.').and_then(|(id, line)| {
        id.parse::<TransactionId>().ok()?;
        Some((id, line.parse().ok()?))
    });
    parts.ok_or_else(|| Refusal::new(Code::CursorInvalid).into())
}

/// A transaction with its postings.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Transaction {
    /// Its id; ids sort by time.
    pub id: TransactionId,
    /// When, market ms UTC.
    pub at: i64,
    /// Why.
    pub kind: EntryKind,
    /// For what: an order number, a deposit, a statement.
    pub reference: String,
    /// The currency.
    pub currency: Currency,
    /// What moved, in the order it was posted.
    pub postings: Vec<Posting>,
}

/// The transactions of an order, a deposit or a statement, oldest first.
///
/// # Errors
/// Those of the database; [`Error::Broken`] when a row is damaged (see [`verify`]).
pub async fn transactions_of(tx: &mut Tx, reference: &str, page: &PageRequest) -> Result<Page<Transaction>> {
    let entries = store::transactions_of(tx, reference, &page.after, page.fetch()).await?;
    let rows = entries.into_iter().map(|entry| readable(entry).map_err(Error::broken)).collect::<Result<Vec<_>>>()?;
    Ok(page.cut(rows, |transaction: &Transaction| transaction.id.to_string()))
}

fn readable(entry: chain::Entry) -> Result<Transaction, String> {
    let id = entry.id.parse().map_err(|e| format!("{e}: {}", entry.id))?;
    let postings = entry
        .lines
        .iter()
        .map(|line| Ok(Posting::new(line.source.parse()?, line.destination.parse()?, line.amount_minor)))
        .collect::<Result<_, String>>()?;
    Ok(Transaction { id, at: entry.at, kind: entry.kind.parse()?, reference: entry.reference, currency: entry.currency.parse()?, postings })
}

/// Puts up to `limit` waiting transactions into the chain, in the order of their ids (`now`: market ms UTC); how many it were.
///
/// Transactions of one moment stand in the chain in no particular order, and one that was appended late stands after younger ones: the
/// chain proves what was appended, not in which order. The next head of the tree is scheduled along with it.
///
/// # Errors
/// Those of the database. When two seal at once, one of them is run again or fails on the sequence's key: the caller tries again.
pub async fn seal(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    let entries = store::unsealed_entries(tx, limit).await?;
    if entries.is_empty() {
        return Ok(0);
    }
    let (start, mut hash) = store::head(tx).await?.unwrap_or((0, chain::GENESIS.to_vec()));
    let mut sequence = start;
    for entry in &entries {
        sequence += 1;
        let sealed = chain::seal_hash(&hash, sequence, now, entry);
        store::insert_seal(tx, sequence, &entry.id, now, &sealed).await?;
        hash = sealed.to_vec();
    }
    let sealed = store::delete_sealed_after(tx, start).await?;
    if usize::try_from(sealed) != Ok(entries.len()) {
        return Err(Error::broken("the transactions that were sealed are not those that waited"));
    }
    heads::schedule(tx, now).await?;
    Ok(sealed)
}

/// How many transactions wait to be sealed.
///
/// # Errors
/// Those of the database.
pub async fn unsealed(tx: &mut Tx) -> Result<i64> {
    store::unsealed(tx).await
}

/// Whether any transaction waits to be sealed.
///
/// # Errors
/// Those of the database.
pub async fn any_unsealed(tx: &mut Tx) -> Result<bool> {
    store::any_unsealed(tx).await
}

/// The newest seal: its sequence and its hash.
///
/// # Errors
/// Those of the database.
pub async fn head(tx: &mut Tx) -> Result<Option<(i64, Vec<u8>)>> {
    store::head(tx).await
}

/// A bank transfer that came in for a buyer, as the operator reads it from the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeposit {
    /// Whose balance it is for. That the account exists is checked by the caller.
    pub account_id: AccountId,
    /// How much, more than nothing.
    pub amount: Money,
    /// The bank's reference of the transfer: the same transfer is recorded once. 1 to [`BANK_REFERENCE_LEN_MAX`] characters.
    pub bank_reference: String,
    /// For the operator's books; up to [`NOTE_LEN_MAX`] characters.
    pub note: String,
}

/// A recorded bank transfer into a buyer's balance.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Deposit {
    /// Its id; ids sort by time.
    pub id: DepositId,
    /// Whose balance.
    pub account_id: AccountId,
    /// How much, minor units.
    pub amount_minor: i64,
    /// The currency.
    pub currency: Currency,
    /// The bank's reference.
    pub bank_reference: String,
    /// The operator's note.
    pub note: String,
    /// Who recorded it.
    pub recorded_by: String,
    /// When, market ms UTC.
    pub recorded_at: i64,
}

/// Records a bank transfer and adds it to the buyer's balance.
///
/// # Errors
/// [`Code::CurrencyMix`] unless it is in the market's currency, [`Code::AmountNotPositive`], [`Code::AmountTooLarge`],
/// [`Code::FieldInvalid`] for `bank_reference` and `note`, [`Code::DepositDuplicate`] when the bank reference was recorded already.
pub async fn record_deposit(tx: &mut Tx, ctx: &Ctx, edition: &Edition, new: &NewDeposit) -> Result<Deposit> {
    let NewDeposit { account_id, amount, .. } = *new;
    if amount.currency != edition.currency {
        return Err(Refusal::new(Code::CurrencyMix).with("left", amount.currency).with("right", edition.currency).into());
    }
    if amount.minor <= 0 {
        return Err(Refusal::new(Code::AmountNotPositive).into());
    }
    check_bank_reference(&new.bank_reference)?;
    if new.note.trim().chars().count() > NOTE_LEN_MAX {
        return Err(Refusal::field("note", format!("length:0-{NOTE_LEN_MAX}")).into());
    }
    let deposit = store::insert_deposit(tx, ctx, DepositId::new(ctx.now, &ctx.entropy), new).await?;
    let posting = Posting::new(Book::Bank, Book::Buyer(account_id), amount.minor);
    post(tx, ctx, EntryKind::Deposit, &deposit.id.to_string(), amount.currency, &[posting]).await?;
    let particulars = json!({ "amount_minor": amount.minor, "currency": amount.currency });
    notices::send(tx, ctx, account_id, NoticeKind::DepositRecorded, &deposit.id, &particulars).await?;
    let detail = json!({
        "account_id": account_id,
        "amount_minor": amount.minor,
        "currency": amount.currency,
        "bank_reference": deposit.bank_reference,
    });
    audit::record(tx, ctx, "ledger.deposit_recorded", &deposit.id, &detail).await?;
    Ok(deposit)
}

/// A bank reference has 1 to [`BANK_REFERENCE_LEN_MAX`] characters, spaces around it not counted.
pub(crate) fn check_bank_reference(reference: &str) -> Result<(), Refusal> {
    if (1..=BANK_REFERENCE_LEN_MAX).contains(&reference.trim().chars().count()) {
        return Ok(());
    }
    Err(Refusal::field("bank_reference", format!("length:1-{BANK_REFERENCE_LEN_MAX}")))
}

/// A recorded deposit.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn deposit(tx: &mut Tx, id: DepositId) -> Result<Deposit> {
    store::deposit(tx, id).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Recorded deposits, newest first; only of `account` when one is given.
///
/// # Errors
/// Those of the database.
pub async fn deposits(tx: &mut Tx, account: Option<AccountId>, page: &PageRequest) -> Result<Page<Deposit>> {
    let before = if page.after.is_empty() { AFTER_ALL_DEPOSITS } else { &page.after };
    let rows = store::deposits(tx, account, before, page).await?;
    Ok(page.cut(rows, |deposit| deposit.id.to_string()))
}
