//! Lives histories of the simulator for as long as is wanted: `cargo xtask simulate`.
//!
//! Exit code 0 when every seed held, 1 when some stumbled, 2 when it could not run. Each that stumbles is printed, whole; the run goes on.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's command talks to its terminal")]

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use testkit::sim::{self, Tally};

/// Seeds that are lived when nobody says how many.
const SEEDS: u64 = 1_000;
/// Threads that live histories.
const THREADS_MAX: usize = 64;
/// After so many seeds that stumbled a run ends: the first few tell enough.
const FAILURES_MAX: u64 = 20;
/// How often a run says how far it is.
const TELL: Duration = Duration::from_secs(10);

const USAGE: &str = "\
  --seed N          one seed, told whole
  --seeds A..B      these; 0..1000 when nothing is said
  --minutes M, --hours H
                    seeds from A on (0, or that of --seeds) for so long
  --threads T       so many at a time; as many as the machine has processors
  --first           stop at the first that stumbles
";

struct Plan {
    seeds: Range<u64>,
    until: Option<Duration>,
    threads: usize,
    failures_max: u64,
    whole: bool,
}

fn plan(args: impl Iterator<Item = String>) -> Result<Plan, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut plan = Plan { seeds: 0..SEEDS, until: None, threads, failures_max: FAILURES_MAX, whole: false };
    let mut args = args;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value after it"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
        match arg.as_str() {
            "--seed" => {
                let seed = number(value()?)?;
                plan.seeds = seed..seed + 1;
                plan.whole = true;
            }
            "--seeds" => {
                let text = value()?;
                let (from, to) = text.split_once("..").ok_or("seeds are given as A..B")?;
                plan.seeds = number(from.to_owned())?..number(to.to_owned())?;
            }
            "--minutes" => plan.until = Some(Duration::from_secs(60 * number(value()?)?)),
            "--hours" => plan.until = Some(Duration::from_secs(3_600 * number(value()?)?)),
            "--threads" => plan.threads = usize::try_from(number(value()?)?).unwrap_or(1).clamp(1, THREADS_MAX),
            "--first" => plan.failures_max = 1,
            _ => return Err(format!("{arg} means nothing here")),
        }
    }
    if plan.until.is_some() {
        plan.seeds.end = u64::MAX;
    }
    Ok(plan)
}

fn main() -> ExitCode {
    let plan = match plan(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("error: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let run = Run { plan, next: AtomicU64::new(0), broken: AtomicBool::new(false), so_far: Mutex::default(), begun: Instant::now() };
    run.next.store(run.plan.seeds.start, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..run.plan.threads {
            scope.spawn(|| run.live());
        }
        scope.spawn(|| run.tell());
    });
    run.sum_up()
}

#[derive(Default)]
struct SoFar {
    lived: u64,
    stumbled: Vec<u64>,
    tally: Tally,
    threads_done: usize,
}

struct Run {
    plan: Plan,
    next: AtomicU64,
    broken: AtomicBool,
    so_far: Mutex<SoFar>,
    begun: Instant,
}

impl Run {
    fn so_far(&self) -> std::sync::MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn over(&self) -> bool {
        let enough = u64::try_from(self.so_far().stumbled.len()).unwrap_or(0) >= self.plan.failures_max;
        enough || self.broken.load(Ordering::Relaxed) || self.plan.until.is_some_and(|until| self.begun.elapsed() >= until)
    }

    fn live(&self) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.live_seeds()),
            Err(error) => self.cannot(&error.to_string()),
        }
        self.so_far().threads_done += 1;
    }

    fn cannot(&self, why: &str) {
        self.broken.store(true, Ordering::Relaxed);
        eprintln!("error: {why}");
    }

    async fn live_seeds(&self) {
        while !self.over() {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.plan.seeds.end {
                return;
            }
            match sim::live(seed).await {
                Ok(lived) => {
                    let mut so_far = self.so_far();
                    so_far.lived += 1;
                    so_far.tally.add(lived.tally);
                    if self.plan.whole {
                        println!("{}", lived.transcript.join("\n"));
                    }
                    if let Some(failure) = lived.failure {
                        so_far.stumbled.push(seed);
                        println!("\n{failure}\n");
                    }
                }
                Err(error) => self.cannot(&format!("seed {seed} could not be lived: {error}")),
            }
        }
    }

    fn tell(&self) {
        let mut told = Instant::now();
        while self.so_far().threads_done < self.plan.threads {
            std::thread::sleep(Duration::from_millis(50));
            if told.elapsed() >= TELL {
                told = Instant::now();
                self.line();
            }
        }
    }

    fn line(&self) {
        let so_far = self.so_far();
        let seconds = self.begun.elapsed().as_secs().max(1);
        println!("{} seeds in {seconds} s ({} a minute), {} stumbled", so_far.lived, so_far.lived * 60 / seconds, so_far.stumbled.len());
    }

    fn sum_up(&self) -> ExitCode {
        self.line();
        let so_far = self.so_far();
        println!("{}", so_far.tally);
        if self.broken.load(Ordering::Relaxed) {
            return ExitCode::from(2);
        }
        if so_far.stumbled.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("stumbled: {:?}", so_far.stumbled);
        ExitCode::FAILURE
    }
}
