//! `cargo xtask assets`: what browsers load, made from npm packages by the lockfile (`crates/web/assets`).
//!
//! It is made again when anything it is made of has changed, and the packages are fetched again when the lockfile has.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::process::Processes;
use crate::workspace::Workspace;

/// Which packages are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packages {
    /// What the pages are made of.
    Pages,
    /// Those, and what drives a browser in the tests.
    Tests,
}

/// Sees that script and icons are there and up to date. Fails when Node.js cannot be had, or npm or the build does.
pub(crate) fn ensure(processes: &Processes, workspace: &Workspace, packages: Packages) -> Result<()> {
    let folder = workspace.root.join("crates/web/assets");
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        if !debian::succeeds(Command::new(program).arg("--version")) {
            debian::install(processes, &[package], &[])?;
        }
    }
    let lock = texts(&[folder.join("package-lock.json")])?;
    let installed = folder.join("node_modules/.installed");
    let wanted = [format!("{lock}for pages\n"), format!("{lock}for tests\n")];
    let there = std::fs::read_to_string(&installed).unwrap_or_default();
    let is_there = there == wanted[1] || (packages == Packages::Pages && there == wanted[0]);
    if !is_there {
        let omit: &[&str] = if packages == Packages::Pages { &["--omit=dev"] } else { &[] };
        let mut npm = Command::new("npm");
        npm.current_dir(&folder).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).args(omit);
        processes.run(&mut npm).context("cannot fetch the packages of crates/web/assets")?;
        let now = if packages == Packages::Pages { &wanted[0] } else { &wanted[1] };
        std::fs::write(&installed, now).with_context(|| format!("cannot write {}", installed.display()))?;
    }
    let made_of = texts(&["package-lock.json", "app.js", "build.mjs"].map(|name| folder.join(name)))?;
    let made = folder.join("dist/.made");
    if std::fs::read_to_string(&made).unwrap_or_default() != made_of {
        processes.run(Command::new("node").current_dir(&folder).arg("build.mjs"))?;
        std::fs::write(&made, made_of).with_context(|| format!("cannot write {}", made.display()))?;
    }
    for file in ["dist/app.js", "dist/icons.svg"] {
        if !folder.join(file).exists() {
            bail!("{file} was not made");
        }
    }
    Ok(())
}

/// The texts of these files, one after another.
fn texts(files: &[PathBuf]) -> Result<String> {
    files.iter().map(|file| std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))).collect()
}
