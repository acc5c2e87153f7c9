//! Commands of this repository, called as `cargo xtask <command>`.
//!
//! - `demo` builds the marketplace and starts its demo market ([`demo`]).
//! - `test` installs what the tests need, checks the sources and runs every test on SQLite and again on PostgreSQL
//!   ([`test`]).
//! - `assets` makes what browsers load ([`assets`]); the commands that build the program do it by themselves.
//! - `pictures` shows every page ([`pictures`]).
//! - `fuzz` looks for bytes that break a parser ([`fuzz`]).
//! - `survive` kills a market under load again and again ([`survive`]).
//! - `postgres` runs one command beside a throw-away PostgreSQL ([`postgres`]).
//! - `simulate` lives histories of the simulator ([`simulate`]); `planted` shows that it finds bugs ([`planted`]).
//!
//! Invariants: nothing is written into the clone but the browser's packages and what is made of them (`crates/web/assets`); everything installed for the tests lives in `<target>/test-env`, save for
//! Debian packages; whatever a command starts is gone when it ends, however it ends.
//!
//! Left out: releases and deployment, which the `yunshi` binary's own subcommands serve.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's command talks to its terminal")]

mod assets;
mod browser;
mod debian;
mod demo;
mod dependencies;
mod fuzz;
mod pictures;
mod planted;
mod postgres;
mod process;
mod python;
mod report;
mod rooms;
mod simulate;
mod survive;
mod test;
mod tools;
mod walls;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::assets::Packages;
use crate::process::Processes;
use crate::workspace::Workspace;

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

  cargo xtask assets
      make the script and the icons that browsers load from the npm packages of the lockfile (installs Node.js where
      it is missing); demo and test do it by themselves

  cargo xtask pictures [visitor] [buyer] [seller] [operator]
      take a picture of every page of a demo market into <target>/pictures: both languages, narrow and wide,
      light and dark

  cargo xtask fuzz [--seconds 60] [TARGET…]
      look for bytes that break a property of a parser of the wire protocols, so long for each of them;
      for every night: needs a nightly compiler and installs what is missing
  cargo xtask survive [--cycles N] [--engine sqlite|postgres] [--seed S]
      kill a market under load N times (1000) on each engine, its PostgreSQL too, and check that nothing was
      lost or done twice; a seed begins with the same dice

  cargo xtask postgres [--durable] -- COMMAND…
      run COMMAND beside a throw-away PostgreSQL, with YUNSHI_TEST_ENGINE and YUNSHI_TEST_DATABASE_URL set

  cargo xtask simulate [--engine sqlite|postgres] [--seed N | --seeds A..B | --minutes M | --hours H] [--threads T] [--first]
      live histories of the simulator (docs/simulation.md) and print each that breaks something, made short

  cargo xtask planted [--seeds N] [NAME…]
      build the program once more for each bug of crates/testkit/planted and show which seed finds it
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
    let packages = match command.as_str() {
        "test" | "pictures" => Some(Packages::Tests),
        "assets" | "demo" | "survive" | "simulate" | "planted" => Some(Packages::Pages),
        _ => None,
    };
    if let Some(packages) = packages {
        assets::ensure(processes, &Workspace::load()?, packages)?;
    }
    match command.as_str() {
        "assets" => Ok(ExitCode::SUCCESS),
        "demo" => demo::run(&args),
        "test" => test::run(processes, args),
        "fuzz" => fuzz::run(processes, &args),
        "survive" => survive::run(processes, args),
        "postgres" => postgres::run(processes, args),
        "simulate" => simulate::run(processes, args),
        "pictures" => pictures::run(processes, &args),
        "planted" => planted::run(processes, &args),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("there is no command `{command}`, see `cargo xtask help`"),
    }
}
