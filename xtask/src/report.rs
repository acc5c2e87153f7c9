//! The steps of a run: each announced, timed, and listed again at the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Steps done so far.
#[derive(Debug)]
pub(crate) struct Report {
    started: Instant,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    outcome: &'static str,
    took: Duration,
}

impl Report {
    /// A run that starts now.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), rows: Vec::new() }
    }

    /// Carries out one step and notes how it went. Fails as the step does, naming it.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n==> {name}");
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        let outcome = if result.is_ok() { "ok" } else { "FAILED" };
        println!("<== {name}: {outcome} in {}", seconds(took));
        self.rows.push(Row { name: name.to_owned(), outcome, took });
        result.with_context(|| format!("step `{name}`"))
    }

    /// Prints the table of all steps, in order.
    pub(crate) fn print(&self) {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
        println!();
        for Row { name, outcome, took } in &self.rows {
            println!("{name:width$}  {outcome:6}  {:>9}", seconds(*took));
        }
        println!("{:width$}  {:6}  {:>9}", "all", "", seconds(self.started.elapsed()));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}.{} s", duration.as_secs(), duration.subsec_millis() / 100)
}
