//! What stands in the file of each kind: columns, words, and how an entry of its list becomes rows.

use std::collections::HashMap;

use db::{Error, Result, Tx};
use kernel::{AccountId, Currency, Money, Refusal, StatementId};
use render::{Cell, Table};

use super::{Export, ExportKind, FILTER_TEXT_MAX, Filter, NewExport, ROWS_MAX, Wording};
use crate::accounts::{self, AccountKind};
use crate::audit;
use crate::calls::{self, CallState, Scene};
use crate::catalog::Item;
use crate::ledger::{self, Book, EntryKind};
use crate::orders::{self, LineState, Order, OrderKind, OrderLine, OrderState};
use crate::page::{Page, PageRequest};
use crate::settlement::{self, ItemKind, ItemState, StatementState};
use crate::subscriptions::{self, RenewalMode, Subscription, SubscriptionState, Whose};
use crate::views::counts;

macro_rules! order_columns {
    ($($party:literal),+) => {
        &[
            "order", "placed", "order-kind", "state", $($party,)+ "line", "line-state", "product", "edition", "sku", "quantity", "months",
            "unit-price", "amount", "tax", "currency", "begins", "ends", "paid", "closed", "service",
        ]
    };
}

macro_rules! service_columns {
    ($($party:literal),+) => {
        &[
            "service", "state", $($party,)+ "product", "edition", "sku", "quantity", "bought", "begins", "ends", "renewal", "released", "instance",
        ]
    };
}

/// The columns of each kind; [`Reader::page`] gives a cell for each.
pub(super) const fn columns(kind: ExportKind) -> &'static [&'static str] {
    match kind {
        ExportKind::BuyerOrders => order_columns!("seller"),
        ExportKind::SellerOrders => order_columns!("buyer"),
        ExportKind::OperatorOrders => order_columns!("buyer", "seller"),
        ExportKind::BuyerServices => service_columns!("seller"),
        ExportKind::SellerSubscriptions => service_columns!("buyer"),
        ExportKind::OperatorSubscriptions => service_columns!("buyer", "seller"),
        ExportKind::BuyerMovements => &["at", "entry", "reference", "amount", "currency", "transaction"],
        ExportKind::SellerSales => &[
            "effective",
            "item-kind",
            "state",
            "order",
            "line",
            "refunds-line",
            "amount",
            "fee-rate",
            "currency",
            "paid",
            "billable",
            "product-id",
            "statement",
        ],
        ExportKind::SellerStatementLines => &[
            "n",
            "item-kind",
            "order",
            "line",
            "refunds-line",
            "effective",
            "amount",
            "fee-rate",
            "reduction",
            "fee",
            "net",
            "currency",
            "product-id",
        ],
        ExportKind::SellerCalls => {
            &["asked", "scene", "state", "order", "line", "service", "instance", "attempts", "verdict", "ended", "call"]
        }
        ExportKind::OperatorAccounts => &["account", "account-kind", "title", "made", "seller-since", "account-id"],
        ExportKind::OperatorDeposits => &["recorded", "account", "amount", "currency", "bank-reference", "note", "recorded-by", "deposit"],
        ExportKind::OperatorStatements => &[
            "month",
            "seller",
            "state",
            "sales",
            "refunds",
            "fee",
            "fee-tax",
            "carried-in",
            "carried-out",
            "payable",
            "currency",
            "lines",
            "made",
            "paid",
            "bank-reference",
            "statement",
        ],
        ExportKind::OperatorAudit => &["at", "actor", "account", "action", "subject", "thread", "detail", "request"],
    }
}

/// The words of the program in each kind, with the set they are of.
pub(super) fn words(kind: ExportKind) -> Vec<(&'static str, &'static str)> {
    fn of<T: Copy>(set: &'static str, all: &'static [T], word: impl Fn(T) -> &'static str) -> Vec<(&'static str, &'static str)> {
        all.iter().map(|one| (set, word(*one))).collect()
    }
    match kind {
        ExportKind::BuyerOrders | ExportKind::SellerOrders | ExportKind::OperatorOrders => [
            of("order", OrderKind::ALL, OrderKind::word),
            of("state", OrderState::ALL, OrderState::word),
            of("state", LineState::ALL, LineState::word),
        ]
        .concat(),
        ExportKind::BuyerServices | ExportKind::SellerSubscriptions | ExportKind::OperatorSubscriptions => {
            [of("state", SubscriptionState::ALL, SubscriptionState::word), of("renews", RenewalMode::ALL, RenewalMode::word)].concat()
        }
        ExportKind::BuyerMovements => of("entry", EntryKind::ALL, EntryKind::word),
        ExportKind::SellerSales => [of("item", ItemKind::ALL, ItemKind::word), of("billing", ItemState::ALL, ItemState::word)].concat(),
        ExportKind::SellerStatementLines => of("item", ItemKind::ALL, ItemKind::word),
        ExportKind::SellerCalls => [of("scene", Scene::ALL, Scene::word), of("state", CallState::ALL, CallState::word)].concat(),
        ExportKind::OperatorAccounts => of("account", AccountKind::ALL, AccountKind::word),
        ExportKind::OperatorStatements => of("state", StatementState::ALL, StatementState::word),
        ExportKind::OperatorDeposits | ExportKind::OperatorAudit => Vec::new(),
    }
}

