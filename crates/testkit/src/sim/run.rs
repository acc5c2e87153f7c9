//! Lives a history step by step, looks at everything after each, and brings it to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use db::{Error, Result};
use kernel::{AccountId, HOUR_MS};
use market::ledger;
use market::orders;
use market::page::PageRequest;
use market::subscriptions::{self, Whose};
use market::views::books;
use market::{Market, settlement};
use sample_seller::State as AtSeller;
use sha2::Digest;

use super::actions::Action;
use super::checks::{Holds, Invariant, Violation, Worked, violated};
use super::history::{History, fault};
use super::network::Mood;
use super::snapshot::{self, CallRow, OrderRow};

/// A step at which something did not hold.
#[derive(Clone, Debug)]
pub(super) struct Stumble {
    /// The action, counted from 0; the number of actions for what comes after the last.
    pub(super) step: usize,
    pub(super) violation: Violation,
    /// The last things that happened.
    pub(super) last: Vec<String>,
}

/// How a history went.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Over everything that was done, answered and kept.
    pub(super) digest: [u8; 32],
    pub(super) stumble: Option<Stumble>,
    pub(super) tally: Tally,
    /// Everything that happened, a line each.
    pub(super) transcript: Vec<String>,
}

impl Outcome {
    /// Of a history that did not even begin.
    fn still_born(violation: Violation) -> Self {
        let stumble = Stumble { step: 0, violation, last: Vec::new() };
        Self { digest: [0; 32], stumble: Some(stumble), tally: Tally::default(), transcript: Vec::new() }
    }
}

/// What was in a history, for the report of a long run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Steps that were taken and looked at.
    pub steps: u64,
    /// Requests that were done.
    pub done: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that reached sellers.
    pub calls: u64,
    /// Commits.
    pub commits: u64,
    /// Processes that died.
    pub deaths: u64,
    /// Faults that happened, deaths included.
    pub faults: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, done, refused, calls, commits, deaths, faults } = self;
        write!(
            f,
            "{steps} steps, {done} requests done, {refused} refused, {calls} calls at sellers, {commits} commits, {faults} faults, {deaths} deaths"
        )
    }
}

impl Tally {
    /// Adds another history.
    pub const fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.done += other.done;
        self.refused += other.refused;
        self.calls += other.calls;
        self.commits += other.commits;
        self.deaths += other.deaths;
        self.faults += other.faults;
    }
}

/// Lives the actions of a seed.
///
/// # Errors
/// When there is no database to live on.
pub(super) async fn live(seed: u64, actions: &[Action]) -> Result<Outcome> {
    let mut history = match History::begin(seed).await {
        Ok(history) => history,
        Err(error @ Error::Unavailable(_)) => return Err(error),
        Err(error) => return Ok(Outcome::still_born(fault("the market's opening", &error))),
    };
    let mut stumble = None;
    for (step, action) in actions.iter().enumerate() {
        if let Err(violation) = history.step(step, action).await {
            stumble = Some(Stumble { step, violation, last: history.last_lines() });
            break;
        }
    }
    if stumble.is_none()
        && let Err(violation) = history.end().await
    {
        stumble = Some(Stumble { step: actions.len(), violation, last: history.last_lines() });
    }
    history.tally.calls = u64::try_from(history.network.arrivals().len()).unwrap_or(0);
    Ok(Outcome { digest: history.digest.finalize().into(), stumble, tally: history.tally, transcript: history.transcript })
}

impl History {
    async fn step(&mut self, step: usize, action: &Action) -> Holds {
        self.tally.steps += 1;
        let when = self.zone.readable_minute(self.known.now);
        self.note(format!("#{step} {when} {action:?}"));
        let worked = self.act(action).await?;
        self.look(worked).await
    }

    pub(super) async fn look(&mut self, worked: Worked) -> Holds {
        let process = self.process().await?;
        let before = std::mem::take(&mut self.known);
        let seen = before.seen();
        // A closure may run again, which a read on one connection does not.
        let before = Mutex::new(before);
        let taken = move || std::mem::take(&mut *before.lock().unwrap_or_else(PoisonError::into_inner));
        let read = process.market.db().read(async move |tx| snapshot::read(tx, taken()).await).await;
        self.known = read.map_err(|error| fault("a database that can be read", &error))?;
        if let Some(what) = self.network.faults().first() {
            return violated(Invariant::NoFault, what.clone());
        }
        self.checker.check(&self.zone, seen, &self.known, worked)?;
        self.model.compare(&self.known)?;
        self.sellers_agree_so_far()?;
        self.reads(&process.market).await?;
        self.digest.update(format!("{:?}{:?}{:?}", self.known.orders, self.known.subs, self.known.wallets).as_bytes());
        Ok(())
    }

