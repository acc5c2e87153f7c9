//! What programs of people read in our files.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{BufReader, Read};

use calamine::{Data, DataType, Range, Reader, Xlsx};
use kernel::{Currency, Money, Zone};

use super::*;

fn headings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn written(format: FileFormat, names: &[&str], rows: &[Vec<Cell>]) -> File {
    let mut table = Table::begin(format, "订单: 2026/11", &headings(names), Zone::shanghai()).unwrap();
    for row in rows {
        table.add(row).unwrap();
    }
    assert_eq!(table.rows(), u64::try_from(rows.len()).unwrap());
    table.finish().unwrap()
}

fn csv_text(names: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut text = String::new();
    written(FileFormat::Csv, names, rows).read_to_string(&mut text).unwrap();
    text
}

fn sheet(file: File) -> (String, Range<Data>) {
    let mut workbook = Xlsx::new(BufReader::new(file)).unwrap();
    let name = workbook.sheet_names()[0].clone();
    let range = workbook.worksheet_range(&name).unwrap();
    assert!(workbook.worksheet_formula(&name).unwrap().is_empty(), "no cell is a formula");
    (name, range)
}

fn cny(minor: i64) -> Cell {
    Cell::Money(Money::new(minor, Currency::CNY))
}

#[test]
fn a_csv_file_reads_in_excel_with_its_chinese_its_commas_and_its_lines() {
    let row = vec![Cell::text("云市，\"企业版\", 一行\n两行"), Cell::Whole(-3), cny(-123_450), Cell::Time(1_795_506_600_000), Cell::Empty];
    let text = csv_text(&["名称", "数量", "金额", "时间", "备注"], &[row]);
    assert_eq!(text, "\u{feff}名称,数量,金额,时间,备注\r\n\"云市，\"\"企业版\"\", 一行\n两行\",-3,-1234.50,2026-11-24 15:50,\r\n");
}

#[test]
fn a_text_that_would_be_a_formula_is_none_in_csv() {
    for begin in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"] {
        let text = csv_text(&["a"], &[vec![Cell::text(format!("{begin}cmd|' /C calc'!A0"))]]);
        let mut lines = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let read = lines.records().next().unwrap().unwrap();
        assert_eq!(&read[0], format!("'{begin}cmd|' /C calc'!A0"));
    }
    // What is a number stays one.
    assert!(csv_text(&["a"], &[vec![cny(-5)]]).ends_with("\r\n-0.05\r\n"));
    assert!(csv_text(&["=a"], &[]).contains("'=a"));
}

#[test]
fn a_workbook_reads_back_as_what_was_written() {
    let texts = ["=1+1", "+86 10", "@SUM(A1)", "云市“企业版”", "a\u{0}b\u{8}c", "<b>&</b>", "_x0041_"];
    let mut rows: Vec<Vec<Cell>> = texts.iter().map(|&text| vec![Cell::text(text), Cell::Empty, Cell::Empty]).collect();
    rows.push(vec![Cell::Time(1_795_506_600_000), Cell::Whole(-42), cny(99_999_999_999_999)]);
    rows.push(vec![Cell::text("tiny"), Cell::Whole(i64::MAX), cny(-1)]);
    let (name, range) = sheet(written(FileFormat::Xlsx, &["=名称", "数量", "金额"], &rows));
    assert_eq!((name.as_str(), range.get_value((0, 0)).unwrap().as_string().unwrap().as_str()), ("订单 202611", "=名称"));
    let text = |row: u32, column: u32| range.get_value((row, column)).and_then(DataType::as_string).unwrap_or_default();
    let read: Vec<String> = (1..=7).map(|row| text(row, 0)).collect();
    assert_eq!(read, ["=1+1", "+86 10", "@SUM(A1)", "云市“企业版”", "a\u{fffd}b\u{fffd}c", "<b>&</b>", "_x0041_"]);
    assert_eq!((text(8, 0), text(8, 1), text(8, 2)), ("2026-11-24 15:50".into(), "-42".into(), "999999999999.99".into()));
    assert!(range.get_value((8, 2)).unwrap().is_float(), "an amount is a number");
    assert_eq!((text(9, 1), text(9, 2)), (i64::MAX.to_string(), "-0.01".into()), "what Excel cannot hold exactly is a text");
}

#[test]
fn an_empty_table_has_its_headings() {
    assert_eq!(csv_text(&["a", "b"], &[]), "\u{feff}a,b\r\n");
    let (_, range) = sheet(written(FileFormat::Xlsx, &["a", "b"], &[]));
    assert_eq!(range.get_size(), (1, 2));
}

#[test]
fn a_sheet_is_named_whatever_the_title() {
    for title in ["", "'", "[]:*?/\\", &"长".repeat(100), "History", "a\u{1}b"] {
        let table = Table::begin(FileFormat::Xlsx, title, &headings(&["a"]), Zone::utc()).unwrap();
        sheet(table.finish().unwrap());
    }
}

#[test]
fn what_is_too_much_is_refused_or_cut() {
    let begin = |count: usize| Table::begin(FileFormat::Csv, "", &vec!["a".to_owned(); count], Zone::utc());
    assert!(matches!(begin(0), Err(Error::Columns)) && matches!(begin(COLUMNS_MAX + 1), Err(Error::Columns)));
    let mut table = begin(1).unwrap();
    assert!(matches!(table.add(&[]), Err(Error::Columns)));
    table.rows = ROWS_MAX;
    assert!(matches!(table.add(&[Cell::Empty]), Err(Error::TooManyRows)));
    let long = "长".repeat(TEXT_MAX + 1);
    let (_, range) = sheet(written(FileFormat::Xlsx, &["a"], &[vec![Cell::text(long)]]));
    let read = range.get_value((1, 0)).unwrap().as_string().unwrap();
    assert_eq!((read.chars().count(), read.chars().last()), (TEXT_MAX + 1, Some('…')));
}

/// The most memory that this process ever had, KiB.
fn peak_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_hundred_thousand_rows_need_no_more_memory_than_a_few() {
    let names = ["order", "what", "amount", "placed"];
    for format in [FileFormat::Csv, FileFormat::Xlsx] {
        drop(written(format, &names, &[]));
        let before = peak_kib();
        let mut table = Table::begin(format, "x", &headings(&names), Zone::shanghai()).unwrap();
        for n in 0..100_000 {
            let what = Cell::text(format!("数据网格企业版，第 {n} 份，一个相当长的名称"));
            table.add(&[Cell::text(format!("CS{n:018}")), what, cny(n), Cell::Time(1_795_506_600_000 + n * 60_000)]).unwrap();
        }
        let file = table.finish().unwrap();
        let grown = peak_kib() - before;
        let size = file.metadata().unwrap().len();
        assert!(size > 1_000_000, "{format} has {size} bytes");
        assert!(grown < 24 * 1024, "{format} took {grown} KiB more");
    }
}
