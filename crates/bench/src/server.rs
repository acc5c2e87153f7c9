//! The real program as a child of this process, on a port of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hyper::StatusCode;

use crate::client::Client;

/// So long a start may take before it counts as failed.
const START_MAX: Duration = Duration::from_secs(30);
/// How often the door is tried while the server starts: finer than what is measured of a start.
const TRY_EVERY: Duration = Duration::from_micros(500);

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From its start to its first answer.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts `program serve` in `folder` with these settings (`YUNSHI_…`), nothing else from the environment, and waits for its first answer.
    /// Its log goes to a file in `folder`.
    ///
    /// # Errors
    /// When it ends or does not answer in time, with where its log is.
    pub(crate) async fn start(program: &Path, folder: &Path, settings: &[(String, String)]) -> anyhow::Result<Self> {
        // The port is free again when the server takes it; another process that takes it between is told by the server's log.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = folder.join("server.log");
        let mut command = Command::new(program);
        command.arg("serve").current_dir(folder).env_clear().envs(settings.iter().map(|(name, value)| (name, value)));
        command.env("YUNSHI_LISTEN", address.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut server = Self { child, address, started_in: Duration::ZERO };
        loop {
            if answers(address).await {
                server.started_in = begun.elapsed();
                return Ok(server);
            }
            if begun.elapsed() > START_MAX || server.child.try_wait()?.is_some() {
                bail!("the server did not start; it says:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    /// The number of its process.
    #[must_use]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end after a polite request.
    ///
    /// # Errors
    /// When it cannot be told, or ends badly.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).context("a process has a number")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the server ended with {status}");
            }
            if begun.elapsed() > START_MAX {
                bail!("the server does not end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn answers(address: SocketAddr) -> bool {
    let Ok(mut client) = Client::connect(address).await else { return false };
    matches!(client.get("/healthz").await, Ok((StatusCode::OK, _)))
}
