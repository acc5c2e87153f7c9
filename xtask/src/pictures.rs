//! `cargo xtask pictures`: every page of a demo market as a picture, in both languages, narrow and wide, light and dark, for whoever judges them
//! by looking. They lie in `<target>/pictures`, never in the clone.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

use crate::browser;
use crate::process::Processes;
use crate::workspace::Workspace;

/// Everybody's password in a demo.
const PASSWORD: &str = "plum-blossom-2026";

/// Builds the program, opens a demo market of its own, and takes the pictures; `args` are the people to take them as (all when empty).
pub(crate) fn run(processes: &Processes, args: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let chromium = browser::ensure(processes)?;
    processes.run(workspace.cargo().args(["build", "--locked", "--profile=demo", "--package=yunshi", "--bin=yunshi"]))?;
    let (market, pictures) = (tempfile::tempdir().context("cannot make a folder")?, workspace.target.join("pictures"));
    let mut demo = Command::new(workspace.target.join("demo/yunshi"))
        .args(["demo", "--listen", "127.0.0.1:0", "--sellers-listen", "127.0.0.1:0", "--dir"])
        .arg(market.path().join("demo"))
        .envs([("YUNSHI_SIGN_INS_PER_MINUTE", "10000"), ("YUNSHI_REQUESTS_PER_SECOND", "10000"), ("YUNSHI_REQUESTS_BURST", "10000")])
        .env("RUST_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the demo")?;
    let taken = (|| {
        let lines = BufReader::new(demo.stdout.take().context("the demo says nothing")?).lines();
        let mut lines = lines.map_while(std::io::Result::ok);
        let at = lines.find(|line| line.trim_start().starts_with("market ")).context("the demo ended early")?;
        let address = at.split_whitespace().last().unwrap_or_default().trim_end_matches('/').to_owned();
        ensure!(lines.any(|line| line.contains("Ctrl-C stops it")), "the demo ended early");
        std::thread::spawn(move || lines.for_each(drop));
        let mut node = Command::new("node");
        node.current_dir(workspace.root.join("crates/web/assets")).arg("journeys/pictures.mjs").args(args);
        node.env("MARKET", address).env("PASSWORD", PASSWORD).env("CHROMIUM", chromium).env("PICTURES", &pictures);
        processes.run(&mut node)
    })();
    let _ = demo.kill();
    let _ = demo.wait();
    taken?;
    println!("pictures in {}", pictures.display());
    Ok(ExitCode::SUCCESS)
}
