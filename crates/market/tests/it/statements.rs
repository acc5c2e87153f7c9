//! Every statement of the program is understood by the engine.

use crate::support::TestMarket;

#[tokio::test]
async fn every_statement_prepares() {
    let test = TestMarket::new().await;
    let broken = test
        .market
        .db()
        .read(async |tx| {
            let mut broken = Vec::new();
            for statement in db::registered() {
                if let Err(error) = tx.prepare_only(statement).await {
                    broken.push(format!("{}: {error:?}", statement.place()));
                    break;
                }
            }
            Ok(broken)
        })
        .await
        .unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(db::registered().len() > 30);
}

/// Tables that grow with every order for as long as the market lives.
const LARGE: &[&str] = &[
    "orders",
    "order_lines",
    "subscriptions",
    "deliveries",
    "delivery_attempts",
    "audit",
    "notices",
    "mails",
    "password_resets",
    "ledger_transactions",
    "ledger_postings",
    "ledger_seals",
    "ledger_tree",
    "ledger_heads",
    "settlement_items",
    "statement_lines",
    "idempotency_keys",
    "jobs",
    "accounts",
    "users",
    "user_roles",
    "sessions",
    "api_tokens",
    "statements",
    "ledger_wallets",
    "deposits",
    "debug_tries",
];

/// Statements that walk through one of them on purpose, by how they begin.
const WALKS: &[(&str, &str)] = &[
    ("SELECT at FROM audit ORDER BY id DESC LIMIT 1", "the newest row of the key"),
    ("SELECT id FROM audit LIMIT 1", "any row"),
    ("SELECT id FROM accounts LIMIT 1", "any row"),
    ("SELECT id FROM mails ORDER BY id DESC LIMIT 1 OFFSET", "once an hour, over the keys of the mails that are kept"),
    ("SELECT sequence, hash FROM ledger_seals ORDER BY sequence DESC LIMIT 1", "the newest row of the key"),
    ("SELECT size, at FROM ledger_heads ORDER BY size DESC LIMIT 1", "the newest row of the key"),
    ("SELECT CAST(COUNT(*) AS BIGINT), CAST(COUNT(stuck_at) AS BIGINT) FROM jobs", "what is done is no row any more"),
    ("SELECT c.seller_id FROM (SELECT seller_id FROM settlement_items WHERE state = 'open'", "once a month, over an index of what is open"),
    ("SELECT 'ledger_postings', p.transaction_id", "verify looks at everything"),
    ("SELECT DISTINCT p.destination, t.currency FROM ledger_postings", "verify looks at everything"),
    ("SELECT i.id, i.statement_id FROM settlement_items i WHERE i.state = 'billed'", "verify looks at everything"),
];

