//! A transaction: the one handle through which statements run.

use std::rc::Rc;

use kernel::ToScalar;

use crate::postgres::Wanted;
use crate::{Error, FromRow, Result, Row, Statement, postgres, sqlite};

/// The two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// An embedded file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// The word for settings and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

pub(crate) enum Connection {
    Sqlite(Rc<sqlite::Session>),
    Postgres(postgres::Session),
}

/// What a transaction may take for granted of others that write at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All that it has read.
    Serializable,
    /// What it changes itself, and what no writer at a snapshot changes.
    Snapshot,
}

/// An open transaction. Statements run in it one after another; it ends with the closure it was given to.
pub struct Tx {
    pub(crate) connection: Connection,
    pub(crate) jobs_added: bool,
    isolation: Isolation,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx({})", self.engine().word())
    }
}

impl Tx {
    pub(crate) const fn new(connection: Connection, isolation: Isolation) -> Self {
        Self { connection, jobs_added: false, isolation }
    }

    /// Says that what follows relies on rows that others may be changing at this moment: unless this transaction is serializable, it is undone
    /// and run again as one. Where [`crate::Db::write`] began it, and on SQLite, nothing happens.
    ///
    /// # Errors
    /// [`Error::NeedsSerializable`], which the closure must hand on.
    pub const fn need_serializable(&self) -> Result<()> {
        match self.isolation {
            Isolation::Serializable => Ok(()),
            Isolation::Snapshot => Err(Error::NeedsSerializable),
        }
    }

    /// Which engine runs this.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self.connection {
            Connection::Sqlite(_) => Engine::Sqlite,
            Connection::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a statement; the number of rows it changed.
    ///
    /// # Errors
    /// [`Error::Constraint`] with the name of a broken constraint, [`Error::Unavailable`], or [`Error::Broken`].
    pub async fn execute(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<u64> {
        match &mut self.connection {
            Connection::Sqlite(session) => session.execute(statement, params),
            Connection::Postgres(session) => session.execute(statement, params).await,
        }
    }

    /// Runs a statement of which nobody asks how many rows it changed. On PostgreSQL it goes along with the next statement that is waited for, or
    /// with the commit, and costs no round trip of its own.
    ///
    /// # Errors
    /// As [`Tx::execute`]; it may also come from a later statement of the transaction, or from its end. So a broken constraint that means
    /// something to the business ([`crate::OnConstraint`]) is a matter for [`Tx::execute`].
    pub async fn defer(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<()> {
        match &mut self.connection {
            Connection::Sqlite(session) => session.execute(statement, params).map(drop),
            Connection::Postgres(session) => session.defer(statement, params, Wanted::Anything).await,
        }
    }

    /// The same for a statement that must change a row: a compare-and-set.
    ///
    /// # Errors
    /// As [`Tx::defer`]; [`Error::Again`] when it changed none.
    pub async fn defer_change(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<()> {
        match &mut self.connection {
            Connection::Sqlite(session) => match session.execute(statement, params)? {
                0 => Err(Error::Again),
                _ => Ok(()),
            },
            Connection::Postgres(session) => session.defer(statement, params, Wanted::AChange).await,
        }
    }

    /// Every row.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn rows(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<Vec<Row>> {
        match &mut self.connection {
            Connection::Sqlite(session) => session.rows(statement, params),
            Connection::Postgres(session) => session.rows(statement, params).await,
        }
    }

    /// Every row as a `T`.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn all<T: FromRow>(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<Vec<T>> {
        self.rows(statement, params).await?.iter_mut().map(T::from_row).collect()
    }

    /// The first row as a `T`, if there is one.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn find<T: FromRow>(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<Option<T>> {
        self.rows(statement, params).await?.first_mut().map(T::from_row).transpose()
    }

    /// The one row, which must be there: an aggregate, a RETURNING, a row whose id was just read.
    ///
    /// # Errors
    /// [`Error::Broken`] when there is none, otherwise as [`Tx::execute`].
    pub async fn one<T: FromRow>(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<T> {
        self.find(statement, params)
            .await?
            .ok_or_else(|| Error::broken(format!("the statement at {} gave no row where one must be", statement.place())))
    }

    /// Says that this transaction adds work for the runner, which is woken after the commit.
    pub(crate) const fn mark_jobs_added(&mut self) {
        self.jobs_added = true;
    }
}
