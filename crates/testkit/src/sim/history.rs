//! A history that is being lived: its database, its processes, its people, and what is known of it; and how things are asked for in it.

use db::scratch::Scratch;
use db::{Error, Result};
use kernel::{Actor, Code, Ctx, Locale, SubscriptionId, Zone};
use market::runner::{self, To};
use market::{MIGRATIONS, MachineTime, Market};
use sha2::{Digest, Sha256};

use super::actions::Pick;
use super::checks::{Checker, Holds, Invariant, Violation, Worked, violated};
use super::model::Model;
use super::network::Network;
use super::people::{self, People};
use super::process::Process;
use super::requests::{Person, Reply, Request};
use super::run::Tally;
use super::snapshot::{self, Snapshot, SubRow};
use crate::world::BEGIN;

/// How often a request whose answer was lost is repeated: more often than faults can be armed.
const REPEATS_MAX: u32 = 200;
/// Where the machine's time of a history begins: some days before the market's, for the two have nothing to do with each other.
const MACHINE_BEGIN: i64 = BEGIN - 400_000_000;
/// The last lines of a transcript that are shown.
const SHOWN: usize = 40;

/// A request that was answered, for when it comes again.
pub(super) struct Answered {
    pub(super) request: Request,
    pub(super) who: Person,
    pub(super) key: String,
    pub(super) reply: Reply,
}

pub(super) struct History {
    pub(super) seed: u64,
    pub(super) scratch: Scratch,
    pub(super) network: Network,
    pub(super) machine: MachineTime,
    pub(super) processes: Vec<Option<Process>>,
    pub(super) at_work: usize,
    pub(super) lives: u64,
    pub(super) people: People,
    pub(super) known: Snapshot,
    pub(super) checker: Checker,
    pub(super) model: Model,
    pub(super) answered: Vec<Answered>,
    pub(super) zone: Zone,
    pub(super) transcript: Vec<String>,
    pub(super) digest: Sha256,
    pub(super) tally: Tally,
}

impl History {
    pub(super) async fn begin(seed: u64) -> Result<Self> {
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

    pub(super) fn note(&mut self, line: String) {
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        self.transcript.push(line);
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        self.transcript[self.transcript.len().saturating_sub(SHOWN)..].to_vec()
    }

    pub(super) async fn process(&mut self) -> Holds<Process> {
        self.process_at(self.at_work).await
    }

    pub(super) async fn process_at(&mut self, place: usize) -> Holds<Process> {
        if self.processes[place].is_none() {
            self.lives += 1;
            let started = Process::start(&self.scratch, self.seed, self.lives, &self.network, &self.machine).await;
            self.processes[place] = Some(started.map_err(|error| fault("a process that starts", &error))?);
        }
        Ok(self.processes[place].clone().expect("a process that was just started"))
    }

    /// The process at work ends; nothing of it is left but what it has committed.
    pub(super) fn bury(&mut self) {
        self.tally.deaths += 1;
        if let Some(process) = self.processes[self.at_work].take() {
            self.tally.commits += process.gate.commits();
            drop(process);
        }
        self.note(format!("  process {} is gone", self.at_work));
    }

    pub(super) fn after(&mut self, process: &Process) {
        for what in process.gate.take_fired() {
            self.tally.faults += 1;
            self.note(format!("  {what:?}"));
        }
        for line in self.network.take_log() {
            self.note(line);
        }
    }
}

/// Work and time.
impl History {
    /// Does what is due, after `ms` of market time.
    pub(super) async fn work(&mut self, ms: i64) -> Holds<Worked> {
        let to = self.known.now + ms;
        for _ in 0..REPEATS_MAX {
            let process = self.process().await?;
            self.ready_other(&process).await?;
            let advance = runner::advance(&process.market, if ms == 0 { To::Now } else { To::Moment(to) }, |_| {});
            let lived = process.gate.survive(advance).await;
            self.after(&process);
            match lived {
                None => self.bury_held(process),
                Some(Ok(progress)) => {
                    self.note(format!("  {} jobs, {} events", progress.jobs, progress.events));
                    return Ok(Worked::Yes);
                }
                Some(Err(Error::Unavailable(why))) => self.note(format!("  {why}")),
                Some(Err(error)) if error.code() == Some(Code::ClockBusy) => self.note("  the clock is busy".to_owned()),
                // Another process has moved it there meanwhile.
                Some(Err(error)) if error.code() == Some(Code::ClockBackwards) => return Ok(Worked::No),
                Some(Err(error)) => return Err(fault("the work that is due", &error)),
            }
            self.machine.pass(11_000);
        }
        violated(Invariant::NothingOverdue, format!("the work is not done after {REPEATS_MAX} tries"))
    }

    pub(super) fn bury_held(&mut self, process: Process) {
        drop(process);
        self.bury();
    }

