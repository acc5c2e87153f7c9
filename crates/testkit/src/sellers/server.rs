//! The seller's end of the wire: a port that can be shut and opened, and answers that can be broken anywhere.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    http::{Response, StatusCode, header},
};
use futures_util::{StreamExt, stream};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};
use wire::koogallery_v2::{AccessKey, Answer, CONTENT_TYPE, InstanceInfo, Presented, Request, ResultCode, Tolerance, verify};

use super::{
    Call, Shared,
    behaviour::{Behaviour, Lie},
    now,
};

/// Largest body that is read: more than any that a test sends.
const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Length of [`Lie::Huge`]: ten times what the marketplace takes.
const HUGE_BYTES: usize = 10_000_000;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// Whether anybody listens on the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Alive,
    Dead,
}

/// The port and whoever serves it.
#[derive(Debug)]
pub(super) struct Line {
    switches: mpsc::Sender<(Switch, oneshot::Sender<()>)>,
    server: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Line {
    /// A line that is dead until it is switched on.
    pub(super) fn new(shared: Arc<Shared>, reserved: TcpSocket) -> Self {
        let (switches, orders) = mpsc::channel(1);
        Self { switches, server: tokio::spawn(run(shared, reserved, orders)) }
    }

    /// Returns when the port is open, or shut with every connection cut.
    pub(super) async fn set(&self, switch: Switch) {
        let (done, is_done) = oneshot::channel();
        self.switches.send((switch, done)).await.expect("the seller serves as long as it is there");
        is_done.await.expect("the seller serves as long as it is there");
    }
}

/// A socket that keeps a port for this seller without listening, so that connections to it are refused.
pub(super) fn reserve() -> (TcpSocket, u16) {
    let socket = bound(0);
    let port = socket.local_addr().expect("a bound socket has an address").port();
    (socket, port)
}

fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("this machine has IPv4");
    socket.set_reuseaddr(true).expect("an option of every socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).expect("a free port on loopback");
    socket
}

async fn run(shared: Arc<Shared>, reserved: TcpSocket, mut orders: mpsc::Receiver<(Switch, oneshot::Sender<()>)>) {
    let port = reserved.local_addr().expect("a bound socket has an address").port();
    let mut reserved = Some(reserved);
    let mut listener: Option<TcpListener> = None;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((switch, done)) = order else { return };
                match switch {
                    Switch::Alive if listener.is_none() => {
                        let socket = reserved.take().unwrap_or_else(|| bound(port));
                        listener = Some(socket.listen(BACKLOG).expect("a bound socket can listen"));
                    }
                    Switch::Dead if listener.is_some() => {
                        listener = None;
                        connections.shutdown().await;
                        reserved = Some(bound(port));
                    }
                    Switch::Alive | Switch::Dead => {}
                }
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
            accepted = accept(listener.as_ref()) => {
                // A connection that the caller gave up at once is no matter.
                let Ok(stream) = accepted else { continue };
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<tokio::net::TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

/// An error here makes the server close the connection without an answer.
async fn answer(shared: Arc<Shared>, request: axum::http::Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), BODY_MAX_BYTES).await.map_err(io::Error::other)?;
    let query = head.uri.query().unwrap_or("");
    let key = AccessKey::new(shared.state().access_key.clone());
    let verified = verify(&key, &body, &Presented::from_query(query), now(), Tolerance::default());
    let call = shared.receive(&body, verified);
    match &call.behaviour {
        // A pattern was resolved when the call was received, and so was a death that concerns one activity.
        Behaviour::Sound | Behaviour::Asynchronous(_) | Behaviour::Flapping(_) => Ok(json(shared.sound.answer(query, &body).to_json())),
        Behaviour::Slow(pause) => {
            let answer = shared.sound.answer(query, &body).to_json();
            tokio::time::sleep(*pause).await;
            Ok(json(answer))
        }
        Behaviour::Dead | Behaviour::HangsUp => Err(io::Error::other("told to hang up")),
        Behaviour::Answers(code) => Ok(json(Answer::of(code).to_json())),
        Behaviour::Lying(Lie::AnySignature) => Ok(json(unchecked(&shared, &call).to_json())),
        Behaviour::Lying(Lie::SameInstance) => {
            let truth = shared.sound.answer(query, &body).to_json();
            let first = shared.sound.instances().into_iter().min_by_key(|instance| instance.opened_at);
            Ok(json(match (&call.request, first) {
                (Some(Request::NewInstance { .. }), Some(first)) => Answer::success().instance_id(first.instance_id).to_json(),
                _ => truth,
            }))
        }
        Behaviour::Lying(lie) => {
            let truth = shared.sound.answer(query, &body).to_json();
            Ok(lied(*lie, &call, truth))
        }
    }
}

fn unchecked(shared: &Shared, call: &Call) -> Answer {
    match &call.request {
        Some(request) => shared.sound.act(request, call.mode),
        None => Answer::success(),
    }
}

fn lied(lie: Lie, call: &Call, truth: String) -> Response<Body> {
    match lie {
        Lie::AnySignature | Lie::SameInstance => json(truth),
        Lie::AnotherInstance => json(another_instance(call, truth)),
        Lie::NoInstance => json(match call.request {
            Some(Request::NewInstance { .. }) => Answer::success().to_json(),
            _ => truth,
        }),
        Lie::WebPage => {
            let page = "<!doctype html><html lang=\"zh\"><title>云服务</title><p>欢迎使用</p></html>";
            typed("text/html;charset=utf-8", page.as_bytes().to_vec())
        }
        Lie::Redirect => {
            let mut answer = json(truth);
            *answer.status_mut() = StatusCode::FOUND;
            answer.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/elsewhere"));
            answer
        }
        Lie::Huge => json(with_message(&" ".repeat(HUGE_BYTES))),
        Lie::HalfABody => half(&truth),
        Lie::Gbk => {
            // 成功
            const SUCCESS_GBK: [u8; 4] = [0xb3, 0xc9, 0xb9, 0xa6];
            let message = with_message("#");
            let (before, after) = message.split_once('#').unwrap_or((&message, ""));
            typed("application/json;charset=gbk", [before.as_bytes(), &SUCCESS_GBK, after.as_bytes()].concat())
        }
        Lie::Utf16 => {
            let units = "\u{feff}".encode_utf16().chain(truth.encode_utf16());
            typed("application/json;charset=utf-16", units.flat_map(u16::to_le_bytes).collect())
        }
        Lie::NumericCode => json(truth.replace(r#""resultCode":"000000""#, r#""resultCode":0"#)),
        Lie::Empty => typed(CONTENT_TYPE, Vec::new()),
        Lie::Status(status) => {
            let mut answer = json(truth);
            *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answer
        }
        Lie::TwoAnswers => json(format!("{truth}{truth}")),
        Lie::TwoCodes => {
            let failure = format!(r#","resultCode":"{}"}}"#, ResultCode::InternalError);
            json(format!("{}{failure}", truth.strip_suffix('}').unwrap_or(&truth)))
        }
        Lie::ControlCharacters => json(r#"{"resultCode":"000000","resultMsg":"o\u0000k\n","instanceId":"i\u0000\n1"}"#.to_owned()),
    }
}

fn another_instance(call: &Call, truth: String) -> String {
    match &call.request {
        Some(Request::NewInstance { business_id, .. }) => Answer::success().instance_id(business_id).to_json(),
        Some(Request::QueryInstance { .. }) => {
            let stranger = InstanceInfo { instance_id: "somebody-elses".to_owned(), ..InstanceInfo::default() };
            Answer::success().info(vec![stranger]).to_json()
        }
        _ => truth,
    }
}

fn with_message(message: &str) -> String {
    format!(r#"{{"resultCode":"000000","resultMsg":"{message}","instanceId":"i-1"}}"#)
}

/// Announces all of `text` and breaks off after half of it.
fn half(text: &str) -> Response<Body> {
    let half = text.as_bytes()[..text.len() / 2].to_vec();
    let end = async {
        // Lets the half go out before the end.
        tokio::task::yield_now().await;
        Err(io::Error::other("told to break off"))
    };
    let parts = stream::once(std::future::ready(Ok(half))).chain(stream::once(end));
    let mut answer = typed(CONTENT_TYPE, Vec::new());
    answer.headers_mut().insert(header::CONTENT_LENGTH, text.len().into());
    *answer.body_mut() = Body::from_stream(parts);
    answer
}

fn json(text: String) -> Response<Body> {
    typed(CONTENT_TYPE, text.into_bytes())
}

fn typed(content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    answer
}
