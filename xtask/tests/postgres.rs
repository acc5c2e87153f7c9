//! The throw-away PostgreSQL, from the outside: a developer's command finds it, and nothing of it stays.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far more than an immediate stop takes.
const GONE_WITHIN: Duration = Duration::from_secs(20);

fn xtask(temporary: &Path, args: &[&str]) -> Command {
    // The server's own user must get in.
    std::fs::set_permissions(temporary, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).env("TMPDIR", temporary).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> (Output, Vec<PathBuf>) {
    let temporary = tempfile::tempdir().unwrap();
    let output = xtask(temporary.path(), args).output().unwrap();
    (output, entries(temporary.path()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A command that holds the server until its input ends or it is killed.
struct Holder {
    xtask: Child,
    address: String,
    temporary: tempfile::TempDir,
}

impl Holder {
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let script = "echo \"url $YUNSHI_TEST_DATABASE_URL\"; exec cat";
        let mut xtask = xtask(temporary.path(), &["postgres", "--", "sh", "-c", script]).spawn().unwrap();
        let mut lines = BufReader::new(xtask.stdout.as_mut().unwrap()).lines();
        let url = lines.find_map(|line| line.unwrap().strip_prefix("url ").map(str::to_owned)).unwrap();
        let address = url.strip_prefix("postgres://yunshi@").unwrap().strip_suffix("/postgres").unwrap().to_owned();
        Self { xtask, address, temporary }
    }

    fn ends_by(mut self, signal: Signal) {
        TcpStream::connect(&self.address).unwrap();
        kill_process(Pid::from_child(&self.xtask), signal).unwrap();
        self.xtask.wait().unwrap();
        let started = Instant::now();
        while TcpStream::connect(&self.address).is_ok() || !entries(self.temporary.path()).is_empty() {
            assert!(started.elapsed() < GONE_WITHIN, "the server or its folder is still there");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_command_finds_a_database_it_may_do_anything_with() {
    let sql = "CREATE DATABASE copy TEMPLATE template0; SELECT 'engine is', current_setting('server_encoding')";
    let statements = sql.split("; ").flat_map(|statement| ["-c", statement]);
    let mut args = vec!["postgres", "--", "sh", "-c", r#"exec psql -qAtX "$YUNSHI_TEST_DATABASE_URL" "$@""#, "sh"];
    args.extend(statements);
    let (output, left) = run(&args);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("engine is|UTF8"), "{output:?}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_commands_own_failure_is_handed_on() {
    let (output, left) = run(&["postgres", "--", "sh", "-c", "exit 42"]);
    assert_eq!(output.status.code(), Some(42), "{output:?}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn nothing_stays_after_a_polite_end() {
    Holder::start().ends_by(Signal::TERM);
    Holder::start().ends_by(Signal::INT);
}

#[test]
fn nothing_stays_after_a_hard_end() {
    Holder::start().ends_by(Signal::KILL);
}