/// A state of a filter; none where none is wanted.
fn state<T: std::str::FromStr>(filter: &Filter) -> Result<Option<T>, Refusal> {
    let one = |word: &String| word.parse().map_err(|_| Refusal::field("state", "unknown"));
    filter.state.as_ref().map(one).transpose()
}

/// Refuses a filter that a kind does not take, before anybody waits for it.
pub(super) async fn check(tx: &mut Tx, new: &NewExport) -> Result<()> {
    let filter = &new.filter;
    match new.kind {
        ExportKind::BuyerOrders | ExportKind::SellerOrders | ExportKind::OperatorOrders => state::<OrderState>(filter).map(drop),
        ExportKind::BuyerServices | ExportKind::SellerSubscriptions | ExportKind::OperatorSubscriptions => {
            state::<SubscriptionState>(filter).map(drop)
        }
        ExportKind::SellerSales => state::<ItemState>(filter).map(drop),
        ExportKind::SellerCalls => state::<CallState>(filter).map(drop),
        ExportKind::OperatorStatements => state::<StatementState>(filter).map(drop),
        ExportKind::BuyerMovements
        | ExportKind::SellerStatementLines
        | ExportKind::OperatorAccounts
        | ExportKind::OperatorDeposits
        | ExportKind::OperatorAudit => filter.state.as_ref().map_or(Ok(()), |_| Err(Refusal::field("state", "unknown"))),
    }?;
    let takes_account = matches!(new.kind, ExportKind::OperatorDeposits | ExportKind::OperatorStatements | ExportKind::OperatorAudit);
    let known = [
        ("account", filter.account.is_none() || takes_account),
        ("subscription", filter.subscription.is_none() || new.kind == ExportKind::SellerCalls),
        ("statement", filter.statement.is_none() || new.kind == ExportKind::SellerStatementLines),
        ("name", filter.name.is_none() || new.kind == ExportKind::OperatorAccounts),
    ];
    if let Some((field, _)) = known.into_iter().find(|(_, is_known)| !is_known) {
        return Err(Refusal::field(field, "unknown").into());
    }
    if filter.name.as_ref().is_some_and(|name| name.chars().count() > FILTER_TEXT_MAX) {
        return Err(Refusal::field("name", format!("length:0-{FILTER_TEXT_MAX}")).into());
    }
    if new.kind == ExportKind::SellerStatementLines {
        let id = filter.statement.ok_or_else(|| Refusal::field("statement", "required"))?;
        settlement::statement(tx, Some(new.account), id).await?;
    }
    Ok(())
}

/// Writes rows until the table is as long as a file may be: the table, and whether it was cut.
pub(super) fn fill(mut table: Table, rows: &[Vec<Cell>]) -> Result<(Table, bool), render::Error> {
    for row in rows {
        if table.rows() >= ROWS_MAX {
            return Ok((table, true));
        }
        table.add(row)?;
    }
    Ok((table, false))
}

/// A part of a list as rows.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) rows: Vec<Vec<Cell>>,
    /// Entries of the list: one may be several rows.
    pub(super) entries: i64,
    pub(super) next: Option<String>,
}

/// Reads the list of an export.
#[derive(Clone)]
pub(super) struct Reader {
    account: AccountId,
    kind: ExportKind,
    filter: Filter,
    pub(super) wording: Wording,
}

/// The names of the accounts of one page.
#[derive(Default)]
struct Names(HashMap<AccountId, String>);

impl Names {
    async fn of(&mut self, tx: &mut Tx, account: AccountId) -> Result<Cell> {
        if let Some(name) = self.0.get(&account) {
            return Ok(Cell::text(name.clone()));
        }
        let name = accounts::get(tx, account).await?.name;
        self.0.insert(account, name.clone());
        Ok(Cell::text(name))
    }
}

fn id(id: impl std::fmt::Display) -> Cell {
    Cell::text(id.to_string())
}

