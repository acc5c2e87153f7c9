//! Stopping on a signal: what has begun is finished, nothing new begins.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What a process ends with when it is told a second time.
const HURRIED_EXIT: i32 = 1;

/// Tells every part of the process when to stop. Clones tell the same.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops on SIGTERM and SIGINT. A second signal ends the process at once: the database loses nothing, whatever the moment.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            let mut next = async move || {
                tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                }
            };
            let name = next().await;
            tracing::info!(signal = name, "stopping: what has begun is finished");
            // Fails when everything has ended already.
            let _ = sender.send(true);
            let name = next().await;
            tracing::warn!(signal = name, "stopping at once");
            std::process::exit(HURRIED_EXIT);
        });
        Ok(Self(receiver))
    }

    /// Turns true when it is time to stop, for those who look now and then.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    /// Never stops.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        let (sender, receiver) = watch::channel(false);
        std::mem::forget(sender);
        Self(receiver)
    }

    /// Returns when it is time to stop.
    pub(crate) async fn wait(mut self) {
        // An error means that the sender has gone, which it does only after it has told.
        let _ = self.0.wait_for(|stops| *stops).await;
    }
}
