//! CSV (RFC 4180) in UTF-8: a row for each side of each posting, so that a spreadsheet can filter and sum.

use kernel::{Currency, Money};

use super::chart::Account;
use super::texts::one_line;
use super::{Days, Entry, Layout, Side};

/// Writes rows.
pub(super) struct Csv;

const COLUMNS: [&str; 12] =
    ["date", "time", "transaction", "kind", "reference", "payee", "note", "account", "owner", "book", "amount", "currency"];

/// A text that somebody else chose, so that no spreadsheet takes it for a formula: OWASP, CSV Injection.
fn inert(text: &str) -> String {
    let text = one_line(text);
    if text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) { format!("'{text}") } else { text }
}

fn row(out: &mut Vec<u8>, columns: &[&str; 12]) {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
    // Memory takes everything, and the rows are of one length.
    let _ = writer.write_record(columns);
    let _ = writer.flush();
}

fn owner(account: &Account) -> String {
    account.party.as_ref().map(|party| party.id.to_string()).unwrap_or_default()
}

impl Layout for Csv {
    fn begin(&mut self, _: Currency, out: &mut Vec<u8>) {
        row(out, &COLUMNS);
    }

    fn opening(&mut self, day: &str, side: &Side, out: &mut Vec<u8>) {
        let Side { account, book, amount } = side;
        let (owner, book, amount, currency) = (owner(account), book.to_string(), amount.decimal(), amount.currency.code());
        row(out, &[day, "", "", "opening", "", "", "opening balance", &account.name, &owner, &book, &amount, currency]);
    }

    fn transaction(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        let Entry { id, day, moment, kind, reference, payee, note, sides } = entry;
        let (id, reference, payee, note) = (id.to_string(), inert(reference), inert(payee), inert(note));
        for Side { account, book, amount } in sides {
            let (owner, book, amount, currency) = (owner(account), book.to_string(), amount.decimal(), amount.currency.code());
            row(out, &[day, moment, &id, kind.word(), &reference, &payee, &note, &account.name, &owner, &book, &amount, currency]);
        }
    }

    fn closing(&mut self, _: &Days, _: &Account, _: Money, _: &mut Vec<u8>) {}
}
