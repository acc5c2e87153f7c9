//! `cargo xtask demo`: builds the marketplace and becomes its demo market.
//!
//! The `demo` build profile (root `Cargo.toml`) trades peak speed for a first start within ten minutes on two cores. What to
//! do next is printed by `yunshi demo` itself, which alone knows its address and accounts.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Builds, then replaces this process by `yunshi demo`, so that signals and the exit code are the market's own. Fails when
/// cargo cannot start; returns at no other time.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    if !workspace.target.join("demo/yunshi").exists() {
        println!("building the marketplace: some minutes for the first time, seconds from then on");
    }
    let error =
        workspace.cargo().args(["run", "--locked", "--profile=demo", "--package=yunshi", "--bin=yunshi", "--", "demo"]).args(args).exec();
    Err(error).context("cannot start cargo")
}
