//! The walls between our crates: which crate may depend on which, and who may name a guarded library.
//!
//! Arrows run one way, `kernel ← {wire, db, outbound, search} ← market ← web ← yunshi`; only `db` names the database drivers, only
//! Arrows run one way, `kernel ← {wire, db, outbound, render} ← market ← web ← yunshi`; only `db` names the database drivers, only
//! `web` knows incoming HTTP (ARCHITECTURE.md). The rules are data: a new crate needs a line in [`FLOORS`].

use anyhow::{Result, bail};

use crate::workspace::{Dependency, Package, Workspace};

/// Crates by height. One may depend on those further down, never on its own floor or above.
const FLOORS: [&[&str]; 7] = [
    &["yunshi-kernel", "xtask"],
    &["yunshi-wire", "yunshi-db", "yunshi-outbound", "yunshi-render", "yunshi-search"],
    &["yunshi-sample-seller", "yunshi-conformance"],
    &["yunshi-market"],
    &["yunshi-web"],
    &["yunshi-testkit", "yunshi-bench"],
    &["yunshi"],
];

/// Usable by every crate's tests, whatever the floor.
const TESTKIT: &str = "yunshi-testkit";

/// Commands of the repository: nobody's library.
const XTASK: &str = "xtask";

/// Libraries that only some crates may name.
const GUARDED: [Guarded; 4] = [
    Guarded {
        what: "a database driver",
        libraries: &[
            "deadpool",
            "deadpool-postgres",
            "libsqlite3-sys",
            "postgres",
            "postgres-types",
            "rusqlite",
            "sqlx",
            "tokio-postgres",
            "tokio-postgres-rustls",
        ],
        owners: &["yunshi-db"],
        tests: Tests::Too,
    },
    Guarded {
        what: "incoming HTTP",
        libraries: &["axum", "axum-extra", "hyper", "tower-http", "utoipa-axum", "utoipa-swagger-ui"],
        owners: &["yunshi-web", "yunshi-sample-seller", "yunshi-testkit", "yunshi-bench", "yunshi"],
        tests: Tests::Free,
    },
    Guarded {
        what: "outgoing HTTP",
        libraries: &["hyper-rustls", "reqwest", "ureq"],
        owners: &["yunshi-outbound", "yunshi-testkit"],
        tests: Tests::Free,
    },
    Guarded { what: "outgoing mail", libraries: &["lettre", "mail-send"], owners: &["yunshi-outbound"], tests: Tests::Free },
];

/// Libraries behind a wall.
struct Guarded {
    what: &'static str,
    libraries: &'static [&'static str],
    owners: &'static [&'static str],
    tests: Tests,
}

/// Whether a wall counts for dependencies of tests.
#[derive(PartialEq, Eq)]
enum Tests {
    /// It does.
    Too,
    /// A test may play the other side.
    Free,
}

/// Checks every crate of the workspace. Fails with all broken rules at once.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let broken = broken_rules(&workspace.packages);
    if !broken.is_empty() {
        bail!("walls between crates are broken:\n  {}", broken.join("\n  "));
    }
    println!("{} crates keep their walls", workspace.packages.len());
    Ok(())
}

fn broken_rules(packages: &[Package]) -> Vec<String> {
    let mut broken = Vec::new();
    for package in packages {
        let Some(floor) = floor_of(&package.name) else {
            broken.push(format!("{} has no floor: add it to xtask/src/walls.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            broken.extend(broken_arrow(package, floor, dependency));
            broken.extend(broken_guard(package, dependency));
        }
    }
    broken
}

fn broken_arrow(package: &Package, floor: usize, dependency: &Dependency) -> Option<String> {
    let below = floor_of(&dependency.name)?;
    let for_tests = dependency.is_dev() && dependency.name == TESTKIT;
    let allowed = (for_tests || below < floor) && dependency.name != XTASK;
    (!allowed).then(|| format!("{} must not depend on {}", package.name, dependency.name))
}

fn broken_guard(package: &Package, dependency: &Dependency) -> Option<String> {
    let guarded = GUARDED.iter().find(|guarded| guarded.libraries.contains(&dependency.name.as_str()))?;
    let allowed = guarded.owners.contains(&package.name.as_str()) || (guarded.tests == Tests::Free && dependency.is_dev());
    (!allowed)
        .then(|| format!("{} must not name {} ({}): only {} may", package.name, dependency.name, guarded.what, guarded.owners.join(", ")))
}

fn floor_of(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |&(name, kind): &(&str, Option<&str>)| Dependency { name: name.to_owned(), kind: kind.map(str::to_owned) };
        Package { name: name.to_owned(), dependencies: dependencies.iter().map(dependency).collect() }
    }

    #[track_caller]
    fn check(name: &str, dependency: &str, kind: Option<&str>, expect: &[&str]) {
        assert_eq!(broken_rules(&[package(name, &[(dependency, kind)])]), expect);
    }

    #[test]
    fn this_repository_keeps_its_walls() {
        super::check(&Workspace::load().unwrap()).unwrap();
    }

    #[test]
    fn arrows_point_down_only() {
        check("yunshi-market", "yunshi-kernel", None, &[]);
        check("yunshi", "yunshi-testkit", None, &[]);
        check("yunshi-kernel", "yunshi-db", None, &["yunshi-kernel must not depend on yunshi-db"]);
        check("yunshi-wire", "yunshi-db", None, &["yunshi-wire must not depend on yunshi-db"]);
        check("yunshi-db", "yunshi-market", Some("dev"), &["yunshi-db must not depend on yunshi-market"]);
        check("yunshi-market", "yunshi-web", Some("build"), &["yunshi-market must not depend on yunshi-web"]);
        check("yunshi", "xtask", None, &["yunshi must not depend on xtask"]);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        check("yunshi-market", "yunshi-testkit", Some("dev"), &[]);
        check("yunshi-web", "yunshi-testkit", None, &["yunshi-web must not depend on yunshi-testkit"]);
    }

    #[test]
    fn only_db_names_a_driver() {
        check("yunshi-db", "rusqlite", None, &[]);
        let broken = "yunshi-market must not name rusqlite (a database driver): only yunshi-db may";
        check("yunshi-market", "rusqlite", None, &[broken]);
        check("yunshi-market", "rusqlite", Some("dev"), &[broken]);
    }

    #[test]
    fn only_web_knows_incoming_http() {
        check("yunshi-web", "axum", None, &[]);
        check("yunshi-outbound", "axum", Some("dev"), &[]);
        let broken = "yunshi-market must not name axum (incoming HTTP): only yunshi-web, yunshi-sample-seller, yunshi-testkit, yunshi-bench, yunshi may";
        check("yunshi-market", "axum", None, &[broken]);
    }

    #[test]
    fn only_outbound_makes_a_call() {
        check("yunshi-outbound", "reqwest", None, &[]);
        check("yunshi-web", "reqwest", Some("dev"), &[]);
        let broken = "yunshi must not name reqwest (outgoing HTTP): only yunshi-outbound, yunshi-testkit may";
        check("yunshi", "reqwest", None, &[broken]);
    }

    #[test]
    fn only_outbound_sends_mail() {
        check("yunshi-outbound", "lettre", None, &[]);
        check("yunshi-market", "lettre", None, &["yunshi-market must not name lettre (outgoing mail): only yunshi-outbound may"]);
    }

    #[test]
    fn a_new_crate_must_be_given_its_floor() {
        check("yunshi-new", "serde", None, &["yunshi-new has no floor: add it to xtask/src/walls.rs"]);
    }
}
