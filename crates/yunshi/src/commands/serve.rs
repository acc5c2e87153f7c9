//! `yunshi serve`: the doors, and the background unless a `yunshi worker` does it.

use anyhow::Context;
use axum::Router;
use market::Market;
use market::views::health;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

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
    serve_beside(background, listener, app, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves until it is time to stop, and not longer than the background lives: doors that take orders which nobody fulfils are worse than
/// closed ones, and whoever supervises the process starts it again.
async fn serve_beside(background: Option<JoinHandle<()>>, listener: TcpListener, app: Router, stop: Stop) -> Result<(), Failure> {
    let Some(mut background) = background else {
        web::serve(listener, app, stop.wait()).await;
        return Ok(());
    };
    let mut ended = None;
    let until = async {
        tokio::select! {
            () = stop.wait() => {}
            outcome = &mut background => ended = Some(outcome),
        }
    };
    web::serve(listener, app, until).await;
    let outcome = match ended {
        Some(outcome) => outcome,
        None => background.await,
    };
    Ok(outcome.context("the background ended with a fault, so the doors are closed; start it again, and report what is logged above")?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_background_that_dies_closes_the_doors() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let background = tokio::spawn(async { std::panic::panic_any("on purpose") });
        let ended = serve_beside(Some(background), listener, Router::new(), Stop::never()).await;
        assert!(format!("{:?}", ended.unwrap_err()).contains("the background ended with a fault"));
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }
}
