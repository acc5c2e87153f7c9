//! W10: what the program takes when nobody asks anything, and how soon it answers after its start.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use hyper::StatusCode;

use crate::client::Client;
use crate::machine::{Machine, Moment};
use crate::report::{Claim, Report, Role, Unit, figure};
use crate::server::Server;
use crate::stats;
use crate::town::{Size, Town};
use crate::{Plan, nowhere};

/// A market that is in use.
const SIZE: Size = Size::small(10_000, 200);
/// So long the server is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(2);
/// Starts of each round.
const STARTS: usize = 5;

const EMPTY: &str = "empty market";
const FULL: &str = "market in use";
const FIRST_ANSWER: &str = "first answer after start";
const MEMORY: &str = "memory when idle";

/// Measures it.
///
/// # Errors
/// When a server does not start.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let machine = Machine::look(&plan.ground.folder)?;
    plan.tell("making an empty market and one in use");
    let empty = plan.build(Size::small(1, 1), nowhere).await?;
    let full = plan.town(SIZE).await?;
    let engine = full.market.db().engine();
    let before = Moment::now();
    let mut figures = Vec::new();
    for (group, town) in [(EMPTY, empty), (FULL, full)] {
        plan.tell(&format!("starting the program on the {group}"));
        let settings = settings(&town);
        let (mut starts, mut memory) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            let mut times = Vec::new();
            for _ in 0..STARTS {
                let server = Server::start(&plan.program, town.folder(), &settings).await?;
                times.push(stats::micros(server.started_in));
                server.stop().await?;
            }
            starts.push(stats::median(&times));
            let server = Server::start(&plan.program, town.folder(), &settings).await?;
            visit(&server).await?;
            tokio::time::sleep(IDLE).await;
            memory.push(resident_kib(server.pid())?);
            server.stop().await?;
        }
        figures.push(figure(group, FIRST_ANSWER, Role::Measured, Unit::Micros, starts));
        figures.push(figure(group, MEMORY, Role::Measured, Unit::Kib, memory));
    }
    let quiet = before.until_now();
    figures.push(figure("the file", "size of the program", Role::Measured, Unit::Kib, vec![size_kib(&plan.program)?]));
    // Published or measured beforehand on such a machine.
    for (name, mib) in [("axum, hello world", 5), ("Vendure", 219), ("Keycloak", 1_250)] {
        figures.push(figure("others, when idle", name, Role::Peer, Unit::Kib, vec![mib * 1_024]));
    }
    let mut report = Report::of(("w10", "memory when idle, and the first answer"), engine.word(), plan.settings(), machine, quiet, figures);
    report.notes = vec![
        "Memory is the resident set (VmRSS), two seconds after the start page, a search in Chinese and the API's description were read."
            .to_owned(),
    ];
    report.claims = vec![
        Claim::at_most("idle, empty", Unit::Kib, 48 * 1_024, report.median(EMPTY, MEMORY)),
        Claim::at_most("idle, in use", Unit::Kib, 96 * 1_024, report.median(FULL, MEMORY)),
        Claim::at_most("first answer, empty", Unit::Micros, 100_000, report.median(EMPTY, FIRST_ANSWER)),
        Claim::at_most("first answer, in use", Unit::Micros, 100_000, report.median(FULL, FIRST_ANSWER)),
        Claim::at_most("idle, empty (stretch)", Unit::Kib, 32 * 1_024, report.median(EMPTY, MEMORY)),
    ];
    Ok(report)
}

/// As anybody would start it: the background included, and with the usual number of connections.
fn settings(town: &Town) -> Vec<(String, String)> {
    let usual = |name: &str| name != "YUNSHI_WORK_IN_SERVE" && name != "YUNSHI_DATABASE_CONNECTIONS";
    town.settings().into_iter().filter(|(name, _)| usual(name)).collect()
}

/// Has it answer what a first visitor asks, so that nothing is counted as saved that is only not yet there.
async fn visit(server: &Server) -> anyhow::Result<()> {
    let mut client = Client::connect(server.address).await?;
    for path in ["/healthz", "/readyz", "/openapi.json", "/api/v1/products", "/", "/search?q=%E4%BC%9A%E8%AE%AE"] {
        let (status, _) = client.get(path).await?;
        anyhow::ensure!(status == StatusCode::OK, "{path} is answered with {status}");
    }
    Ok(())
}

fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).context("the kernel tells a process's memory")
}

fn size_kib(program: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(program)?.len() / 1_024)
}