    /// Whoever asks is shown what the model knows; one buyer a step.
    async fn reads(&mut self, market: &Market) -> Holds {
        let turn = usize::try_from(self.tally.steps).unwrap_or(0) % self.people.buyers.len();
        let buyer = self.people.buyers[turn].account;
        self.reads_of(market, buyer).await
    }

    async fn reads_of(&self, market: &Market, buyer: AccountId) -> Holds {
        let (currency, page) = (market.edition().currency, PageRequest { limit: 200, ..PageRequest::default() });
        let read = market
            .db()
            .read(async move |tx| {
                let wallet = ledger::wallet(tx, buyer, currency).await?;
                let orders = orders::list(tx, Whose::Buyer(buyer), None, &page).await?.items;
                let subs = subscriptions::list(tx, Whose::Buyer(buyer), None, &page).await?.items;
                Ok((wallet, orders, subs))
            })
            .await;
        let (wallet, orders, subs) = read.map_err(|error| fault("lists", &error))?;
        let id = buyer.to_string();
        let expected = self.model.wallet(&id, &self.known);
        if wallet != expected {
            return violated(Invariant::ReadsAgree, format!("{id} is shown a balance of {wallet}, the model has {expected}"));
        }
        let shown: BTreeMap<_, _> =
            orders.iter().map(|order| (order.number.clone(), (order.state.to_string(), order.total_minor))).collect();
        let kept: BTreeMap<_, _> = self
            .known
            .orders
            .iter()
            .filter(|order| order.buyer == id)
            .map(|order| (order.number.clone(), (order.state.clone(), order.total)))
            .collect();
        if shown != kept {
            return violated(Invariant::ReadsAgree, format!("{id} is shown the orders {shown:?}, there are {kept:?}"));
        }
        let shown: BTreeMap<_, _> = subs.iter().map(|sub| (sub.id.to_string(), (sub.state.to_string(), sub.ends_at))).collect();
        let kept: BTreeMap<_, _> =
            self.known.subs.iter().filter(|sub| sub.buyer == id).map(|sub| (sub.id.clone(), (sub.state.clone(), sub.ends_at))).collect();
        if shown != kept {
            return violated(Invariant::ReadsAgree, format!("{id} is shown the subscriptions {shown:?}, there are {kept:?}"));
        }
        Ok(())
    }

    /// No seller was asked for something that nobody paid for, and none has two instances for one line.
    fn sellers_agree_so_far(&self) -> Holds {
        for (n, shop) in self.people.shops.iter().enumerate() {
            let mut lines = BTreeMap::new();
            for instance in self.network.seller(n).instances() {
                let line = self.known.line(&instance.order_line_id);
                let paid = line.is_some_and(|line| !matches!(line.state.as_str(), "waiting" | "cancelled"));
                let known = self.known.order(&instance.order_id).is_some_and(|order| order.seller == shop.who.account.to_string());
                if !paid || !known {
                    return violated(Invariant::SellersAgree, format!("{} was opened, and its line is {line:?}", instance.instance_id));
                }
                if let Some(other) = lines.insert(instance.order_line_id.clone(), instance.instance_id.clone()) {
                    return violated(Invariant::OpenedOnce, format!("{other} and {} are both of {line:?}", instance.instance_id));
                }
            }
        }
        Ok(())
    }
}

/// The end.
impl History {
    /// Everybody is sound again, what was given up is restarted, and everything comes to its end.
    async fn end(&mut self) -> Holds {
        self.note("the end".to_owned());
        for process in self.processes.iter().flatten() {
            process.gate.disarm();
        }
        for seller in 0..self.people.shops.len() {
            self.network.set_mood(seller, Mood::Sound);
        }
        // Two rounds: what was queued behind a call that was given up may itself have been given up.
        for _ in 0..2 {
            let worked = self.work(5 * HOUR_MS).await?;
            self.look(worked).await?;
            let given_up: Vec<_> = self
                .known
                .calls
                .iter()
                .filter(|call| call.state == "gave_up" && !matches!(call.scene.as_str(), "create" | "change"))
                .map(|call| call.id.clone())
                .collect();
            for id in given_up {
                self.restart(&id).await?;
                self.look(Worked::No).await?;
            }
        }
        let worked = self.work(HOUR_MS).await?;
        self.look(worked).await?;
        self.all_decided()?;
        self.sellers_agree()?;
        self.verify_everything().await?;
        for process in std::mem::take(&mut self.processes).into_iter().flatten() {
            self.tally.commits += process.gate.commits();
        }
        Ok(())
    }