fn some(text: Option<&String>) -> Cell {
    text.map_or(Cell::Empty, |text| Cell::text(text.clone()))
}

const fn money(minor: i64, currency: Currency) -> Cell {
    Cell::Money(Money::new(minor, currency))
}

/// `12.50 %`.
fn rate(bp: i64) -> Cell {
    let sign = if bp < 0 { "-" } else { "" };
    Cell::text(format!("{sign}{}.{:02} %", bp.abs() / 100, bp.abs() % 100))
}

impl Reader {
    pub(super) fn new(export: &Export, wording: Wording) -> Self {
        Self { account: export.account_id, kind: export.kind, filter: export.filter.clone(), wording }
    }

    fn word(&self, set: &str, word: &str) -> Cell {
        let text = self.wording.words.get(&format!("{set}-{word}"));
        Cell::text(text.map_or(word, String::as_str))
    }

    fn whose(&self) -> Whose {
        match self.kind {
            ExportKind::BuyerOrders | ExportKind::BuyerServices => Whose::Buyer(self.account),
            ExportKind::SellerOrders | ExportKind::SellerSubscriptions => Whose::Seller(self.account),
            _ => Whose::Everybody,
        }
    }

    fn statement(&self) -> Result<StatementId> {
        self.filter.statement.ok_or_else(|| Error::broken("an export of statement lines names its statement"))
    }

    fn name(&self) -> Option<&str> {
        self.filter.name.as_deref().map(str::trim).filter(|name| !name.is_empty())
    }

    /// How many entries the list has, where that can be told before it is read; no more than a file may have are counted.
    pub(super) async fn count(&self, tx: &mut Tx) -> Result<Option<i64>> {
        let (filter, account) = (&self.filter, self.account);
        let max = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
        let counted = match self.kind {
            ExportKind::BuyerOrders | ExportKind::SellerOrders | ExportKind::OperatorOrders => {
                counts::orders(tx, self.whose(), state(filter)?, max).await
            }
            ExportKind::BuyerServices | ExportKind::SellerSubscriptions | ExportKind::OperatorSubscriptions => {
                counts::subscriptions(tx, self.whose(), state(filter)?, max).await
            }
            ExportKind::BuyerMovements => counts::movements(tx, &Book::Buyer(account), max).await,
            ExportKind::SellerSales => counts::sales(tx, account, state(filter)?, max).await,
            ExportKind::SellerStatementLines => counts::statement_lines(tx, self.statement()?, max).await,
            ExportKind::SellerCalls => counts::calls(tx, account, state(filter)?, filter.subscription, max).await,
            ExportKind::OperatorAccounts if self.name().is_some() => return Ok(None),
            ExportKind::OperatorAccounts => counts::accounts(tx, max).await,
            ExportKind::OperatorDeposits => counts::deposits(tx, filter.account, max).await,
            ExportKind::OperatorStatements => counts::statements(tx, filter.account, state(filter)?, max).await,
            ExportKind::OperatorAudit => counts::audit(tx, filter.account, max).await,
        };
        counted.map(Some)
    }

    /// The rows after `after`, of so many entries.
    pub(super) async fn page(&self, tx: &mut Tx, after: &str, limit: i64) -> Result<Rows> {
        let page = PageRequest { after: after.to_owned(), limit };
        let (filter, account) = (&self.filter, self.account);
        match self.kind {
            ExportKind::BuyerOrders | ExportKind::SellerOrders | ExportKind::OperatorOrders => {
                let found = orders::list(tx, self.whose(), state(filter)?, &page).await?;
                self.orders(tx, found).await
            }
            ExportKind::BuyerServices | ExportKind::SellerSubscriptions | ExportKind::OperatorSubscriptions => {
                let found = subscriptions::list(tx, self.whose(), state(filter)?, &page).await?;
                self.services(tx, found).await
            }
            ExportKind::BuyerMovements => Ok(self.movements(ledger::movements(tx, &Book::Buyer(account), &page).await?)),
            ExportKind::SellerSales => Ok(self.sales(settlement::items(tx, account, state(filter)?, &page).await?)),
            ExportKind::SellerStatementLines => {
                let statement = settlement::statement(tx, Some(account), self.statement()?).await?;
                let found = settlement::lines(tx, statement.id, &page).await?;
                Ok(self.statement_lines(found, statement.currency))
            }
            ExportKind::SellerCalls => Ok(self.calls(calls::list(tx, Some(account), state(filter)?, filter.subscription, &page).await?)),
            ExportKind::OperatorAccounts => Ok(self.accounts(accounts::list(tx, self.name(), &page).await?)),
            ExportKind::OperatorDeposits => {
                let found = ledger::deposits(tx, filter.account, &page).await?;
                self.deposits(tx, found).await
            }
            ExportKind::OperatorStatements => {
                let found = settlement::statements(tx, filter.account, state(filter)?, &page).await?;
                self.statements(tx, found).await
            }
            ExportKind::OperatorAudit => {
                let found = audit::search(tx, filter.account, &page).await?;
                self.audit(tx, found).await
            }
        }
    }

