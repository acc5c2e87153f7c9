//! `yunshi migrate`.

use crate::{config::Config, failure::Failure, start};

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let (_, state) = start::migrated(config).await?;
    if state.from == state.to {
        println!("the schema is at version {}, nothing to do", state.to);
    } else {
        println!("the schema went from version {} to {}", state.from, state.to);
    }
    Ok(())
}
