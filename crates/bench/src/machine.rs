//! The machine: what it is, and whether it was ours alone while something was measured.
//!
//! What others took of the processors is what programs used altogether, less what our own processes used: this one, its children, and the
//! database's servers. The kernel's own work (interrupts, its threads) is left out: it is nobody's in particular, and here mostly the writing
//! of what we write. Everything is read from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::stats;

/// The command whose processes are counted as ours beside our own children: PostgreSQL runs beside us.
const DATABASE_SERVER: &str = "postgres";
/// Others may use this much of all processors while something is measured (in thousandths), or the figure does not count.
pub const OTHERS_PERMILLE_MAX: u64 = 50;
/// The hypervisor may take this much of all processors (in thousandths).
pub const STEAL_PERMILLE_MAX: u64 = 20;

/// What was measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processors that may be used.
    pub cores: u64,
    /// Their name.
    pub cpu: String,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// How often a second a page can be written and flushed in the folder of the data: what a durable commit costs at least.
    pub fsyncs_per_second: u64,
}

impl Machine {
    /// Looks at the machine, and at the disk under `folder`.
    ///
    /// # Errors
    /// When no file can be written there.
    pub fn look(folder: &Path) -> io::Result<Self> {
        let cpu = named(&read("/proc/cpuinfo"), "model name");
        let memory_kib = named(&read("/proc/meminfo"), "MemTotal").split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
        let cores = std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(1));
        Ok(Self {
            cores,
            cpu,
            memory_mib: memory_kib.unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            fsyncs_per_second: fsyncs_per_second(folder)?,
        })
    }
}

fn fsyncs_per_second(folder: &Path) -> io::Result<u64> {
    /// As many bytes as a page of the database.
    const PAGE: [u8; 4096] = [0x59; 4096];
    const LENGTH: Duration = Duration::from_millis(500);
    let mut file = tempfile::tempfile_in(folder)?;
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < LENGTH {
        file.write_all(&PAGE)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(stats::per_second(count, begun.elapsed()))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line `name : value`.
fn named(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// The state of the processors at one moment, in clock ticks since the machine was started.
#[derive(Clone, Debug)]
pub struct Moment {
    total: u64,
    busy: u64,
    steal: u64,
    ours: HashMap<u32, u64>,
    kernels: HashMap<u32, u64>,
    pressure_us: u64,
    at: Instant,
}

/// How quiet the machine was between two moments, in thousandths of all processors.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quiet {
    /// Taken by processes that are not ours.
    pub others_permille: u64,
    /// Taken by the hypervisor.
    pub steal_permille: u64,
    /// Of the time, how much some process waited for a processor (`/proc/pressure/cpu`): our own count too.
    pub pressure_permille: u64,
}

impl Quiet {
    /// Whether a figure measured meanwhile counts.
    #[must_use]
    pub const fn fit(self) -> bool {
        self.others_permille <= OTHERS_PERMILLE_MAX && self.steal_permille <= STEAL_PERMILLE_MAX
    }
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let ticks: Vec<u64> = read("/proc/stat")
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|number| number.parse().ok())
            .collect();
        let tick = |place: usize| ticks.get(place).copied().unwrap_or(0);
        // user nice system idle iowait irq softirq steal; the guests' are inside user.
        let busy = tick(0) + tick(1) + tick(2);
        let total = busy + tick(3) + tick(4) + tick(5) + tick(6) + tick(7);
        let (ours, kernels) = known();
        Self { total, busy, steal: tick(7), ours, kernels, pressure_us: pressure_us(), at: Instant::now() }
    }

    /// How quiet it was since then.
    #[must_use]
    pub fn until_now(&self) -> Quiet {
        let now = Self::now();
        let total = now.total.saturating_sub(self.total);
        let busy = now.busy.saturating_sub(self.busy);
        // What has ended meanwhile stands in the count of its parent.
        let sum = |moment: &Self| moment.ours.values().sum::<u64>();
        let ours = sum(&now).saturating_sub(sum(self));
        // The kernel's threads come and go, and nobody keeps the count of one that has gone.
        let kernels = now.kernels.iter().map(|(pid, ticks)| ticks.saturating_sub(self.kernels.get(pid).copied().unwrap_or(0)));
        let known = ours.saturating_add(kernels.sum());
        Quiet {
            others_permille: stats::permille(busy.saturating_sub(known), total),
            steal_permille: stats::permille(now.steal.saturating_sub(self.steal), total),
            pressure_permille: stats::permille(now.pressure_us.saturating_sub(self.pressure_us), stats::micros(self.at.elapsed())),
        }
    }
}