    /// The names of the other side, or of both.
    async fn parties(&self, tx: &mut Tx, names: &mut Names, buyer: AccountId, seller: AccountId) -> Result<Vec<Cell>> {
        Ok(match self.whose() {
            Whose::Buyer(_) => vec![names.of(tx, seller).await?],
            Whose::Seller(_) => vec![names.of(tx, buyer).await?],
            Whose::Everybody => vec![names.of(tx, buyer).await?, names.of(tx, seller).await?],
        })
    }

    fn item(&self, item: &Item) -> [Cell; 3] {
        let names = &item.names;
        [&names.product, &names.edition, &names.sku].map(|texts| Cell::text(texts.pick(self.wording.locale)))
    }

    async fn orders(&self, tx: &mut Tx, found: Page<Order>) -> Result<Rows> {
        let (mut rows, mut names) = (Vec::new(), Names::default());
        for order in &found.items {
            let parties = self.parties(tx, &mut names, order.buyer_id, order.seller_id).await?;
            rows.extend(order.lines.iter().map(|line| self.order_line(order, line, &parties)));
        }
        Ok(rows_of(found, rows))
    }

    fn order_line(&self, order: &Order, line: &OrderLine, parties: &[Cell]) -> Vec<Cell> {
        let mut row = vec![
            Cell::text(order.number.clone()),
            Cell::Time(order.created_at),
            self.word("order", order.kind.word()),
            self.word("state", order.state.word()),
        ];
        row.extend_from_slice(parties);
        row.extend([Cell::text(line.number.clone()), self.word("state", line.state.word())]);
        row.extend(self.item(&line.item));
        row.extend([
            Cell::Whole(line.quantity),
            line.period.map_or(Cell::Empty, |period| Cell::Whole(period.months())),
            money(line.unit_price_minor, order.currency),
            money(line.amount_minor, order.currency),
            money(line.tax_minor, order.currency),
            id(order.currency),
            Cell::time(line.effective_at),
            Cell::time(line.ends_at),
            Cell::time(order.paid_at),
            Cell::time(order.closed_at),
            line.subscription_id.map_or(Cell::Empty, id),
        ]);
        row
    }

    async fn services(&self, tx: &mut Tx, found: Page<Subscription>) -> Result<Rows> {
        let (mut rows, mut names) = (Vec::new(), Names::default());
        for sub in &found.items {
            let mut row = vec![id(sub.id), self.word("state", sub.state.word())];
            row.extend(self.parties(tx, &mut names, sub.buyer_id, sub.seller_id).await?);
            row.extend(self.item(&sub.item));
            row.extend([
                Cell::Whole(sub.quantity),
                Cell::Time(sub.created_at),
                Cell::time(sub.anchor_at),
                Cell::time(sub.ends_at),
                self.word("renews", sub.renewal.mode.word()),
                Cell::time(sub.released_at),
                some(sub.instance_id.as_ref()),
            ]);
            rows.push(row);
        }
        Ok(rows_of(found, rows))
    }

    fn movements(&self, found: Page<ledger::Movement>) -> Rows {
        let row = |movement: &ledger::Movement| {
            vec![
                Cell::Time(movement.at),
                self.word("entry", movement.kind.word()),
                Cell::text(movement.reference.clone()),
                money(movement.amount_minor, movement.currency),
                id(movement.currency),
                id(movement.transaction_id),
            ]
        };
        let rows = found.items.iter().map(row).collect();
        rows_of(found, rows)
    }

    fn sales(&self, found: Page<settlement::SettlementItem>) -> Rows {
        let row = |item: &settlement::SettlementItem| {
            // What was given back is less, as in a statement.
            let sign = if item.kind == ItemKind::Refund { -1 } else { 1 };
            vec![
                Cell::Time(item.effective_at),
                self.word("item", item.kind.word()),
                self.word("billing", item.state.word()),
                Cell::text(item.order_number.clone()),
                Cell::text(item.line_number.clone()),
                some(item.refunds_line.as_ref()),
                money(sign * item.amount_minor, item.currency),
                rate(item.fee_bp),
                id(item.currency),
                Cell::Time(item.paid_at),
                Cell::Time(item.guaranteed_until),
                id(item.product_id),
                item.statement_id.map_or(Cell::Empty, id),
            ]
        };
        let rows = found.items.iter().map(row).collect();
        rows_of(found, rows)
    }

