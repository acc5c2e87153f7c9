//! `cargo xtask test`: everything that must hold before a change is taken. `.ci/run` calls the same.
//!
//! Steps run in order and the first one that fails ends the run; a table of all steps and their durations comes last. On
//! PostgreSQL only the crates that reach the database run again: `db` and what depends on it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::postgres::{Durability, Installation, Server};
use crate::process::Processes;
use crate::report::Report;
use crate::workspace::Workspace;
use crate::{browser, debian, dependencies, python, rooms, walls};

/// Tells a test which engine to run on: `sqlite` or `postgres`.
pub(crate) const ENGINE: &str = "YUNSHI_TEST_ENGINE";

/// Tells a test where it may create databases, set only on PostgreSQL.
pub(crate) const DATABASE_URL: &str = "YUNSHI_TEST_DATABASE_URL";

/// Tells a test a Python that has the seller SDK and beancount.
const PYTHON: &str = "YUNSHI_TEST_PYTHON";

/// nextest's words for the database crate and everything above it; the journeys in a browser go through a demo, which has a file of its own.
const REACHES_DATABASE: &str = "rdeps(yunshi-db) - binary(browser)";

/// What to do, from the command line.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    checks: Checks,
    engines: Vec<Engine>,
    durability: Durability,
    filters: Vec<String>,
    runner_args: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Checks {
    All,
    TestsOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Runs the steps and prints their table. Fails when a step does, or on an argument that means nothing.
pub(crate) fn run(processes: &Processes, args: Vec<String>) -> Result<ExitCode> {
    let plan = Plan::parse(args)?;
    let workspace = Workspace::load()?;
    let mut report = Report::start();
    let result = run_steps(processes, &workspace, &plan, &mut report);
    report.print();
    result.map(|()| ExitCode::SUCCESS)
}

fn run_steps(processes: &Processes, workspace: &Workspace, plan: &Plan, report: &mut Report) -> Result<()> {
    let environment = report.step("environment", || Environment::prepare(processes, workspace, plan))?;
    if plan.checks == Checks::All {
        report.step("format", || processes.run(workspace.cargo().args(["fmt", "--all", "--check"])))?;
        report.step("walls", || walls::check(workspace))?;
        report.step("rooms", || rooms::check(&workspace.root))?;
        report.step("spelling", || check_spelling(processes, workspace))?;
        report.step("lints", || {
            let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny=warnings"];
            processes.run(workspace.cargo().args(clippy))
        })?;
        report.step("dependencies", || dependencies::check(processes, workspace))?;
    }

    let runner = Runner::find(workspace);
    for engine in &plan.engines {
        match engine {
            Engine::Sqlite => report.step("tests on SQLite", || {
                let mut tests = runner.command(workspace, plan, Engine::Sqlite);
                processes.run(environment.tell(&mut tests).env(ENGINE, "sqlite").env_remove(DATABASE_URL))
            })?,
            Engine::Postgres => report.step("tests on PostgreSQL", || {
                let installation = environment.postgres.as_ref().context("PostgreSQL was not prepared")?;
                let server = Server::start(processes, installation, plan.durability)?;
                let mut tests = runner.command(workspace, plan, Engine::Postgres);
                processes.run(environment.tell(&mut tests).env(ENGINE, "postgres").env(DATABASE_URL, server.url()))
            })?,
        }
    }
    Ok(())
}

/// What the tests find on the machine.
struct Environment {
    python: std::path::PathBuf,
    chromium: std::path::PathBuf,
    postgres: Option<Installation>,
}

impl Environment {
    /// Installs what is missing. Two runs that share a target folder take turns.
    fn prepare(processes: &Processes, workspace: &Workspace, plan: &Plan) -> Result<Self> {
        let folder = workspace.test_env();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let _turn = lock(&folder)?;
        let postgres = if plan.engines.contains(&Engine::Postgres) { Some(Installation::ensure(processes)?) } else { None };
        // The guided tour of the documents is taken with the one, the exported books are checked with the other.
        for program in ["curl", "hledger"] {
            if !debian::succeeds(Command::new(program).arg("--version")) {
                debian::install(processes, &[program], &[])?;
            }
        }
        let python = python::ensure(processes, workspace)?;
        let chromium = browser::ensure(processes)?;
        if plan.checks == Checks::All {
            dependencies::ensure(processes, workspace)?;
        }
        Ok(Self { python, chromium, postgres })
    }

    fn tell<'a>(&self, tests: &'a mut Command) -> &'a mut Command {
        tests.env(PYTHON, &self.python).env(browser::CHROMIUM, &self.chromium)
    }
}

