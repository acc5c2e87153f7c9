//! cargo-deny: licences, sources and duplicates of everything we depend on, by the rules in `deny.toml`.
//!
//! It is built from source once and kept in the target folder: under two minutes on two idle cores, so it is a step of
//! every test run and not a command of its own. Advisories are left out: their database is no package of a registry, and a
//! build must not need more than registries.

use anyhow::{Context, Result};

use crate::process::Processes;
use crate::tools;
use crate::workspace::Workspace;

/// The version in use; another one is installed over what is there.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Builds cargo-deny where the kept one is missing or of another version. Fails when it does not build.
pub(crate) fn ensure(processes: &Processes, workspace: &Workspace) -> Result<()> {
    tools::ensure(processes, workspace, "cargo-deny", CARGO_DENY_VERSION).map(drop)
}

/// Checks the whole dependency graph. Warnings, such as two versions of one crate, stay silent here: `cargo deny check` on
/// the developer's own prompt tells them. Fails when a rule is broken.
pub(crate) fn check(processes: &Processes, workspace: &Workspace) -> Result<()> {
    let program = tools::find(workspace, "cargo-deny").context("cargo-deny is not installed")?;
    let mut command = workspace.command(program);
    processes.run(command.args(["--locked", "--log-level=error", "check", "bans", "licenses", "sources"]))
}
