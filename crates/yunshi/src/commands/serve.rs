//! `yunshi serve`: the doors, and the background unless a `yunshi worker` does it.

use anyhow::Context;
use market::Market;
use market::views::health;
use tokio::net::TcpListener;

use super::worker;
use crate::{
    config::Config,
    failure::Failure,
    start::{self, Schema},
    stop::Stop,
};

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let stop = Stop::on_signals().context("cannot listen to signals")?;
    // First of all, so that a second start of the same market fails before it touches anything.
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let market = start::market(config, Schema::Migrate).await?;
    serve(config, market, listener, stop).await
}

/// Serves `market` on `listener` until it is time to stop; then finishes what has begun.
pub(crate) async fn serve(config: &Config, market: Market, listener: TcpListener, stop: Stop) -> Result<(), Failure> {
    let state = web::AppState::new(market.clone(), config.web()).map_err(|error| Failure::failed(error.to_string()))?;
    let app = web::app(state).context("cannot write the OpenAPI document")?;
    let address = listener.local_addr().context("the listener has no address")?;
    let url = config.public_url.as_ref().map_or_else(|| format!("http://{address}/"), ToString::to_string);
    tracing::info!(%address, url, mode = config.mode.word(), database = config.database().masked(), "the marketplace is open");
    if !health::has_operator(market.db()).await? {
        tracing::warn!(
            "nobody runs this marketplace yet; make the first operator with: yunshi operator create --title COMPANY --email ADDRESS"
        );
    }

    let background = config.work_in_serve.then(|| tokio::spawn(worker::work(config, market, stop.clone())));
    web::serve(listener, app, stop.wait()).await;
    if let Some(background) = background {
        background.await.context("the background ended with a fault")?;
    }
    tracing::info!("stopped");
    Ok(())
}
