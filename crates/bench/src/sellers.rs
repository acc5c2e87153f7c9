//! A thousand sellers' servers in one process: each is a path, all check signatures, and some misbehave when told to.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use wire::koogallery_v2::{AccessKey, Answer, CONTENT_TYPE, Presented, ResultCode, Tolerance, verify};

use crate::seed::ACCESS_KEY;

/// Of a hundred sellers: those whose server is dead, and those that fail the first two calls for an instance.
const DEAD: usize = 10;
const FAILING: usize = 10;
/// Of a hundred instances: those whose first answer is lost on the way, so that the seller answers twice.
const LOST: usize = 1;
/// How often a failing seller fails before it does as it is told.
const FAILURES: u32 = 2;

/// How the seller of a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Sound,
    Dead,
    Failing,
}

impl Health {
    /// Of the seller of this number: some of every hundred, mixed among the others.
    pub(crate) const fn of(seller: usize) -> Self {
        match (seller * 37 + 50) % 100 {
            place if place < DEAD => Self::Dead,
            place if place < DEAD + FAILING => Self::Failing,
            _ => Self::Sound,
        }
    }
}

/// What the servers have seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests whose signature was right.
    pub(crate) calls: u64,
    /// Requests whose signature was wrong.
    pub(crate) refused: u64,
    /// When a sound seller was called, µs after the first call of all.
    pub(crate) sound_us: Vec<u64>,
    /// How often each instance was called, by its name in the body.
    asked: HashMap<u64, u32>,
    first: Option<Instant>,
}

struct Shared {
    key: AccessKey,
    misbehave: AtomicBool,
    seen: Mutex<Seen>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The servers. Gone when dropped.
pub(crate) struct Sellers {
    shared: Arc<Shared>,
    sound: SocketAddr,
    mortal: SocketAddr,
    servers: [JoinHandle<()>; 2],
}

impl Drop for Sellers {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Sellers {
    /// Opens two ports: one for those who live, and one for those who will be dead.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn open() -> std::io::Result<Self> {
        let shared = Arc::new(Shared { key: AccessKey::new(ACCESS_KEY), misbehave: AtomicBool::new(false), seen: Mutex::default() });
        let (sound, mortal) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let addresses = (sound.local_addr()?, mortal.local_addr()?);
        let servers = [sound, mortal].map(|listener| tokio::spawn(serve(listener, shared.clone())));
        Ok(Self { shared, sound: addresses.0, mortal: addresses.1, servers })
    }

    /// The production address of the seller of a number.
    pub(crate) fn url(&self, seller: usize) -> String {
        let address = if Health::of(seller) == Health::Dead { self.mortal } else { self.sound };
        format!("http://{address}/{seller}")
    }

    /// From now on the dead are dead, the failing fail and some answers are lost.
    pub(crate) fn misbehave(&self) {
        self.shared.misbehave.store(true, Ordering::SeqCst);
        self.servers[1].abort();
    }

    /// What was seen since the last time.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.shared.seen())
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the server.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| answer(shared.clone(), request));
        let _ = stream.set_nodelay(true);
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

/// What is done with a call.
enum Manner {
    Does,
    Fails,
    /// Does it, and the answer is lost.
    Loses,
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let presented = Presented::from_query(head.uri.query().unwrap_or_default());
    let signed = verify(&shared.key, &body, &presented, now_ms(), Tolerance::default()).is_ok();
    let seller = head.uri.path().trim_start_matches('/').parse().unwrap_or(0);
    let reply = match shared.note(seller, &body, signed) {
        _ if !signed => Answer::of(&ResultCode::AuthenticationFailed),
        Manner::Does => Answer::of(&ResultCode::Success),
        Manner::Fails => Answer::of(&ResultCode::InternalError),
        Manner::Loses => return Ok(lost()),
    };
    let response = Response::builder().header("content-type", CONTENT_TYPE).body(Full::from(reply.to_json()));
    Ok(response.unwrap_or_default())
}

/// An answer that is worth nothing to the caller.
fn lost() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

impl Shared {
    fn note(&self, seller: usize, body: &[u8], signed: bool) -> Manner {
        let (misbehave, instance) = (self.misbehave.load(Ordering::Relaxed), hash(body));
        let mut seen = self.seen();
        if !signed {
            seen.refused += 1;
            return Manner::Fails;
        }
        seen.calls += 1;
        let first = *seen.first.get_or_insert_with(Instant::now);
        if Health::of(seller) == Health::Sound {
            seen.sound_us.push(crate::stats::micros(first.elapsed()));
        }
        if !misbehave {
            return Manner::Does;
        }
        let asked = seen.asked.entry(instance).or_insert(0);
        *asked += 1;
        match Health::of(seller) {
            Health::Failing if *asked <= FAILURES => Manner::Fails,
            Health::Sound if *asked == 1 && instance % 100 < u64::try_from(LOST).unwrap_or(0) => Manner::Loses,
            Health::Sound | Health::Failing | Health::Dead => Manner::Does,
        }
    }
}

/// A number for an instance: bodies of a call and of its repetition are the same.
fn hash(body: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    i64::try_from(since).unwrap_or(0)
}
