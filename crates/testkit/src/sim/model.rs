//! What people were told: a simple picture of the market, kept apart from it. Whatever was answered must be there, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Code, Zone};
use serde_json::Value;

use super::checks::{Holds, Invariant, RETURN_DAYS, violated};
use super::requests::{Reply, Request};
use super::snapshot::{LineRow, Snapshot};

/// Returns without reason that an account has a year (spec: business §6.4).
const RETURNS_A_YEAR: i64 = 10;

/// What was answered so far.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Bank references, with the account and the sum.
    deposits: BTreeMap<String, (String, i64)>,
    /// Orders that buyers have placed, with the buyer and the total.
    placed: BTreeMap<String, (String, i64)>,
    paid: BTreeSet<String>,
    cancelled: BTreeSet<String>,
    /// Refund orders with their sums.
    returned: BTreeMap<String, i64>,
    /// Statements that were paid, with the reference.
    paid_out: BTreeMap<String, String>,
    /// Self-service returns, by account and year.
    returns: BTreeMap<(String, i64), i64>,
}

impl Model {
    /// Takes an answer down, unless it could not have been given. `before` is how things stood when it was asked for.
    pub(super) fn hear(&mut self, zone: &Zone, before: &Snapshot, request: &Request, reply: &Reply) -> Holds {
        match reply {
            Ok(answer) => self.done(zone, before, request, answer),
            Err(code) => self.refused(zone, before, request, *code),
        }
    }

    fn done(&mut self, zone: &Zone, before: &Snapshot, request: &Request, answer: &Value) -> Holds {
        let number = answer["number"].as_str().unwrap_or_default().to_owned();
        let total = answer["total"].as_i64().unwrap_or(-1);
        let wrong = |what: String| violated(Invariant::Acknowledged, what);
        match request {
            Request::Deposit { account, minor, reference } => {
                if self.deposits.insert(reference.clone(), (account.to_string(), *minor)).is_some() {
                    return wrong(format!("the bank reference {reference} was taken twice"));
                }
            }
            Request::Place { buyer, .. } | Request::PlaceRenewal { buyer, .. } | Request::PlaceChange { buyer, .. } => {
                if self.placed.insert(number.clone(), (buyer.to_string(), total)).is_some() {
                    return wrong(format!("{number} was placed twice"));
                }
            }
            Request::Pay { buyer, number } => {
                let order = before.order(number);
                let payable = order.is_some_and(|order| order.state == "pending_payment" && before.now < order.pay_until);
                let wallet = before.wallets.get(&buyer.to_string()).copied().unwrap_or(0);
                if !payable || wallet < total || !self.paid.insert(number.clone()) {
                    return wrong(format!("{number} was paid with {wallet}; it was {order:?}"));
                }
            }
            Request::Cancel { number, .. } => {
                let open = before.order(number).is_some_and(|order| order.state == "pending_payment");
                if !open || !self.cancelled.insert(number.clone()) {
                    return wrong(format!("{number} was cancelled, and was not open"));
                }
            }
            Request::Return { buyer, sub } => {
                let (sub, expected) = (sub.to_string(), returnable(before, &sub.to_string()));
                let window = return_until(zone, before, &sub).is_some_and(|until| before.now < until);
                let suspended = before.sub(&sub).is_none_or(|sub| sub.suspended_at.is_some());
                if !window || suspended || total != expected {
                    return violated(
                        Invariant::RefundWithinPaid,
                        format!("{sub} was returned for {total}; {expected} could be returned, in time: {window}, frozen: {suspended}"),
                    );
                }
                let used = self.returns.entry((buyer.to_string(), zone.year(before.now))).or_default();
                *used += 1;
                if *used > RETURNS_A_YEAR {
                    return violated(Invariant::RefundWithinPaid, format!("{buyer} has returned {used} times this year"));
                }
                self.returned.insert(number, total);
            }
            Request::ReturnRenewal { number: renewal, .. } => {
                let line = before.lines_of(renewal).next();
                if line.and_then(|line| renewal_returns(before, line)) != Some(total) {
                    return violated(Invariant::RefundWithinPaid, format!("{renewal} was returned for {total}, and was {line:?}"));
                }
                self.returned.insert(number, total);
            }
            Request::SetRenewing { sub, version, .. } => {
                if before.sub(&sub.to_string()).is_none_or(|sub| sub.version != *version) {
                    return wrong(format!("a change of {sub} was taken over version {version}, which is stale"));
                }
            }
            Request::Suspend { sub } | Request::Resume { sub } => {
                let was = before.sub(&sub.to_string()).and_then(|sub| sub.suspended_at).is_some();
                if was != matches!(request, Request::Resume { .. }) {
                    return wrong(format!("{request:?} was done twice"));
                }
            }
            Request::PayOut { statement, reference } => {
                let was = before.statements.iter().find(|it| it.id == statement.to_string());
                if was.is_none_or(|was| was.paid_at.is_some()) || self.paid_out.insert(statement.to_string(), reference.clone()).is_some() {
                    return wrong(format!("{statement} was paid out twice"));
                }
            }
            Request::SignUp { .. }
            | Request::Hide { .. }
            | Request::Show { .. }
            | Request::RetireSku { .. }
            | Request::RetireProduct { .. }
            | Request::Revise { .. }
            | Request::Restart { .. } => {}
        }
        Ok(())
    }

