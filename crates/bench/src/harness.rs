//! Rounds: the product, its limit, the product, its limit; each slice with how quiet the machine was meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::machine::{Moment, Quiet};
use crate::report::{Figure, Role, Unit};
use crate::stats;

/// What one slice of time gave.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// How many.
    pub count: u64,
    /// In what time.
    pub took: Duration,
    /// How long each took, µs.
    pub latencies_us: Vec<u64>,
}

impl Slice {
    /// How many a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        stats::per_second(self.count, self.took)
    }
}

/// Slices of several rounds under their names, and how quiet it was.
#[derive(Debug, Default)]
pub struct Rounds {
    slices: BTreeMap<usize, Series>,
    quiet: Quiet,
}

#[derive(Debug)]
struct Series {
    group: String,
    name: String,
    role: Role,
    runs: Vec<u64>,
    latencies_us: Vec<u64>,
}

impl Rounds {
    /// Measures `work` and keeps what it gives under `place` (where it stands in the table), `group` and `name`.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn slice(
        &mut self,
        place: usize,
        (group, name, role): (&str, &str, Role),
        work: impl Future<Output = anyhow::Result<Slice>>,
    ) -> anyhow::Result<Slice> {
        let before = Moment::now();
        let slice = work.await?;
        self.note(before.until_now());
        let series = self.slices.entry(place).or_insert_with(|| Series {
            group: group.to_owned(),
            name: name.to_owned(),
            role,
            runs: Vec::new(),
            latencies_us: Vec::new(),
        });
        series.runs.push(slice.rate());
        series.latencies_us.extend_from_slice(&slice.latencies_us);
        Ok(slice)
    }

    /// Keeps the noisiest: a figure counts only when it was quiet all the time.
    fn note(&mut self, quiet: Quiet) {
        let Quiet { others_permille, steal_permille, pressure_permille } = &mut self.quiet;
        *others_permille = quiet.others_permille.max(*others_permille);
        *steal_permille = quiet.steal_permille.max(*steal_permille);
        *pressure_permille = quiet.pressure_permille.max(*pressure_permille);
    }

    /// The rates of every round so far under `place`.
    #[must_use]
    pub fn rates(&self, place: usize) -> &[u64] {
        self.slices.get(&place).map_or(&[], |series| &series.runs)
    }

    /// Every figure, in the order of their places, and how quiet it was at the noisiest.
    #[must_use]
    pub fn finish(self) -> (Vec<Figure>, Quiet) {
        let figures = self.slices.into_values().map(|series| {
            let time = |percent| (!series.latencies_us.is_empty()).then(|| stats::percentile(&series.latencies_us, percent));
            Figure {
                p50_us: time(50),
                p99_us: time(99),
                median: stats::median(&series.runs),
                group: series.group,
                name: series.name,
                role: series.role,
                unit: Unit::PerSecond,
                runs: series.runs,
            }
        });
        (figures.collect(), self.quiet)
    }
}

/// Runs `clients` tasks beside each other until `length` is over; `act` does one thing, and is told which client it is and its how manieth.
///
/// # Errors
/// The first of `act`'s.
pub async fn closed_loop<A, F>(clients: usize, length: Duration, act: A) -> anyhow::Result<Slice>
where
    A: Fn(usize, u64) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let begun = Instant::now();
    run(clients, act, move |_, _| (begun.elapsed() < length).then(Instant::now)).await
}

/// Runs `clients` tasks that together begin `rate` things a second for `length`, whether or not earlier ones have ended in time: what is late
/// counts from when it should have begun, so a pause of the product is not hidden by clients that wait for it.
///
/// # Errors
/// The first of `act`'s.
pub async fn paced<A, F>(clients: usize, rate: u64, length: Duration, act: A) -> anyhow::Result<Slice>
where
    A: Fn(usize, u64) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let begun = Instant::now();
    let all = u64::try_from(clients).unwrap_or(u64::MAX);
    let pace = move |client: usize, nth: u64| {
        let turn = nth.saturating_mul(all).saturating_add(u64::try_from(client).unwrap_or(0));
        let due = Duration::from_nanos(u64::try_from(u128::from(turn) * 1_000_000_000 / u128::from(rate.max(1))).unwrap_or(u64::MAX));
        (due < length).then_some(begun + due)
    };
    run(clients, act, pace).await
}

