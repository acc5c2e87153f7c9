//! `yunshi verify`: every figure of the ledger and the statements, checked against each other.

use db::Db;
use kernel::Money;
use market::ledger::{self, PROBLEMS_MAX, Problem};
use market::settlement;
use market::views::books;

use super::{counted, meter::Meter};
use crate::{
    config::Config,
    failure::Failure,
    start::{self, Schema},
};

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    walk(&start::database(config, Schema::Check).await?).await
}

/// Checks the books of a database whose schema is this program's, and says what they hold.
pub(super) async fn walk(db: &Db) -> Result<(), Failure> {
    let meter = Meter::new();
    let found = ledger::verify(db, |rows| meter.show(format_args!("the ledger: {rows} rows"))).await?;
    drop(meter);
    println!(
        "ledger: {}, {}, {} sealed, {} not yet",
        counted(found.transactions, "transaction"),
        counted(found.postings, "posting"),
        found.sealed,
        found.unsealed
    );
    if found.head_sequence > 0 {
        println!("newest seal: {} {}", found.head_sequence, found.head_hash);
    }
    println!("signed heads: {}, over {}", found.heads, counted(found.leaves, "transaction"));
    for total in &found.balances {
        println!("  {:<16}{:>20} {}", total.kind.to_string(), Money::new(total.balance_minor, total.currency).decimal(), total.currency);
    }
    let mut problems = found.problems;

    let meter = Meter::new();
    let found = settlement::verify_statements(db, |lines| meter.show(format_args!("the statements: {lines} lines"))).await?;
    drop(meter);
    println!("statements: {}, with {}", found.statements, counted(found.lines, "line"));
    problems.extend(found.problems);

    let found = books::verify_orders(db).await?;
    println!("orders: {}", found.orders);
    problems.extend(found.problems);
    judge(&problems)
}

fn judge(problems: &[Problem]) -> Result<(), Failure> {
    for problem in problems {
        println!("WRONG: {} {}: {}", problem.table, problem.row, problem.what);
    }
    if problems.is_empty() {
        println!("every figure is right");
        return Ok(());
    }
    let more = if problems.len() >= PROBLEMS_MAX { " or more" } else { "" };
    println!("{}{more} wrong", problems.len());
    Err(Failure::unwell())
}
