//! `yunshi bench`: measures this program; of each workload the table first, then one line of JSON.

use std::sync::Arc;

use anyhow::Context;

use crate::failure::Failure;

pub(super) async fn run(args: &::bench::BenchArgs) -> Result<(), Failure> {
    let program = std::env::current_exe().context("cannot find this program's file")?;
    for report in ::bench::run(args, program, Arc::new(|what: &str| eprintln!("{what}"))).await? {
        println!("{report}");
        println!("{}", report.json().context("cannot write the report")?);
    }
    Ok(())
}