/// The time that some process waited for a processor, µs since the machine was started; 0 where the kernel does not tell.
fn pressure_us() -> u64 {
    let text = read("/proc/pressure/cpu");
    let some = text.lines().find(|line| line.starts_with("some")).unwrap_or_default();
    some.rsplit_once("total=").and_then(|(_, total)| total.trim().parse().ok()).unwrap_or(0)
}

/// A process as `/proc/PID/stat` tells of it.
struct Process {
    parent: u32,
    ticks: u64,
    database: bool,
}

/// The parent of the kernel's threads.
const KERNEL_THREADS: u32 = 2;

/// The ticks of our processes, and of the kernel's threads, by their numbers.
fn known() -> (HashMap<u32, u64>, HashMap<u32, u64>) {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Some(process) = process(&read(&format!("/proc/{pid}/stat"))) {
            all.insert(pid, process);
        }
    }
    let own = std::process::id();
    let descends = |mut pid: u32| {
        // A process's parent is older; the walk ends at the first process of all.
        while pid != own {
            match all.get(&pid) {
                Some(process) if process.parent > 0 => pid = process.parent,
                _ => return false,
            }
        }
        true
    };
    let ticks = |counts: &dyn Fn(u32, &Process) -> bool| {
        all.iter().filter(|(pid, process)| counts(**pid, process)).map(|(pid, process)| (*pid, process.ticks)).collect()
    };
    (ticks(&|pid, process| process.database || descends(pid)), ticks(&|_, process| process.parent == KERNEL_THREADS))
}

/// Reads `pid (command) state parent …`; the command may hold spaces and parentheses.
fn process(stat: &str) -> Option<Process> {
    let (start, rest) = stat.rsplit_once(')')?;
    let command = start.split_once('(')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok());
    // Fields 4 (parent), 14 and 15 (user and system time), 16 and 17 (those of children that have ended) of proc(5), counted from the third.
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(Process { parent: u32::try_from(number(1)?).ok()?, ticks, database: command == DATABASE_SERVER })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_command_is_called() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4194560 0 0 0 0 11 31 5 3 20 0 1 0 100 0 0";
        let process = process(stat).unwrap();
        assert_eq!((process.parent, process.ticks, process.database), (3, 50, false));
    }

    #[test]
    fn what_we_do_ourselves_is_counted_as_ours() {
        let (before, own) = (Moment::now(), std::process::id());
        let begun = Instant::now();
        let mut after = Moment::now();
        // A tick is a hundredth of a second of work, whatever else the machine does meanwhile.
        while after.ours[&own] == before.ours[&own] {
            assert!(begun.elapsed() < Duration::from_secs(30), "a busy thread of ours leaves ticks of ours");
            after = Moment::now();
        }
        assert!(!after.ours.contains_key(&1) || own == 1, "the machine's first process is nobody's child");
    }

    #[test]
    fn a_figure_counts_only_on_a_machine_that_was_ours() {
        assert!(Quiet { others_permille: OTHERS_PERMILLE_MAX, steal_permille: 0, pressure_permille: 1_000 }.fit());
        assert!(!Quiet { others_permille: OTHERS_PERMILLE_MAX + 1, ..Quiet::default() }.fit());
        assert!(!Quiet { steal_permille: STEAL_PERMILLE_MAX + 1, ..Quiet::default() }.fit());
    }
}