    fn all_decided(&self) -> Holds {
        // A seller who named an instance that they do not have can do nothing with it.
        let honest = |seller: &str| {
            let place = self.people.shops.iter().position(|shop| shop.who.account.to_string() == seller);
            place.is_none_or(|place| !self.network.is_muddled(place))
        };
        let active = |call: &&CallRow| {
            let sub = self.known.sub(&call.sub);
            matches!(call.state.as_str(), "queued" | "waiting" | "polling") && sub.is_none_or(|sub| honest(&sub.seller))
        };
        if let Some(call) = self.known.calls.iter().find(active) {
            return violated(Invariant::NothingOverdue, format!("{call:?} has not ended though its seller is sound"));
        }
        let open = |order: &&OrderRow| matches!(order.state.as_str(), "processing" | "refunding") && honest(&order.seller);
        match self.known.orders.iter().find(open) {
            Some(order) => violated(Invariant::NothingOverdue, format!("{order:?} is not decided though its seller is sound")),
            None => Ok(()),
        }
    }

    /// What sellers have is what we think they have.
    fn sellers_agree(&self) -> Holds {
        for (n, shop) in self.people.shops.iter().enumerate().filter(|(n, _)| !self.network.is_muddled(*n)) {
            let (seller, id) = (self.network.seller(n), shop.who.account.to_string());
            for sub in self.known.subs.iter().filter(|sub| sub.seller == id) {
                let Some(instance) = sub.instance.as_deref().and_then(|instance| seller.instance(instance)) else {
                    if sub.instance.is_some() {
                        return violated(Invariant::SellersAgree, format!("{} has an instance that its seller does not know", sub.id));
                    }
                    continue;
                };
                let agrees = match sub.state.as_str() {
                    "in_use" => instance.state == AtSeller::Active,
                    "frozen" => instance.state == AtSeller::Frozen,
                    _ => instance.state == AtSeller::Released,
                };
                if !agrees {
                    let what = format!("{} is {} and its instance is {}", sub.id, sub.state, instance.state.word());
                    return violated(Invariant::SellersAgree, what);
                }
                // The wire carries whole seconds.
                let told = instance.expires_at.zip(sub.ends_at).filter(|(told, end)| told / 1_000 != end / 1_000);
                if let Some((told, end)) = told.filter(|_| sub.state != "released") {
                    return violated(Invariant::SellersAgree, format!("{} ends at {end}, its seller was told {told}", sub.id));
                }
            }
        }
        Ok(())
    }

    /// The market's own checks, and every row that was ever seen.
    async fn verify_everything(&mut self) -> Holds {
        let process = self.process().await?;
        let db = process.market.db();
        let unreadable = |error: Error| fault("books that can be read", &error);
        let ledger = ledger::verify(db, |_| {}).await.map_err(unreadable)?;
        if let Some(problem) = ledger.problems.first() {
            return violated(Invariant::ChainWhole, format!("{} {} {}", problem.table, problem.row, problem.what));
        }
        let statements = settlement::verify_statements(db, |_| {}).await.map_err(unreadable)?;
        if let Some(problem) = statements.problems.first() {
            return violated(Invariant::LedgerBalanced, format!("{} {} {}", problem.table, problem.row, problem.what));
        }
        let orders = books::verify_orders(db).await.map_err(unreadable)?;
        if let Some(problem) = orders.problems.first() {
            return violated(Invariant::HeldIsOpen, format!("{} {} {}", problem.table, problem.row, problem.what));
        }
        let known = self.known.clone();
        let gone = db.read(async move |tx| snapshot::compare(tx, &known).await).await.map_err(unreadable)?;
        if let Some(what) = gone {
            return violated(Invariant::AppendOnly, what);
        }
        for buyer in self.people.buyers.clone() {
            self.reads_of(&process.market, buyer.account).await?;
        }
        Ok(())
    }
}
