//! A folder and an empty database for each test, and the program in it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use db::{Db, Location, Options, scratch::Scratch};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) struct Place {
    folder: tempfile::TempDir,
    scratch: Scratch,
    variables: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The line on standard error that is for people.
    pub(crate) fn complaint(&self) -> &str {
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("yunshi: ")).collect();
        assert_eq!(lines.len(), 1, "one clear line: {}", self.err);
        lines[0].trim_start_matches("yunshi: ")
    }
}

impl Place {
    /// An empty folder, and an empty database whose place the variables tell.
    pub(crate) async fn new() -> Self {
        let scratch = Scratch::new(&[]).await.unwrap();
        let mut place = Self { folder: tempfile::tempdir().unwrap(), scratch, variables: Vec::new() };
        if let Location::Postgres(url) = &place.scratch.options.location {
            place.variables.push(("YUNSHI_DATABASE_URL".to_owned(), url.clone()));
        }
        place.with("YUNSHI_LISTEN", "127.0.0.1:0")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without that variable, for what is on the embedded database on either engine.
    pub(crate) fn embedded(mut self) -> Self {
        self.variables.retain(|(name, _)| name != "YUNSHI_DATABASE_URL");
        self
    }

    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.scratch.options.location, Location::Sqlite(_))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yunshi"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Runs a command that must end well, and gives what it said.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    }

    /// Runs a command with this on its standard input.
    pub(crate) fn fed(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::of(&child.wait_with_output().unwrap())
    }

    /// Runs commands in a bash that finds the program.
    pub(crate) fn script(&self, text: &str) -> Ended {
        let folder = Path::new(env!("CARGO_BIN_EXE_yunshi")).parent().unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("set -euo pipefail\n{text}")]).current_dir(self.folder.path()).env("PATH", path).stdin(Stdio::null());
        Ended::of(&bash.output().unwrap())
    }

    /// Starts a server and waits until it says that it is open.
    pub(crate) fn start(&self, arguments: &[&str], sign: &str) -> Server {
        let mut child = self.command(arguments).env("YUNSHI_LOG_FORMAT", "json").spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut server = Server { child, log, lines: Vec::new() };
        server.wait_for(sign);
        server
    }

    /// The database that the program uses, to look at and to tamper with.
    pub(crate) async fn db(&self) -> Db {
        let location = match &self.scratch.options.location {
            Location::Sqlite(_) => Location::Sqlite(self.path("yunshi-data/yunshi.sqlite")),
            postgres @ Location::Postgres(_) => postgres.clone(),
        };
        Db::open(Options { connections: 2, ..Options::new(location) }).await.unwrap()
    }

    /// Runs statements on that database as somebody who should not.
    pub(crate) async fn tamper(&self, text: &'static str) {
        self.db().await.write(async move |tx| tx.run_text(text).await).await.unwrap();
    }
}

/// A running server and its log. Killed when the test ends before it does.
pub(crate) struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    lines: Vec<Value>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Reads the log until a line says `sign`; gives that line.
    pub(crate) fn wait_for(&mut self, sign: &str) -> Value {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the log ended before it said {sign:?}: {:#?}", self.lines);
            let line: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.lines.push(line.clone());
            if line["message"].as_str().is_some_and(|message| message.contains(sign)) {
                return line;
            }
        }
    }

    /// What it has printed for people, up to the line that says `sign`.
    pub(crate) fn printed(&mut self, sign: &str) -> String {
        let mut text = String::new();
        let mut out = BufReader::new(self.child.stdout.take().unwrap());
        while !text.contains(sign) {
            assert_ne!(out.read_line(&mut text).unwrap(), 0, "the output ended before it said {sign:?}: {text}");
        }
        text
    }

    /// A line of the log so far that says this.
    pub(crate) fn said(&self, sign: &str) -> Option<&Value> {
        self.lines.iter().find(|line| line["message"].as_str().is_some_and(|message| message.contains(sign)))
    }

    pub(crate) fn address(&self) -> String {
        self.lines.iter().find_map(|line| line["address"].as_str()).unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks for the end as a supervisor does, and gives the exit code.
    pub(crate) fn stop(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// Status and body of a GET.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}
