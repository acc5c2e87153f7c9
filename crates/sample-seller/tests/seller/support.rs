//! A seller on loopback and the marketplace's side of its calls.

use std::time::{SystemTime, UNIX_EPOCH};

use outbound::{AddressPolicy, Client, Policy, Response, SchemePolicy};
use sample_seller::{Seller, Settings};
use tokio::{net::TcpListener, task::JoinHandle};
use wire::koogallery_v2::{
    AccessKey, CONTENT_TYPE, InstanceInfo, Mode, OrderLineRef, Outcome, Payload, Request, read_answer, sign, signed_url,
};

pub(crate) const KEY: &str = "b7f2c1d4-0000-4a5e-9c11-demo00000001";

pub(crate) fn settings() -> Settings {
    Settings::new(AccessKey::new(KEY), "https://saas.example")
}

pub(crate) struct Running {
    pub(crate) seller: Seller,
    address: String,
    client: Client,
    server: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Running {
    pub(crate) async fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seller = Seller::new(settings).unwrap();
        let serving = seller.clone();
        let server = tokio::spawn(async move { serving.serve(listener).await.unwrap() });
        let policy = Policy { addresses: AddressPolicy::AllowLoopback, schemes: SchemePolicy::AllowHttp };
        let client = Client::new(outbound::Settings { policy, ..outbound::Settings::default() }).unwrap();
        Self { seller, address, client, server }
    }

    pub(crate) async fn call(&self, request: &Request) -> Outcome {
        self.call_in(request, Mode::Live).await
    }

    pub(crate) async fn rehearse(&self, request: &Request) -> Outcome {
        self.call_in(request, Mode::Debugging).await
    }

    async fn call_in(&self, request: &Request, mode: Mode) -> Outcome {
        let body = request.body(mode).unwrap();
        let signature = sign(&AccessKey::new(KEY), &body, now(), "Of4lsV7H1qrzVDI52O5CFk2ofPcZRaA6");
        let answer = self.post(&signed_url(&format!("{}/saasproduce?region=cn", self.address), &signature), body).await;
        let reading = read_answer(request.activity(), answer.status, answer.content_type.as_deref(), &answer.body);
        assert_eq!(reading.warnings, [], "a sound seller gives nothing to warn about");
        reading.outcome
    }

    /// Posts `body` with this query, as it is; gives the JSON of the answer.
    pub(crate) async fn post_raw(&self, query: &str, body: &str) -> (u16, String) {
        let answer = self.post(&format!("{}/saasproduce?{query}", self.address), body.to_owned()).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    async fn post(&self, url: &str, body: String) -> Response {
        self.client.post_json(url, body, &[("content-type", CONTENT_TYPE)]).await.unwrap()
    }

    /// What a person sees at `path`, with the HTTP status.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let host = self.address.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

/// A query for `instance_id` whose answer must be that instance.
pub(crate) async fn told_about(running: &Running, instance_id: &str) -> InstanceInfo {
    match running.call(&query(&[instance_id])).await {
        Outcome::Done(Payload::Instances(mut infos)) if infos.len() == 1 => infos.remove(0),
        other => unreachable!("{instance_id} should be told about, got {other:?}"),
    }
}

pub(crate) fn line(order: &str) -> OrderLineRef {
    OrderLineRef { order_id: order.to_owned(), order_line_id: format!("{order}-000001") }
}

pub(crate) fn purchase(order: &str, business_id: &str) -> Request {
    Request::NewInstance { order: line(order), business_id: business_id.to_owned() }
}

pub(crate) fn query(instance_ids: &[&str]) -> Request {
    Request::QueryInstance { instance_ids: instance_ids.iter().map(|&id| id.to_owned()).collect() }
}

pub(crate) fn made(instance_id: &str) -> Outcome {
    Outcome::Done(Payload::Instance { instance_id: instance_id.to_owned() })
}

pub(crate) const DONE: Outcome = Outcome::Done(Payload::Nothing);

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
