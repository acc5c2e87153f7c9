//! `cargo xtask fuzz`: looks for bytes that break a property of a parser of `wire`.
//!
//! Coverage-guided, with a nightly compiler and the address sanitizer. What is found on the way is kept in the target folder, so that the next
//! run goes on from there; bytes that break something belong into `crates/wire/fuzz/seeds`, where the normal tests see them, too.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::debian;
use crate::process::Processes;
use crate::report::Report;
use crate::tools;
use crate::workspace::Workspace;

/// The version in use; another one is installed over what is there.
const CARGO_FUZZ_VERSION: &str = "0.13.2";
/// How long each target is fuzzed when nothing is said.
const SECONDS: u64 = 60;
/// Larger inputs are no other code.
const INPUT_MAX_BYTES: u64 = 4_096;
/// More is a fault of the parser.
const MEMORY_MAX_MIB: u64 = 1_024;

/// Fuzzes the targets one after another. Fails at the first that breaks, and says where the bytes lie.
pub(crate) fn run(processes: &Processes, args: &[String]) -> Result<ExitCode> {
    let (seconds, wanted) = parse(args)?;
    let workspace = Workspace::load()?;
    let folder = workspace.root.join("crates/wire/fuzz");
    let mut targets: Vec<String> = std::fs::read_dir(folder.join("seeds"))
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    targets.sort();
    if let Some(unknown) = wanted.iter().find(|target| !targets.contains(target)) {
        bail!("there is no target `{unknown}`: use {}", targets.join(", "));
    }
    targets.retain(|target| wanted.is_empty() || wanted.contains(target));

    let mut report = Report::start();
    let result = fuzz(processes, &workspace, &targets, seconds, &mut report);
    report.print();
    result.map(|()| ExitCode::SUCCESS)
}

fn fuzz(processes: &Processes, workspace: &Workspace, targets: &[String], seconds: u64, report: &mut Report) -> Result<()> {
    let kept = workspace.target.join("fuzz");
    let program = report.step("tools", || {
        if !debian::succeeds(Command::new("rustc").args(["+nightly", "--version"])) {
            processes.run(Command::new("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))?;
        }
        tools::ensure(processes, workspace, "cargo-fuzz", CARGO_FUZZ_VERSION)
    })?;
    let cargo_fuzz = |command: &str| {
        let mut fuzz = workspace.command(&program);
        fuzz.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO").env_remove("RUSTC").args(["fuzz", command]);
        fuzz.args(["--fuzz-dir", "crates/wire/fuzz", "--target-dir"]).arg(&kept);
        fuzz
    };
    report.step("build", || processes.run(&mut cargo_fuzz("build")))?;
    for target in targets {
        let (corpus, found) = (kept.join("corpus").join(target), kept.join("found").join(target));
        for folder in [&corpus, &found] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        report.step(target, || {
            let mut run = cargo_fuzz("run");
            run.arg(target).arg(&corpus).arg(format!("crates/wire/fuzz/seeds/{target}")).arg("--");
            run.args([
                format!("-max_total_time={seconds}"),
                format!("-max_len={INPUT_MAX_BYTES}"),
                format!("-rss_limit_mb={MEMORY_MAX_MIB}"),
            ]);
            run.arg("-print_final_stats=1").arg(format!("-artifact_prefix={}/", found.display()));
            processes.run(&mut run).with_context(|| format!("the bytes lie in {}", found.display()))
        })?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<(u64, Vec<String>)> {
    let (mut seconds, mut targets, mut args) = (SECONDS, Vec::new(), args.iter());
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let number = args.next().context("--seconds needs a number after it")?;
            seconds = number.parse().with_context(|| format!("`{number}` is no number of seconds"))?;
        } else {
            ensure!(!arg.starts_with('-'), "`{arg}` means nothing here, see `cargo xtask help`");
            targets.push(arg.clone());
        }
    }
    Ok((seconds, targets))
}
