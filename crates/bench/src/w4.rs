//! W4: signed calls to sellers' servers. A hundred thousand are queued for a thousand sellers, and the real `yunshi worker` carries them out,
//! every attempt recorded; once with all sellers sound, and once with dead ones, failing ones and lost answers. Beside it the same HTTP client
//! in a loop that signs and posts, and does nothing else.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use db::jobs;
use kernel::{Actor, Locale, SubscriptionId};
use market::page::PageRequest;
use market::subscriptions::{self, SubscriptionState, Whose};
use wire::koogallery_v2::{ACCEPT, AccessKey, CONTENT_TYPE, sign, signed_url};

use crate::harness::{Rounds, Slice, closed_loop};
use crate::machine::Machine;
use crate::report::{Claim, Report, Role, Unit, figure};
use crate::seed::ACCESS_KEY;
use crate::sellers::{Health, Seen, Sellers, now_ms};
use crate::town::{Size, Town};
use crate::{Plan, stats};

/// A call is queued for every subscription.
const SIZE: Size = Size { buyers: 1_000, sellers: 1_000, listings: 1_000, accounts: 0, subscriptions: 100_000 };
/// Calls queued in one transaction.
const BATCH: usize = 200;
/// Calls at the same time, of the worker and of the plain loop.
const CONCURRENCY: usize = 128;
/// How often it is looked whether everything was done.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The worker must come to an end in this time.
const WORK_MAX: Duration = Duration::from_secs(900);

const CALLS: &str = "calls";
const PLAIN: &str = "plain loop: sign and post";
const SOUND: &str = "all sellers sound";
const MIXED: &str = "dead, failing and lost";

/// Measures it.
///
/// # Errors
/// When the market refuses, the worker does not start, or something was done twice.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let machine = Machine::look(&plan.ground.folder)?;
    let sellers = Sellers::open().await?;
    let town = plan.build(SIZE, |n| sellers.url(n)).await?;
    let bench = Bench { plan, town: &town, sellers: &sellers, count: plan.scaled(SIZE).sellers };
    let mut rounds = Rounds::default();
    let plain = (CALLS, PLAIN, Role::Limit);

    rounds.slice(0, plain, bench.plain()).await?;
    bench.queue(Order::Freeze).await?;
    let (sound, sound_p99) = bench.work(&mut rounds, 1, SOUND).await?;
    rounds.slice(0, plain, bench.plain()).await?;
    bench.queue(Order::Unfreeze).await?;
    sellers.misbehave();
    let (mixed, mixed_p99) = bench.work(&mut rounds, 2, MIXED).await?;
    rounds.slice(0, plain, bench.plain()).await?;
    let twice = bench.done_twice().await?;
    anyhow::ensure!(twice == 0, "{twice} calls were done twice");

    let (mut figures, quiet) = rounds.finish();
    let times = [(SOUND, sound_p99), (MIXED, mixed_p99)];
    for (name, p99) in times {
        figures.push(figure("until 99 % of the sound sellers' calls had arrived", name, Role::Measured, Unit::Millis, vec![p99 / 1_000]));
    }
    let mut report =
        Report::of(("w4", "signed calls to sellers"), town.market.db().engine().word(), plan.settings(), machine, quiet, figures);
    report.notes = vec![
            format!(
                "{} sellers; a worker of its own with {CONCURRENCY} calls at a time; {sound} attempts with all sellers sound, {mixed} with one \
                 in ten dead, one in ten failing twice and one answer in a hundred lost.",
                bench.count
            ),
            "A call is counted when its attempt and what follows from it were committed. Calls that failed are due again after minutes, as the \
             protocol says, and are not waited for."
                .to_owned(),
        ];
    plan.note_durability(&town.options(), &mut report).await?;
    let share = stats::permille(report.median(CALLS, MIXED), report.median(CALLS, PLAIN));
    report.claims = vec![
        Claim::at_least("of the plain loop", Unit::Share, 400, share),
        Claim::at_most("sound sellers' p99, of all sound", Unit::Times, 2_000, stats::permille(mixed_p99, sound_p99)),
    ];
    Ok(report)
}

/// What every subscription's seller is told.
#[derive(Clone, Copy)]
enum Order {
    Freeze,
    Unfreeze,
}

struct Bench<'a> {
    plan: &'a Plan,
    town: &'a Town,
    sellers: &'a Sellers,
    count: usize,
}

