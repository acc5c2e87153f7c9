//! What an engine says of itself. It has its own words for these on each, so they stand here, beside the statements that both prepare.

use crate::{Db, Engine, Result};

impl Db {
    /// The engine's own words for its version, such as `SQLite 3.50.2`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn engine_version(&self) -> Result<String> {
        let text = match self.engine() {
            Engine::Sqlite => "SELECT 'SQLite ' || sqlite_version()",
            Engine::Postgres => "SELECT 'PostgreSQL ' || current_setting('server_version')",
        };
        self.read(async move |tx| Ok(tx.run_text(text).await?.concat())).await
    }

    /// The time of the database's server, ms UTC; `None` where the database is on this machine.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn server_now(&self) -> Result<Option<i64>> {
        if self.engine() == Engine::Sqlite {
            return Ok(None);
        }
        let text = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        Ok(self.read(async move |tx| Ok(tx.run_text(text).await?.concat())).await?.parse().ok())
    }
}
