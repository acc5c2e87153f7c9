//! beancount's ledger (<https://beancount.github.io/docs/beancount_language_syntax.html>).

use std::io::Write;

use kernel::{Currency, Money};

use super::chart::{Account, order_of};
use super::texts::{one_line, reference_name};
use super::{Days, Entry, Layout, Side};

/// Writes a ledger.
#[derive(Default)]
pub(super) struct Beancount {
    opened: bool,
    closed: bool,
}

/// A text between quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text as a link: what is no letter of one is a hyphen.
fn link(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_/.".contains(c) { c } else { '-' }).collect()
}

/// Every write goes into memory, which takes everything.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { _ = writeln!($out, $($text)*) };
}

fn posting(side: &Side, out: &mut Vec<u8>) {
    put!(out, "  {:<60}  {:>20}", side.account.name, side.amount.to_string());
}

impl Beancount {
    fn end_opening(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.opened, false) {
            put!(out, "");
        }
    }
}

impl Layout for Beancount {
    fn begin(&mut self, currency: Currency, out: &mut Vec<u8>) {
        put!(out, "; The books of a Yunshi marketplace. Debits are positive. Days are those of the market's time zone.");
        put!(out, "; `bean-check` proves that they come to what the marketplace says at the end of this file.");
        put!(out, "option \"title\" \"Yunshi\"");
        put!(out, "option \"operating_currency\" \"{currency}\"");
        put!(out, "");
    }

    fn opening(&mut self, day: &str, side: &Side, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.opened, true) {
            put!(out, "{day} * \"opening balances\"");
        }
        posting(side, out);
        if let Some(number) = order_of(&side.book) {
            put!(out, "    order: {}", quoted(number));
        }
    }

    fn transaction(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        self.end_opening(out);
        let Entry { id, day, moment, kind, reference, payee, note, sides } = entry;
        put!(out, "{day} * {} {} ^{}", quoted(payee), quoted(note), link(reference));
        put!(out, "  id: \"{id}\"");
        put!(out, "  kind: \"{kind}\"");
        put!(out, "  {}: {}", reference_name(*kind), quoted(reference));
        put!(out, "  time: \"{moment}\"");
        sides.iter().for_each(|side| posting(side, out));
        put!(out, "");
    }

    fn closing(&mut self, days: &Days, account: &Account, balance: Money, out: &mut Vec<u8>) {
        self.end_opening(out);
        if !std::mem::replace(&mut self.closed, true) {
            put!(
                out,
                "; What each account holds at the end of {}, as the marketplace says: a balance is that of a day's beginning.",
                days.last
            );
            put!(out, "");
        }
        let Account { name, party, .. } = account;
        put!(out, "{} open {name}", days.first);
        if let Some(party) = party {
            put!(out, "  account: \"{}\"", party.id);
            put!(out, "  name: {}", quoted(&party.name));
            put!(out, "  title: {}", quoted(&party.title));
        }
        // Without a tolerance of its own, beancount lets a balance be off by a cent.
        put!(out, "{} balance {name}  {} ~ 0 {}", days.after, balance.decimal(), balance.currency);
        put!(out, "");
    }
}
