//! `yunshi bench`: measures this program; the table first, then one line of JSON.

use anyhow::Context;

use crate::failure::Failure;

pub(super) async fn run(args: &::bench::BenchArgs) -> Result<(), Failure> {
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let report = ::bench::run(args, program, Box::new(|what| eprintln!("{what}"))).await?;
    println!("{report}");
    println!("{}", report.json().context("cannot write the report")?);
    Ok(())
}
