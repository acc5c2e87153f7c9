//! A self-hostable cloud software marketplace: the command line, the configuration, and how the parts are put together.
//!
//! Whoever types a command reads one clear line on standard error when it fails, and the exit code says what kind of failure it was (see
//! [`Failure`]); servers log with `tracing` on standard error. What a command was asked for goes to standard output.
//!
//! Left out: everything else. The business is in `market`, HTTP in `web`, the sample seller in `sample-seller`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to people on its standard streams")]

mod archive;
mod cli;
mod commands;
mod config;
mod demo;
mod failure;
mod log;
mod master_key;
mod start;
mod stop;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.command.is_read_by_people() {
        // Whoever pipes a report into `head` has read enough: the command ends then, without a word.
        sigpipe::reset();
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.text() {
                eprintln!("yunshi: {text}");
            }
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let loaded = config::load(cli.config.as_deref())?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_name("yunshi");
    if let Some(threads) = loaded.config.threads {
        runtime.worker_threads(usize::try_from(threads.get()).unwrap_or(usize::MAX));
    }
    let runtime = runtime.build().map_err(|error| Failure::failed(format!("cannot start threads: {error}")))?;
    runtime.block_on(commands::run(cli.command, loaded))
}
