//! How the console shows things: a list is columns and cells under its filters; a thing is blocks one below the other, with what may be done
//! to it at the end. Two templates draw all of it, so that every page of the console is read the same way.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::{AccountId, Code, Ctx, Currency, Refusal, UserId};
use market::accounts::{self, Permission, Principal};
use market::audit::AuditEntry;
use market::exports::ExportKind;

use crate::auth::May;
use crate::pages::Page;
use crate::pages::form::Filled;
use crate::pages::parts::{Chart, Chip, Choice, Moment, Stamp, Tab, Tile, moments};
use crate::pages::shell::{Member, Shell, Words};
use crate::problem::{ApiError, ApiResult, status};

/// What stands in one place of a table.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// Nothing.
    Empty,
    Text(String),
    /// An id or a number, to be read letter by letter.
    Mono(String),
    /// A sum or a count.
    Num(String),
    Chip(Chip),
    At(Stamp),
    /// Where it leads, what it says, and what is said below it.
    Link(String, String, String),
    /// As a link, for an id or a number.
    Code(String, String),
    /// What it says, and what is said below it.
    Two(String, String),
}

impl Cell {
    pub(super) fn link(href: impl Into<String>, label: impl Into<String>) -> Self {
        Self::Link(href.into(), label.into(), String::new())
    }

    /// An order, by its number.
    pub(super) fn order(number: &str) -> Self {
        Self::Code(format!("/operator/orders/{number}"), number.to_owned())
    }

    /// A link where there is something, nothing where there is not.
    pub(super) fn order_of(number: Option<&str>) -> Self {
        number.map_or(Self::Empty, Self::order)
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Num(_))
    }
}

/// A table; without rows it says why.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) empty: String,
    pub(super) more: Option<String>,
}

/// The head of a column.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) label: String,
    pub(super) is_number: bool,
}

impl Table {
    /// A table with these columns, by the keys of their heads. Figures stand at the right, as their heads do.
    pub(super) fn new(t: &Words, heads: &[&str], rows: Vec<Vec<Cell>>, empty: &str) -> Self {
        let is_number = |place: usize| rows.iter().any(|row| row.get(place).is_some_and(Cell::is_number));
        let heads = heads.iter().enumerate().map(|(place, key)| Head { label: t.s(key), is_number: is_number(place) }).collect();
        Self { heads, rows, empty: t.s(empty), more: None }
    }

    #[must_use]
    pub(super) fn with_more(self, more: Option<String>) -> Self {
        Self { more, ..self }
    }
}

/// A choice above a list.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    Choose {
        name: &'static str,
        label: String,
        choices: Vec<Choice>,
    },
    Seek {
        name: &'static str,
        label: String,
        value: String,
    },
    Day {
        name: &'static str,
        label: String,
        value: String,
    },
    /// Goes along unseen.
    Keep {
        name: &'static str,
        value: String,
    },
}

impl Filter {
    /// Its name and what is chosen in it; none where nothing is.
    fn chosen(&self) -> Option<(&'static str, String)> {
        let (name, value) = match self {
            Self::Choose { name, choices, .. } => (name, choices.iter().find(|one| one.on).map_or("", |one| &one.value)),
            Self::Seek { name, value, .. } | Self::Day { name, value, .. } | Self::Keep { name, value } => (name, value.as_str()),
        };
        (!value.trim().is_empty()).then(|| (*name, value.to_owned()))
    }

    /// One of the words of a set, or none; `chosen` is what is on.
    pub(super) fn of_words(t: &Words, name: &'static str, label: &str, words: &[(&str, String)], chosen: &str) -> Self {
        let is_known = words.iter().any(|(word, _)| *word == chosen);
        let one = |(word, said): &(&str, String)| Choice { value: (*word).to_owned(), label: said.clone(), on: *word == chosen };
        let choices = std::iter::once(Choice::all(t, !is_known)).chain(words.iter().map(one)).collect();
        Self::Choose { name, label: t.s(label), choices }
    }
}

