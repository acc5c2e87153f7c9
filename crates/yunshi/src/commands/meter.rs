//! How far a long command has come, for a person who waits at a terminal; nothing elsewhere.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

/// Bytes of one MiB.
const MEBIBYTE: u64 = 1024 * 1024;

/// So many bytes, for people.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes / MEBIBYTE, bytes % MEBIBYTE * 10 / MEBIBYTE)
}

/// Back to the first column, and erase the line.
const FROM_THE_START: &str = "\r\x1b[K";

/// One line that is written again and again.
#[derive(Debug)]
pub(crate) struct Meter {
    is_seen: bool,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { is_seen: stderr().is_terminal() }
    }

    pub(crate) fn show(&self, text: impl Display) {
        if self.is_seen {
            eprint!("{FROM_THE_START}{text}");
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.is_seen {
            eprint!("{FROM_THE_START}");
        }
    }
}
