//! Programs of the registry, built from source once and kept in the test environment.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::Processes;
use crate::workspace::Workspace;

/// Folder of built tools inside the test environment.
const TOOLS: &str = "tools";

/// A tool that was built here.
pub(crate) fn find(workspace: &Workspace, name: &str) -> Option<PathBuf> {
    workspace.tool(&format!("{TOOLS}/bin/{name}"))
}

/// Builds a tool where the kept one is missing or of another version. Fails when it does not build.
pub(crate) fn ensure(processes: &Processes, workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let tools = workspace.test_env().join(TOOLS);
    let is_right = |program: &PathBuf| {
        let told = processes.output(workspace.command(program).arg("--version"));
        told.is_ok_and(|told| told.trim() == format!("{name} {version}"))
    };
    if let Some(program) = find(workspace, name).filter(is_right) {
        println!("{name} is installed");
        return Ok(program);
    }
    println!("building {name} {version}, once");
    std::fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let build = tempfile::tempdir_in(&tools).context("cannot create a build folder")?;
    processes.run(
        workspace
            .cargo()
            .args(["install", "--locked", "--quiet", "--force", "--version", version, name])
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(build.path()),
    )?;
    find(workspace, name).with_context(|| format!("{name} was built but is not there"))
}
