//! hledger's journal (<https://hledger.org/hledger.html#journal>).

use std::io::Write;

use kernel::{Currency, Money};

use super::chart::{Account, Class, order_of};
use super::texts::{one_line, reference_name};
use super::{Days, Entry, Layout, Side};

/// Writes a journal.
#[derive(Default)]
pub(super) struct Hledger {
    opened: bool,
    closed: bool,
}

/// In front of each posting.
const INDENT: &str = "    ";

/// A text of a description: a semicolon begins a comment and a bar parts payee and note, and there is no way to quote either.
fn description(text: &str) -> String {
    one_line(text).replace(';', "；").replace('|', "｜")
}

/// A text as the value of a tag, which a comma ends.
fn value(text: &str) -> String {
    one_line(text).replace(',', "，")
}

/// Every write goes into memory, which takes everything.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { _ = writeln!($out, $($text)*) };
}

fn posting(side: &Side, out: &mut Vec<u8>) {
    let Side { account, book, amount } = side;
    // A transaction of one order carries its number once; the opening balance is of many.
    let order = order_of(book).map(|number| format!("  ; order:{}", value(number))).unwrap_or_default();
    put!(out, "{INDENT}{:<60}  {amount:>20}{order}", account.name, amount = amount.to_string());
}

impl Layout for Hledger {
    fn begin(&mut self, currency: Currency, out: &mut Vec<u8>) {
        let sample = Money::new(10i64.pow(currency.decimals()) * 1_000, currency).decimal();
        let mark = if sample.contains('.') { "" } else { "." };
        put!(out, "; The books of a Yunshi marketplace. Debits are positive. Days are those of the market's time zone.");
        put!(out, "; `hledger check --strict` proves that they come to what the marketplace says at the end of this file.");
        put!(out, "decimal-mark .");
        put!(out, "commodity {sample}{mark} {currency}");
        put!(out, "");
    }

    fn opening(&mut self, day: &str, side: &Side, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.opened, true) {
            put!(out, "{day} * opening balances");
        }
        posting(side, out);
    }

    fn transaction(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        if self.opened {
            put!(out, "");
            self.opened = false;
        }
        let Entry { id, day, moment, kind, reference, payee, note, sides } = entry;
        let payee = if payee.is_empty() { String::new() } else { format!("{} | ", description(payee)) };
        let code = one_line(reference).replace([')', ';'], " ");
        put!(out, "{day} * ({code}) {payee}{}", description(note));
        put!(out, "{INDENT}; id:{id}, kind:{kind}, {}:{}, time:{moment}", reference_name(*kind), value(reference));
        for side in sides {
            let Side { account, amount, .. } = side;
            put!(out, "{INDENT}{:<60}  {amount:>20}", account.name, amount = amount.to_string());
        }
        put!(out, "");
    }

    fn closing(&mut self, days: &Days, account: &Account, balance: Money, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.opened, false) {
            put!(out, "");
        }
        if !std::mem::replace(&mut self.closed, true) {
            put!(
                out,
                "; What each account holds at the end of {}, as the marketplace says; hledger refuses the file if it comes to else.",
                days.last
            );
            put!(out, "");
        }
        let class = match account.class() {
            Class::Asset => 'A',
            Class::Liability => 'L',
            Class::Income => 'R',
        };
        let name = &account.name;
        put!(out, "account {name}  ; type:{class}");
        if let Some(party) = &account.party {
            put!(out, "{INDENT}; account:{}, name:{}, title:{}", party.id, value(&party.name), value(&party.title));
        }
        put!(out, "{} * closing balance", days.last);
        put!(out, "{INDENT}{name:<60}  {:>20} = {balance}", Money::zero(balance.currency).to_string());
        put!(out, "");
    }
}
