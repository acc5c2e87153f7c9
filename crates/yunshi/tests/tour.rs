//! The documents are true. `docs/tour.md`: its blocks of commands run in order in one bash, and show what the document says they show. All of
//! them: what they link to is there.
//!
//! A ```` ```sh ```` block is run; a ```` ```text ```` block says what the block before it prints, where `…` stands for anything within a line. The market is
//! on the engine that the tests run on (see `db::scratch`).
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use db::Location;
use db::scratch::Scratch;

const TOUR: &str = include_str!("../../../docs/tour.md");
/// Printed after each block.
const END_OF_BLOCK: &str = "==== the end of a block ====";
/// Nobody types this: a command that fails ends the tour, and whatever it started ends with it.
const PROLOGUE: &str = "set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n";

/// A block of commands and what it prints.
#[derive(Debug, Default)]
struct Step {
    line: usize,
    commands: String,
    shows: String,
}

fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut fence = None;
    for (at, line) in (1..).zip(document.lines()) {
        match (fence, line.strip_prefix("```")) {
            (None, Some("sh")) => {
                steps.push(Step { line: at, ..Step::default() });
                fence = Some("sh");
            }
            (None, Some(kind)) => {
                assert_eq!(kind, "text", "line {at}: a block of the tour is sh or text");
                fence = Some("text");
            }
            (Some(_), Some(_)) => fence = None,
            (None, None) => {}
            (Some(kind), None) => {
                let step = steps.last_mut().unwrap_or_else(|| panic!("line {at}: a text block before any sh block"));
                let block = if kind == "sh" { &mut step.commands } else { &mut step.shows };
                writeln!(block, "{line}").unwrap();
            }
        }
    }
    steps
}

/// Whether `line` is what `pattern` says, `…` standing for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else { return pattern == line };
    let Some(mut line) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = line.split_once(part) else { return false };
        line = after;
    }
    line.ends_with(last)
}

fn shows(pattern: &str, output: &str) -> bool {
    let (patterns, lines): (Vec<_>, Vec<_>) = (pattern.lines().collect(), output.lines().collect());
    patterns.len() == lines.len() && patterns.iter().zip(lines).all(|(pattern, line)| fits(pattern, line))
}

/// Two ports that nobody uses.
fn free_ports() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port().to_string())
}

/// The logs that the servers of the tour wrote, for whoever must find out what went wrong.
fn logs(folder: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(folder.join("yunshi-tour").join(name)).unwrap_or_default();
    format!("market.log:\n{}\nseller.log:\n{}", read("market.log"), read("seller.log"))
}

#[tokio::test]
async fn the_tour_is_true() {
    let steps = steps(TOUR);
    assert!(steps.len() > 20, "the tour has {} blocks", steps.len());
    let script = steps.iter().fold(PROLOGUE.to_owned(), |script, step| format!("{script}{}echo '{END_OF_BLOCK}'\n", step.commands));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tour.sh");
    std::fs::write(&file, script).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_yunshi")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let [port, seller_port] = free_ports();
    let mut bash = Command::new("bash");
    bash.arg(&file).current_dir(folder.path()).env_clear().stdin(Stdio::null());
    bash.env("PATH", path).env("LC_ALL", "C.UTF-8").env("PORT", port).env("SELLER_PORT", seller_port);
    let scratch = Scratch::new(&[]).await.unwrap();
    if let Location::Postgres(url) = &scratch.options.location {
        bash.env("YUNSHI_DATABASE_URL", url);
    }
    let ended = bash.output().unwrap();

    let (out, err) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8_lossy(&ended.stderr));
    let border = format!("{END_OF_BLOCK}\n");
    let mut outputs = out.split(&border);
    for Step { line, commands, shows: expected } in &steps {
        let output = outputs.next().unwrap_or_default();
        assert!(
            shows(expected, output),
            "docs/tour.md:{line}\n{commands}\nmust show:\n{expected}\nand shows:\n{output}\n{err}\n{}",
            logs(folder.path())
        );
    }
    assert!(ended.status.success(), "the tour ended with {}: {err}\n{}", ended.status, logs(folder.path()));
    assert!(!folder.path().join("yunshi-tour").exists(), "the tour cleans up behind itself");
}

#[test]
fn an_ellipsis_stands_for_anything_within_a_line() {
    for (pattern, line, expected) in [
        ("ready", "ready", true),
        ("ready", "already", false),
        ("id … of …", "id 7 of 9", true),
        ("…-01T02:00:00Z", "2026-12-01T02:00:00Z", true),
        ("…-01T02:00:00Z", "2026-12-02T02:00:00Z", false),
        ("\"state\":\"…\"", "\"state\":\"done\"", true),
        ("\"state\":\"…\"", "\"total\":\"done\"", false),
        ("a…b…c", "a-c", false),
    ] {
        assert_eq!(fits(pattern, line), expected, "{pattern} {line}");
    }
    assert!(!shows("a\nb\n", "a\n"));
}

/// Every document of the repository.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = [root.clone(), root.join("docs"), root.join("docs/decisions")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

#[test]
fn the_documents_link_to_what_is_there() {
    let documents = documents();
    assert!(documents.len() > 10, "{documents:?}");
    let mut broken = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let path = document.parent().unwrap().join(target.split('#').next().unwrap_or_default());
            if !path.exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
