//! People's journeys, in a real browser on the real program: a demo market, and Chromium driven through it by the journeys in
//! `crates/web/assets/journeys`.
//!
//! `YUNSHI_TEST_CHROMIUM` names the browser, else `chromium` is looked for. What a failed journey saw lies in `target/tmp/journeys`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Everybody's password in a demo.
const PASSWORD: &str = "plum-blossom-2026";

/// A demo market that ends with the test.
struct Demo {
    process: Child,
    url: String,
    /// Keeps the market's folder.
    _folder: tempfile::TempDir,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_yunshi"))
            .args(["demo", "--listen", "127.0.0.1:0", "--sellers-listen", "127.0.0.1:0", "--dir"])
            .arg(folder.path().join("demo"))
            .env("RUST_LOG", "warn")
            // Every journey signs somebody in, all from one address.
            .env("YUNSHI_SIGN_INS_PER_MINUTE", "10000")
            .env("YUNSHI_REQUESTS_PER_SECOND", "10000")
            .env("YUNSHI_REQUESTS_BURST", "10000")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let market = lines.by_ref().map_while(Result::ok).find(|line| line.trim_start().starts_with("market "));
        let url = market.unwrap().split_whitespace().last().unwrap().trim_end_matches('/').to_owned();
        // It says where it will be before it is there.
        lines.by_ref().map_while(Result::ok).find(|line| line.contains("Ctrl-C stops it")).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url, _folder: folder }
    }
}

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/assets")
}

/// Goes through the journeys of a file.
fn go(file: &str) {
    assert!(assets().join("node_modules/playwright-core").exists(), "what drives the browser is not there: run `cargo xtask test`");
    let chromium = std::env::var("YUNSHI_TEST_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(Path::new(&chromium).exists(), "there is no browser at {chromium}: set YUNSHI_TEST_CHROMIUM, or run `cargo xtask test`");
    let demo = Demo::start();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journeys");
    let output = Command::new("node")
        .current_dir(assets())
        .args(["--test", "--test-reporter=spec"])
        .arg(format!("journeys/{file}.test.mjs"))
        .env("MARKET", &demo.url)
        .env("PASSWORD", PASSWORD)
        .env("CHROMIUM", chromium)
        .env("PICTURES", &pictures)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}pictures of what failed: {}", String::from_utf8_lossy(&output.stderr), pictures.display());
}

#[test]
fn buyers_go_their_ways() {
    go("buying");
}

#[test]
fn the_storefront_is_gone_through() {
    go("shop");
}

#[test]
fn sellers_and_the_operator_do_their_work() {
    go("market");
}

#[test]
fn everybody_looks_after_themselves() {
    go("account");
}

#[test]
fn every_page_can_be_read_by_everybody() {
    go("every-page");
}
