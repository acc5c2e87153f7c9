//! A small mail server on loopback that does as told.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the server treats one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Takes the mail.
    Take,
    /// Takes it at another time: 451.
    Defer,
    /// Never takes it: 550, with the address.
    Refuse,
    /// Does not know the password: 535.
    LockOut,
    /// Takes the mail's words and hangs up before it says whether it took it.
    HangUp,
    /// Says nothing at all.
    Silent,
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Whom it is for, as the envelope says.
    pub to: String,
    /// Headers and body, as sent.
    pub raw: String,
}

impl Received {
    /// What it says, decoded.
    ///
    /// # Panics
    /// When it is not encoded as its header says.
    #[must_use]
    pub fn text(&self) -> String {
        let (head, body) = self.raw.split_once("\r\n\r\n").expect("a mail has a head and a body");
        let head = head.to_ascii_lowercase();
        let bytes = if head.contains("content-transfer-encoding: base64") {
            STANDARD.decode(body.split_whitespace().collect::<String>()).expect("base 64")
        } else if head.contains("content-transfer-encoding: quoted-printable") {
            unquoted(body)
        } else {
            body.as_bytes().to_vec()
        };
        String::from_utf8(bytes).expect("a text").replace("\r\n", "\n")
    }

    /// The line of the head with this name, as sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.raw.split("\r\n").take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn unquoted(text: &str) -> Vec<u8> {
    let joined = text.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), joined.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let coded = (*first == b'=').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match coded.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// What a server does and has received, shared by its connections.
#[derive(Clone, Debug)]
pub struct Script {
    turns: Arc<Mutex<VecDeque<Turn>>>,
    received: Arc<Mutex<Vec<Received>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Script {
    /// A server that takes its turns one connection after another, and every mail after them.
    #[must_use]
    pub fn new(turns: &[Turn]) -> Self {
        let (count, _) = watch::channel(0);
        Self { turns: Arc::new(Mutex::new(turns.iter().copied().collect())), received: Arc::default(), count: Arc::new(count) }
    }

    /// What was received.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn next(&self) -> Turn {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Turn::Take)
    }

    fn keep(&self, mail: Received) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.push(mail);
        self.count.send_replace(received.len());
    }

    /// Speaks SMTP with whoever has connected.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let turn = self.next();
        let mut stream = BufReader::new(stream);
        if turn == Turn::Silent {
            // Until the other side gives up.
            return stream.read_line(&mut String::new()).await.map(drop);
        }
        stream.write_all(b"220 mail.test\r\n").await?;
        self.answer(turn, stream).await
    }

    /// As [`Self::converse`], where the greeting is over: after STARTTLS.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn go_on(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let turn = self.next();
        self.answer(turn, BufReader::new(stream)).await
    }

    async fn answer(&self, turn: Turn, mut stream: BufReader<impl AsyncRead + AsyncWrite + Unpin>) -> io::Result<()> {
        let (mut line, mut to) = (String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let command = line.trim_end().to_owned();
            let answer = match command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN".to_owned(),
                "AUTH" if turn == Turn::LockOut => "535 5.7.8 wrong".to_owned(),
                "AUTH" => "235 welcome".to_owned(),
                "RCPT" => {
                    to = command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    match turn {
                        Turn::Defer => "451 4.3.0 later".to_owned(),
                        Turn::Refuse => format!("550 5.1.1 {to} is unknown"),
                        _ => "250 ok".to_owned(),
                    }
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let raw = read_mail(&mut stream).await?;
                    if turn == Turn::HangUp {
                        return Ok(());
                    }
                    self.keep(Received { to: to.clone(), raw });
                    "250 taken".to_owned()
                }
                "QUIT" => {
                    return stream.write_all(b"221 bye\r\n").await;
                }
                _ => "250 ok".to_owned(),
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
}

/// The lines of a mail up to the point that ends it.
async fn read_mail(stream: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<String> {
    let (mut raw, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(raw);
        }
        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// A mail server without TLS on loopback.
#[derive(Debug)]
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    script: Script,
    listening: JoinHandle<()>,
}

impl MailServer {
    /// Starts a server that takes these turns, and then every mail.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(turns: &[Turn]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let script = Script::new(turns);
        let again = script.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = again.clone();
                // Whoever hangs up in the middle has said what they wanted to say.
                tokio::spawn(async move { script.converse(stream).await.ok() });
            }
        });
        Self { address, script, listening }
    }

    /// How it is reached: without TLS, which is allowed on this machine.
    #[must_use]
    pub fn settings(&self) -> outbound::mail::MailSettings {
        outbound::mail::MailSettings {
            port: self.address.port(),
            tls: outbound::mail::MailTls::Plain,
            ..outbound::mail::MailSettings::new("127.0.0.1", "Market <market@example.com>")
        }
    }

    /// What it has received.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.script.received()
    }

    /// Waits until it has received so many mails.
    ///
    /// # Panics
    /// When the server has ended.
    pub async fn until_received(&self, count: usize) {
        self.script.count.subscribe().wait_for(|received| *received >= count).await.expect("a server that lives");
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
