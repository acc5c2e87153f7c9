//! Statements recomputed: lines, sums, hash, the carried chain, the ledger and the seller's book. Names what is wrong.

use std::collections::HashMap;

use db::{Db, Error, Result, Tx};
use kernel::{AccountId, Currency, Money, Rate};
use serde::Serialize;

use super::state::{StatementState, outcome};
use super::store::{self, RawLine, RawStatement};
use super::{ItemKind, fees, payout_postings, settlement_postings};
use crate::ledger::{self, Book, Canonical, EntryKind, Posting, Problem, Problems};
use crate::page::PageRequest;
use crate::progress::{Steps, told};

/// Lines of one page of the walk.
const LINES: i64 = 2_000;
/// Statements or sellers of one page of the walk.
const PAGE: i64 = 200;

/// What a walk through the statements found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StatementVerification {
    /// Statements walked.
    pub statements: i64,
    /// Their lines.
    pub lines: i64,
    /// What is wrong, the first wrong row first; empty when all is well.
    pub problems: Vec<Problem>,
}

/// Walks all statements. `progress` is told how many lines were checked so far.
///
/// # Errors
/// Those of the database. A damaged row is not an error, it is a [`Problem`].
pub async fn verify_statements(db: &Db, progress: impl FnMut(i64)) -> Result<StatementVerification> {
    let walk = async |tx: &mut Tx, steps: &Steps| {
        let walk = Walk { steps, found: StatementVerification::default(), problems: Problems::default() };
        walk.through(tx).await
    };
    told(db, progress, walk).await
}

/// The hash of a statement, and the sums of its lines.
pub(super) struct Digest {
    pub(super) hash: [u8; 32],
    pub(super) count: i128,
    pub(super) amount: i128,
    pub(super) sales: i128,
    pub(super) fee: i128,
    pub(super) net: i128,
}

/// Reads a statement's lines in pages, each of which `look` sees too. State, payment and the stored hash are not part of the hash:
/// everything else is.
pub(super) async fn digest(tx: &mut Tx, s: &RawStatement, mut look: impl FnMut(&[RawLine])) -> Result<Digest> {
    let mut content = Canonical::default();
    for text in [&s.id, &s.seller_id, &s.period, &s.currency] {
        content.bytes(text);
    }
    let numbers = [
        s.sales_minor,
        s.refunds_minor,
        s.fee_minor,
        s.fee_tax_minor,
        s.fee_tax_bp,
        s.carried_in_minor,
        s.carried_out_minor,
        s.payable_minor,
        s.payout_min_minor,
        s.line_count,
        s.created_at,
    ];
    numbers.into_iter().for_each(|number| content.number(number));
    let mut sums = Digest { hash: [0; 32], count: 0, amount: 0, sales: 0, fee: 0, net: 0 };
    let mut after = 0;
    loop {
        let lines = store::raw_lines_after(tx, &s.id, after, LINES).await?;
        let Some(last) = lines.last() else { break };
        after = last.n;
        for line in &lines {
            add_line(&mut content, line);
            sums.count += 1;
            sums.amount += i128::from(line.amount_minor);
            sums.fee += i128::from(line.fee_minor);
            sums.net += i128::from(line.net_minor);
            if line.kind == ItemKind::Sale.word() {
                sums.sales += i128::from(line.amount_minor);
            }
        }
        look(&lines);
    }
    Ok(Digest { hash: content.finish(), ..sums })
}

fn add_line(content: &mut Canonical, line: &RawLine) {
    content.number(line.n);
    for text in [&line.kind, &line.order_number, &line.line_number] {
        content.bytes(text);
    }
    content.length(line.refunds_line.iter().count());
    line.refunds_line.iter().for_each(|text| content.bytes(text));
    content.bytes(&line.product_id);
    for number in [line.effective_at, line.amount_minor, line.fee_bp, line.reduction_bp, line.fee_minor, line.net_minor] {
        content.number(number);
    }
}

struct Walk<'a> {
    steps: &'a Steps,
    found: StatementVerification,
    problems: Problems,
}

