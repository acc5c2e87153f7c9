//! The listener: connections with limits of their own, and an end that lets every begun request finish.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt;

/// How long a client may take to send the headers of a request: a client that dribbles them holds its connection no longer.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest head of a request that is read.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long begun requests may go on after the listener was told to stop: supervisors commonly kill after ten seconds. What is cut off then is
/// a client that never finished its sentence; an act that was begun takes milliseconds, and the database keeps all of it or nothing.
const FINISH_TIMEOUT: Duration = Duration::from_secs(8);
/// The pause after a connection could not be accepted, such as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Tells what lasts that the listener is about to stop.
#[derive(Clone, Debug)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Waits until the listener stops.
    pub(crate) async fn closed(&mut self) {
        // A listener that is gone has stopped.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

/// Serves `app` on `listener` until `stop` is ready; then accepts nothing more and lets what was begun finish, for a while.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let (close, closing) = watch::channel(false);
    let closing = Closing(closing);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let (app, closing) = (app.clone(), closing.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| answer(app.clone(), peer, closing.clone(), request));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended early");
            }
        });
    }
    drop(listener);
    let _ = close.send(true);
    if tokio::time::timeout(FINISH_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("clients that did not finish their requests are cut off");
    }
}

async fn answer(
    app: Router,
    peer: SocketAddr,
    closing: Closing,
    request: hyper::Request<Incoming>,
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(closing);
    app.oneshot(request).await
}
