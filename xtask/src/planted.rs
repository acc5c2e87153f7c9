//! `cargo xtask planted`: bugs that are made on purpose, and the seed that finds each.
//!
//! A bug is a patch in `crates/testkit/planted`, never merged. For each the sources are copied into the target folder, the patch is applied
//! there, the simulator is built from them and lives seeds until one stumbles. Nothing of the clone is touched.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::process::Processes;
use crate::simulate;
use crate::workspace::Workspace;

/// Where the patches are, from the root.
const PATCHES: &str = "crates/testkit/planted";

/// Seeds that are lived at most for one bug: those of the tests.
const SEEDS: u64 = 1_000;

/// What the simulator said of the first history that stumbled.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    seed: u64,
    broken: String,
    steps: String,
}

/// Plants each bug that is named (all when none is) and prints the table. Fails when a patch does not apply or build, or a bug is not found.
pub(crate) fn run(processes: &Processes, args: &[String]) -> Result<ExitCode> {
    let (seeds, names) = asked(args)?;
    let workspace = Workspace::load()?;
    let patches: Vec<_> = patches(&workspace.root)?.into_iter().filter(|patch| wanted(patch, &names)).collect();
    ensure!(!patches.is_empty(), "no planted bug has such a name, see {PATCHES}");
    let tree = Tree(workspace.target.join("planted"));
    tree.renew(processes, &workspace)?;
    let mut table = vec!["| bug | seed | what it breaks | steps |".to_owned(), "|---|---|---|---|".to_owned()];
    let mut missed = 0;
    for patch in &patches {
        let name = name_of(patch);
        tree.apply(processes, patch, &[])?;
        let row = match tree.find(processes, &workspace, seeds)? {
            Some(Found { seed, broken, steps }) => format!("| {name} | {seed} | {broken} | {steps} |"),
            None => {
                missed += 1;
                format!("| {name} | none of {seeds} | | |")
            }
        };
        println!("{row}");
        table.push(row);
        tree.apply(processes, patch, &["--reverse"])?;
    }
    println!("\n{}", table.join("\n"));
    ensure!(missed == 0, "{missed} of {} planted bugs were not found", patches.len());
    Ok(ExitCode::SUCCESS)
}

fn asked(args: &[String]) -> Result<(u64, Vec<String>)> {
    let (mut seeds, mut names) = (SEEDS, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seeds" => seeds = args.next().and_then(|text| text.parse().ok()).context("--seeds needs a number after it")?,
            other if other.starts_with('-') => bail!("`{other}` means nothing here, see `cargo xtask help`"),
            name => names.push(name.to_owned()),
        }
    }
    Ok((seeds, names))
}

/// Every patch, in the order of their names.
fn patches(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join(PATCHES);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths: BTreeSet<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "patch")).collect())
}

fn name_of(patch: &Path) -> String {
    patch.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn wanted(patch: &Path, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name_of(patch).contains(name.as_str()))
}

/// A copy of the sources in which a bug is planted.
struct Tree(PathBuf);

impl Tree {
    /// Makes the copy as the clone is, changes that are not committed included. What is the same is left alone, so that it is not built again.
    fn renew(&self, processes: &Processes, workspace: &Workspace) -> Result<()> {
        let list = workspace.command("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output();
        let list = list.context("cannot ask git for the sources")?;
        ensure!(list.status.success(), "git does not list the sources");
        ensure!(!processes.interrupted(), "interrupted");
        for file in String::from_utf8_lossy(&list.stdout).split_terminator('\0') {
            let (from, to) = (workspace.root.join(file), self.0.join(file));
            // A file may be gone from the clone and not from git's list.
            let Ok(content) = fs::read(&from) else { continue };
            if fs::read(&to).is_ok_and(|there| there == content) {
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            }
            fs::write(&to, content).with_context(|| format!("cannot write {}", to.display()))?;
        }
        Ok(())
    }

    fn apply(&self, processes: &Processes, patch: &Path, options: &[&str]) -> Result<()> {
        processes.run(git_apply(&self.0).args(options).arg(patch)).with_context(|| format!("{} does not apply", name_of(patch)))
    }

    fn find(&self, processes: &Processes, workspace: &Workspace, seeds: u64) -> Result<Option<Found>> {
        // Cargo tells the crates of two copies apart by nothing that matters: they must not share a target folder.
        let target = self.0.join("target");
        let mut build = workspace.cargo();
        build.current_dir(&self.0).env("CARGO_TARGET_DIR", &target);
        processes.run(build.args(["build", "--quiet", "--locked"]).args(simulate::PROGRAM))?;
        let mut live = workspace.command(target.join("debug/simulate"));
        let (status, said) = processes.listen(live.arg("--first").arg("--seeds").arg(format!("0..{seeds}")))?;
        match status.code() {
            Some(0) => Ok(None),
            Some(1) => found(&said).map(Some).context("the simulator stumbled and did not say how"),
            _ => bail!("the simulator could not run:\n{said}"),
        }
    }
}

/// `git apply` in a folder that is none of git's.
fn git_apply(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).arg("apply");
    if let Some(above) = folder.parent() {
        command.env("GIT_CEILING_DIRECTORIES", above);
    }
    command
}

/// Reads what the simulator prints of the first seed that stumbles. Seeds are begun in their order and ended in any: of several, the lowest
/// is the first there is.
fn found(said: &str) -> Option<Found> {
    let histories = said.split("\nseed ").skip(1);
    histories.filter_map(history).min_by_key(|found| found.seed)
}

fn history(said: &str) -> Option<Found> {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let seed = said.split_whitespace().next()?.parse().ok()?;
    let broken = line("broken: ")?.split(": ").next()?.to_owned();
    let steps = line("the shortest history that breaks it, ")?.split_whitespace().next()?.to_owned();
    Some(Found { seed, broken, steps })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn every_planted_bug_can_still_be_planted() {
        let root = Workspace::load().unwrap().root;
        let patches = patches(&root).unwrap();
        assert!(patches.len() >= 10);
        for patch in patches {
            let output = Command::new("git").current_dir(&root).args(["apply", "--check"]).arg(&patch).output().unwrap();
            assert!(output.status.success(), "{} no longer applies:\n{}", patch.display(), String::from_utf8_lossy(&output.stderr));
        }
    }

    #[test]
    fn what_the_simulator_says_is_read() {
        let said = "1 seeds in 2 s\n\nseed 7 stumbles at step 3 of 60\nbroken: no timer is early: sub_1 …: x\n\n\
                    the shortest history that breaks it, 4 steps:\n";
        let expected = |seed| Found { seed, broken: "no timer is early".to_owned(), steps: "4".to_owned() };
        assert_eq!(found(said), Some(expected(7)));
        assert_eq!(found(&format!("{said}{}", said.replace("seed 7", "seed 5"))), Some(expected(5)));
        assert_eq!(found("1000 seeds in 60 s, 0 stumbled"), None);
    }

    #[test]
    fn bugs_are_named_by_a_part_of_their_name() {
        let args = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(asked(&args("--seeds 50 lease")).unwrap(), (50, args("lease")));
        assert!(asked(&args("--seed 1")).is_err());
        assert!(wanted(Path::new("a/02-lease.patch"), &args("lease")) && !wanted(Path::new("a/02-lease.patch"), &args("refund")));
    }
}
