//! Orders against the ledger: what is held for an order is what its lines wait for, and what waits in a refund is what will be paid back.

use db::{Db, Result, Tx, sql};

use crate::ledger::{Problem, Problems};

/// Orders looked at in one statement.
const PAGE: i64 = 1_000;

/// What the walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderVerification {
    /// Orders looked at.
    pub orders: i64,
    /// Those whose money is not where they say; in the order of their numbers.
    pub problems: Vec<Problem>,
}

/// Compares every order with the books of its number, on one unchanging view.
///
/// # Errors
/// Those of the database. An order whose money is elsewhere is not an error, it is a [`Problem`].
pub async fn verify_orders(db: &Db) -> Result<OrderVerification> {
    db.read(async |tx| {
        let (mut orders, mut problems, mut after) = (0, Problems::default(), String::new());
        while !problems.full() {
            let page = page_after(tx, &after).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.number);
            for order in page {
                orders += 1;
                if order.held != order.waiting {
                    problems.add("orders", &order.number, format!("the ledger holds {}; its lines wait for {}", order.held, order.waiting));
                }
                if order.refund != order.returning {
                    let what = format!("the ledger has {} on the way back; the refund is of {}", order.refund, order.returning);
                    problems.add("orders", &order.number, what);
                }
            }
        }
        Ok(OrderVerification { orders, problems: problems.into_vec() })
    })
    .await
}

/// An order's money by the ledger and by its own rows, minor units.
struct OrderMoney {
    number: String,
    held: i64,
    waiting: i64,
    refund: i64,
    returning: i64,
}

async fn page_after(tx: &mut Tx, after: &str) -> Result<Vec<OrderMoney>> {
    let statement = sql!(
        "SELECT o.number,
           CAST((SELECT COALESCE(SUM(p.amount_minor), 0) FROM ledger_postings p WHERE p.destination = 'held:' || o.number)
              - (SELECT COALESCE(SUM(p.amount_minor), 0) FROM ledger_postings p WHERE p.source = 'held:' || o.number) AS BIGINT),
           CAST((SELECT COALESCE(SUM(l.amount_minor), 0) FROM order_lines l
                 WHERE l.order_number = o.number AND l.state = 'processing' AND l.refunds_line IS NULL) AS BIGINT),
           CAST((SELECT COALESCE(SUM(p.amount_minor), 0) FROM ledger_postings p WHERE p.destination = 'refund:' || o.number)
              - (SELECT COALESCE(SUM(p.amount_minor), 0) FROM ledger_postings p WHERE p.source = 'refund:' || o.number) AS BIGINT),
           CASE WHEN o.kind = 'UNSUBSCRIBE' AND o.state = 'refunding' THEN o.total_minor ELSE 0 END
         FROM orders o WHERE o.number > $1 ORDER BY o.number LIMIT $2"
    );
    let rows = tx.all::<(String, i64, i64, i64, i64)>(statement, &[&after, &PAGE]).await?;
    let money = rows.into_iter().map(|(number, held, waiting, refund, returning)| OrderMoney { number, held, waiting, refund, returning });
    Ok(money.collect())
}