impl Bench<'_> {
    /// Signs and posts, as many as can be.
    async fn plain(&self) -> anyhow::Result<Slice> {
        let (outbound, key) = (self.town.market.outbound().clone(), Arc::new(AccessKey::new(ACCESS_KEY)));
        let urls: Arc<Vec<String>> =
            Arc::new((0..self.count).filter(|n| Health::of(*n) == Health::Sound).map(|n| self.sellers.url(n)).collect());
        anyhow::ensure!(!urls.is_empty(), "there are too few sellers; use a larger --scale");
        let act = move |client: usize, nth: u64| {
            let (outbound, key, urls) = (outbound.clone(), key.clone(), urls.clone());
            async move {
                let place = client.wrapping_mul(7_919).wrapping_add(usize::try_from(nth)?) % urls.len();
                let body =
                    format!(r#"{{"activity":"updateInstanceStatus","instanceId":"plain-{client}-{nth}","instanceStatus":"FREEZE"}}"#);
                let signature = sign(&key, &body, now_ms(), &format!("{client:016X}{nth:016X}"));
                let url = signed_url(&urls[place], &signature);
                let headers = [("content-type", CONTENT_TYPE), ("accept", ACCEPT)];
                outbound.post_json(&url, body, &headers).await.context("a sound seller answers")?;
                Ok(())
            }
        };
        let slice = closed_loop(CONCURRENCY, self.plan.length, act).await?;
        self.sellers.take();
        Ok(Slice { latencies_us: Vec::new(), ..slice })
    }

    /// Queues a call for every subscription, as the operator would.
    async fn queue(&self, order: Order) -> anyhow::Result<()> {
        let market = self.town.market.clone();
        let mut page = PageRequest { after: String::new(), limit: i64::try_from(BATCH)? };
        let state = match order {
            Order::Freeze => SubscriptionState::InUse,
            Order::Unfreeze => SubscriptionState::Frozen,
        };
        loop {
            let ctx = market.ctx(Actor::System("bench"), Locale::En).await?;
            let (same, wanted) = (market.clone(), page.clone());
            let next = market
                .db()
                .write(async move |tx| {
                    let found = subscriptions::list(tx, Whose::Everybody, Some(state), &wanted).await?;
                    for sub in &found.items {
                        tell(tx, &ctx, &same, order, sub.id).await?;
                    }
                    Ok(found.next)
                })
                .await?;
            match next {
                Some(after) => page.after = after,
                None => return Ok(()),
            }
        }
    }

    /// Has the worker carry out everything that is due; how many attempts there were, and until when 99 % of the sound sellers were called, µs.
    async fn work(&self, rounds: &mut Rounds, place: usize, name: &str) -> anyhow::Result<(u64, u64)> {
        self.plan.tell(&format!("the worker begins: {name}"));
        let before = self.attempts().await?;
        let slice = rounds
            .slice(place, (CALLS, name, Role::Measured), async {
                let worker = Worker::start(self.plan, self.town)?;
                let begun = Instant::now();
                self.until_nothing_is_due(&worker, begun).await?;
                let took = begun.elapsed();
                drop(worker);
                Ok(Slice { count: self.attempts().await? - before, took, latencies_us: Vec::new() })
            })
            .await?;
        let Seen { refused, sound_us, .. } = self.sellers.take();
        anyhow::ensure!(refused == 0, "{refused} signatures were wrong");
        Ok((slice.count, stats::percentile(&sound_us, 99)))
    }

    async fn until_nothing_is_due(&self, worker: &Worker, begun: Instant) -> anyhow::Result<()> {
        loop {
            let due = self.town.market.db().read(async |tx| jobs::next_due(tx).await).await?;
            if due.is_none_or(|due| due > now_ms()) {
                return Ok(());
            }
            worker.must_be_alive()?;
            anyhow::ensure!(begun.elapsed() < WORK_MAX, "the worker does not come to an end");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn attempts(&self) -> anyhow::Result<u64> {
        self.number("SELECT CAST(COUNT(*) AS TEXT) FROM delivery_attempts").await
    }

    /// Calls whose end is in the audit more than once.
    async fn done_twice(&self) -> anyhow::Result<u64> {
        self.number(
            "SELECT CAST(COUNT(*) AS TEXT) FROM (SELECT subject FROM audit WHERE action = 'calls.done' GROUP BY subject HAVING COUNT(*) > 1) AS t",
        )
        .await
    }

    async fn number(&self, text: &'static str) -> anyhow::Result<u64> {
        let found = self.town.market.db().read(async move |tx| tx.run_text(text).await).await?;
        found.first().and_then(|text| text.parse().ok()).context("a count is a number")
    }
}

async fn tell(tx: &mut db::Tx, ctx: &kernel::Ctx, market: &market::Market, order: Order, id: SubscriptionId) -> db::Result<()> {
    match order {
        Order::Freeze => subscriptions::suspend(tx, ctx, market.edition(), id, "measured").await.map(drop),
        Order::Unfreeze => subscriptions::resume(tx, ctx, market.edition(), id).await.map(drop),
    }
}

/// The real worker as a child. Killed when dropped: what it has committed stands.
struct Worker {
    child: std::sync::Mutex<Child>,
    log: std::path::PathBuf,
}

impl Worker {
    fn start(plan: &Plan, town: &Town) -> anyhow::Result<Self> {
        let log = town.folder().join("worker.log");
        let mut command = Command::new(&plan.program);
        command.arg("worker").current_dir(town.folder()).env_clear().envs(town.settings());
        command.env("YUNSHI_ALLOW_PRIVATE_ADDRESSES", "true").env("YUNSHI_WORKER_CONCURRENCY", CONCURRENCY.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&log)?);
        let child = command.spawn().with_context(|| format!("cannot start {}", plan.program.display()))?;
        Ok(Self { child: child.into(), log })
    }

    fn must_be_alive(&self) -> anyhow::Result<()> {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if child.try_wait()?.is_some() {
            bail!("the worker has ended; it says:\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}