/// A lock that lasts as long as the file is open.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Checks words in sources and documents by the rules in `typos.toml`.
fn check_spelling(processes: &Processes, workspace: &Workspace) -> Result<()> {
    let program = workspace.test_env().join(python::VENV).join("bin/typos");
    processes.run(&mut workspace.command(program))?;
    println!("no misspelt word");
    Ok(())
}

/// What runs the tests.
enum Runner {
    /// Runs tests of all crates side by side, each in its own process.
    Nextest,
    /// cargo's own, where nextest is not installed.
    Cargo,
}

impl Runner {
    fn find(workspace: &Workspace) -> Self {
        if debian::succeeds(workspace.cargo().args(["nextest", "--version"])) { Self::Nextest } else { Self::Cargo }
    }

    /// The whole workspace is built in every case: a subset would select other features of the same dependencies and build
    /// them again.
    fn command(&self, workspace: &Workspace, plan: &Plan, engine: Engine) -> Command {
        let mut command = workspace.cargo();
        match self {
            Self::Nextest => {
                command.args(["nextest", "run", "--workspace", "--locked"]);
                if engine == Engine::Postgres {
                    command.args(["--filterset", REACHES_DATABASE]);
                }
                if !plan.filters.is_empty() {
                    // A filter may well name tests that need no database.
                    command.arg("--no-tests=pass");
                }
                command.args(&plan.filters).args(&plan.runner_args);
            }
            Self::Cargo => {
                command.args(["test", "--workspace", "--locked"]).args(&plan.runner_args);
                command.arg("--").args(&plan.filters);
            }
        }
        command
    }
}

impl Plan {
    fn parse(args: Vec<String>) -> Result<Self> {
        let mut plan = Self {
            checks: Checks::All,
            engines: vec![Engine::Sqlite, Engine::Postgres],
            durability: Durability::None,
            filters: Vec::new(),
            runner_args: Vec::new(),
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => plan.checks = Checks::TestsOnly,
                "--durable" => plan.durability = Durability::Full,
                "--engine" => {
                    let engine = args.next().context("--engine needs `sqlite` or `postgres` after it")?;
                    plan.engines = vec![Engine::named(&engine)?];
                }
                "--" => plan.runner_args.extend(args.by_ref()),
                other => match other.strip_prefix("--engine=") {
                    Some(engine) => plan.engines = vec![Engine::named(engine)?],
                    None => {
                        ensure!(!other.starts_with('-'), "`{other}` means nothing here, see `cargo xtask help`");
                        plan.filters.push(arg);
                    }
                },
            }
        }
        Ok(plan)
    }
}

impl Engine {
    /// Which one a word names. Fails when it names none.
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            _ => bail!("there is no engine `{name}`: use `sqlite` or `postgres`"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    fn parse(args: &str) -> Result<Plan> {
        Plan::parse(args.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn a_bare_run_checks_everything_on_both_engines() {
        let plan = parse("").unwrap();
        assert_eq!(plan.checks, Checks::All);
        assert_eq!(plan.engines, [Engine::Sqlite, Engine::Postgres]);
        assert_eq!(plan.durability, Durability::None);
    }

    #[test]
    fn a_developer_narrows_a_run_down() {
        let plan = parse("--quick --engine postgres --durable orders refunds -- --no-capture").unwrap();
        assert_eq!(plan.checks, Checks::TestsOnly);
        assert_eq!(plan.engines, [Engine::Postgres]);
        assert_eq!(plan.durability, Durability::Full);
        assert_eq!(plan.filters, ["orders", "refunds"]);
        assert_eq!(plan.runner_args, ["--no-capture"]);
        assert_eq!(parse("--engine=sqlite").unwrap().engines, [Engine::Sqlite]);
    }

    #[test]
    fn a_mistyped_argument_is_refused_rather_than_ignored() {
        assert!(parse("--quik").is_err());
        assert!(parse("--engine mysql").is_err());
        assert!(parse("--engine").is_err());
    }
}