    /// A refusal must have its reason.
    fn refused(&self, zone: &Zone, before: &Snapshot, request: &Request, code: Code) -> Holds {
        let reason = match (request, code) {
            (Request::Deposit { reference, .. }, Code::DepositDuplicate) => self.deposits.contains_key(reference),
            (Request::Deposit { .. } | Request::SignUp { .. }, _) => false,
            (Request::Pay { number, buyer }, Code::BalanceTooLow) => {
                let wallet = before.wallets.get(&buyer.to_string()).copied().unwrap_or(0);
                before.order(number).is_some_and(|order| order.total > wallet)
            }
            (Request::Pay { number, .. }, Code::OrderState) => {
                before.order(number).is_some_and(|order| order.state != "pending_payment" || order.pay_until <= before.now)
            }
            (Request::Cancel { number, .. }, _) => before.order(number).is_some_and(|order| order.state != "pending_payment"),
            (Request::Return { sub, .. }, Code::RefundWindowOver) => {
                return_until(zone, before, &sub.to_string()).is_none_or(|until| until <= before.now)
            }
            (Request::Return { buyer, .. }, Code::RefundQuotaUsed) => {
                self.returns.get(&(buyer.to_string(), zone.year(before.now))).copied().unwrap_or(0) >= RETURNS_A_YEAR
            }
            (Request::SetRenewing { sub, version, .. }, Code::VersionStale) => {
                before.sub(&sub.to_string()).is_some_and(|sub| sub.version != *version)
            }
            (Request::Suspend { sub }, Code::FrozenByOperator) => {
                before.sub(&sub.to_string()).is_some_and(|sub| sub.suspended_at.is_some())
            }
            _ => true,
        };
        if reason { Ok(()) } else { violated(Invariant::Acknowledged, format!("{request:?} was refused without a reason: {}", code.key())) }
    }

