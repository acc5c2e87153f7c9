//! A browser for the journeys: Debian's Chromium, installed where it is missing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian;
use crate::process::Processes;

/// Tells a test which browser to drive.
pub(crate) const CHROMIUM: &str = "YUNSHI_TEST_CHROMIUM";
/// Where Debian puts it.
const DEBIAN: &str = "/usr/bin/chromium";

/// The browser: the one that [`CHROMIUM`] names, else Debian's. Fails when it cannot be installed.
pub(crate) fn ensure(processes: &Processes) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(CHROMIUM) {
        return Ok(named.into());
    }
    if !debian::succeeds(Command::new(DEBIAN).arg("--version")) {
        // The pages are in Chinese too, and a browser without Chinese letters shows boxes.
        debian::install(processes, &["chromium", "fonts-noto-cjk"], &[]).context("the journeys need a browser")?;
    }
    Ok(DEBIAN.into())
}
