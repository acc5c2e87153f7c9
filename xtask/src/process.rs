//! Child processes that end with us.
//!
//! Invariant: Ctrl-C or a polite signal ends the running child and then lets the caller's own path to the exit go on, so
//! that every guard is dropped. A second signal ends the child the hard way.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

/// What the signal handler and the main thread share.
#[derive(Debug, Default)]
struct State {
    /// The child's process group while one runs that does not get the terminal's signals itself.
    group: Option<Pid>,
    interrupted: bool,
}

/// Starts child processes, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    state: Arc<Mutex<State>>,
}

impl Processes {
    /// From here on SIGINT, SIGTERM and SIGHUP end the running child instead of this process. Fails when a handler is set
    /// already.
    pub(crate) fn watching_signals() -> Result<Self> {
        let processes = Self::default();
        let state = Arc::clone(&processes.state);
        ctrlc::set_handler(move || {
            let mut state = lock(&state);
            let signal = if state.interrupted { Signal::KILL } else { Signal::TERM };
            state.interrupted = true;
            if let Some(group) = state.group {
                // The child may have ended in this moment: nothing is left to do then.
                let _ = kill_process_group(group, signal);
            }
        })
        .context("cannot watch for signals")?;
        Ok(processes)
    }

    /// Whether a signal asked to stop.
    pub(crate) fn interrupted(&self) -> bool {
        lock(&self.state).interrupted
    }

    /// Runs to the end, output on our own terminal. Fails when the command cannot start or does not succeed.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let status = self.wait(command.stdin(Stdio::null()).process_group(0), true)?.status;
        ensure!(status.success(), "{} {}", name_of(command), describe(status));
        Ok(())
    }

    /// Runs to the end and keeps the output. Fails when the command cannot start or does not succeed, with its output.
    pub(crate) fn output(&self, command: &mut Command) -> Result<String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let output = self.wait(command, true)?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("{} {}:\n{stdout}{stderr}", name_of(command), describe(output.status));
        }
        Ok(stdout)
    }

    /// Runs to the end and keeps what it wrote, however it ended; errors go to our own terminal. Fails when the command cannot start.
    pub(crate) fn listen(&self, command: &mut Command) -> Result<(ExitStatus, String)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let output = self.wait(command, true)?;
        Ok((output.status, String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Runs a developer's own command, which keeps our input and, at a terminal, gets the terminal's signals itself. Answers
    /// how it ended. Fails when it cannot start.
    pub(crate) fn hand_over(&self, command: &mut Command) -> Result<ExitStatus> {
        let at_terminal = std::io::stdin().is_terminal();
        if !at_terminal {
            command.process_group(0);
        }
        Ok(self.wait(command, !at_terminal)?.status)
    }

    fn wait(&self, command: &mut Command, own_group: bool) -> Result<Output> {
        let child = self.spawn(command, own_group)?;
        let output = child.wait_with_output();
        let interrupted = {
            let mut state = lock(&self.state);
            state.group = None;
            state.interrupted
        };
        let output = output.with_context(|| format!("lost sight of {}", name_of(command)))?;
        // A command with the terminal's signals to itself has its own answer to Ctrl-C: a shell goes on.
        ensure!(!(interrupted && own_group), "{} was interrupted", name_of(command));
        Ok(output)
    }

    /// The lock is held over the start, so that a signal finds either no child yet or one it can end.
    fn spawn(&self, command: &mut Command, own_group: bool) -> Result<Child> {
        let mut state = lock(&self.state);
        ensure!(!state.interrupted, "interrupted before {}", name_of(command));
        let child = command.spawn().with_context(|| format!("cannot start {}", name_of(command)))?;
        if own_group {
            state.group = Some(Pid::from_child(&child));
        }
        Ok(child)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name_of(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    match command.get_args().next() {
        Some(first) => format!("`{name} {} …`", first.to_string_lossy()),
        None => format!("`{name}`"),
    }
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => format!("was ended by {status}"),
    }
}