/// What is asked often, by a part of its text, and the way that SQLite must go.
const HOT: &[(&str, &str)] = &[
    ("FROM orders WHERE buyer_id = $1 AND number < $2", "SEARCH orders USING INDEX orders_of_buyer (buyer_id=? AND number<?)"),
    ("FROM orders WHERE seller_id = $1 AND number < $2", "SEARCH orders USING INDEX orders_of_seller (seller_id=? AND number<?)"),
    ("FROM orders WHERE number < $1", "SEARCH orders USING PRIMARY KEY (number<?)"),
    ("FROM order_lines WHERE order_number IN", "SEARCH order_lines USING INDEX order_lines_of_order (order_number=?)"),
    ("FROM orders WHERE state = 'pending_payment' AND pay_until <=", "SEARCH orders USING COVERING INDEX orders_unpaid (pay_until<?)"),
    ("FROM subscriptions WHERE buyer_id = $1 AND id <", "SEARCH subscriptions USING INDEX subscriptions_of_buyer (buyer_id=? AND id<?)"),
    ("FROM subscriptions WHERE seller_id = $1 AND id <", "SEARCH subscriptions USING INDEX subscriptions_of_seller (seller_id=? AND id<?)"),
    ("FROM subscriptions WHERE id < $1", "SEARCH subscriptions USING PRIMARY KEY (id<?)"),
    ("FROM subscriptions WHERE due_at <= $1", "SEARCH subscriptions USING COVERING INDEX subscriptions_due (due_at<?)"),
    ("UPDATE jobs SET lease_until = $1", "SEARCH jobs USING INDEX jobs_due (due_at<?)"),
    ("UPDATE jobs SET lease_until = $1", "SEARCH jobs USING COVERING INDEX jobs_held (lease_until>?)"),
    ("FROM delivery_attempts WHERE delivery_id = $1 AND n <", "SEARCH delivery_attempts USING PRIMARY KEY (delivery_id=? AND n<?)"),
    ("FROM orders o WHERE o.state = 'pending_payment' AND o.pay_until >", "SEARCH o USING COVERING INDEX orders_unpaid (pay_until>?)"),
    ("FROM deliveries WHERE seller_id = $1 AND id <", "SEARCH deliveries USING INDEX deliveries_of_seller (seller_id=? AND id<?)"),
    (
        "FROM deliveries WHERE subscription_id = $1 AND id <",
        "SEARCH deliveries USING INDEX deliveries_of_subscription (subscription_id=? AND id<?)",
    ),
    ("FROM deliveries WHERE state = 'waiting' AND attempts > 0", "SEARCH deliveries USING INDEX deliveries_retried (seller_id=?)"),
    (
        "FROM deliveries WHERE state = 'gave_up' AND seller_id",
        "SEARCH deliveries USING COVERING INDEX deliveries_gave_up (seller_id=? AND ended_at>?)",
    ),
    ("FROM deliveries WHERE id >= $2", "SEARCH deliveries USING INDEX deliveries_of_seller (seller_id=? AND id>?)"),
    ("FROM orders WHERE seller_id = $2 AND number >= $3", "SEARCH orders USING INDEX orders_of_seller (seller_id=? AND number>?)"),
    ("FROM debug_tries WHERE seller_id = $1 AND id < $2", "SEARCH debug_tries USING INDEX debug_tries_of_seller (seller_id=? AND id<?)"),
    ("FROM deliveries WHERE id < $1", "SEARCH deliveries USING PRIMARY KEY (id<?)"),
    ("FROM audit WHERE thread = $1 AND id > $2", "SEARCH audit USING INDEX audit_thread (thread=? AND id>?)"),
    ("FROM audit WHERE thread IN", "SEARCH audit USING INDEX audit_thread (thread=? AND id>?)"),
    ("FROM audit WHERE subject = $1 AND thread IS NULL", "SEARCH audit USING INDEX audit_subject (subject=? AND id>? AND id<?)"),
    ("FROM audit WHERE action = $1 AND thread IS NULL", "SEARCH audit USING INDEX audit_action (action=? AND id>? AND id<?)"),
    ("FROM audit WHERE thread = $1 AND id >= $2", "SEARCH audit USING INDEX audit_thread (thread=? AND id>? AND id<?)"),
    (
        "SELECT number FROM orders WHERE state = 'pending_review' AND number <",
        "SEARCH orders USING COVERING INDEX orders_to_review (number<?)",
    ),
    ("SELECT number FROM orders WHERE state = 'failed' AND number <", "SEARCH orders USING COVERING INDEX orders_failed (number<?)"),
    ("FROM deliveries WHERE state = 'gave_up' AND id <", "SEARCH deliveries USING INDEX deliveries_given_up (id<?)"),
    ("FROM audit WHERE account_id = $1 AND id <", "SEARCH audit USING INDEX audit_account (account_id=? AND id<?)"),
    ("FROM notices WHERE account_id = $1 AND id <", "SEARCH notices USING INDEX notices_inbox (account_id=? AND id<?)"),
    (
        "AS counter FROM ledger_postings",
        "SEARCH ledger_postings USING INDEX ledger_destination (destination=? AND (transaction_id,line)<(?,?))",
    ),
    ("AS counter FROM ledger_postings", "SEARCH ledger_postings USING INDEX ledger_source (source=? AND (transaction_id,line)<(?,?))"),
    ("SELECT hash FROM ledger_tree WHERE level = $1 AND place = $2", "SEARCH ledger_tree USING PRIMARY KEY (level=? AND place=?)"),
    ("SELECT place FROM ledger_tree WHERE level = 0 ORDER BY", "SEARCH ledger_tree USING PRIMARY KEY (level=?)"),
    ("FROM ledger_heads h JOIN ledger_keys k", "SEARCH h USING PRIMARY KEY (size<?)"),
    ("FROM ledger_transactions t LEFT JOIN deposits d", "SEARCH t USING PRIMARY KEY (id>? AND id<?)"),
    ("FROM accounts WHERE name_key >= $1", "SEARCH accounts USING INDEX account_name_unique (name_key>? AND name_key<?)"),
    ("FROM statements WHERE period = $1", "SEARCH statements USING INDEX statements_of_month (period=? AND (seller_id,currency)>(?,?))"),
    ("SELECT id FROM sessions WHERE expires_at < $1", "SEARCH sessions USING COVERING INDEX sessions_end (expires_at<?)"),
    (
        "SELECT scope, key FROM idempotency_keys WHERE created_at",
        "SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_age (created_at<?)",
    ),
    ("FROM deposits WHERE account_id = $1 AND id <", "SEARCH deposits USING INDEX deposits_of_account (account_id=? AND id<?)"),
    (
        "FROM settlement_items WHERE seller_id = $1 AND id <",
        "SEARCH settlement_items USING INDEX settlement_items_of_seller (seller_id=? AND id<?)",
    ),
    ("WHERE p.seller_id = $1 AND p.id < $2", "SEARCH p USING INDEX products_of_seller (seller_id=? AND id<?)"),
    ("FROM products WHERE state = 'on_sale' AND id < $1", "SEARCH products USING INDEX products_on_sale (id<?)"),
];

