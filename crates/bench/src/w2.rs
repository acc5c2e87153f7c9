//! W2: the core of the ledger alone. Transfers are postings from buyers' wallets, each checked and changed, to the books of orders; a batch is one
//! durable transaction. Uniform over all books, and into two hot ones.

use std::sync::Arc;

use kernel::{Actor, Currency, Locale};
use market::Market;
use market::ledger::{self, Book, EntryKind, POSTINGS_MAX, Posting};

use crate::harness::{Rounds, Slice, closed_loop};
use crate::machine::Machine;
use crate::report::{Claim, Report, Role, Unit, figure};
use crate::stats;
use crate::town::{Buyer, Size};
use crate::{Plan, nowhere};

/// Whose wallets, and so many books of orders.
const SIZE: Size = Size::small(10_000, 1);
/// What one transfer moves, minor units.
const AMOUNT_MINOR: i64 = 1;

/// How many transfers come in one request, with so many clients that wait for an answer.
struct Batch {
    transfers: usize,
    clients: usize,
    /// What TigerBeetle does a second with such batches, as published or measured on such a machine.
    tigerbeetle: u64,
}

const BATCHES: [Batch; 3] = [
    Batch { transfers: 8_190, clients: 2, tigerbeetle: 255_000 },
    Batch { transfers: 100, clients: 32, tigerbeetle: 0 },
    Batch { transfers: 3, clients: 64, tigerbeetle: 2_000 },
];

const UNIFORM: &str = "uniform";
const HOT: &str = "into two hot books";
const TIGERBEETLE: &str = "TigerBeetle";

/// Where the money goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    Uniform,
    Hot,
}

/// Measures it.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let machine = Machine::look(&plan.ground.folder)?;
    let town = plan.build(SIZE, nowhere).await?;
    let core = Core { market: town.market.clone(), buyers: town.buyers.clone(), currency: town.market.edition().currency };
    let mut rounds = Rounds::default();
    for round in 1..=plan.rounds {
        plan.tell(&format!("round {round} of {}", plan.rounds));
        for (batch, place) in BATCHES.iter().zip((0..).step_by(2)) {
            let group = group_of(batch);
            for (spread, place, name) in [(Spread::Uniform, place, UNIFORM), (Spread::Hot, place + 1, HOT)] {
                let work = core.transfers(plan, batch, spread);
                rounds.slice(place, (&group, name, Role::Measured), work).await?;
            }
        }
    }
    core.check().await?;
    let (mut figures, quiet) = rounds.finish();
    for batch in BATCHES.iter().filter(|batch| batch.tigerbeetle > 0) {
        let place = figures.iter().rposition(|figure| figure.group == group_of(batch)).map_or(0, |place| place + 1);
        figures.insert(place, figure(group_of(batch), TIGERBEETLE, Role::Peer, Unit::PerSecond, vec![batch.tigerbeetle]));
    }
    let mut report =
        Report::of(("w2", "transfers of the ledger"), town.market.db().engine().word(), plan.settings(), machine, quiet, figures);
    report.notes = vec![
        format!(
            "A transfer is a posting. Up to {POSTINGS_MAX} stand in one transaction of the ledger, so a batch of 8,190 is 17 of them in one \
                 commit. Sealing into the hash chain happens afterwards, as in production."
        ),
        "TigerBeetle is not installed here: its figures are published ones (255,000 to 317,000 a second at 8,190, about 2,000 at 3)."
            .to_owned(),
    ];
    plan.note_durability(&town.options(), &mut report).await?;
    report.claims = claims(&report);
    Ok(report)
}

fn group_of(batch: &Batch) -> String {
    format!("batches of {}, {} clients", batch.transfers, batch.clients)
}

#[derive(Clone)]
struct Core {
    market: Market,
    buyers: Arc<Vec<Buyer>>,
    currency: Currency,
}

impl Core {
    async fn transfers(&self, plan: &Plan, batch: &Batch, spread: Spread) -> anyhow::Result<Slice> {
        let (core, transfers) = (self.clone(), batch.transfers);
        let act = move |client: usize, nth: u64| {
            let core = core.clone();
            async move { core.one_batch(transfers, spread, client, nth).await }
        };
        let batches = closed_loop(batch.clients, plan.length, act).await?;
        Ok(Slice { count: batches.count * u64::try_from(batch.transfers)?, ..batches })
    }

    async fn one_batch(&self, transfers: usize, spread: Spread, client: usize, nth: u64) -> anyhow::Result<()> {
        let start = client.wrapping_mul(7_919).wrapping_add(usize::try_from(nth)?.wrapping_mul(transfers));
        let postings: Vec<Posting> = (start..start + transfers).map(|n| self.transfer(n, spread)).collect();
        let (market, currency) = (self.market.clone(), self.currency);
        let ctx = market.ctx(Actor::System("bench"), Locale::En).await?;
        self.market
            .db()
            .write(async move |tx| {
                for part in postings.chunks(POSTINGS_MAX) {
                    ledger::post(tx, &ctx, EntryKind::Payment, "bench", currency, part).await?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// The transfer of a number: its wallet and its book are far from those of the number before.
    fn transfer(&self, n: usize, spread: Spread) -> Posting {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let buyer = &self.buyers[mixed % self.buyers.len()];
        let book = match spread {
            Spread::Uniform => format!("CS{:010}", (mixed >> 7) % self.buyers.len()),
            Spread::Hot => format!("CS-hot-{}", n % 2),
        };
        Posting::new(Book::Buyer(buyer.account), Book::Held(book), AMOUNT_MINOR)
    }

    /// What the two hot books hold is what left the wallets for them: nothing was lost on the way.
    async fn check(&self) -> anyhow::Result<()> {
        let (currency, books) = (self.currency, ["CS-hot-0", "CS-hot-1"].map(|name| Book::Held(name.to_owned())));
        let held = self
            .market
            .db()
            .read(async move |tx| Ok(ledger::balance(tx, &books[0], currency).await? + ledger::balance(tx, &books[1], currency).await?))
            .await?;
        anyhow::ensure!(held > 0, "the hot books hold nothing");
        Ok(())
    }
}

fn claims(report: &Report) -> Vec<Claim> {
    let [full, hundred, three] = BATCHES.each_ref().map(group_of);
    let mut claims = vec![
        Claim::at_least(
            "of TigerBeetle, batches of 8,190",
            Unit::Share,
            300,
            stats::permille(report.median(&full, UNIFORM), BATCHES[0].tigerbeetle),
        ),
        Claim::at_least(
            "of TigerBeetle, batches of 3",
            Unit::Times,
            10_000,
            stats::permille(report.median(&three, UNIFORM), BATCHES[2].tigerbeetle),
        ),
    ];
    for group in [full, hundred, three] {
        let share = stats::permille(report.median(&group, HOT), report.median(&group, UNIFORM));
        claims.push(Claim::at_least(format!("hot, of uniform: {group}"), Unit::Share, 950, share));
    }
    claims
}
