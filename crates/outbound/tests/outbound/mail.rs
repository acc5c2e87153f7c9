//! Mail: what is sent, to whom it is trusted, and what a failure says.

use std::io::Write;
use std::time::Duration;

use outbound::mail::{MailError, MailPassword, MailSettings, MailSetupError, MailTls, Mailer, Outgoing};
use testkit::smtp::{MailServer, Script, Turn};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::tls::self_signed;

const MAIL: Outgoing<'_> =
    Outgoing { id: "eml_1", to: "li@example.com", subject: "Hello · 你好", text: "第一行\n.\nhttps://market.example/?token=abc\n" };

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = MailServer::start(&[]).await;
    Mailer::new(&server.settings()).unwrap().send(&MAIL).await.unwrap();
    let received = server.received();
    assert_eq!(received[0].to, "li@example.com");
    assert_eq!(received[0].text().trim_end(), MAIL.text.trim_end(), "even a line that is a point");
    assert_eq!(received[0].header("Message-ID"), Some("<eml_1@example.com>"));
}

#[tokio::test]
async fn what_a_server_says_tells_whether_to_try_again() {
    let turns = [Turn::Defer, Turn::Refuse, Turn::LockOut, Turn::HangUp];
    let server = MailServer::start(&turns).await;
    let password = MailPassword("topsecret".to_owned());
    let mailer = Mailer::new(&MailSettings { credentials: Some(("market".to_owned(), password)), ..server.settings() }).unwrap();
    assert!(!format!("{mailer:?}").contains("topsecret"));
    for (word, may_pass) in [("not_now", true), ("refused", false), ("not_now", true), ("unreached", true)] {
        let error = mailer.send(&MAIL).await.unwrap_err();
        assert_eq!((error.word(), error.may_pass()), (word, may_pass), "{error:?}");
        assert!(!error.to_string().contains("topsecret") && !error.to_string().contains("token"), "{error}");
    }
    mailer.send(&MAIL).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_slow_or_not_there_is_left() {
    let server = MailServer::start(&[Turn::Silent]).await;
    let slow = Mailer::new(&MailSettings { timeout: Duration::from_millis(50), ..server.settings() }).unwrap();
    assert_eq!(slow.send(&MAIL).await, Err(MailError::TimedOut { limit_ms: 50 }));
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = Mailer::new(&MailSettings { port: address.port(), ..server.settings() }).unwrap();
    assert_eq!(nobody.send(&MAIL).await.unwrap_err().word(), "unreached");
    let nowhere = Outgoing { to: "nobody", ..MAIL };
    assert_eq!(slow.send(&nowhere).await.unwrap_err().word(), "address");
}

#[tokio::test]
async fn nothing_leaves_this_machine_in_clear() {
    let far = MailSettings { tls: MailTls::Plain, ..MailSettings::new("smtp.example.com", "market@example.com") };
    assert!(matches!(Mailer::new(&far), Err(MailSetupError::Plain(host)) if host == "smtp.example.com"));
    let wrong = MailSettings::new("smtp.example.com", "somebody");
    assert!(matches!(Mailer::new(&wrong), Err(MailSetupError::From(_))));
    // A server that offers no TLS gets nothing, as one in the middle would like it to.
    let server = MailServer::start(&[]).await;
    let guarded = Mailer::new(&MailSettings { tls: MailTls::Starttls, ..server.settings() }).unwrap();
    let error = guarded.send(&MAIL).await.unwrap_err();
    assert!(error.may_pass() && server.received().is_empty(), "{error:?}");
}

/// A server for one connection with a certificate of its own making: TLS from the first byte, or after STARTTLS.
async fn serve(tls: MailTls) -> (u16, String, Script) {
    let (acceptor, pem) = self_signed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, script) = (listener.local_addr().unwrap().port(), Script::new(&[]));
    let again = script.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = if tls == MailTls::Starttls { until_starttls(stream).await } else { stream };
            if let Ok(stream) = acceptor.accept(stream).await {
                let spoken = if tls == MailTls::Starttls { again.go_on(stream).await } else { again.converse(stream).await };
                drop(spoken);
            }
        }
    });
    (port, pem, script)
}

async fn until_starttls(stream: tokio::net::TcpStream) -> tokio::net::TcpStream {
    let mut stream = BufReader::new(stream);
    for answer in ["220 mail.test\r\n", "250-mail.test\r\n250 STARTTLS\r\n"] {
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.read_line(&mut String::new()).await.unwrap();
    }
    stream.write_all(b"220 go on\r\n").await.unwrap();
    stream.into_inner()
}

#[tokio::test]
async fn a_mail_server_of_ones_own_is_trusted_only_when_configured() {
    for tls in [MailTls::Tls, MailTls::Starttls] {
        let (port, pem, script) = serve(tls).await;
        let settings = MailSettings { port, tls, ..MailSettings::new("localhost", "market@example.com") };
        let error = Mailer::new(&settings).unwrap().send(&MAIL).await.unwrap_err();
        assert!(error.may_pass() && script.received().is_empty(), "{tls:?}: {error:?}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pem.as_bytes()).unwrap();
        let trusting = Mailer::new(&MailSettings { extra_ca_file: Some(file.path().to_owned()), ..settings.clone() }).unwrap();
        trusting.send(&MAIL).await.unwrap();
        assert_eq!(script.received().len(), 1);
        let empty = tempfile::NamedTempFile::new().unwrap();
        let unread = Mailer::new(&MailSettings { extra_ca_file: Some(empty.path().to_owned()), ..settings });
        assert!(matches!(unread, Err(MailSetupError::ExtraCa { .. })), "{unread:?}");
    }
}
