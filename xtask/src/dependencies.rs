//! cargo-deny: licences, sources and duplicates of everything we depend on, by the rules in `deny.toml`.
//!
//! It is built from source once and kept in the target folder: under two minutes on two idle cores, so it is a step of
//! every test run and not a command of its own. Advisories are left out: their database is no package of a registry, and a
//! build must not need more than registries.

use anyhow::{Context, Result};

use crate::process::Processes;
use crate::workspace::Workspace;

/// The version in use; another one is installed over what is there.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Folder of built tools inside the test environment.
const TOOLS: &str = "tools";

/// The program inside the test environment.
const PROGRAM: &str = "tools/bin/cargo-deny";

/// Builds cargo-deny where the kept one is missing or of another version. Fails when it does not build.
pub(crate) fn ensure(processes: &Processes, workspace: &Workspace) -> Result<()> {
    let tools = workspace.test_env().join(TOOLS);
    let version = workspace.tool(PROGRAM).and_then(|program| processes.output(workspace.command(program).arg("--version")).ok());
    if version.is_some_and(|version| version.trim() == format!("cargo-deny {CARGO_DENY_VERSION}")) {
        println!("cargo-deny is installed");
        return Ok(());
    }
    println!("building cargo-deny {CARGO_DENY_VERSION}, once");
    std::fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let build = tempfile::tempdir_in(&tools).context("cannot create a build folder")?;
    processes.run(
        workspace
            .cargo()
            .args(["install", "--locked", "--quiet", "--force", "--version", CARGO_DENY_VERSION, "cargo-deny"])
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(build.path()),
    )
}

/// Checks the whole dependency graph. Warnings, such as two versions of one crate, stay silent here: `cargo deny check` on
/// the developer's own prompt tells them. Fails when a rule is broken.
pub(crate) fn check(processes: &Processes, workspace: &Workspace) -> Result<()> {
    let program = workspace.tool(PROGRAM).context("cargo-deny is not installed")?;
    let mut command = workspace.command(program);
    processes.run(command.args(["--locked", "--log-level=error", "check", "bans", "licenses", "sources"]))
}
