//! The rooms inside of our crates: what the sources of a module may name.
//!
//! The domains of `market` call downward only; a table is named by the SQL of one module, in its `store.rs` where it has one; `views` only read;
//! what is pure knows neither clock nor chance (ARCHITECTURE.md). The rules are data: a new domain needs a place in [`DOMAINS`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The domains of `market` from bottom to top: one may name those before it.
const DOMAINS: [&str; 23] = [
    "audit",
    "site",
    "notices",
    "mail",
    "ledger",
    "accounts",
    "agreements",
    "mailing",
    "sellers",
    "catalog",
    "wishes",
    "pricing",
    "settlement",
    "calls",
    "subscriptions",
    "orders",
    "carts",
    "refunds",
    "delivery",
    "debugging",
    "lifecycle",
    "views",
    "exports",
];

/// Tables of the database seam, whose SQL stands there.
const SEAM_TABLES: [&str; 2] = ["jobs", "job_holds"];

/// What reads a clock, draws randomness or reaches the outside.
const IMPURE: [&str; 9] = ["SystemTime", "Instant", "getrandom", "OsRng", "thread_rng", "tokio", "reqwest", "TcpStream", "async"];

/// Files whose functions follow from their arguments alone: every file of these folders, or those of this name.
const PURE_FOLDERS: [&str; 2] = ["crates/kernel/src", "crates/wire/src"];
const PURE_FILE: &str = "state.rs";

/// Who may write at a snapshot: each was looked at beside the others (docs/decisions/0018-two-kinds-of-writers.md).
const SNAPSHOT_WRITERS: [&str; 6] = [
    "crates/db/src/lib.rs",
    "crates/market/src/accounts/principal.rs",
    "crates/market/src/delivery/mod.rs",
    "crates/web/src/acts.rs",
    "crates/web/src/compat/order_query.rs",
    "crates/web/src/lib.rs",
];

/// A source file, without its tests.
struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

/// Checks every source. Fails with all broken rules at once.
pub(crate) fn check(root: &Path) -> Result<()> {
    let sources = sources(root)?;
    let tables = tables(root)?;
    let mut broken = upward_calls(&sources);
    broken.extend(misplaced_tables(&sources, &tables));
    broken.extend(writing_views(&sources));
    broken.extend(impure(&sources));
    broken.extend(snapshot_writers(&sources));
    if !broken.is_empty() {
        bail!("walls inside of crates are broken:\n  {}", broken.join("\n  "));
    }
    println!("{} sources and {} tables keep to their rooms", sources.len(), tables.len());
    Ok(())
}

fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for folder in PURE_FOLDERS.iter().copied().chain(["crates/market/src"]) {
        for path in rust_files(&root.join(folder))? {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let path = path.strip_prefix(root)?.to_string_lossy().into_owned();
            found.push(Source { path, text: without_tests(&text).to_owned() });
        }
    }
    Ok(found)
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot look into {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Every table of the schema.
fn tables(root: &Path) -> Result<BTreeSet<String>> {
    let folder = root.join("crates/market/migrations");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot look into {}", folder.display()))? {
        let text = fs::read_to_string(entry?.path())?;
        let lines = text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
        found.extend(lines.filter_map(|rest| words(rest).next().map(str::to_owned)));
    }
    Ok(found)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

impl Source {
    /// The module of `market` that it is a part of, and the file inside of it.
    fn room(&self) -> Option<(&str, &str)> {
        let inside = self.path.strip_prefix("crates/market/src/")?;
        Some(inside.split_once('/').unwrap_or((inside.trim_end_matches(".rs"), inside)))
    }

    /// The modules of its own crate that it names, as `crate::name` or inside of `crate::{…}`.
    fn names(&self) -> BTreeSet<&str> {
        let mut named = BTreeSet::new();
        for rest in self.text.split("crate::").skip(1) {
            match rest.strip_prefix('{') {
                None => named.extend(words(rest).next()),
                Some(group) => named.extend(group_members(group)),
            }
        }
        named
    }
}

/// The first word of each member of a `{…}` group that has just been opened.
fn group_members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (1, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            members.extend(words(&group[start..at]).next());
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    members
}

fn place(domain: &str) -> Option<usize> {
    DOMAINS.iter().position(|known| *known == domain)
}

fn upward_calls(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let Some((room, file)) = source.room() else { continue };
        let Some(own) = place(room) else {
            if file != format!("{room}.rs") {
                broken.push(format!("market::{room} has no place among the domains: add it to xtask/src/rooms.rs"));
            }
            continue;
        };
        let above = source.names().into_iter().filter(|name| place(name).is_some_and(|place| place > own));
        broken.extend(above.map(|name| format!("{} must not name {name}, which stands above {room}", source.path)));
    }
    broken
}

/// What stands after a word of SQL that names a table.
fn tables_named<'a>(source: &'a Source, tables: &'a BTreeSet<String>) -> BTreeSet<&'a str> {
    let words: Vec<&str> = words(&source.text).collect();
    let pairs = words.windows(2).filter(|pair| ["FROM", "JOIN", "INTO", "UPDATE"].contains(&pair[0]));
    pairs.map(|pair| pair[1]).filter(|name| tables.contains(*name)).collect()
}

