//! `yunshi worker`: the background, without doors.

use anyhow::Context;
use market::Market;
use market::runner::{self, RunnerSettings};

use crate::{
    config::Config,
    failure::Failure,
    start::{self, Schema},
    stop::Stop,
};

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let stop = Stop::on_signals().context("cannot listen to signals")?;
    let market = start::market(config, Schema::Migrate).await?;
    tracing::info!(mode = config.mode.word(), database = config.database().masked(), "the worker is at work");
    work(config, market, stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// The background of `market` until it is time to stop.
pub(super) fn work(config: &Config, market: Market, stop: Stop) -> impl Future<Output = ()> + use<> {
    let settings = RunnerSettings {
        concurrency: usize::try_from(config.worker_concurrency.get()).unwrap_or(usize::MAX),
        lane_max: i64::from(config.lane_concurrency.get()),
    };
    runner::run(market, settings, stop.wait())
}
