//! Where this repository and its target folder are, and which crates it holds, as `cargo metadata` tells.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What `cargo metadata` says about the crates of this repository, dependencies not resolved.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// The crates of this repository.
    pub(crate) packages: Vec<Package>,
    /// The folder of the root `Cargo.toml`, absolute.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds, absolute.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

/// One crate of this repository.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name in `Cargo.toml`.
    pub(crate) name: String,
    /// Every dependency it names, optional and platform-dependent ones too.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency as a `Cargo.toml` names it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package's own name, not what the crate renames it to.
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Dependency {
    /// Whether it reaches tests only.
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

impl Workspace {
    /// Asks cargo. Fails when a `Cargo.toml` does not parse.
    pub(crate) fn load() -> Result<Self> {
        let output = clean_command(cargo_program())
            .args(["metadata", "--no-deps", "--format-version=1"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .context("cannot start cargo")?;
        ensure!(output.status.success(), "cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("cargo metadata answered something else than expected")
    }

    /// The folder of everything installed for the tests.
    pub(crate) fn test_env(&self) -> PathBuf {
        self.target.join("test-env")
    }

    /// A cargo command that runs at the root and builds into the same target folder, wherever it was called from.
    pub(crate) fn cargo(&self) -> Command {
        self.command(cargo_program())
    }

    /// Another program under the same conditions.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = clean_command(program);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// A file of this crate.
    pub(crate) fn own_file(&self, name: &str) -> PathBuf {
        self.root.join("xtask").join(name)
    }

    /// A program of the test environment, or none where nothing installed it.
    pub(crate) fn tool(&self, path: &str) -> Option<PathBuf> {
        let program = self.test_env().join(path);
        program.is_file().then_some(program)
    }
}

fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A command without the variables that `cargo run` set for this program: build scripts watch some of them (ring's does),
/// so that they would make cargo build the same crates again and again.
fn clean_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let of_this_program = name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if of_this_program {
            command.env_remove(name);
        }
    }
    command
}