fn misplaced_tables(sources: &[Source], tables: &BTreeSet<String>) -> Vec<String> {
    let with_store: BTreeSet<&str> =
        sources.iter().filter_map(Source::room).filter(|(_, file)| *file == "store.rs").map(|(room, _)| room).collect();
    let (mut broken, mut owners) = (Vec::new(), BTreeMap::<&str, BTreeSet<&str>>::new());
    for source in sources {
        let Some((room, file)) = source.room() else { continue };
        for table in tables_named(source, tables) {
            if SEAM_TABLES.contains(&table) {
                broken.push(format!("{} must not name the table {table}: db::jobs does", source.path));
            }
            if room == "views" {
                continue;
            }
            if with_store.contains(room) && file != "store.rs" {
                broken.push(format!("{} must not name the table {table}: {room}/store.rs does", source.path));
            }
            owners.entry(table).or_default().insert(room);
        }
    }
    let shared = owners.iter().filter(|(_, rooms)| rooms.len() > 1);
    broken.extend(shared.map(|(table, rooms)| {
        format!("the table {table} is named by {}: one of them owns it", rooms.iter().copied().collect::<Vec<_>>().join(" and "))
    }));
    broken
}

fn writing_views(sources: &[Source]) -> Vec<String> {
    let views = sources.iter().filter(|source| source.room().is_some_and(|(room, _)| room == "views"));
    let writing = views.filter(|source| words(&source.text).any(|word| ["INSERT", "UPDATE", "DELETE"].contains(&word)));
    writing.map(|source| format!("{} must not write: views read", source.path)).collect()
}

fn impure(sources: &[Source]) -> Vec<String> {
    let pure = |source: &&Source| {
        PURE_FOLDERS.iter().any(|folder| source.path.starts_with(folder)) || source.path.ends_with(&format!("/{PURE_FILE}"))
    };
    let mut broken = Vec::new();
    for source in sources.iter().filter(pure) {
        let code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let named: BTreeSet<&str> =
            code.flat_map(words).filter(|word| IMPURE.contains(word) || (*word == "Tx" || *word == "sql")).collect();
        broken
            .extend(named.into_iter().map(|name| format!("{} must not name {name}: what it says follows from its arguments", source.path)));
    }
    broken
}

fn snapshot_writers(sources: &[Source]) -> Vec<String> {
    // Measurements do what the doors do.
    let others = sources.iter().filter(|source| !SNAPSHOT_WRITERS.contains(&&*source.path) && !source.path.starts_with("crates/bench/"));
    let writing = others.filter(|source| words(&source.text).any(|word| word == "write_snapshot"));
    writing.map(|source| format!("{} must not write at a snapshot before decision 0018 names it", source.path)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: without_tests(text).to_owned() }
    }

    fn tables() -> BTreeSet<String> {
        ["orders", "accounts", "jobs"].map(str::to_owned).into()
    }

    #[test]
    fn this_repository_keeps_to_its_rooms() {
        check(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
    }

    #[test]
    fn domains_call_downward_only() {
        let upward = source(
            "crates/market/src/orders/place.rs",
            "use crate::edition::Edition;\nuse crate::{audit, delivery::{self, state}, ledger};",
        );
        assert_eq!(upward_calls(&[upward]), ["crates/market/src/orders/place.rs must not name delivery, which stands above orders"]);
        let tests = source("crates/market/src/orders/mod.rs", "use crate::ledger;\n#[cfg(test)]\nuse crate::delivery;");
        assert!(upward_calls(&[tests]).is_empty());
        let new = source("crates/market/src/metering/mod.rs", "");
        assert_eq!(upward_calls(&[new]), ["market::metering has no place among the domains: add it to xtask/src/rooms.rs"]);
    }

    #[test]
    fn a_table_is_named_in_its_own_store() {
        let store = source("crates/market/src/orders/store.rs", "sql!(\"SELECT 1 FROM orders\")");
        let elsewhere = source("crates/market/src/orders/place.rs", "sql!(\"UPDATE orders SET x = 1\")");
        let other = source("crates/market/src/clock.rs", "sql!(\"SELECT 1 FROM orders\")");
        let view = source("crates/market/src/views/mod.rs", "sql!(\"SELECT 1 FROM orders JOIN accounts\")");
        let found = misplaced_tables(&[store, elsewhere, other, view], &tables());
        let expected = [
            "crates/market/src/orders/place.rs must not name the table orders: orders/store.rs does",
            "the table orders is named by clock and orders: one of them owns it",
        ];
        assert_eq!(found, expected);
        let job = source("crates/market/src/runner.rs", "sql!(\"DELETE FROM jobs\")");
        assert_eq!(misplaced_tables(&[job], &tables()), ["crates/market/src/runner.rs must not name the table jobs: db::jobs does"]);
    }

    #[test]
    fn only_those_who_were_looked_at_write_at_a_snapshot() {
        let text = "market.db().write_snapshot(work).await";
        assert!(snapshot_writers(&[source("crates/web/src/acts.rs", text)]).is_empty());
        assert_eq!(snapshot_writers(&[source("crates/market/src/refunds/mod.rs", text)]).len(), 1);
    }

    #[test]
    fn views_read_and_pure_files_reckon() {
        let view = source("crates/market/src/views/mod.rs", "sql!(\"DELETE FROM orders\")");
        assert_eq!(writing_views(&[view]), ["crates/market/src/views/mod.rs must not write: views read"]);
        let state = source("crates/market/src/orders/state.rs", "// SystemTime is not read\nlet now = SystemTime::now();");
        let broken = "crates/market/src/orders/state.rs must not name SystemTime: what it says follows from its arguments";
        assert_eq!(impure(&[state]), [broken]);
    }
}
