//! A process of the market on the database of a history: it can die at any moment and be started again.

use std::sync::Arc;
use std::time::Duration;

use db::scratch::Scratch;
use db::{Db, Result};
use market::edition::{Edition, EditionKind};
use market::{MachineTime, Market, Mode, Setup};
use outbound::Client;

use super::dice;
use super::faults::Gate;
use super::network::{Line, Network};

/// Longer than any step takes: what is late in a history is late because the network says so.
const REAL_TIMEOUT: Duration = Duration::from_secs(600);

/// A running process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) market: Market,
    pub(super) gate: Arc<Gate>,
}

impl Process {
    /// Starts a process; `life` counts all starts of the history.
    pub(super) async fn start(scratch: &Scratch, seed: u64, life: u64, network: &Network, machine: &MachineTime) -> Result<Self> {
        let gate = Gate::new();
        let at_commit = {
            let gate = Arc::clone(&gate);
            Arc::new(move || gate.at_commit())
        };
        let db = Db::open_with_fate(scratch.options.clone(), at_commit).await?;
        let line = Line { network: network.clone(), gate: Arc::clone(&gate), machine: machine.clone() };
        let settings = outbound::Settings { timeout: REAL_TIMEOUT, ..outbound::Settings::default() };
        let setup = Setup {
            db,
            mode: Mode::Sandbox,
            edition: Edition::defaults(EditionKind::Cn),
            master_key: [7; 32],
            entropy: dice::entropy(seed, &format!("process {life}")),
            outbound: Client::carried_by(Arc::new(line), &settings),
            mail: None,
        };
        Ok(Self { market: Market::open_at(setup, machine.clone()).await?, gate })
    }
}
