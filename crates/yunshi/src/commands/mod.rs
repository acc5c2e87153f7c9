//! One file for each command.

mod backup;
mod bench;
mod check;
mod clock;
mod doctor;
mod ledger;
pub(crate) mod meter;
mod migrate;
mod operator;
mod proof;
mod restore;
mod sample_seller;
pub(crate) mod serve;
mod settle;
mod verify;
mod worker;

use std::fmt::Display;

use market::Ticking;

use crate::cli::{ClockCommand, Command, LedgerCommand, OperatorCommand, VerifyArgs};
use crate::config::{Loaded, sample_text};
use crate::demo;
use crate::failure::Failure;
use crate::log;

/// So many of something, as it is said: `1 job`, `2 jobs`.
fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let ending = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Does what was typed.
pub(crate) async fn run(command: Command, loaded: Loaded) -> Result<(), Failure> {
    // The doctor shows warnings itself.
    if !matches!(command, Command::Doctor { .. }) {
        log::start(&loaded.config)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
    }
    let config = &loaded.config;
    match command {
        Command::Demo(args) => demo::run(config, args).await,
        Command::Serve => serve::run(config).await,
        Command::Worker => worker::run(config).await,
        Command::Migrate => migrate::run(config).await,
        Command::Settle { month } => settle::run(config, month).await,
        Command::Backup { out } => backup::run(config, &out).await,
        Command::Restore(args) => restore::run(config, args).await,
        Command::Verify(VerifyArgs { proof: Some(file), key }) => proof::run(&file, key.as_ref()),
        Command::Verify(VerifyArgs { proof: None, .. }) => verify::run(config).await,
        Command::Ledger(LedgerCommand::Export(args)) => ledger::export(config, args).await,
        Command::Ledger(LedgerCommand::Head { note }) => ledger::head(config, note).await,
        Command::Ledger(LedgerCommand::Prove(args)) => ledger::prove(config, args).await,
        Command::Ledger(LedgerCommand::Keys) => ledger::keys(config).await,
        Command::Ledger(LedgerCommand::RotateKey) => ledger::rotate_key(config).await,
        Command::Doctor { sample_file: false } => doctor::run(&loaded).await,
        Command::Doctor { sample_file: true } => {
            print!("{}", sample_text());
            Ok(())
        }
        Command::Operator(OperatorCommand::Create(args)) => operator::create(config, args).await,
        Command::Clock(ClockCommand::Show) => clock::show(config).await,
        Command::Clock(ClockCommand::Advance { to }) => clock::advance(config, &to).await,
        Command::Clock(ClockCommand::Tick) => clock::set(config, Ticking::Ticks).await,
        Command::Clock(ClockCommand::Stand) => clock::set(config, Ticking::Stands).await,
        Command::Bench(args) => bench::run(&args).await,
        Command::SampleSeller(args) => sample_seller::run(args).await,
        Command::Check(args) => check::run(args).await,
    }
}