async fn run<A, F>(clients: usize, act: A, begin: impl Fn(usize, u64) -> Option<Instant> + Clone + Send + 'static) -> anyhow::Result<Slice>
where
    A: Fn(usize, u64) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let begun = Instant::now();
    // Dropped with whoever is left in it when one fails.
    let mut running = JoinSet::new();
    for client in 0..clients {
        let (act, begin) = (act.clone(), begin.clone());
        running.spawn(async move {
            let mut latencies_us = Vec::new();
            for nth in 0.. {
                let Some(due) = begin(client, nth) else { break };
                if due > Instant::now() {
                    tokio::time::sleep_until(due.into()).await;
                }
                act(client, nth).await?;
                latencies_us.push(stats::micros(due.elapsed()));
            }
            Ok::<_, anyhow::Error>(latencies_us)
        });
    }
    let mut latencies_us = Vec::new();
    while let Some(client) = running.join_next().await {
        latencies_us.extend(client??);
    }
    let count = u64::try_from(latencies_us.len()).unwrap_or(u64::MAX);
    Ok(Slice { count, took: begun.elapsed(), latencies_us })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn every_client_works_until_the_time_is_over() {
        let seen = Arc::new([const { AtomicU64::new(0) }; 3]);
        let counts = seen.clone();
        let act = move |client: usize, nth: u64| {
            let before = counts[client].fetch_add(1, Ordering::SeqCst);
            async move {
                assert_eq!(before, nth, "a client does one thing after another");
                tokio::task::yield_now().await;
                Ok(())
            }
        };
        let slice = closed_loop(3, Duration::from_millis(50), act).await.unwrap();
        let counts = seen.each_ref().map(|count| count.load(Ordering::SeqCst));
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        assert_eq!((slice.count, slice.latencies_us.len()), (counts.iter().sum(), usize::try_from(slice.count).unwrap()));
        assert!(slice.took >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn what_is_late_counts_from_when_it_was_due() {
        // One thing every 10 ms, and the first takes 40 ms of real time: the next three are late though they take nothing.
        let act = |_, nth| async move {
            if nth == 0 {
                std::thread::sleep(Duration::from_millis(40));
            }
            Ok(())
        };
        let slice = paced(1, 100, Duration::from_millis(40), act).await.unwrap();
        assert_eq!(slice.count, 4);
        assert!(slice.latencies_us[1] >= 25_000 && slice.latencies_us[2] >= 15_000, "{:?}", slice.latencies_us);
    }

    #[tokio::test]
    async fn the_first_failure_ends_the_slice() {
        let failed = closed_loop(2, Duration::from_secs(60), |client, _| async move {
            anyhow::ensure!(client == 0, "refused");
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(())
        });
        let failed = tokio::time::timeout(Duration::from_secs(5), failed).await.unwrap();
        assert_eq!(failed.unwrap_err().to_string(), "refused");
    }

    #[tokio::test]
    async fn rounds_keep_every_rate_and_the_noisiest_moment() {
        let mut rounds = Rounds::default();
        for (count, place, name) in [(30, 1, "limit"), (10, 0, "product"), (50, 1, "limit"), (20, 0, "product"), (40, 1, "limit")] {
            let slice = Slice { count, took: Duration::from_secs(1), latencies_us: vec![count] };
            rounds.slice(place, ("", name, Role::Measured), async { Ok(slice) }).await.unwrap();
        }
        assert_eq!(rounds.rates(0), [10, 20]);
        let (figures, _) = rounds.finish();
        let found: Vec<_> = figures.iter().map(|f| (f.name.as_str(), f.median, f.runs.len(), f.p99_us)).collect();
        assert_eq!(found, [("product", 10, 2, Some(20)), ("limit", 40, 3, Some(50))]);
    }
}
