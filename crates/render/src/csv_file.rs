//! A table as CSV (RFC 4180).

use std::fs::File;
use std::io::{BufWriter, Write};

use csv::{Terminator, Writer, WriterBuilder};
use kernel::Zone;

use crate::{Cell, Error, held};

/// By this Excel knows that a CSV file is UTF-8; without it Chinese becomes other signs.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A text that begins with one of these is a formula to a spreadsheet (OWASP: CSV injection); the wide ones are to those of East Asia.
const FORMULA_BEGINS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

pub(crate) struct CsvFile {
    writer: Writer<BufWriter<File>>,
    zone: Zone,
}

/// A text that no spreadsheet takes for a formula.
fn harmless(text: &str) -> String {
    let text = held(text);
    if text.starts_with(FORMULA_BEGINS) { format!("'{text}") } else { text }
}

impl CsvFile {
    pub(crate) fn begin(headings: &[String], zone: Zone) -> Result<Self, Error> {
        let mut file = BufWriter::new(tempfile::tempfile()?);
        file.write_all(BYTE_ORDER_MARK)?;
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(file);
        writer.write_record(headings.iter().map(|heading| harmless(heading)))?;
        Ok(Self { writer, zone })
    }

    pub(crate) fn add(&mut self, row: &[Cell]) -> Result<(), Error> {
        let field = |cell: &Cell| match cell {
            Cell::Empty => String::new(),
            Cell::Text(text) => harmless(text),
            Cell::Whole(number) => number.to_string(),
            Cell::Money(money) => money.decimal(),
            Cell::Time(at) => self.zone.readable_minute(*at),
        };
        let fields: Vec<String> = row.iter().map(field).collect();
        self.writer.write_record(&fields)?;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<File, Error> {
        let buffer = self.writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(buffer.into_inner().map_err(std::io::IntoInnerError::into_error)?)
    }
}
