//! The Python packages of the tests, in a virtual environment in the target folder.
//!
//! They are the seller SDK, an independent implementation which our signing is checked against; Schemathesis, which tries what our
//! OpenAPI document says; beancount, which checks our exported books; and the spelling checker, which comes ready built this way.
//! `requirements.txt` beside this crate pins them
//! with everything they pull in.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::process::Processes;
use crate::workspace::Workspace;

/// The virtual environment inside the test environment.
pub(crate) const VENV: &str = "venv";

/// Where a Python may be: the caller's own choice first, then Debian's, whose missing part apt can bring.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// Answers the environment's Python, installing what is missing. Does nothing when the requirements are installed already.
/// Fails when no Python with `venv` can be had, or pip does.
pub(crate) fn ensure(processes: &Processes, workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.own_file("requirements.txt");
    let wanted = fs::read_to_string(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let venv = workspace.test_env().join(VENV);
    let python = venv.join("bin/python");
    // Written last, so that an install that was cut off is done again.
    let stamp = venv.join("installed.txt");
    let installed = fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
    if installed && debian::succeeds(Command::new(&python).arg("--version")) {
        println!("python packages are installed");
        return Ok(python);
    }

    if venv.exists() {
        fs::remove_dir_all(&venv).with_context(|| format!("cannot remove {}", venv.display()))?;
    }
    processes.run(Command::new(base_python(processes)?).args(["-m", "venv"]).arg(&venv))?;
    processes.run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--quiet", "--requirement"])
            .arg(&requirements),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

fn base_python(processes: &Processes) -> Result<&'static str> {
    if let Some(python) = find_python() {
        return Ok(python);
    }
    debian::install(processes, &["python3", "python3-venv"], &[])?;
    match find_python() {
        Some(python) => Ok(python),
        None => bail!("no python3 with the modules venv and ensurepip was found, even after installing python3-venv"),
    }
}

fn find_python() -> Option<&'static str> {
    PYTHONS.into_iter().find(|python| debian::succeeds(Command::new(python).args(["-c", "import ensurepip, venv"])))
}
