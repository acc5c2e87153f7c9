//! Lives a history step by step, and looks at everything after each.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use db::scratch::Scratch;
use db::{Error, Result};
use kernel::{AccountId, Actor, Code, Ctx, HOUR_MS, Locale, Period, PeriodUnit, SkuId, SubscriptionId, Zone};
use market::ledger::{self};
use market::orders::{self, PurchaseItem, RenewalInput};
use market::page::PageRequest;
use market::runner::{self, To};
use market::subscriptions::{self, Renewal, RenewalMode, Whose};
use market::views::books;
use market::{MIGRATIONS, MachineTime, Market, catalog, delivery, settlement};
use sample_seller::State as AtSeller;
use sha2::{Digest, Sha256};

use super::actions::{Action, Paid, Pick, Renewing, Wanted};
use super::checks::{Checker, Holds, Invariant, Violation, Worked, violated};
use super::model::Model;
use super::network::{Mood, Network};
use super::people::{self, People, Shop, repriced};
use super::process::Process;
use super::requests::{Person, Reply, Request};
use super::snapshot::{self, Snapshot, SubRow};
use crate::world::BEGIN;

/// How often a request whose answer was lost is repeated: more often than faults can be armed.
const REPEATS_MAX: u32 = 200;
/// Where the machine's time of a history begins: some days before the market's, for the two have nothing to do with each other.
const MACHINE_BEGIN: i64 = BEGIN - 400_000_000;
/// The last lines of a transcript that are shown.
const SHOWN: usize = 40;

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
    let mut history = History::begin(seed).await?;
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

/// What became of work in a process.
enum Lived<T> {
    Done(T),
    Died,
}

/// A request that was answered, for when it comes again.
struct Answered {
    request: Request,
    who: Person,
    key: String,
    reply: Reply,
}

struct History {
    seed: u64,
    scratch: Scratch,
    network: Network,
    machine: MachineTime,
    processes: Vec<Option<Process>>,
    at_work: usize,
    lives: u64,
    people: People,
    known: Snapshot,
    checker: Checker,
    model: Model,
    answered: Vec<Answered>,
    zone: Zone,
    transcript: Vec<String>,
    digest: Sha256,
    tally: Tally,
}

impl History {
    async fn begin(seed: u64) -> Result<Self> {
        let scratch = Scratch::new(MIGRATIONS).await?;
        let (network, machine) = (Network::default(), MachineTime::simulated(MACHINE_BEGIN));
        let process = Process::start(&scratch, seed, 0, &network, &machine).await?;
        let clock = *process.market.clock();
        process.market.db().write(async move |tx| clock.begin_at(tx, BEGIN).await).await?;
        let people = people::settle(&process.market, &network).await?;
        let known = process.market.db().read(async |tx| snapshot::read(tx, Snapshot::default()).await).await?;
        Ok(Self {
            seed,
            scratch,
            network,
            machine,
            processes: vec![Some(process), None],
            at_work: 0,
            lives: 1,
            people,
            known,
            checker: Checker::default(),
            model: Model::default(),
            answered: Vec::new(),
            zone: Zone::shanghai(),
            transcript: Vec::new(),
            digest: Sha256::new(),
            tally: Tally::default(),
        })
    }

    fn note(&mut self, line: String) {
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        self.transcript.push(line);
    }

    fn last_lines(&self) -> Vec<String> {
        self.transcript[self.transcript.len().saturating_sub(SHOWN)..].to_vec()
    }

    // ---- processes ----

    async fn process(&mut self) -> Holds<Process> {
        self.process_at(self.at_work).await
    }

    async fn process_at(&mut self, place: usize) -> Holds<Process> {
        if self.processes[place].is_none() {
            self.lives += 1;
            let started = Process::start(&self.scratch, self.seed, self.lives, &self.network, &self.machine).await;
            self.processes[place] = Some(started.map_err(|error| fault("a process that starts", &error))?);
        }
        Ok(self.processes[place].clone().expect("a process that was just started"))
    }

