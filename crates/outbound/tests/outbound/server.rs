//! Servers that answer by script.

use std::{future::Future, sync::Arc, time::Duration};

use outbound::{AddressPolicy, Client, Policy, SchemePolicy, Settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

/// Every request that arrived, with the number of the connection it came on.
pub(crate) type Log = Arc<Mutex<Vec<(usize, String)>>>;

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) log: Log,
}

impl Server {
    /// Runs `script` for every connection until the test ends.
    pub(crate) async fn run<F, Done>(script: F) -> Self
    where
        F: Fn(Connection) -> Done + Send + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Log::default();
        let requests = Arc::clone(&log);
        tokio::spawn(async move {
            for number in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(script(Connection { stream, number, log: Arc::clone(&requests) }));
            }
        });
        Self { port, log }
    }

    /// Answers every request on a connection with the same text.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::run(move |mut connection| async move {
            while connection.request().await.is_some() {
                connection.send(answer.as_bytes()).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/produce?signature=SECRET", self.port)
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    number: usize,
    log: Log,
}

impl Connection {
    /// Reads one request, head and body; `None` when the client has closed.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let read = self.stream.read(&mut buffer).await.unwrap_or(0);
            if read == 0 {
                return None;
            }
            bytes.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |it| it.parse().unwrap());
            if body.len() >= length {
                self.log.lock().await.push((self.number, text.clone()));
                return Some(text);
            }
        }
    }

    /// Whether the bytes could still be sent.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Waits for the client to hang up.
    pub(crate) async fn until_closed(mut self) {
        let _ = self.stream.read(&mut [0; 1]).await;
    }
}

/// A client that may call the own machine over `http`.
pub(crate) fn local_client() -> Client {
    Client::new(local_settings()).unwrap()
}

pub(crate) fn local_settings() -> Settings {
    let policy = Policy { addresses: AddressPolicy::AllowLoopback, schemes: SchemePolicy::AllowHttp };
    Settings { policy, ..Settings::default() }
}

/// A client that gives up soon, for servers that are slow by design.
pub(crate) fn impatient_client() -> Client {
    Client::new(Settings { timeout: Duration::from_millis(150), ..local_settings() }).unwrap()
}
