//! Commands of this repository, called as `cargo xtask <command>`.
//!
//! - `demo` builds the marketplace and starts its demo market ([`demo`]).
//! - `test` installs what the tests need, checks the sources and runs every test on SQLite and again on PostgreSQL
//!   ([`test`]).
//! - `postgres` runs one command beside a throw-away PostgreSQL ([`postgres`]).
//!
//! Invariants: nothing is written into the clone; everything installed for the tests lives in `<target>/test-env`, save for
//! Debian packages; whatever a command starts is gone when it ends, however it ends.
//!
//! Left out: releases and deployment, which the `yunshi` binary's own subcommands serve.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's command talks to its terminal")]

mod debian;
mod demo;
mod dependencies;
mod postgres;
mod process;
mod python;
mod report;
mod rooms;
mod test;
mod walls;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::process::Processes;

const USAGE: &str = "\
commands of this repository

  cargo xtask demo [ARGS…]
      build the marketplace and start the demo market; ARGS go to `yunshi demo`

  cargo xtask test [--quick] [--engine sqlite|postgres] [--durable] [FILTER…] [-- RUNNER-ARGS…]
      install what the tests need, check format, spelling, lints and dependencies, then run all tests
      on SQLite and again on PostgreSQL
        --quick    tests only
        --engine   on one engine only
        --durable  PostgreSQL flushes every commit to disk, as in production
        FILTER     only tests whose name contains it

  cargo xtask postgres [--durable] -- COMMAND…
      run COMMAND beside a throw-away PostgreSQL, with YUNSHI_TEST_ENGINE and YUNSHI_TEST_DATABASE_URL set
";

/// Exit code of a command ended by Ctrl-C, as shells report it (128 + SIGINT).
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let processes = match Processes::watching_signals() {
        Ok(processes) => processes,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    match dispatch(&processes) {
        Ok(code) => code,
        Err(_) if processes.interrupted() => {
            eprintln!("interrupted");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(processes: &Processes) -> Result<ExitCode> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.is_empty() {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let command = args.remove(0);
    match command.as_str() {
        "demo" => demo::run(&args),
        "test" => test::run(processes, args),
        "postgres" => postgres::run(processes, args),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("there is no command `{command}`, see `cargo xtask help`"),
    }
}