impl Walk<'_> {
    async fn through(mut self, tx: &mut Tx) -> Result<StatementVerification> {
        self.statements(tx).await?;
        for (item, statement) in store::billed_nowhere(tx, PAGE).await? {
            let statement = statement.unwrap_or_default();
            self.problems.add("settlement_items", item, format!("says it is billed; the statement {statement:?} has no line of it"));
        }
        self.sellers(tx).await?;
        self.found.problems = self.problems.into_vec();
        Ok(self.found)
    }

    async fn statements(&mut self, tx: &mut Tx) -> Result<()> {
        let mut after = (String::new(), String::new(), String::new());
        // What each currency's last statement of the seller at hand carried.
        let mut carried: HashMap<(String, String), i64> = HashMap::new();
        while !self.problems.full() {
            let page = store::raw_statements_after(tx, (&after.0, &after.1, &after.2), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = (last.seller_id.clone(), last.period.clone(), last.currency.clone());
            for statement in page {
                let key = (statement.seller_id.clone(), statement.currency.clone());
                carried.retain(|(seller, _), _| *seller == key.0);
                let carried_in = carried.insert(key, statement.carried_out_minor).unwrap_or(0);
                self.statement(tx, &statement, carried_in).await?;
            }
        }
        Ok(())
    }

    async fn statement(&mut self, tx: &mut Tx, s: &RawStatement, carried_in: i64) -> Result<()> {
        self.found.statements += 1;
        let Ok(currency) = s.currency.parse::<Currency>() else {
            self.problems.add("statements", &s.id, format!("has the unknown currency {:?}", s.currency));
            return Ok(());
        };
        let (problems, found, steps) = (&mut self.problems, &mut self.found, self.steps);
        let mut last_n = 0;
        let digest = digest(tx, s, |lines| {
            for line in lines {
                check_line(problems, &s.id, last_n + 1, line, currency);
                last_n = line.n;
            }
            found.lines += i64::try_from(lines.len()).unwrap_or(0);
            // The caller may have stopped listening; the walk goes on to its end all the same.
            let _ = steps.send(found.lines);
        })
        .await?;
        self.sums(s, &digest, currency, carried_in);
        self.ledger(tx, s).await
    }

    fn sums(&mut self, s: &RawStatement, digest: &Digest, currency: Currency, carried_in: i64) {
        let sum = i128::from(s.sales_minor) - i128::from(s.refunds_minor) - i128::from(s.fee_minor) + i128::from(s.carried_in_minor);
        let money = |minor: i128| Money::new(i64::try_from(minor).unwrap_or(i64::MAX), currency);
        let tax = money(i128::from(s.fee_minor)).tax_inside(Rate::bp(s.fee_tax_bp.max(0))).map_or(i64::MIN, |tax| tax.minor);
        let outcome = outcome(money(sum), s.payout_min_minor);
        let checks = [
            (digest.count == i128::from(s.line_count), "has another number of lines than it says"),
            (digest.sales == i128::from(s.sales_minor), "its sales are not the sum of its lines"),
            (digest.sales - digest.amount == i128::from(s.refunds_minor), "its refunds are not the sum of its lines"),
            (digest.fee == i128::from(s.fee_minor), "its fee is not the sum of its lines"),
            (tax == s.fee_tax_minor, "the tax inside its fee is wrong"),
            (carried_in == s.carried_in_minor, "does not begin with what the statement before carried"),
            (
                (outcome.payable.minor, outcome.carried_out.minor) == (s.payable_minor, s.carried_out_minor),
                "what is payable and what is carried do not follow from its sums",
            ),
            (digest.hash.as_slice() == s.hash, "the statement or one of its lines was changed: its hash is another"),
        ];
        if let Some((_, what)) = checks.iter().find(|(holds, _)| !holds) {
            self.problems.add("statements", &s.id, *what);
        }
    }

    /// The ledger holds exactly what the statement and its state say.
    async fn ledger(&mut self, tx: &mut Tx, s: &RawStatement) -> Result<()> {
        let (Ok(seller), Ok(state)) = (s.seller_id.parse::<AccountId>(), s.state.parse::<StatementState>()) else {
            self.problems.add("statements", &s.id, format!("has an unknown seller or state: {:?}, {:?}", s.seller_id, s.state));
            return Ok(());
        };
        let fits = match state {
            StatementState::Payable | StatementState::Paid => s.payable_minor > 0,
            StatementState::Carried => s.payable_minor == 0,
        };
        if !fits {
            self.problems.add("statements", &s.id, format!("cannot be {state} with {} payable", s.payable_minor));
        }
        let payable_minor = s.payable_minor;
        let mut expected = vec![(EntryKind::Settlement, settlement_postings(seller, s.fee_minor, s.fee_tax_minor, payable_minor).to_vec())];
        if state == StatementState::Paid {
            expected.push((EntryKind::Payout, payout_postings(seller, payable_minor).to_vec()));
        }
        for (_, postings) in &mut expected {
            postings.retain(|posting| posting.amount_minor != 0);
        }
        expected.retain(|(_, postings)| !postings.is_empty());
        // A settlement and a payout; a page holds many more than there may be.
        let transactions = match ledger::transactions_of(tx, &s.id, &PageRequest::default()).await {
            Ok(page) => page.items,
            // The walk through the ledger names the row.
            Err(Error::Broken(_)) => Vec::new(),
            Err(other) => return Err(other),
        };
        let mut posted: Vec<(EntryKind, Vec<Posting>)> = transactions.into_iter().map(|t| (t.kind, t.postings)).collect();
        posted.sort_by_key(|(kind, _)| *kind);
        if posted != expected {
            self.problems.add("statements", &s.id, format!("the ledger does not hold what a {state} statement of these sums posts"));
        }
        Ok(())
    }

    /// Each seller's pending book holds the open items and what the last statement carried.
    async fn sellers(&mut self, tx: &mut Tx) -> Result<()> {
        let mut after = (String::new(), String::new());
        while !self.problems.full() {
            let page = store::sellers_after(tx, (&after.0, &after.1), PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            for (seller, currency) in page {
                let (Ok(account), Ok(of)) = (seller.parse::<AccountId>(), currency.parse::<Currency>()) else {
                    self.problems.add("settlement_items", format!("{seller}/{currency}"), "is of no known seller or currency");
                    continue;
                };
                let expected = store::open_sum(tx, &seller, &currency).await? + store::last_carried(tx, &seller, &currency).await?;
                let pending = ledger::balance(tx, &Book::SellerPending(account), of).await?;
                if pending != expected {
                    let what = format!("its open items and what was carried say {expected}; its book in the ledger holds {pending}");
                    self.problems.add("settlement_items", format!("{seller}/{currency}"), what);
                }
            }
        }
        Ok(())
    }
}

fn check_line(problems: &mut Problems, statement: &str, expected_n: i64, line: &RawLine, currency: Currency) {
    let row = || format!("{statement}/{}", line.n);
    if line.n != expected_n {
        problems.add("statement_lines", format!("{statement}/{expected_n}"), format!("is missing; the next is {}", line.n));
    }
    let amount = Money::new(line.amount_minor, currency);
    let fee = fees::line_fee(amount, Rate::bp(line.fee_bp), Rate::bp(line.reduction_bp)).map(|fee| fee.minor);
    let sale = line.kind == ItemKind::Sale.word();
    if sale != (line.amount_minor >= 0) && line.amount_minor != 0 {
        problems.add("statement_lines", row(), "has the wrong sign");
    } else if fee != Ok(line.fee_minor) {
        problems.add("statement_lines", row(), "its fee is not what its rates give");
    } else if i128::from(line.net_minor) != i128::from(line.amount_minor) - i128::from(line.fee_minor) {
        problems.add("statement_lines", row(), "its net is not its amount less its fee");
    } else if line.items != 1 {
        problems.add("statement_lines", row(), "bills nothing: there is no billed item of this line and amount");
    }
}
