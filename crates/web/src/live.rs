//! What changes while somebody looks at it: server-sent events (WHATWG HTML §9.2) that say that something did, never what. The page reads
//! itself anew, so there is one way to say a thing, and nothing leaks here.
//!
//! `changed` comes when the thing is another than before, `ended` when it will change no more (browsers drop an event without data, so each has some). What is watched is read again and again, for any
//! process may have changed it.
//!
//! Invariant: whoever may not read a thing may not watch it either.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum::{Extension, Router};
use db::Tx;
use futures_util::Stream;
use kernel::{DeliveryId, SubscriptionId};
use market::calls::{self, CallState};
use market::orders::{self, OrderState};
use market::subscriptions::{self, SubscriptionState};
use tokio::time::Instant;

use crate::AppState;
use crate::auth::{May, SignedIn, buyer, seller};
use crate::extract::Segment;
use crate::problem::{ApiError, ApiResult};
use crate::serve::Closing;

/// How often a watched thing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// A watch ends after this; browsers begin another by themselves.
const WATCH_MAX: Duration = Duration::from_secs(10 * 60);
/// Watches of one process at the same time.
const WATCHES_MAX: usize = 2_000;

static WATCHES: AtomicUsize = AtomicUsize::new(0);

/// A place among the watches, given back when it is dropped.
struct Place;

impl Place {
    fn take() -> ApiResult<Self> {
        if WATCHES.fetch_add(1, Ordering::Relaxed) >= WATCHES_MAX {
            WATCHES.fetch_sub(1, Ordering::Relaxed);
            return Err(ApiError::Unavailable("too many pages are watched at once".to_owned()));
        }
        Ok(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WATCHES.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/live/orders/{number}", get(order))
        .route("/live/services/{id}", get(service))
        .route("/live/calls/{id}", get(call))
        .route("/live/exports", get(exports))
}

/// How a thing stands: another text when it has changed, and whether it will change no more by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) mark: String,
    pub(crate) is_over: bool,
}

type Watched = Sse<axum::response::sse::KeepAliveStream<std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>>;

/// Watches what `look` reads.
pub(crate) async fn watch<F>(app: AppState, closing: Option<Closing>, look: F) -> ApiResult<Watched>
where
    F: AsyncFn(&mut Tx) -> db::Result<Look> + Clone + Send + Sync + 'static,
{
    let place = Place::take()?;
    // Whoever may not read it is told so now.
    let first = app.read(look.clone()).await?;
    struct Watch<F> {
        app: AppState,
        look: F,
        last: Look,
        until: Instant,
        closing: Option<Closing>,
        /// Whether the reader was told to read it once: it may have changed between the page and the watch.
        is_begun: bool,
        is_said: bool,
        _place: Place,
    }
    let watch =
        Watch { app, look, last: first, until: Instant::now() + WATCH_MAX, closing, is_begun: false, is_said: false, _place: place };
    let events = futures_util::stream::unfold(watch, async |mut watch| {
        if watch.is_said {
            return None;
        }
        if !watch.is_begun {
            watch.is_begun = true;
            return Some((Ok(Event::default().event("changed").data("again")), watch));
        }
        while !watch.last.is_over && Instant::now() < watch.until {
            let closed = async {
                match &mut watch.closing {
                    Some(closing) => closing.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = closed => return None,
            }
            // A database that cannot answer now is asked again; the browser keeps what it shows.
            let Ok(now) = watch.app.read(watch.look.clone()).await else { continue };
            if now != watch.last {
                watch.last = now;
                return Some((Ok(Event::default().event("changed").data("again")), watch));
            }
        }
        watch.is_said = true;
        let over = if watch.last.is_over { "ended" } else { "pause" };
        Some((Ok(Event::default().event(over).data("again")), watch))
    });
    let events: std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> = Box::pin(events);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

async fn order(
    State(app): State<AppState>,
    closing: Option<Extension<Closing>>,
    may: May<buyer::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Watched> {
    let account = may.account();
    let look = async move |tx: &mut Tx| {
        let order = orders::get_of_buyer(tx, account, &number).await?;
        let lines: Vec<&str> = order.lines.iter().map(|line| line.state.word()).collect();
        let is_over = !matches!(order.state, OrderState::Processing | OrderState::Refunding | OrderState::PendingReview);
        Ok(Look { mark: format!("{} {}", order.state, lines.join(" ")), is_over })
    };
    watch(app, closing.map(|Extension(closing)| closing), look).await
}

async fn service(
    State(app): State<AppState>,
    closing: Option<Extension<Closing>>,
    may: May<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Watched> {
    let account = may.account();
    let look = async move |tx: &mut Tx| {
        let sub = subscriptions::get_of_buyer(tx, account, id).await?;
        let open = sub.open_order.clone().unwrap_or_default();
        let is_over = sub.state != SubscriptionState::Opening && open.is_empty();
        Ok(Look { mark: format!("{} {} {open}", sub.state, sub.version), is_over })
    };
    watch(app, closing.map(|Extension(closing)| closing), look).await
}

async fn call(
    State(app): State<AppState>,
    closing: Option<Extension<Closing>>,
    may: May<seller::View>,
    Segment(id): Segment<DeliveryId>,
) -> ApiResult<Watched> {
    let account = may.account();
    let look = async move |tx: &mut Tx| {
        let call = calls::get_of(tx, account, id).await?;
        let is_over = matches!(call.state, CallState::Done | CallState::Withdrawn);
        Ok(Look { mark: format!("{} {}", call.state, call.attempts), is_over })
    };
    watch(app, closing.map(|Extension(closing)| closing), look).await
}

/// The files of an account: whoever is of it may know that they change.
async fn exports(State(app): State<AppState>, closing: Option<Extension<Closing>>, me: SignedIn) -> ApiResult<Watched> {
    let (account, now) = (me.principal.account, me.ctx.now);
    let look = async move |tx: &mut Tx| {
        let all = market::exports::list(tx, account, now).await?;
        let mark = all.iter().map(|export| format!("{} {} {};", export.id, export.state, export.rows_done)).collect();
        Ok(Look { mark, is_over: !all.iter().any(|export| export.state.is_active()) })
    };
    watch(app, closing.map(|Extension(closing)| closing), look).await
}