/// A list.
#[derive(Template)]
#[template(path = "operator/list.html")]
pub(super) struct List {
    pub(super) shell: Shell,
    pub(super) title: String,
    /// What the list is, in a sentence; may be empty.
    pub(super) note: String,
    pub(super) tabs: Vec<Tab>,
    pub(super) path: String,
    pub(super) filters: Vec<Filter>,
    /// What the filter could not do; may be empty.
    pub(super) wrong: String,
    pub(super) table: Table,
    pub(super) acts: Vec<Act>,
    /// The kind of file that the list can be had as, with what is chosen in its filters.
    pub(super) export: Option<(ExportKind, Vec<(&'static str, String)>)>,
}

impl List {
    pub(super) fn new(staff: Staff, title: &str, path: &str, table: Table) -> Self {
        let (title, shell) = (staff.shell.t.s(title), staff.shell);
        let path = path.to_owned();
        Self {
            shell,
            title,
            note: String::new(),
            tabs: vec![],
            path,
            filters: vec![],
            wrong: String::new(),
            table,
            acts: vec![],
            export: None,
        }
    }

    /// The same, to be had as a file, if the file can hold just what is shown: it knows these filters.
    pub(super) fn exported(mut self, kind: ExportKind, known: &[&str]) -> Self {
        let chosen: Vec<_> = self.filters.iter().filter_map(Filter::chosen).collect();
        if !self.table.rows.is_empty() && self.wrong.is_empty() && chosen.iter().all(|(name, _)| known.contains(name)) {
            self.export = Some((kind, chosen));
        }
        self
    }
}

/// A part of a page.
pub(super) enum Block {
    /// A note: `ok`, `warn` or `bad`.
    Say(&'static str, String),
    Facts(String, Vec<(String, Cell)>),
    Table(String, Table),
    Time(String, Vec<Moment>, Option<String>),
    Tiles(Vec<Tile>),
    Chart(Chart),
    /// What is sold now beside what was submitted.
    Compare(String, Vec<Pair>),
    Attempt(crate::pages::attempts::AttemptCard),
    Act(Act),
}

/// One field in two versions.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) label: String,
    pub(super) before: String,
    pub(super) after: String,
}

impl Pair {
    pub(super) fn differs(&self) -> bool {
        self.before != self.after
    }
}

/// A field of an act.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Line { name: &'static str, label: String, hint: String, max: u32 },
    Area { name: &'static str, label: String, hint: String, max: u32 },
    Choose { name: &'static str, label: String, choices: Vec<Choice> },
}

/// Something that may be done: a form. What cannot be undone is folded away and asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Act {
    /// Tells the forms of a page apart.
    pub(super) id: &'static str,
    pub(super) path: String,
    pub(super) button: String,
    /// What will happen.
    pub(super) what: String,
    pub(super) entries: Vec<Entry>,
    pub(super) hidden: Vec<(&'static str, String)>,
    /// What must be ticked before; nothing where nothing is lost.
    pub(super) sure: String,
    pub(super) is_main: bool,
    pub(super) filled: Filled,
}

impl Act {
    pub(super) fn new(staff: &Staff, id: &'static str, path: impl Into<String>, button: &str, what: &str) -> Self {
        let what = if what.is_empty() { String::new() } else { staff.shell.t.s(what) };
        Self { id, path: path.into(), button: staff.shell.t.s(button), what, filled: staff.filled(id), ..Self::default() }
    }

    #[must_use]
    pub(super) fn main(self) -> Self {
        Self { is_main: true, ..self }
    }

    #[must_use]
    pub(super) fn sure(self, t: &Words, key: &str) -> Self {
        Self { sure: t.s(key), ..self }
    }

    #[must_use]
    pub(super) fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    #[must_use]
    pub(super) fn reason(self, t: &Words, hint: &str) -> Self {
        self.entry(Entry::Area { name: "reason", label: t.s("page-reason"), hint: t.s(hint), max: 500 })
    }

    #[must_use]
    pub(super) fn line(self, t: &Words, name: &'static str, label: &str, hint: &str, max: u32) -> Self {
        let hint = if hint.is_empty() { String::new() } else { t.s(hint) };
        self.entry(Entry::Line { name, label: t.s(label), hint, max })
    }

    #[must_use]
    pub(super) fn hide(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.hidden.push((name, value.into()));
        self
    }

    fn is_open(&self) -> bool {
        self.filled.is_refused()
    }
}

/// A thing with everything about it.
#[derive(Template)]
#[template(path = "operator/thing.html")]
pub(super) struct Thing {
    pub(super) shell: Shell,
    pub(super) title: String,
    pub(super) up: (String, String),
    pub(super) under: String,
    pub(super) chips: Vec<Chip>,
    pub(super) blocks: Vec<Block>,
}

/// Whoever works for the operator, on a page; with the form that was refused, should one have been.
pub(super) struct Staff {
    pub(super) shell: Shell,
    pub(super) ctx: Ctx,
    pub(super) principal: Principal,
    refused: Option<(&'static str, Filled, StatusCode)>,
}

impl<R> From<Member<R>> for Staff {
    fn from(member: Member<R>) -> Self {
        let May { principal, ctx, .. } = member.may;
        Self { shell: member.shell, ctx, principal, refused: None }
    }
}

impl Staff {
    /// The circumstances of an act of theirs.
    pub(super) fn act(&self) -> Ctx {
        self.ctx.at(self.ctx.now)
    }

    pub(super) fn may(&self, permission: Permission) -> bool {
        self.principal.permissions.contains(&permission)
    }

    /// What stands in a form of the page.
    pub(super) fn filled(&self, id: &str) -> Filled {
        self.refused.as_ref().filter(|(of, ..)| *of == id).map_or_else(Filled::default, |(_, filled, _)| filled.clone())
    }

    /// The same with a form that was refused, for its page to be shown again. What is another's fault goes on as it is.
    pub(super) fn refuse(self, id: &'static str, filled: Filled, error: ApiError) -> ApiResult<Self> {
        let ApiError::Refused(refusal) = error else { return Err(error) };
        if matches!(refusal.code, Code::NotFound | Code::IdempotencyConflict | Code::IdempotencyKeyInvalid) {
            return Err(refusal.into());
        }
        let field = refusal.args.iter().find(|(name, _)| *name == "field").map(|(_, field)| field.clone());
        // A box that is not ticked is not sent, and is a field all the same.
        let filled = match field {
            Some(field) if filled.value(&field).is_empty() => filled.with(&field, ""),
            _ => filled,
        };
        let filled = filled.refused(&refusal, self.shell.t.locale);
        Ok(Self { refused: Some((id, filled, status(refusal.code))), ..self })
    }

    /// The status of the page: that of the refusal, when it shows one.
    pub(super) fn status(&self) -> StatusCode {
        self.refused.as_ref().map_or(StatusCode::OK, |(.., status)| *status)
    }

    pub(super) fn money(&self, minor: i64, currency: Currency) -> String {
        self.shell.t.money(minor, currency)
    }

    pub(super) fn at(&self, at: i64) -> Cell {
        Cell::At(self.shell.t.stamp(at, self.ctx.now))
    }

    pub(super) fn at_or_none(&self, at: Option<i64>) -> Cell {
        at.map_or(Cell::Empty, |at| self.at(at))
    }

    pub(super) fn fact(&self, key: &str, cell: Cell) -> (String, Cell) {
        (self.shell.t.s(key), cell)
    }
}

/// A page with the status that belongs to it.
pub(super) fn shown<T: Template>(status: StatusCode, page: T) -> Response {
    let mut response = Page(page).into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

/// What cannot be undone must have been ticked.
///
/// # Errors
/// [`Code::FieldInvalid`].
pub(super) fn be_sure(filled: &Filled) -> Result<(), Refusal> {
    if filled.is_on("sure", "yes") { Ok(()) } else { Err(Refusal::field("sure", "required")) }
}

/// What accounts are called, by their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Titles(BTreeMap<AccountId, String>);

impl Titles {
    /// The titles of accounts.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn read(tx: &mut Tx, ids: impl IntoIterator<Item = AccountId>) -> db::Result<Self> {
        let mut titles = BTreeMap::new();
        for id in ids.into_iter().collect::<BTreeSet<_>>() {
            match accounts::get(tx, id).await {
                Ok(account) => titles.insert(id, account.title),
                // A book or an act may name an account that is no more.
                Err(error) if error.code() == Some(Code::NotFound) => None,
                Err(error) => return Err(error),
            };
        }
        Ok(Self(titles))
    }

    pub(super) fn of(&self, id: AccountId) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// A link to an account.
    pub(super) fn account(&self, id: AccountId) -> Cell {
        Cell::link(format!("/operator/accounts/{id}"), self.of(id))
    }

    /// A link to a seller.
    pub(super) fn seller(&self, id: AccountId) -> Cell {
        Cell::link(format!("/operator/sellers/{id}"), self.of(id))
    }
}

/// Who did what the audit says, by how it names them.
#[derive(Clone, Debug, Default)]
pub(super) struct Actors(BTreeMap<String, String>);

impl Actors {
    /// The names of people who act in these entries.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn read(tx: &mut Tx, who: impl IntoIterator<Item = (String, Option<AccountId>)>) -> db::Result<Self> {
        let mut names = BTreeMap::new();
        for (label, account) in who.into_iter().collect::<BTreeSet<_>>() {
            let Some((user, account)) = label.parse::<UserId>().ok().zip(account) else { continue };
            if let Ok(user) = accounts::get_user(tx, account, user).await {
                names.insert(label, user.name);
            }
        }
        Ok(Self(names))
    }

    pub(super) async fn of_entries(tx: &mut Tx, entries: &[AuditEntry]) -> db::Result<Self> {
        Self::read(tx, entries.iter().map(|entry| (entry.actor.clone(), entry.account_id))).await
    }

    /// Who: a person by name, the marketplace itself, the command line.
    pub(super) fn of(&self, label: &str, t: &Words) -> String {
        match self.0.get(label) {
            Some(name) => name.clone(),
            None if label.starts_with("system:") => t.s("page-op-actor-system"),
            None if label == "console" => t.s("page-op-actor-console"),
            None => label.to_owned(),
        }
    }
}

/// A timeline that says who did each thing, too.
pub(super) fn timeline(staff: &Staff, entries: &[AuditEntry], actors: &Actors) -> Vec<Moment> {
    let t = &staff.shell.t;
    let mut all = moments(entries, staff.ctx.now, t);
    for (moment, entry) in all.iter_mut().zip(entries) {
        let who = actors.of(&entry.actor, t);
        moment.note = if moment.note.is_empty() { who } else { format!("{} ({who})", moment.note) };
    }
    all
}

/// A sum as it is typed: `1234.50`.
pub(super) fn money_to_type(minor: i64, currency: Currency) -> String {
    kernel::Money::new(minor, currency).decimal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_written_as_it_is_typed() {
        assert_eq!(money_to_type(123_450, Currency::CNY), "1234.50");
    }
}
