//! Data as files that people open in their own programs: a table with a heading row as CSV or XLSX.
//!
//! Rows are written one after another to a file without a name, which the system removes with its last handle; however many there are, only the
//! one at hand is in memory.
//!
//! Invariant: no cell becomes a formula, whatever text stands in it. A text that a spreadsheet would take for one gets an apostrophe in CSV, as the
//! OWASP page on CSV injection advises; in XLSX a text is written as a text, and nothing else can become one.

mod csv_file;
mod xlsx_file;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Seek, SeekFrom};

use kernel::{Money, Zone};

/// Rows of one table at most, without the heading. XLSX ends at 1,048,576; so many are already more than anybody reads. `[ours]`
pub const ROWS_MAX: u64 = 200_000;
/// Columns of one table at most. `[ours]`
pub const COLUMNS_MAX: usize = 64;
/// Characters of one cell at most; a longer text ends with `…`. Excel ends at 32,767.
pub const TEXT_MAX: usize = 32_000;

kernel::words! {
    /// What kind of file.
    pub enum FileFormat {
        /// Comma-separated values (RFC 4180) in UTF-8, with the mark that Excel reads Chinese by.
        Csv = "csv",
        /// An Excel workbook (ISO/IEC 29500) of one sheet.
        Xlsx = "xlsx",
    }
}

impl FileFormat {
    /// The media type to send it with.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A text, whatever it is like.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// An amount, as a decimal number with the digits of its currency; the currency itself is another column's.
    Money(Money),
    /// A moment, ms UTC, as a text in the market's zone: `2026-11-24 15:30`.
    Time(i64),
}

impl Cell {
    /// A text; nothing when it is empty.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// A moment, or nothing.
    #[must_use]
    pub const fn time(at: Option<i64>) -> Self {
        match at {
            Some(at) => Self::Time(at),
            None => Self::Empty,
        }
    }
}

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk does not take it.
    #[error("the file cannot be written")]
    Io(#[from] std::io::Error),
    /// More rows than [`ROWS_MAX`].
    #[error("a table has at most {ROWS_MAX} rows")]
    TooManyRows,
    /// None, or more columns than [`COLUMNS_MAX`], or a row that is not as long as the headings.
    #[error("a row has as many cells as the table has headings, 1 to {COLUMNS_MAX}")]
    Columns,
    /// A row that is no row of CSV.
    #[error("the CSV file cannot be written")]
    Csv(#[from] csv::Error),
    /// What Excel does not take.
    #[error("the XLSX file cannot be written")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
}

enum Sheet {
    Csv(Box<csv_file::CsvFile>),
    Xlsx(Box<xlsx_file::XlsxFile>),
}

/// A table that is being written.
pub struct Table {
    sheet: Sheet,
    columns: usize,
    rows: u64,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} columns, {} rows)", self.columns, self.rows)
    }
}

impl Table {
    /// Begins a table with its heading row. `title` names the sheet of a workbook; moments are written in `zone`.
    ///
    /// # Errors
    /// [`Error::Columns`], or those of the disk.
    pub fn begin(format: FileFormat, title: &str, headings: &[String], zone: Zone) -> Result<Self, Error> {
        if headings.is_empty() || headings.len() > COLUMNS_MAX {
            return Err(Error::Columns);
        }
        let sheet = match format {
            FileFormat::Csv => Sheet::Csv(Box::new(csv_file::CsvFile::begin(headings, zone)?)),
            FileFormat::Xlsx => Sheet::Xlsx(Box::new(xlsx_file::XlsxFile::begin(title, headings, zone)?)),
        };
        Ok(Self { sheet, columns: headings.len(), rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Columns`], [`Error::TooManyRows`], or those of the disk.
    pub fn add(&mut self, row: &[Cell]) -> Result<(), Error> {
        if row.len() != self.columns {
            return Err(Error::Columns);
        }
        if self.rows >= ROWS_MAX {
            return Err(Error::TooManyRows);
        }
        self.rows += 1;
        match &mut self.sheet {
            Sheet::Csv(file) => file.add(row),
            Sheet::Xlsx(file) => file.add(self.rows, row),
        }
    }

    /// How many rows it has, without the heading.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the table: the file, to be read from its beginning.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(self) -> Result<File, Error> {
        let mut file = match self.sheet {
            Sheet::Csv(file) => file.finish()?,
            Sheet::Xlsx(file) => file.finish()?,
        };
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// A text as a cell takes it: not longer than [`TEXT_MAX`], without control characters that neither kind of file can hold.
fn held(text: &str) -> String {
    let clean = |c: char| if c.is_control() && !matches!(c, '\n' | '\r' | '\t') { '\u{fffd}' } else { c };
    let mut letters = text.chars().map(clean);
    let mut held: String = letters.by_ref().take(TEXT_MAX).collect();
    if letters.next().is_some() {
        held.push('…');
    }
    held
}
