//! `cargo xtask simulate`: lives histories of the simulator for as long as is wanted, on either engine.
//!
//! What it takes and prints is the business of `crates/testkit/src/bin/simulate.rs`; this builds it and brings the database.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::postgres::{Durability, Installation, Server};
use crate::process::Processes;
use crate::test::{DATABASE_URL, ENGINE};
use crate::workspace::Workspace;

/// The simulator's program, of the crate `yunshi-testkit`.
pub(crate) const PROGRAM: [&str; 4] = ["--package", "yunshi-testkit", "--bin", "simulate"];

/// Builds the simulator and runs it. Answers its exit code.
pub(crate) fn run(processes: &Processes, args: Vec<String>) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let (engine, args) = engine_of(args)?;
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "--locked"]).args(PROGRAM).arg("--").args(args);
    match engine.as_str() {
        "sqlite" => {
            command.env(ENGINE, "sqlite").env_remove(DATABASE_URL);
            hand_over(processes, &mut command)
        }
        "postgres" => {
            let installation = Installation::ensure(processes)?;
            let server = Server::start(processes, &installation, Durability::None)?;
            hand_over(processes, command.env(ENGINE, "postgres").env(DATABASE_URL, server.url()))
        }
        other => anyhow::bail!("there is no engine `{other}`: use `sqlite` or `postgres`"),
    }
}

fn hand_over(processes: &Processes, command: &mut Command) -> Result<ExitCode> {
    let status = processes.hand_over(command)?;
    // One ended by a signal has no code of its own.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The engine, `sqlite` when nothing is said, and the arguments without it.
fn engine_of(args: Vec<String>) -> Result<(String, Vec<String>)> {
    let (mut engine, mut rest) = ("sqlite".to_owned(), Vec::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--engine" {
            engine = args.next().context("--engine needs `sqlite` or `postgres` after it")?;
        } else {
            rest.push(arg);
        }
    }
    Ok((engine, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn the_engine_is_taken_out_and_everything_else_is_the_simulators() {
        let args = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(engine_of(args("--seed 7")).unwrap(), ("sqlite".to_owned(), args("--seed 7")));
        assert_eq!(engine_of(args("--seeds 0..9 --engine postgres")).unwrap(), ("postgres".to_owned(), args("--seeds 0..9")));
        assert!(engine_of(args("--engine")).is_err());
    }
}