    /// Everything that was answered is there, and nothing that nobody asked for.
    pub(super) fn compare(&self, now: &Snapshot) -> Holds {
        let wrong = |what: String| violated(Invariant::Acknowledged, what);
        let deposits: BTreeMap<String, (String, i64)> =
            now.deposits.iter().map(|row| (row.reference.clone(), (row.account.clone(), row.amount))).collect();
        if deposits != self.deposits || now.deposits.len() != self.deposits.len() {
            return wrong(format!("{} deposits are kept and {} were answered", now.deposits.len(), self.deposits.len()));
        }
        for (number, (buyer, total)) in &self.placed {
            if now.order(number).is_none_or(|order| order.buyer != *buyer || order.total != *total) {
                return wrong(format!("{number} was placed for {total} and is {:?}", now.order(number)));
            }
        }
        for order in &now.orders {
            let number = &order.number;
            let by_people = if order.kind == "UNSUBSCRIBE" { self.returned.contains_key(number) } else { self.placed.contains_key(number) };
            // Automatic renewals, and those that return because the seller never confirmed them.
            let by_itself = matches!(order.kind.as_str(), "RENEW" | "UNSUBSCRIBE")
                && now.audit.iter().any(|row| row.subject == *number && ["system:lifecycle", "system:delivery"].contains(&&*row.actor));
            if !by_people && !by_itself {
                return wrong(format!("nobody was told of {order:?}"));
            }
            let paid = !matches!(order.state.as_str(), "pending_payment" | "cancelled");
            if order.kind != "UNSUBSCRIBE" && !by_itself && paid != self.paid.contains(number) {
                return wrong(format!("{number} is {} and its payment was answered: {}", order.state, self.paid.contains(number)));
            }
        }
        for number in &self.cancelled {
            if now.order(number).is_none_or(|order| order.state != "cancelled") {
                return wrong(format!("{number} was cancelled and is {:?}", now.order(number)));
            }
        }
        for (number, total) in &self.returned {
            if now.order(number).is_none_or(|order| order.total != *total) {
                return wrong(format!("{number} was to return {total} and is {:?}", now.order(number)));
            }
        }
        for statement in now.statements.iter().filter(|statement| statement.paid_at.is_some()) {
            if self.paid_out.get(&statement.id) != statement.reference.as_ref() {
                return wrong(format!("nobody was told that {} was paid", statement.id));
            }
        }
        match self.paid_out.keys().find(|id| !now.statements.iter().any(|it| it.id == **id && it.paid_at.is_some())) {
            Some(id) => wrong(format!("{id} was paid out and is not")),
            None => Ok(()),
        }
    }

    /// What a buyer must have: in by deposits and returns, out by paid orders, counted from the orders as they stand.
    pub(super) fn wallet(&self, account: &str, now: &Snapshot) -> i64 {
        let deposited: i64 = self.deposits.values().filter(|(of, _)| of == account).map(|(_, minor)| minor).sum();
        let mut wallet = deposited;
        for order in now.orders.iter().filter(|order| order.buyer == account) {
            match (order.kind.as_str(), order.state.as_str()) {
                ("UNSUBSCRIBE", "refunded") => wallet += order.total,
                ("UNSUBSCRIBE", _) | (_, "pending_payment" | "cancelled") => {}
                _ => {
                    let failed: i64 = now.lines_of(&order.number).filter(|line| line.state == "failed").map(|line| line.amount).sum();
                    wallet -= order.total - failed;
                }
            }
        }
        wallet
    }
}

/// Until when a subscription may be returned.
fn return_until(zone: &Zone, now: &Snapshot, sub: &str) -> Option<i64> {
    let purchase = now.line(&now.sub(sub)?.purchase_line)?;
    purchase.done_at.map(|at| zone.add_days(at, RETURN_DAYS))
}

/// What was paid for a subscription and is not on its way back.
/// Whether the seller was asked for what a line paid for until the schedule ended.
fn given_up(now: &Snapshot, line: &LineRow) -> bool {
    now.calls.iter().any(|call| call.line.as_deref() == Some(&*line.number) && call.state == "gave_up")
}

/// What a renewal returns with: what was paid for it, and for changes of the time that it bought (decision 0012); while the seller has not
/// confirmed it, also after it began (decision 0003). Nothing when it does not return.
fn renewal_returns(before: &Snapshot, line: &LineRow) -> Option<i64> {
    let from = line.effective_at?;
    let returns = match line.state.as_str() {
        "done" => from > before.now,
        "processing" => given_up(before, line),
        _ => false,
    };
    let of_that_time = |other: &&LineRow| {
        other.sub == line.sub
            && other.state == "done"
            && other.refunds_line.is_none()
            && other.effective_at.is_some_and(|at| at >= from)
            && other.ends_at.is_some_and(|at| at > from)
            && before.order(&other.order).is_some_and(|order| order.kind == "CHANGE")
    };
    returns.then(|| line.amount + before.lines.iter().filter(of_that_time).map(|other| other.amount).sum::<i64>())
}

fn returnable(now: &Snapshot, sub: &str) -> i64 {
    let own = now.lines.iter().filter(|line| line.sub.as_deref() == Some(sub) && line.refunds_line.is_none());
    let lines = own.filter(|line| line.state == "done" || (line.state == "processing" && given_up(now, line)));
    lines.map(|line| line.amount).sum()
}