    /// Another process stands ready to do the work when this one stands still.
    pub(super) async fn ready_other(&mut self, process: &Process) -> Holds {
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
}

/// Requests.
impl History {
    pub(super) async fn ask(&mut self, who: Person, request: Request) -> Holds<Reply> {
        let key = format!("k{}", self.answered.len());
        let reply = self.ask_with(who, &request, &key, "").await?;
        self.answered.push(Answered { request, who, key, reply: reply.clone() });
        Ok(reply)
    }

    pub(super) async fn ask_with(&mut self, who: Person, request: &Request, key: &str, other: &str) -> Holds<Reply> {
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
    pub(super) async fn answer(&mut self, who: Person, request: &Request, key: &str, other: &str) -> Holds<Reply> {
        for _ in 0..REPEATS_MAX {
            let process = self.process().await?;
            let market = process.market.clone();
            let asked = async {
                let ctx = market.ctx(Actor::User { user: who.user, account: who.account }, Locale::En).await?;
                let (at, request, key, other) = (market.clone(), request.clone(), key.to_owned(), other.to_owned());
                market.db().write(async move |tx| request.perform(tx, &ctx, &at, &key, &other).await).await
            };
            let lived = process.gate.survive(asked).await;
            drop(market);
            self.after(&process);
            match lived {
                None => self.bury_held(process),
                Some(Ok(answer)) => return Ok(Ok(answer)),
                Some(Err(Error::Unavailable(why))) => self.note(format!("  {why}")),
                Some(Err(error)) => match error.code() {
                    Some(code) => return Ok(Err(code)),
                    None => return Err(fault(&format!("{request:?}"), &error)),
                },
            }
        }
        violated(Invariant::NothingOverdue, format!("{request:?} has no answer after {REPEATS_MAX} tries"))
    }

    /// A refusal leaves no trace.
    pub(super) async fn nothing_changed(&mut self, request: &Request) -> Holds {
        let process = self.process().await?;
        let read = process.market.db().read(async |tx| snapshot::trace(tx).await).await;
        let trace = read.map_err(|error| fault("a database that can be read", &error))?;
        if trace == self.known.trace() {
            return Ok(());
        }
        violated(Invariant::Acknowledged, format!("{request:?} was refused, or came again, and changed something"))
    }

    pub(super) async fn ask_and_hear(&mut self, who: Person, request: Request) -> Holds<Reply> {
        let reply = self.ask(who, request.clone()).await?;
        let before = std::mem::take(&mut self.known);
        let heard = self.model.hear(&self.zone, &before, &request, &reply);
        self.known = before;
        heard.map(|()| reply)
    }

    pub(super) async fn ask_only(&mut self, who: Person, request: Request) -> Holds {
        self.ask_and_hear(who, request).await.map(drop)
    }

    pub(super) async fn calling<T>(&mut self, work: impl AsyncFnOnce(&Market, &Ctx) -> Result<T>) -> Holds<Option<T>> {
        let process = self.process().await?;
        process.gate.forget_standstills();
        let market = process.market.clone();
        let asked = async {
            let ctx = market.ctx(Actor::System("simulation"), Locale::En).await?;
            work(&market, &ctx).await
        };
        let lived = process.gate.survive(asked).await;
        drop(market);
        self.after(&process);
        match lived {
            None => self.bury_held(process),
            Some(Ok(value)) => return Ok(Some(value)),
            Some(Err(Error::Unavailable(why))) => self.note(format!("  {why}")),
            Some(Err(error)) => match error.code() {
                Some(code) => self.note(format!("  refused: {}", code.key())),
                None => return Err(fault("a request that calls a seller", &error)),
            },
        }
        Ok(None)
    }
}

/// Who and what is meant.
impl History {
    pub(super) fn buyer(&self, pick: Pick) -> Person {
        self.people.buyers[place(pick, self.people.buyers.len())]
    }

    pub(super) fn person(&self, account: &str) -> Option<Person> {
        self.people.buyers.iter().find(|person| person.account.to_string() == account).copied()
    }

    pub(super) fn pick_order(&self, pick: Pick, wanted: impl Fn(&str, &str) -> bool) -> Option<(Person, String)> {
        let fitting: Vec<_> = self.known.orders.iter().filter(|order| wanted(&order.state, &order.kind)).collect();
        let order = pick_of(&fitting, pick)?;
        Some((self.person(&order.buyer)?, order.number.clone()))
    }

    pub(super) fn pick_sub(&self, pick: Pick, wanted: impl Fn(&SubRow) -> bool) -> Option<(Person, SubscriptionId)> {
        let fitting: Vec<_> = self.known.subs.iter().filter(|sub| wanted(sub)).collect();
        let sub = pick_of(&fitting, pick)?;
        Some((self.person(&sub.buyer)?, sub.id.parse().ok()?))
    }
}

pub(super) fn fault(of: &str, error: &Error) -> Violation {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Violation { invariant: Invariant::NoFault, what: format!("{of}: {error}: {cause}") }
}

pub(super) fn place(pick: Pick, of: usize) -> usize {
    usize::try_from(pick).unwrap_or(0) % of.max(1)
}

pub(super) fn pick_of<T>(of: &[T], pick: Pick) -> Option<&T> {
    of.get(place(pick, of.len()))
}