    fn statement_lines(&self, found: Page<settlement::StatementLine>, currency: Currency) -> Rows {
        let row = |line: &settlement::StatementLine| {
            vec![
                Cell::Whole(line.n),
                self.word("item", line.kind.word()),
                Cell::text(line.order_number.clone()),
                Cell::text(line.line_number.clone()),
                some(line.refunds_line.as_ref()),
                Cell::Time(line.effective_at),
                money(line.amount_minor, currency),
                rate(line.fee_bp),
                rate(line.reduction_bp),
                money(line.fee_minor, currency),
                money(line.net_minor, currency),
                id(currency),
                id(line.product_id),
            ]
        };
        let rows = found.items.iter().map(row).collect();
        rows_of(found, rows)
    }

    fn calls(&self, found: Page<calls::Call>) -> Rows {
        let row = |call: &calls::Call| {
            vec![
                Cell::Time(call.created_at),
                self.word("scene", call.scene.word()),
                self.word("state", call.state.word()),
                some(call.order_number.as_ref()),
                some(call.line_number.as_ref()),
                id(call.subscription_id),
                some(call.instance_id.as_ref()),
                Cell::Whole(call.attempts),
                call.last_verdict.as_ref().map_or(Cell::Empty, |verdict| self.word("verdict", verdict)),
                Cell::time(call.ended_at),
                id(call.id),
            ]
        };
        let rows = found.items.iter().map(row).collect();
        rows_of(found, rows)
    }

    fn accounts(&self, found: Page<accounts::Account>) -> Rows {
        let row = |account: &accounts::Account| {
            vec![
                Cell::text(account.name.clone()),
                self.word("account", account.kind.word()),
                Cell::text(account.title.clone()),
                Cell::Time(account.created_at),
                Cell::time(account.seller_at),
                id(account.id),
            ]
        };
        let rows = found.items.iter().map(row).collect();
        rows_of(found, rows)
    }

    async fn deposits(&self, tx: &mut Tx, found: Page<ledger::Deposit>) -> Result<Rows> {
        let (mut rows, mut names) = (Vec::new(), Names::default());
        for deposit in &found.items {
            rows.push(vec![
                Cell::Time(deposit.recorded_at),
                names.of(tx, deposit.account_id).await?,
                money(deposit.amount_minor, deposit.currency),
                id(deposit.currency),
                Cell::text(deposit.bank_reference.clone()),
                Cell::text(deposit.note.clone()),
                Cell::text(deposit.recorded_by.clone()),
                id(deposit.id),
            ]);
        }
        Ok(rows_of(found, rows))
    }

    async fn statements(&self, tx: &mut Tx, found: Page<settlement::Statement>) -> Result<Rows> {
        let (mut rows, mut names) = (Vec::new(), Names::default());
        for statement in &found.items {
            let sum = |minor: i64| money(minor, statement.currency);
            rows.push(vec![
                id(statement.period),
                names.of(tx, statement.seller_id).await?,
                self.word("state", statement.state.word()),
                sum(statement.sales_minor),
                sum(statement.refunds_minor),
                sum(statement.fee_minor),
                sum(statement.fee_tax_minor),
                sum(statement.carried_in_minor),
                sum(statement.carried_out_minor),
                sum(statement.payable_minor),
                id(statement.currency),
                Cell::Whole(statement.line_count),
                Cell::Time(statement.created_at),
                Cell::time(statement.paid_at),
                some(statement.bank_reference.as_ref()),
                id(statement.id),
            ]);
        }
        Ok(rows_of(found, rows))
    }

    async fn audit(&self, tx: &mut Tx, found: Page<audit::AuditEntry>) -> Result<Rows> {
        let (mut rows, mut names) = (Vec::new(), Names::default());
        for entry in &found.items {
            let account = match entry.account_id {
                Some(account) => names.of(tx, account).await?,
                None => Cell::Empty,
            };
            rows.push(vec![
                Cell::Time(entry.at),
                Cell::text(entry.actor.clone()),
                account,
                self.word("did", &entry.action),
                Cell::text(entry.subject.clone()),
                some(entry.thread.as_ref()),
                Cell::text(entry.detail.to_string()),
                Cell::text(entry.request_id.clone()),
            ]);
        }
        Ok(rows_of(found, rows))
    }
}

fn rows_of<T>(found: Page<T>, rows: Vec<Vec<Cell>>) -> Rows {
    Rows { rows, entries: i64::try_from(found.items.len()).unwrap_or(i64::MAX), next: found.next }
}
