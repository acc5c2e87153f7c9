//! A table as an Excel workbook.

use std::fs::File;
use std::io::BufWriter;

use kernel::{Money, Zone};
use rust_xlsxwriter::{Format, Workbook, Worksheet};

use crate::{Cell, Error, held};

/// The longest name that Excel takes for a sheet, and the signs that it does not.
const SHEET_NAME_MAX: usize = 31;
const SHEET_NAME_NEVER: [char; 7] = ['[', ']', ':', '*', '?', '/', '\\'];
/// Excel keeps 15 digits of a number; what has more is written as a text.
const EXACT_BELOW: u64 = 1_000_000_000_000_000;
/// How wide a column is, in characters of the common font.
const COLUMN_WIDTH: u16 = 20;

pub(crate) struct XlsxFile {
    workbook: Workbook,
    money: Format,
    zone: Zone,
}

/// What Excel takes as the name of a sheet.
fn sheet_name(title: &str) -> String {
    let held = held(title);
    let letters = held.chars().filter(|c| !SHEET_NAME_NEVER.contains(c) && !c.is_control() && *c != '\u{fffd}');
    let name: String = letters.take(SHEET_NAME_MAX).collect();
    let name = name.trim().trim_matches('\'');
    if name.is_empty() { "1".to_owned() } else { name.to_owned() }
}

impl XlsxFile {
    pub(crate) fn begin(title: &str, headings: &[String], zone: Zone) -> Result<Self, Error> {
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(sheet_name(title))?;
        sheet.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold();
        for (column, heading) in (0..).zip(headings) {
            sheet.set_column_width(column, COLUMN_WIDTH)?;
            sheet.write_string_with_format(0, column, held(heading), &bold)?;
        }
        Ok(Self { workbook, money: Format::new().set_num_format("#,##0.00"), zone })
    }

    pub(crate) fn add(&mut self, row: u64, cells: &[Cell]) -> Result<(), Error> {
        let row = u32::try_from(row).map_err(|_| Error::TooManyRows)?;
        let sheet = self.workbook.worksheet_from_index(0)?;
        for (column, cell) in (0..).zip(cells) {
            match cell {
                Cell::Empty => {}
                Cell::Text(text) => sheet.write_string(row, column, held(text)).map(drop)?,
                Cell::Whole(number) => write_decimal(sheet, row, column, &number.to_string(), number.unsigned_abs(), None)?,
                Cell::Money(money) => {
                    let format = (money.currency.decimals() == 2).then_some(&self.money);
                    write_decimal(sheet, row, column, &Money::decimal(*money), money.minor.unsigned_abs(), format)?;
                }
                Cell::Time(at) => sheet.write_string(row, column, self.zone.readable_minute(*at)).map(drop)?,
            }
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<File, Error> {
        let mut file = BufWriter::new(tempfile::tempfile()?);
        self.workbook.save_to_writer(&mut file)?;
        Ok(file.into_inner().map_err(std::io::IntoInnerError::into_error)?)
    }
}

/// Writes a decimal as a number. The library takes numbers as `f64` and writes the shortest decimal that reads as the same one, which is what
/// was given: nothing is reckoned with it, and of up to 15 digits nothing is lost.
fn write_decimal(sheet: &mut Worksheet, row: u32, column: u16, decimal: &str, digits: u64, format: Option<&Format>) -> Result<(), Error> {
    match decimal.parse::<f64>() {
        Ok(number) if digits < EXACT_BELOW => match format {
            Some(format) => sheet.write_number_with_format(row, column, number, format)?,
            None => sheet.write_number(row, column, number)?,
        },
        Ok(_) | Err(_) => sheet.write_string(row, column, decimal)?,
    };
    Ok(())
}