    /// The process at work ends; nothing of it is left but what it has committed.
    fn bury(&mut self) {
        self.tally.deaths += 1;
        if let Some(process) = self.processes[self.at_work].take() {
            self.tally.commits += process.gate.commits();
            drop(process);
        }
        self.note(format!("  process {} is gone", self.at_work));
    }

    /// Runs work in a process until it is done or the process dies of a fault.
    async fn survive<T>(process: &Process, work: impl Future<Output = T>) -> Lived<T> {
        tokio::select! {
            biased;
            () = process.gate.death() => Lived::Died,
            value = work => Lived::Done(value),
        }
    }

    fn after(&mut self, process: &Process) {
        for what in process.gate.take_fired() {
            self.tally.faults += 1;
            self.note(format!("  {what:?}"));
        }
        for line in self.network.take_log() {
            self.note(line);
        }
    }

    // ---- a step ----

    async fn step(&mut self, step: usize, action: &Action) -> Holds {
        self.tally.steps += 1;
        let when = self.zone.readable_minute(self.known.now);
        self.note(format!("#{step} {when} {action:?}"));
        let worked = self.act(action).await?;
        self.look(worked).await
    }

    async fn look(&mut self, worked: Worked) -> Holds {
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

    // ---- work and time ----

    /// Does what is due, after `ms` of market time.
    async fn work(&mut self, ms: i64) -> Holds<Worked> {
        let to = self.known.now + ms;
        for _ in 0..REPEATS_MAX {
            let process = self.process().await?;
            self.ready_other(&process).await?;
            let advance = runner::advance(&process.market, if ms == 0 { To::Now } else { To::Moment(to) }, |_| {});
            let lived = Self::survive(&process, advance).await;
            self.after(&process);
            match lived {
                Lived::Died => self.bury_held(process),
                Lived::Done(Ok(progress)) => {
                    self.note(format!("  {} jobs, {} events", progress.jobs, progress.events));
                    return Ok(Worked::Yes);
                }
                Lived::Done(Err(Error::Unavailable(why))) => self.note(format!("  {why}")),
                Lived::Done(Err(error)) if error.code() == Some(Code::ClockBusy) => self.note("  the clock is busy".to_owned()),
                // Another process has moved it there meanwhile.
                Lived::Done(Err(error)) if error.code() == Some(Code::ClockBackwards) => return Ok(Worked::No),
                Lived::Done(Err(error)) => return Err(fault("the work that is due", &error)),
            }
            self.machine.pass(11_000);
        }
        violated(Invariant::NothingOverdue, format!("the work is not done after {REPEATS_MAX} tries"))
    }

    fn bury_held(&mut self, process: Process) {
        drop(process);
        self.bury();
    }

    /// Another process stands ready to do the work when this one stands still.
    async fn ready_other(&mut self, process: &Process) -> Holds {
        if !process.gate.stands_still_soon() {
            return Ok(());
        }
        let other = self.process_at(1 - self.at_work).await?;
        other.gate.disarm();
        let (market, machine) = (other.market, self.machine.clone());
        process.gate.meanwhile(std::sync::Arc::new(move || {
            let (market, machine) = (market.clone(), machine.clone());
            Box::pin(async move {
                machine.pass(120_000);
                // What it could not do, the next work does.
                let _ = runner::advance(&market, To::Now, |_| {}).await;
            })
        }));
        Ok(())
    }

    // ---- requests ----

    async fn ask(&mut self, who: Person, request: Request) -> Holds<Reply> {
        let key = format!("k{}", self.answered.len());
        let reply = self.ask_with(who, &request, &key, "").await?;
        self.answered.push(Answered { request, who, key, reply: reply.clone() });
        Ok(reply)
    }

    async fn ask_with(&mut self, who: Person, request: &Request, key: &str, other: &str) -> Holds<Reply> {
        let reply = self.answer(who, request, key, other).await?;
        match &reply {
            Ok(answer) => {
                self.tally.done += 1;
                self.note(format!("  {answer}"));
            }
            Err(code) => {
                self.tally.refused += 1;
                self.note(format!("  refused: {}", code.key()));
                self.nothing_changed(request).await?;
            }
        }
        Ok(reply)
    }

    /// The answer to a request, which is repeated with its key until there is one.
    async fn answer(&mut self, who: Person, request: &Request, key: &str, other: &str) -> Holds<Reply> {
        for _ in 0..REPEATS_MAX {
            let process = self.process().await?;
            let market = process.market.clone();
            let asked = async {
                let ctx = market.ctx(Actor::User { user: who.user, account: who.account }, Locale::En).await?;
                let (at, request, key, other) = (market.clone(), request.clone(), key.to_owned(), other.to_owned());
                market.db().write(async move |tx| request.perform(tx, &ctx, &at, &key, &other).await).await
            };
            let lived = Self::survive(&process, asked).await;
            drop(market);
            self.after(&process);
            match lived {
                Lived::Died => self.bury_held(process),
                Lived::Done(Ok(answer)) => return Ok(Ok(answer)),
                Lived::Done(Err(Error::Unavailable(why))) => self.note(format!("  {why}")),
                Lived::Done(Err(error)) => match error.code() {
                    Some(code) => return Ok(Err(code)),
                    None => return Err(fault(&format!("{request:?}"), &error)),
                },
            }
        }
        violated(Invariant::NothingOverdue, format!("{request:?} has no answer after {REPEATS_MAX} tries"))
    }

    /// A refusal leaves no trace.
    async fn nothing_changed(&mut self, request: &Request) -> Holds {
        let process = self.process().await?;
        let read = process.market.db().read(async |tx| snapshot::trace(tx).await).await;
        let trace = read.map_err(|error| fault("a database that can be read", &error))?;
        if trace == self.known.trace() {
            return Ok(());
        }
        violated(Invariant::Acknowledged, format!("{request:?} was refused, or came again, and changed something"))
    }

    async fn ask_and_hear(&mut self, who: Person, request: Request) -> Holds<Reply> {
        let reply = self.ask(who, request.clone()).await?;
        let before = std::mem::take(&mut self.known);
        let heard = self.model.hear(&self.zone, &before, &request, &reply);
        self.known = before;
        heard.map(|()| reply)
    }

    async fn ask_only(&mut self, who: Person, request: Request) -> Holds {
        self.ask_and_hear(who, request).await.map(drop)
    }

    // ---- actions ----

    async fn act(&mut self, action: &Action) -> Holds<Worked> {
        match action {
            Action::Work => return self.work(0).await,
            Action::Pass { ms } => return self.work(*ms).await,
            Action::Idle { ms } => self.machine.pass(*ms),
            Action::OtherProcess => self.at_work = 1 - self.at_work,
            Action::Die => self.bury(),
            Action::Fault(fault) => self.process().await?.gate.arm(*fault),
            Action::Mood { seller, mood } => self.network.set_mood(place(*seller, self.people.shops.len()), *mood),
            Action::Replay { pick } => self.replay(*pick).await?,
            Action::LookAtInstance { pick } => self.look_at_instance(*pick).await?,
            Action::Again { pick } => self.again(*pick).await?,
            Action::Conflict { pick } => self.conflict(*pick).await?,
            Action::SignUp
            | Action::Deposit { .. }
            | Action::DepositAgain { .. }
            | Action::PayOut { .. }
            | Action::Suspend { .. }
            | Action::Resume { .. } => self.at_the_desk(action).await?,
            Action::Buy { buyer, seller, wanted, paid } => self.buy(*buyer, *seller, wanted, *paid).await?,
            Action::Pay { pick } => self.pay(*pick, |state| state == "pending_payment").await?,
            Action::PayAny { pick } => self.pay(*pick, |_| true).await?,
            Action::Cancel { pick } => {
                if let Some((buyer, number)) = self.pick_order(*pick, |state, kind| state == "pending_payment" && kind != "UNSUBSCRIBE") {
                    self.ask_only(buyer, Request::Cancel { buyer: buyer.account, number }).await?;
                }
            }
            Action::Renew { .. }
            | Action::Change { .. }
            | Action::SetRenewing { .. }
            | Action::Return { .. }
            | Action::ReturnRenewal { .. } => self.of_subscription(action).await?,
            Action::Hide { .. }
            | Action::Show { .. }
            | Action::RetireSku { .. }
            | Action::RetireProduct { .. }
            | Action::Reprice { .. }
            | Action::Restart { .. } => self.of_seller(action).await?,
        }
        Ok(Worked::No)
    }

    /// What the operator is asked for.
    async fn at_the_desk(&mut self, action: &Action) -> Holds {
        let operator = self.people.operator;
        match action {
            Action::SignUp => {
                let name = format!("buyer-{}", self.people.buyers.len());
                if let Ok(answer) = self.ask_and_hear(operator, Request::SignUp { name }).await? {
                    let id = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                    let (account, user) = (id("account").parse(), id("user").parse());
                    if let (Ok(account), Ok(user)) = (account, user) {
                        self.people.buyers.push(Person { account, user });
                    }
                }
            }
            Action::Deposit { buyer, minor } => {
                let account = self.buyer(*buyer).account;
                let reference = format!("bank-{}", self.answered.len());
                self.ask_only(operator, Request::Deposit { account, minor: *minor, reference }).await?;
            }
            Action::DepositAgain { pick } => {
                let known = &self.known.deposits;
                let Some(deposit) = pick_of(known, *pick) else { return Ok(()) };
                let (account, reference) = (self.buyer(*pick).account, deposit.reference.clone());
                self.ask_only(operator, Request::Deposit { account, minor: 1_000, reference }).await?;
            }
            Action::PayOut { pick } => {
                let payable: Vec<_> = self.known.statements.iter().filter(|it| it.payable > 0).map(|it| it.id.clone()).collect();
                let Some(statement) = pick_of(&payable, *pick).and_then(|id| id.parse().ok()) else { return Ok(()) };
                let reference = format!("payout-{}", self.answered.len());
                self.ask_only(operator, Request::PayOut { statement, reference }).await?;
            }
            Action::Suspend { pick } => {
                if let Some((_, sub)) = self.pick_sub(*pick, |sub| matches!(sub.state.as_str(), "in_use" | "frozen")) {
                    self.ask_only(operator, Request::Suspend { sub }).await?;
                }
            }
            Action::Resume { pick } => {
                if let Some((_, sub)) = self.pick_sub(*pick, |sub| sub.suspended_at.is_some()) {
                    self.ask_only(operator, Request::Resume { sub }).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn buy(&mut self, buyer: Pick, seller: Pick, wanted: &[Wanted], paid: Paid) -> Holds {
        let buyer = self.buyer(buyer);
        let skus = self.people.shops[place(seller, self.people.shops.len())].skus;
        let items: Vec<_> = wanted.iter().map(|wanted| item(skus, *wanted)).collect();
        let placed = self.ask_and_hear(buyer, Request::Place { buyer: buyer.account, items, expected: None }).await?;
        self.pay_placed(buyer, placed, paid).await
    }

    async fn pay_placed(&mut self, buyer: Person, placed: Reply, paid: Paid) -> Holds {
        let Ok(answer) = placed else { return Ok(()) };
        if paid == Paid::Later {
            return Ok(());
        }
        self.look(Worked::No).await?;
        let number = answer["number"].as_str().unwrap_or_default().to_owned();
        self.ask_and_hear(buyer, Request::Pay { buyer: buyer.account, number }).await.map(drop)
    }

    async fn pay(&mut self, pick: Pick, wanted: impl Fn(&str) -> bool) -> Holds {
        let Some((buyer, number)) = self.pick_order(pick, |state, kind| wanted(state) && kind != "UNSUBSCRIBE") else { return Ok(()) };
        self.ask_and_hear(buyer, Request::Pay { buyer: buyer.account, number }).await.map(drop)
    }

    async fn of_subscription(&mut self, action: &Action) -> Holds {
        let alive = |sub: &SubRow| matches!(sub.state.as_str(), "in_use" | "frozen");
        match action {
            Action::Renew { pick, months, changes, paid } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, |sub| alive(sub) && sub.mode == "PERIOD") else { return Ok(()) };
                let mut input = RenewalInput::same(period(*months));
                if *changes {
                    let row = self.known.sub(&sub.to_string());
                    input.quantity = row.map(|row| 1 + (row.quantity % 5));
                    if !self.check_renewal(buyer, sub, &input).await? {
                        return Ok(());
                    }
                }
                let placed = self.ask_and_hear(buyer, Request::PlaceRenewal { buyer: buyer.account, sub, input }).await?;
                self.pay_placed(buyer, placed, *paid).await
            }
            Action::Change { pick, pro, more, paid } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, |sub| alive(sub) && sub.mode == "PERIOD") else { return Ok(()) };
                let Some(row) = self.known.sub(&sub.to_string()) else { return Ok(()) };
                let quantity = row.quantity + more;
                let same: Option<SkuId> = row.sku.parse().ok();
                let shop = self.people.shops.iter().find(|shop| shop.who.account.to_string() == row.seller);
                let Some(sku) = shop.and_then(|shop| if *pro { Some(shop.skus[1]) } else { same }) else { return Ok(()) };
                let placed = self.ask_and_hear(buyer, Request::PlaceChange { buyer: buyer.account, sub, sku, quantity }).await?;
                self.pay_placed(buyer, placed, *paid).await
            }
            Action::SetRenewing { pick, renewing, stale } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, |sub| alive(sub) || sub.state == "opening") else { return Ok(()) };
                let version = self.known.sub(&sub.to_string()).map_or(0, |row| row.version) - i64::from(*stale);
                let request = Request::SetRenewing { buyer: buyer.account, sub, version, renewal: renewal(*renewing) };
                self.ask_and_hear(buyer, request).await.map(drop)
            }
            Action::Return { pick } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, alive) else { return Ok(()) };
                self.ask_and_hear(buyer, Request::Return { buyer: buyer.account, sub }).await.map(drop)
            }
            Action::ReturnRenewal { pick } => {
                let Some((buyer, number)) = self.pick_order(*pick, |state, kind| kind == "RENEW" && state != "cancelled") else {
                    return Ok(());
                };
                self.ask_and_hear(buyer, Request::ReturnRenewal { buyer: buyer.account, number }).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn of_seller(&mut self, action: &Action) -> Holds {
        let shop = |this: &Self, seller: Pick| -> Shop { this.people.shops[place(seller, this.people.shops.len())].clone() };
        match action {
            Action::Hide { seller } => {
                let Shop { who, product, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::Hide { seller: who.account, product }).await.map(drop)
            }
            Action::Show { seller } => {
                let Shop { who, product, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::Show { seller: who.account, product }).await.map(drop)
            }
            Action::RetireSku { seller, sku } => {
                let Shop { who, skus, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::RetireSku { seller: who.account, sku: skus[place(*sku, skus.len())] }).await.map(drop)
            }
            Action::RetireProduct { seller } => {
                let Shop { who, product, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::RetireProduct { seller: who.account, product }).await.map(drop)
            }
            Action::Reprice { seller, percent } => {
                let Shop { who, product, .. } = shop(self, *seller);
                let process = self.process().await?;
                let read = process.market.db().read(async move |tx| catalog::get_of_seller(tx, who.account, product).await).await;
                let draft = read.map_err(|error| fault("a seller's product", &error))?.draft;
                let content = Box::new(repriced(draft, *percent));
                self.ask_and_hear(who, Request::Revise { seller: who.account, product, content }).await.map(drop)
            }
            Action::Restart { pick } => {
                let restartable = |state: &str| matches!(state, "gave_up" | "waiting" | "polling");
                let calls: Vec<_> = self.known.calls.iter().filter(|call| restartable(&call.state)).map(|call| call.id.clone()).collect();
                let Some(id) = pick_of(&calls, *pick).cloned() else { return Ok(()) };
                self.restart(&id).await
            }
            _ => Ok(()),
        }
    }

    async fn restart(&mut self, id: &str) -> Holds {
        let of = self.known.calls.iter().find(|call| call.id == id).and_then(|call| self.known.sub(&call.sub));
        let who = of.and_then(|sub| self.people.shops.iter().find(|shop| shop.who.account.to_string() == sub.seller)).map(|shop| shop.who);
        let (Some(who), Ok(call)) = (who, id.parse()) else { return Ok(()) };
        self.ask_only(who, Request::Restart { seller: who.account, call }).await.map(drop)
    }

    // ---- requests that call a seller themselves ----

    async fn calling<T>(&mut self, work: impl AsyncFnOnce(&Market, &Ctx) -> Result<T>) -> Holds<Option<T>> {
        let process = self.process().await?;
        process.gate.forget_standstills();
        let market = process.market.clone();
        let asked = async {
            let ctx = market.ctx(Actor::System("simulation"), Locale::En).await?;
            work(&market, &ctx).await
        };
        let lived = Self::survive(&process, asked).await;
        drop(market);
        self.after(&process);
        match lived {
            Lived::Died => self.bury_held(process),
            Lived::Done(Ok(value)) => return Ok(Some(value)),
            Lived::Done(Err(Error::Unavailable(why))) => self.note(format!("  {why}")),
            Lived::Done(Err(error)) => match error.code() {
                Some(code) => self.note(format!("  refused: {}", code.key())),
                None => return Err(fault("a request that calls a seller", &error)),
            },
        }
        Ok(None)
    }

    async fn check_renewal(&mut self, buyer: Person, sub: SubscriptionId, input: &RenewalInput) -> Holds<bool> {
        let input = input.clone();
        let asked = self.calling(async move |market, ctx| delivery::check_renewal(market, ctx, buyer.account, sub, &input).await).await?;
        self.look(Worked::No).await?;
        Ok(asked.is_some())
    }

    async fn replay(&mut self, pick: Pick) -> Holds {
        let Some(call) = pick_of(&self.known.calls, pick) else { return Ok(()) };
        let (Ok(id), Some(sub)) = (call.id.parse(), self.known.sub(&call.sub)) else { return Ok(()) };
        let Ok(seller) = sub.seller.parse() else { return Ok(()) };
        self.calling(async move |market, ctx| delivery::replay(market, ctx, seller, id).await).await.map(drop)
    }

    async fn look_at_instance(&mut self, pick: Pick) -> Holds {
        let Some((buyer, sub)) = self.pick_sub(pick, |_| true) else { return Ok(()) };
        self.calling(async move |market, ctx| delivery::instance(market, ctx, buyer.account, sub).await).await.map(drop)
    }

    // ---- the same key again ----

    async fn again(&mut self, pick: Pick) -> Holds {
        let done: Vec<_> = (0..self.answered.len()).filter(|place| self.answered[*place].reply.is_ok()).collect();
        let Some(Answered { request, who, key, reply }) = pick_of(&done, pick).map(|place| &self.answered[*place]) else { return Ok(()) };
        let (request, who, key, first) = (request.clone(), *who, key.clone(), reply.clone());
        let second = self.ask_with(who, &request, &key, "").await?;
        if second != first {
            return violated(Invariant::Acknowledged, format!("{request:?} was answered {first:?}, and {second:?} when it came again"));
        }
        self.nothing_changed(&request).await
    }

    async fn conflict(&mut self, pick: Pick) -> Holds {
        let done: Vec<_> = (0..self.answered.len()).filter(|place| self.answered[*place].reply.is_ok()).collect();
        let Some(Answered { request, who, key, .. }) = pick_of(&done, pick).map(|place| &self.answered[*place]) else { return Ok(()) };
        let (request, who, key) = (request.clone(), *who, key.clone());
        let reply = self.ask_with(who, &request, &key, "another request").await?;
        if reply != Err(Code::IdempotencyConflict) {
            return violated(Invariant::Acknowledged, format!("another request with the key of {request:?} was answered {reply:?}"));
        }
        Ok(())
    }

    // ---- who and what ----

    fn buyer(&self, pick: Pick) -> Person {
        self.people.buyers[place(pick, self.people.buyers.len())]
    }

    fn person(&self, account: &str) -> Option<Person> {
        self.people.buyers.iter().find(|person| person.account.to_string() == account).copied()
    }

    fn pick_order(&self, pick: Pick, wanted: impl Fn(&str, &str) -> bool) -> Option<(Person, String)> {
        let fitting: Vec<_> = self.known.orders.iter().filter(|order| wanted(&order.state, &order.kind)).collect();
        let order = pick_of(&fitting, pick)?;
        Some((self.person(&order.buyer)?, order.number.clone()))
    }

    fn pick_sub(&self, pick: Pick, wanted: impl Fn(&SubRow) -> bool) -> Option<(Person, SubscriptionId)> {
        let fitting: Vec<_> = self.known.subs.iter().filter(|sub| wanted(sub)).collect();
        let sub = pick_of(&fitting, pick)?;
        Some((self.person(&sub.buyer)?, sub.id.parse().ok()?))
    }

    // ---- the end ----

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
        if let Some(call) = self.known.calls.iter().find(|call| matches!(call.state.as_str(), "queued" | "waiting" | "polling")) {
            return violated(Invariant::NothingOverdue, format!("{call:?} has not ended though its seller is sound"));
        }
        match self.known.orders.iter().find(|order| matches!(order.state.as_str(), "processing" | "refunding") && order.kind != "NEW") {
            Some(order) if self.known.lines_of(&order.number).any(|line| line.state == "processing") => {
                violated(Invariant::NothingOverdue, format!("{order:?} is not decided though its seller is sound"))
            }
            _ => Ok(()),
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

fn fault(of: &str, error: &Error) -> Violation {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Violation { invariant: Invariant::NoFault, what: format!("{of}: {error}: {cause}") }
}

fn place(pick: Pick, of: usize) -> usize {
    usize::try_from(pick).unwrap_or(0) % of.max(1)
}

fn pick_of<T>(of: &[T], pick: Pick) -> Option<&T> {
    of.get(place(pick, of.len()))
}

fn period(months: i64) -> Period {
    if months % 12 == 0 { Period { unit: PeriodUnit::Year, count: months / 12 } } else { Period { unit: PeriodUnit::Month, count: months } }
}

fn renewal(renewing: Renewing) -> Renewal {
    let auto = |unit, times| Renewal { mode: RenewalMode::Auto, period: Some(Period { unit, count: 1 }), times };
    match renewing {
        Renewing::ByHand => Renewal::MANUAL,
        Renewing::Monthly(times) => auto(PeriodUnit::Month, times),
        Renewing::Yearly => auto(PeriodUnit::Year, None),
        Renewing::Never => Renewal { mode: RenewalMode::None, ..Renewal::MANUAL },
    }
}

fn item(skus: [SkuId; 3], wanted: Wanted) -> PurchaseItem {
    let sku = place(wanted.sku, skus.len());
    if sku == 2 {
        return PurchaseItem { sku_id: skus[2], period: None, quantity: 1, renewal: None };
    }
    let renewal = Some(renewal(wanted.renewing));
    PurchaseItem { sku_id: skus[sku], period: Some(period(wanted.months)), quantity: wanted.quantity, renewal }
}
