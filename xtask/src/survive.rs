//! `cargo xtask survive`: the test of kills, for as long as somebody likes.
//!
//! The test itself stands in `crates/yunshi/tests/faults/survive.rs` and belongs to every run of the tests, with a hundred kills. Here it gets
//! more of them, and on PostgreSQL a server of its own, which is killed as well.

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use crate::postgres::{Durability, Installation, Server};
use crate::process::Processes;
use crate::test::{DATABASE_URL, ENGINE, Engine};
use crate::workspace::Workspace;

/// How often a market is killed when nothing is said.
const CYCLES_USUAL: u32 = 1_000;
/// Tells the test how often.
const CYCLES: &str = "YUNSHI_TEST_CYCLES";
/// Tells the test which dice.
const SEED: &str = "YUNSHI_TEST_SEED";
/// Tells the test how to kill PostgreSQL.
const RESTART: &str = "YUNSHI_TEST_POSTGRES_RESTART";
/// The test.
const TEST: &str = "survive::a_market_killed_a_hundred_times_loses_nothing_and_does_nothing_twice";

/// What to do, from the command line.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    cycles: u32,
    engines: Vec<Engine>,
    seed: Option<u64>,
}

/// Kills markets. Fails when one lost or doubled something, or on an argument that means nothing.
pub(crate) fn run(processes: &Processes, args: Vec<String>) -> Result<ExitCode> {
    let plan = Plan::parse(args)?;
    let workspace = Workspace::load()?;
    for engine in &plan.engines {
        let mut test = workspace.cargo();
        test.args(["test", "--locked", "--package=yunshi", "--test=faults", "--", "--exact", "--nocapture", TEST]);
        test.env(CYCLES, plan.cycles.to_string());
        if let Some(seed) = plan.seed {
            test.env(SEED, seed.to_string());
        }
        match engine {
            Engine::Sqlite => processes.run(test.env(ENGINE, "sqlite").env_remove(DATABASE_URL).env_remove(RESTART))?,
            Engine::Postgres => {
                let installation = Installation::ensure(processes)?;
                // A server that is killed itself must be as careful as in production.
                let server = Server::start(processes, &installation, Durability::Full)?;
                test.env(ENGINE, "postgres").env(DATABASE_URL, server.url()).env(RESTART, server.restart_command());
                processes.run(&mut test)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Plan {
    fn parse(args: Vec<String>) -> Result<Self> {
        let mut plan = Self { cycles: CYCLES_USUAL, engines: vec![Engine::Sqlite, Engine::Postgres], seed: None };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, given) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg.clone(), args.next()),
            };
            let given = given.with_context(|| format!("`{name}` needs a value after it"));
            match name.as_str() {
                "--cycles" => plan.cycles = given?.parse().context("--cycles needs a number after it")?,
                "--seed" => plan.seed = Some(given?.parse().context("--seed needs a number after it")?),
                "--engine" => plan.engines = vec![Engine::named(&given?)?],
                _ => bail!("`{arg}` means nothing here, see `cargo xtask help`"),
            }
        }
        ensure!(plan.cycles > 0, "--cycles 0 kills nobody");
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    fn parse(args: &str) -> Result<Plan> {
        Plan::parse(args.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn both_engines_are_tried_unless_one_is_named() {
        let both = Plan { cycles: 1_000, engines: vec![Engine::Sqlite, Engine::Postgres], seed: None };
        assert_eq!(parse("").unwrap(), both);
        let one = Plan { cycles: 50, engines: vec![Engine::Postgres], seed: Some(7) };
        assert_eq!(parse("--cycles 50 --engine=postgres --seed 7").unwrap(), one);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for wrong in ["--cycles", "--cycles many", "--cycles 0", "--engine mysql", "--fast"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
