//! What must hold after every step, whatever happened: recomputed here from the rows, without the market's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kernel::{DAY_MS, HOUR_MS, MINUTE_MS, Month, Zone};

use super::life::{GRACE_DAYS, Life, happen};
use super::snapshot::{CallRow, LineRow, OrderRow, Seen, Snapshot};

kernel::words! {
    /// What must hold.
    pub enum Invariant {
        /// Every movement goes a way that money may take, no book that must not owe owes, and wallets are what their movements say.
        LedgerBalanced = "the ledger is balanced",
        /// Seals follow each other without a gap, and every entry is sealed or waits to be.
        ChainWhole = "the hash chain is whole",
        /// What was once written is never changed and never goes.
        AppendOnly = "what is only added is never changed",
        /// An order is paid once, with its total, or not at all.
        PaidOnce = "no order is paid twice",
        /// A line opens one subscription and one instance, and is sold once.
        OpenedOnce = "no order is opened twice",
        /// What goes back is what was paid, once.
        RefundWithinPaid = "no refund is above what was paid",
        /// What is held is what open lines wait for.
        HeldIsOpen = "held money is that of open orders",
        /// Nothing happens before its time.
        NoTimerEarly = "no timer is early",
        /// What was due has been done.
        NothingOverdue = "nothing is overdue",
        /// A subscription stands as everything that happened to it says.
        TimelineExplains = "every subscription is in a state that its timeline explains",
        /// What was answered is kept, and nothing else was done.
        Acknowledged = "what was answered holds, and what was refused changed nothing",
        /// Lists and balances show what the model knows.
        ReadsAgree = "reads agree with the model",
        /// What sellers have is what was ordered of them.
        SellersAgree = "sellers have what was ordered",
        /// Nothing went wrong that was not made to.
        NoFault = "no fault of the market's own",
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What should hold.
    pub invariant: Invariant,
    /// What is the case instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Whether something holds.
pub(super) type Holds<T = ()> = Result<T, Violation>;

pub(super) fn violated<T>(invariant: Invariant, what: impl Into<String>) -> Holds<T> {
    Err(Violation { invariant, what: what.into() })
}

/// Days in which a purchase may be returned (spec: business §6.4).
pub(super) const RETURN_DAYS: i64 = 5;
/// A paid purchase is decided within three hours (spec: business §5.1); somewhat later where our own commits fail.
const DECIDED_MS: i64 = 3 * HOUR_MS + 30 * MINUTE_MS;
/// Attempts of purchases and changes, ms after the first, and of everything else (spec: protocol §1.14).
const HOURLY: [i64; 4] = [0, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS];
const STEPS: [i64; 5] = [0, 5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS];

/// The ways of money: entry, from, to. Written down here once more, so that a new way is a decision.
const WAYS: [(&str, &str, &str); 12] = [
    ("deposit", "bank", "buyer"),
    ("payment", "buyer", "held"),
    ("sale", "held", "seller-pending"),
    ("refund", "held", "refund"),
    ("refund", "seller-pending", "refund"),
    ("refund", "refund", "buyer"),
    ("settlement", "seller-pending", "platform-fee"),
    ("settlement", "seller-pending", "tax"),
    ("settlement", "seller-pending", "seller-payable"),
    ("settlement", "platform-fee", "seller-pending"),
    ("settlement", "tax", "seller-pending"),
    ("payout", "seller-payable", "bank"),
];

/// What has been added up and followed so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    books: BTreeMap<String, i64>,
    /// Of each order: paid into it, sold out of it, returned out of it, come to its refund, paid back.
    money: BTreeMap<String, Money>,
    lives: BTreeMap<String, Life>,
    sealed: BTreeSet<String>,
    restarted: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Money {
    paid: i64,
    payments: i64,
    sold: i64,
    returned: i64,
    refund_in: i64,
    refund_out: i64,
}

/// Whether everything that is due has just been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worked {
    Yes,
    No,
}

impl Checker {
    /// Looks at what is kept now; `seen` says how much of what is only added was looked at before.
    pub(super) fn check(&mut self, zone: &Zone, seen: Seen, now: &Snapshot, worked: Worked) -> Holds {
        self.ledger(seen, now)?;
        self.chain(seen, now)?;
        self.orders(now)?;
        refunds(now)?;
        opened(now)?;
        self.timelines(zone, seen, now)?;
        self.subscriptions(zone, now)?;
        self.calls(seen, now)?;
        self.statements(zone, now)?;
        jobs(now)?;
        if worked == Worked::Yes { overdue(zone, now) } else { Ok(()) }
    }

    fn ledger(&mut self, seen: Seen, now: &Snapshot) -> Holds {
        let kinds: BTreeMap<&str, &str> = now.entries.iter().map(|entry| (entry.id.as_str(), entry.kind.as_str())).collect();
        for posting in &now.postings[seen.postings..] {
            let Some(entry) = kinds.get(posting.entry.as_str()) else {
                return violated(Invariant::LedgerBalanced, format!("{} has a posting and is missing", posting.entry));
            };
            let (from, of) = posting.source.split_once(':').unwrap_or((&posting.source, ""));
            let (to, to_of) = posting.destination.split_once(':').unwrap_or((&posting.destination, ""));
            if posting.amount <= 0 || !WAYS.contains(&(*entry, from, to)) {
                let what = format!("a {entry} moves {} from {} to {}", posting.amount, posting.source, posting.destination);
                return violated(Invariant::LedgerBalanced, what);
            }
            *self.books.entry(posting.source.clone()).or_default() -= posting.amount;
            *self.books.entry(posting.destination.clone()).or_default() += posting.amount;
            match (from, to) {
                ("buyer", "held") => {
                    let money = self.money.entry(to_of.to_owned()).or_default();
                    money.paid += posting.amount;
                    money.payments += 1;
                }
                ("held", "seller-pending") => self.money.entry(of.to_owned()).or_default().sold += posting.amount,
                ("held", "refund") => {
                    self.money.entry(of.to_owned()).or_default().returned += posting.amount;
                    // What the seller never confirmed returns by a refund order; what failed returns by itself.
                    if to_of != of {
                        self.money.entry(to_of.to_owned()).or_default().refund_in += posting.amount;
                    }
                }
                ("seller-pending", "refund") => self.money.entry(to_of.to_owned()).or_default().refund_in += posting.amount,
                ("refund", "buyer") => self.money.entry(of.to_owned()).or_default().refund_out += posting.amount,
                _ => {}
            }
        }
        for (book, balance) in &self.books {
            let may_owe = book == "bank" || book == "platform-fee" || book == "tax" || book.starts_with("seller-pending:");
            if *balance < 0 && !may_owe {
                return violated(Invariant::LedgerBalanced, format!("{book} owes {}", -balance));
            }
            if let Some(account) = book.strip_prefix("buyer:") {
                let wallet = now.wallets.get(account).copied().unwrap_or(0);
                if wallet != *balance {
                    return violated(
                        Invariant::LedgerBalanced,
                        format!("the wallet of {account} has {wallet}, its movements say {balance}"),
                    );
                }
            }
        }
        match now.wallets.iter().find(|(account, wallet)| **wallet != 0 && !self.books.contains_key(&format!("buyer:{account}"))) {
            Some((account, wallet)) => violated(Invariant::LedgerBalanced, format!("{account} has {wallet} that nobody paid in")),
            None => Ok(()),
        }
    }

    fn chain(&mut self, seen: Seen, now: &Snapshot) -> Holds {
        for (place, seal) in now.seals.iter().enumerate().skip(seen.seals) {
            let expected = i64::try_from(place).unwrap_or(0) + 1;
            if seal.sequence != expected {
                return violated(Invariant::ChainWhole, format!("seal {expected} is missing, the next is {}", seal.sequence));
            }
            if !self.sealed.insert(seal.entry.clone()) {
                return violated(Invariant::ChainWhole, format!("{} is sealed twice", seal.entry));
            }
        }
        let (entries, sealed, waiting) = (now.entries.len(), now.seals.len(), usize::try_from(now.unsealed).unwrap_or(0));
        if entries != sealed + waiting {
            return violated(Invariant::ChainWhole, format!("of {entries} entries {sealed} are sealed and {waiting} wait to be"));
        }
        Ok(())
    }

    /// Where the money of each order is, against how its lines stand.
    fn orders(&self, now: &Snapshot) -> Holds {
        let mut lines: BTreeMap<&str, Vec<&LineRow>> = BTreeMap::new();
        for line in &now.lines {
            lines.entry(&line.order).or_default().push(line);
        }
        for order in &now.orders {
            let money = self.money.get(&order.number).copied().unwrap_or_default();
            let lines = lines.get(order.number.as_str()).map(Vec::as_slice).unwrap_or_default();
            let sum = |states: &[&str]| -> i64 {
                lines.iter().filter(|line| states.contains(&line.state.as_str())).map(|line| line.amount).sum()
            };
            if lines.iter().map(|line| line.amount).sum::<i64>() != order.total {
                return violated(Invariant::PaidOnce, format!("the lines of {} do not add up to its total {}", order.number, order.total));
            }
            if order.kind == "UNSUBSCRIBE" {
                refund_order(order, money)?;
                continue;
            }
            let due = if matches!(order.state.as_str(), "pending_payment" | "cancelled") { 0 } else { order.total };
            if money.paid != due || money.payments > 1 {
                let what =
                    format!("{} ({}) cost {due} and {} was paid in {} payments", order.number, order.state, money.paid, money.payments);
                return violated(Invariant::PaidOnce, what);
            }
            // A renewal that the seller never confirmed returns without having been sold.
            let settled = lines.iter().filter(|line| matches!(line.state.as_str(), "done" | "refunded" | "failed"));
            let (delivered, undelivered): (Vec<&LineRow>, Vec<&LineRow>) =
                settled.copied().partition(|line| line.state != "failed" && line.done_at.is_some());
            let cost = |lines: &[&LineRow]| lines.iter().map(|line| line.amount).sum::<i64>();
            let (delivered, undelivered) = (cost(&delivered), cost(&undelivered));
            if money.sold != delivered {
                let what = format!("of {} {} was sold, its delivered lines cost {delivered}", order.number, money.sold);
                return violated(Invariant::OpenedOnce, what);
            }
            if money.returned != undelivered {
                let what = format!("of {} {} was returned, what was not delivered cost {undelivered}", order.number, money.returned);
                return violated(Invariant::RefundWithinPaid, what);
            }
            let held = self.books.get(&format!("held:{}", order.number)).copied().unwrap_or(0);
            if held != sum(&["processing"]) {
                let what = format!("for {} {held} is held, its open lines cost {}", order.number, sum(&["processing"]));
                return violated(Invariant::HeldIsOpen, what);
            }
            priced(order, lines)?;
            let states: Vec<&str> = lines.iter().map(|line| line.state.as_str()).collect();
            if !order_explained(&order.state, &states) {
                return violated(Invariant::HeldIsOpen, format!("{} is {} and its lines are {states:?}", order.number, order.state));
            }
        }
        for (number, money) in &self.money {
            if now.order(number).is_none() {
                return violated(Invariant::PaidOnce, format!("money moved for {number}, which is no order: {money:?}"));
            }
        }
        Ok(())
    }

    fn timelines(&mut self, zone: &Zone, seen: Seen, now: &Snapshot) -> Holds {
        let mut fresh: Vec<_> = now.audit[seen.audit..].iter().collect();
        fresh.sort_by(|a, b| a.id.cmp(&b.id));
        for event in fresh {
            let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap_or_default();
            let number = |name: &str| detail[name].as_i64();
            match event.action.as_str() {
                "calls.restarted" => drop(self.restarted.insert(event.subject.clone())),
                "orders.cancelled" if detail["reason"] == "unpaid" => {
                    let until = now.order(&event.subject).map(|order| order.pay_until);
                    if until.is_none_or(|until| event.at < until) {
                        return violated(
                            Invariant::NoTimerEarly,
                            format!("{} ended unpaid at {}, it could be paid until {until:?}", event.subject, event.at),
                        );
                    }
                }
                "subscriptions.opening" => {
                    let life = Life { months: number("months").unwrap_or(0), ..Life::default() };
                    if self.lives.insert(event.subject.clone(), life).is_some() {
                        return violated(Invariant::OpenedOnce, format!("{} began twice", event.subject));
                    }
                }
                action if action.starts_with("subscriptions.") => {
                    let Some(life) = self.lives.get_mut(&event.subject) else {
                        return violated(Invariant::TimelineExplains, format!("{} of {} that never began", event.action, event.subject));
                    };
                    let mode = now.sub(&event.subject).map_or("", |sub| sub.mode.as_str());
                    let by_itself = event.actor == "system:lifecycle";
                    happen(zone, life, action, event.at, &detail, mode, by_itself)
                        .map_err(|Violation { invariant, what }| Violation { invariant, what: format!("{}: {what}", event.subject) })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn subscriptions(&self, zone: &Zone, now: &Snapshot) -> Holds {
        for sub in &now.subs {
            let Some(life) = self.lives.get(&sub.id) else {
                return violated(Invariant::TimelineExplains, format!("{} has no beginning", sub.id));
            };
            let is = Life {
                state: life.state,
                anchor_at: sub.anchor_at,
                months: sub.months,
                taken_back_at: life.taken_back_at,
                ends_at: sub.ends_at,
                expired_at: sub.expired_at,
                suspended_at: sub.suspended_at,
                release_at: sub.release_at,
                released_at: sub.released_at,
            };
            if sub.state != life.word() || is != *life {
                let what = format!("{} is {} {is:?}, its timeline says {} {life:?}", sub.id, sub.state, life.word());
                return violated(Invariant::TimelineExplains, what);
            }
            let reckoned = sub.anchor_at.filter(|_| sub.mode == "PERIOD").map(|anchor| zone.add_months(anchor, sub.months));
            if sub.ends_at != reckoned {
                let what = format!("{} ends at {:?}, its {} months from the opening at {:?}", sub.id, sub.ends_at, sub.months, reckoned);
                return violated(Invariant::TimelineExplains, what);
            }
            let paid: i64 = now
                .lines
                .iter()
                .filter(|line| line.sub.as_deref() == Some(&*sub.id) && line.refunds_line.is_none())
                .filter(|line| matches!(line.state.as_str(), "processing" | "done" | "failed"))
                // A change pays for time that was bought already.
                .filter(|line| now.order(&line.order).is_some_and(|order| order.kind != "CHANGE"))
                .filter_map(months)
                .sum();
            if sub.mode == "PERIOD" && sub.state != "released" && sub.months != paid {
                return violated(Invariant::TimelineExplains, format!("{} has {} months and {paid} were paid for", sub.id, sub.months));
            }
        }
        Ok(())
    }

    /// Attempts come no earlier than the schedule says, and no more of them.
    fn calls(&self, seen: Seen, now: &Snapshot) -> Holds {
        let touched: BTreeSet<&str> = now.attempts[seen.attempts..].iter().map(|attempt| attempt.call.as_str()).collect();
        for call in now.calls.iter().filter(|call| touched.contains(call.id.as_str()) && !self.restarted.contains(&call.id)) {
            let plan: &[i64] = if matches!(call.scene.as_str(), "create" | "change") { &HOURLY } else { &STEPS };
            let mut made: Vec<_> = now.attempts.iter().filter(|attempt| attempt.call == call.id && attempt.kind == "call").collect();
            made.sort_by_key(|attempt| attempt.n);
            let first = call.started_at.unwrap_or(call.created_at);
            if made.len() > plan.len() {
                return violated(Invariant::NoTimerEarly, format!("{} ({}) was tried {} times", call.id, call.scene, made.len()));
            }
            if let Some((attempt, due)) = made.iter().zip(plan).find(|(attempt, after)| attempt.at < first + **after) {
                let what = format!("{} ({}) was tried {} ms after the first time, not {due}", call.id, call.scene, attempt.at - first);
                return violated(Invariant::NoTimerEarly, what);
            }
        }
        at_most_one_active(now)
    }

    fn statements(&self, zone: &Zone, now: &Snapshot) -> Holds {
        for statement in &now.statements {
            // On the third at two, or on a working day after it (spec: business §7.3).
            let earliest = statement.period.parse::<Month>().map(|month| month.next().start_at(zone) + 2 * DAY_MS + 2 * HOUR_MS);
            if earliest.is_ok_and(|earliest| statement.created_at < earliest) {
                let what = format!("the statement of {} was made at {}", statement.period, statement.created_at);
                return violated(Invariant::NoTimerEarly, what);
            }
        }
        for (seller, pending) in self.books.iter().filter_map(|(book, sum)| Some((book.strip_prefix("seller-pending:")?, *sum))) {
            let open = |kind: &str| -> i64 {
                now.items.iter().filter(|it| it.seller == seller && it.kind == kind && it.state == "open").map(|it| it.amount).sum()
            };
            let last = now.statements.iter().filter(|it| it.seller == seller).max_by(|a, b| a.period.cmp(&b.period));
            let carried = last.map_or(0, |statement| statement.carried_out);
            if pending != open("sale") - open("refund") + carried {
                let what = format!(
                    "{seller} has {pending} pending; {} of sales, {} of refunds and {carried} carried are open",
                    open("sale"),
                    open("refund")
                );
                return violated(Invariant::LedgerBalanced, what);
            }
        }
        Ok(())
    }
}

fn months(line: &LineRow) -> Option<i64> {
    let count = line.period_count?;
    Some(if line.period_unit.as_deref() == Some("year") { count * 12 } else { count })
}

fn refund_order(order: &OrderRow, money: Money) -> Holds {
    let back = if order.state == "refunded" { order.total } else { 0 };
    // A large one takes nothing before the operator has decided, and nothing at all when it is refused or the buyer thinks better of it.
    let taken = if matches!(order.state.as_str(), "pending_review" | "cancelled") { 0 } else { order.total };
    if money.refund_in != taken || money.refund_out != back {
        let what = format!(
            "the refund {} ({}) of {} took {} and gave back {}",
            order.number, order.state, order.total, money.refund_in, money.refund_out
        );
        return violated(Invariant::RefundWithinPaid, what);
    }
    Ok(())
}

/// unit price × quantity × periods, for everything that has a period or none; the fee of a change is another matter.
fn priced(order: &OrderRow, lines: &[&LineRow]) -> Holds {
    if order.kind == "CHANGE" {
        return Ok(());
    }
    for line in lines {
        let periods = line.period_count.unwrap_or(1);
        if line.amount != line.unit_price * line.quantity * periods {
            let what = format!("{} costs {}: {} × {} × {periods}", line.number, line.amount, line.unit_price, line.quantity);
            return violated(Invariant::PaidOnce, what);
        }
    }
    Ok(())
}

fn order_explained(state: &str, lines: &[&str]) -> bool {
    let all = |allowed: &[&str]| lines.iter().all(|line| allowed.contains(line));
    let any = |wanted: &[&str]| lines.iter().any(|line| wanted.contains(line));
    match state {
        "pending_payment" => all(&["waiting"]),
        "cancelled" => all(&["cancelled"]),
        "processing" => any(&["processing"]) && all(&["processing", "done", "failed", "refunded"]),
        "completed" => any(&["done", "refunded"]) && all(&["done", "failed", "refunded"]),
        "failed" => all(&["failed"]),
        "refunding" | "refunded" => any(&["refunded"]) && all(&["refunded", "failed"]),
        _ => false,
    }
}

/// Each line returns at most once, for what was paid for it.
fn refunds(now: &Snapshot) -> Holds {
    let mut returned = BTreeSet::new();
    let asked_only = |line: &LineRow| now.order(&line.order).is_some_and(|order| ["pending_review", "cancelled"].contains(&&*order.state));
    for line in now.lines.iter().filter(|line| line.refunds_line.is_some() && !asked_only(line)) {
        let of = line.refunds_line.as_deref().unwrap_or_default();
        let Some(original) = now.line(of) else {
            return violated(Invariant::RefundWithinPaid, format!("{} returns {of}, which is no line", line.number));
        };
        if !returned.insert(of) {
            return violated(Invariant::RefundWithinPaid, format!("{of} is returned twice"));
        }
        if original.state != "refunded" || line.amount != original.amount {
            let what = format!("{of} ({}) cost {} and {} goes back", original.state, original.amount, line.amount);
            return violated(Invariant::RefundWithinPaid, what);
        }
    }
    Ok(())
}

/// A paid purchase line has one subscription, and no instance belongs to two.
fn opened(now: &Snapshot) -> Holds {
    let mut by_line: BTreeMap<&str, usize> = BTreeMap::new();
    let mut instances = BTreeSet::new();
    for sub in &now.subs {
        *by_line.entry(&sub.purchase_line).or_default() += 1;
        let fresh = sub.instance.as_ref().is_none_or(|instance| instances.insert((sub.seller.as_str(), instance.as_str())));
        if !fresh {
            return violated(Invariant::OpenedOnce, format!("{} has an instance that another has too: {:?}", sub.id, sub.instance));
        }
    }
    let purchases: BTreeSet<&str> = now.orders.iter().filter(|order| order.kind == "NEW").map(|order| order.number.as_str()).collect();
    for line in now.lines.iter().filter(|line| purchases.contains(line.order.as_str())) {
        let subs = by_line.get(line.number.as_str()).copied().unwrap_or(0);
        let wanted = usize::from(!matches!(line.state.as_str(), "waiting" | "cancelled"));
        if subs != wanted {
            return violated(Invariant::OpenedOnce, format!("{} ({}) has {subs} subscriptions", line.number, line.state));
        }
    }
    let mut sold = BTreeSet::new();
    for item in now.items.iter().filter(|item| item.kind == "sale") {
        let line = now.line(&item.line);
        let delivered = line.is_some_and(|line| matches!(line.state.as_str(), "done" | "refunded") && line.amount == item.amount);
        if !sold.insert(&item.line) || !delivered {
            return violated(Invariant::OpenedOnce, format!("{} is sold for {} and is {line:?}", item.line, item.amount));
        }
    }
    Ok(())
}

/// Calls of one subscription are made one after another.
fn at_most_one_active(now: &Snapshot) -> Holds {
    let mut active: BTreeMap<&str, &CallRow> = BTreeMap::new();
    for call in now.calls.iter().filter(|call| matches!(call.state.as_str(), "waiting" | "polling")) {
        if let Some(other) = active.insert(&call.sub, call) {
            return violated(
                Invariant::OpenedOnce,
                format!("{} ({}) and {} ({}) are made at once", other.id, other.scene, call.id, call.scene),
            );
        }
    }
    let queued = now.calls.iter().find(|call| call.state == "queued" && !active.contains_key(call.sub.as_str()));
    match queued {
        Some(call) => violated(Invariant::NothingOverdue, format!("{} ({}) is queued behind nothing", call.id, call.scene)),
        None => Ok(()),
    }
}

/// A job that failed failed for a reason that was made.
fn jobs(now: &Snapshot) -> Holds {
    let made = |why: &str| why.starts_with("the database is not available: the commit failed");
    for job in &now.jobs {
        let why = job.last_error.as_deref().unwrap_or_default();
        if job.stuck_at.is_some() || !(why.is_empty() || made(why)) {
            return violated(Invariant::NoFault, format!("the job {} {} failed: {why}", job.kind, job.subject));
        }
    }
    let covered: BTreeSet<&str> = now.jobs.iter().map(|job| job.subject.as_str()).collect();
    let lost = now.calls.iter().find(|call| matches!(call.state.as_str(), "waiting" | "polling") && !covered.contains(call.id.as_str()));
    match lost {
        Some(call) => violated(Invariant::NothingOverdue, format!("nobody will make {} ({})", call.id, call.scene)),
        None => Ok(()),
    }
}

/// Nothing that was due is left.
fn overdue(zone: &Zone, now: &Snapshot) -> Holds {
    let late = |what: String| violated(Invariant::NothingOverdue, what);
    if now.unsealed > 0 {
        return late(format!("{} entries wait to be sealed", now.unsealed));
    }
    if let Some(job) = now.jobs.iter().find(|job| job.due_at <= now.now) {
        return late(format!("the job {} {} was due at {}", job.kind, job.subject, job.due_at));
    }
    if let Some(order) = now.orders.iter().find(|order| order.state == "pending_payment" && order.pay_until <= now.now) {
        return late(format!("{} could be paid until {}", order.number, order.pay_until));
    }
    for sub in &now.subs {
        let ended = sub.ends_at.is_some_and(|end| zone.add_days(end, GRACE_DAYS) <= now.now) && sub.expired_at.is_none();
        let alive = matches!(sub.state.as_str(), "in_use" | "frozen");
        if alive && (ended || sub.release_at.is_some_and(|at| at <= now.now)) {
            return late(format!("{} is {} and ended at {:?}, to be released at {:?}", sub.id, sub.state, sub.ends_at, sub.release_at));
        }
    }
    for order in now.orders.iter().filter(|order| order.kind == "NEW" && order.state == "processing") {
        let decided_by = order.paid_at.unwrap_or(order.created_at) + DECIDED_MS;
        if decided_by < now.now && now.lines_of(&order.number).any(|line| line.state == "processing") {
            return late(format!("{} was to be decided by {decided_by}", order.number));
        }
    }
    for order in now.orders.iter().filter(|order| order.kind == "UNSUBSCRIBE" && order.state == "refunding") {
        // The calls of a subscription are made one after another, each for an hour, one that is under way for three.
        let before =
            now.calls.iter().filter(|call| now.lines_of(&order.number).any(|line| line.sub.as_deref() == Some(&*call.sub))).count();
        let back_by = order.created_at + DECIDED_MS + i64::try_from(before).unwrap_or(0) * HOUR_MS;
        if back_by < now.now {
            return late(format!("the money of {} was to be back by {back_by}", order.number));
        }
    }
    Ok(())
}