/// A statement of the program, its text on one line, and how SQLite would run it.
struct Plan {
    place: String,
    text: String,
    steps: Vec<String>,
}

/// Which table SQLite means by a name of its plan: a table, or what the statement calls one.
fn table_of<'a>(text: &str, name: &'a str) -> &'a str {
    let called = |table: &&&str| {
        [format!("{table} {name} "), format!("{table} AS {name} ")].iter().any(|alias| format!("{text} ").contains(alias.as_str()))
    };
    LARGE.iter().find(called).copied().unwrap_or(name)
}

async fn plans() -> Option<Vec<Plan>> {
    let test = TestMarket::new().await;
    let explain = async |tx: &mut db::Tx| {
        let mut plans = Vec::new();
        let ours = |place: &str| place.contains("market/src/") || place.contains("db/src/");
        for statement in db::registered().into_iter().filter(|statement| ours(&statement.place())) {
            let question: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {}", statement.text()).into_boxed_str());
            let question: &'static db::Statement = Box::leak(Box::new(db::Statement::new(question, file!(), line!())));
            let count = (1..100).take_while(|n| statement.text().contains(&format!("${n}"))).count();
            let rows: Vec<(i64, i64, i64, String)> = tx.all(question, &vec![&None::<i64> as &dyn kernel::ToScalar; count]).await?;
            let text = statement.text().split_whitespace().collect::<Vec<_>>().join(" ");
            plans.push(Plan { place: statement.place(), text, steps: rows.into_iter().map(|row| row.3).collect() });
        }
        Ok(plans)
    };
    match test.market.db().engine() {
        db::Engine::Sqlite => Some(test.market.db().read(explain).await.unwrap()),
        // It plans by how much there is, of which a test has nothing.
        db::Engine::Postgres => None,
    }
}

#[tokio::test]
async fn nothing_walks_through_a_large_table_but_what_means_to() {
    let Some(plans) = plans().await else { return };
    let mut wrong = Vec::new();
    for plan in &plans {
        let scans = plan.steps.iter().filter_map(|step| step.strip_prefix("SCAN ")?.split(' ').next());
        let tables: Vec<_> = scans.map(|name| table_of(&plan.text, name)).filter(|table| LARGE.contains(table)).collect();
        let meant = WALKS.iter().any(|(beginning, _)| plan.text.starts_with(beginning));
        if !tables.is_empty() && !meant {
            wrong.push(format!("{} walks through {tables:?}: {}", plan.place, plan.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (beginning, why) in WALKS {
        assert!(plans.iter().any(|plan| plan.text.starts_with(beginning)), "no statement begins like this any more: {beginning} ({why})");
    }
}

#[tokio::test]
async fn what_is_asked_often_is_answered_by_an_index() {
    let Some(plans) = plans().await else { return };
    let mut wrong = Vec::new();
    for (part, way) in HOT {
        let asked: Vec<_> = plans.iter().filter(|plan| plan.text.contains(part)).collect();
        assert!(!asked.is_empty(), "no statement asks {part}");
        let elsewhere = asked.into_iter().filter(|plan| !plan.steps.iter().any(|step| step.starts_with(way)));
        wrong.extend(elsewhere.map(|plan| format!("{} should {way}, but does {:?}", plan.place, plan.steps)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
