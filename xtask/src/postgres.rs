//! A throw-away PostgreSQL for tests: own folder, own port on 127.0.0.1, no password, superuser `yunshi`.
//!
//! Invariants: the server never runs as root; it and its folder are gone when its owner is, also after `kill -9`, because a
//! guard process waits for the end of a pipe that only the owner holds; it touches no other cluster of the machine.
//!
//! Left out: choosing a collation. Text sorts by bytes (locale C), as it does on SQLite.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::process::Processes;
use crate::test::{DATABASE_URL, ENGINE};

/// The oldest major version that the SQL is written for.
const MAJOR_MIN: u32 = 15;

/// The Debian package of that version.
const PACKAGE: &str = "postgresql-15";

/// Keeps that package from making and starting a cluster that nobody asked for.
const NO_CLUSTER: debian::PackageDefault =
    debian::PackageDefault { path: "/etc/postgresql-common/createcluster.conf", line: "create_main_cluster = false" };

/// What a server folder must hold.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Enough for one pool per test at the number of tests that run at once.
const CONNECTIONS_MAX: u32 = 200;

/// Another process may take the free port before the server does.
const START_ATTEMPTS_MAX: u32 = 3;

/// Whether a commit must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Flush every commit, as in production.
    Full,
    /// Leave flushing to the system: the cluster is thrown away after any crash anyhow.
    None,
}

/// A folder with PostgreSQL's server programs.
#[derive(Debug)]
pub(crate) struct Installation {
    programs: PathBuf,
    major: u32,
}

impl Installation {
    /// Finds PostgreSQL 15 or newer, or installs Debian's without a cluster of its own. Fails where neither works.
    pub(crate) fn ensure(processes: &Processes) -> Result<Self> {
        if let Some(installation) = Self::find() {
            println!("PostgreSQL {} in {}", installation.major, installation.programs.display());
            return Ok(installation);
        }
        debian::install(processes, &[PACKAGE], &[NO_CLUSTER])?;
        Self::find().with_context(|| format!("{PACKAGE} is installed, but its server programs are not where Debian puts them"))
    }

    /// The first on the PATH, else the oldest of Debian's that will do: what passes there passes on newer ones more
    /// likely than the other way round.
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).find_map(Self::at);
        on_path.or_else(|| {
            let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
            versions.flatten().filter_map(|version| Self::at(version.path().join("bin"))).min_by_key(|installation| installation.major)
        })
    }

    fn at(programs: PathBuf) -> Option<Self> {
        if !PROGRAMS.iter().all(|program| programs.join(program).is_file()) {
            return None;
        }
        let output = Command::new(programs.join("postgres")).arg("--version").output().ok()?;
        let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
        (major >= MAJOR_MIN).then_some(Self { programs, major })
    }
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major_version(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A running server; dropping it stops the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    account: Account,
    guard: Child,
    port: u16,
}

impl Server {
    /// Makes a cluster and starts it. Fails with the server's log where it does not start.
    pub(crate) fn start(processes: &Processes, installation: &Installation, durability: Durability) -> Result<Self> {
        let account = Account::choose(processes)?;
        let (folder, guard) = guarded_folder(processes, installation, &account)?;
        let mut server = Self { folder, programs: installation.programs.clone(), account, guard, port: 0 };
        let data = server.folder.join("data");
        processes.output(
            server
                .account
                .command(&server.folder, installation.programs.join("initdb"))
                .args(["--username=yunshi", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
                .arg(&data),
        )?;

        for attempt in 1.. {
            server.port = free_port()?;
            append(&data.join("postgresql.conf"), &settings(&server.folder, server.port, durability))?;
            let log = server.folder.join("log");
            let started = processes.output(
                server
                    .account
                    .command(&server.folder, installation.programs.join("pg_ctl"))
                    .args(["start", "--wait", "--silent", "--pgdata"])
                    .arg(&data)
                    .arg("--log")
                    .arg(&log),
            );
            match started {
                Ok(_) => break,
                Err(error) if processes.interrupted() => return Err(error),
                Err(error) if attempt == START_ATTEMPTS_MAX => {
                    let log = fs::read_to_string(&log).unwrap_or_default();
                    return Err(error.context(format!("PostgreSQL does not start, its log says:\n{log}")));
                }
                Err(_) => {}
            }
        }
        println!("PostgreSQL {} listens on 127.0.0.1:{}", installation.major, server.port);
        Ok(server)
    }

    /// A command of the shell that ends the server in the middle of everything and starts it again, as after a power cut.
    pub(crate) fn restart_command(&self) -> String {
        let mut restart = self.account.command(&self.folder, self.programs.join("pg_ctl"));
        restart.args(["restart", "--wait", "--silent", "--mode=immediate", "--pgdata"]).arg(self.folder.join("data"));
        restart.arg("--log").arg(self.folder.join("log"));
        let words = std::iter::once(restart.get_program()).chain(restart.get_args()).map(|word| quoted(&word.to_string_lossy()));
        // The server inherits what is open, and would keep the pipe of whoever waits for this command.
        format!("cd {} && {} > /dev/null 2>&1", quoted(&self.folder.to_string_lossy()), words.collect::<Vec<_>>().join(" "))
    }

    /// The database to connect to first; tests make their own beside it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://yunshi@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is what the guard waits for.
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("cannot tell whether PostgreSQL in {} has stopped: {error}", self.folder.display());
        }
    }
}

/// `cargo xtask postgres [--durable] -- COMMAND…`. Answers the command's own exit code. Fails when there is no command, or
/// the server does not start.
pub(crate) fn run(processes: &Processes, args: Vec<String>) -> Result<ExitCode> {
    let mut durability = Durability::None;
    let mut args = args.into_iter();
    let mut program = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--durable" => durability = Durability::Full,
            "--" => {
                program = args.next();
                break;
            }
            _ => bail!("`{arg}` means nothing here: write the command after `--`"),
        }
    }
    let program = program.context("no command to run: write it after `--`")?;

    let installation = Installation::ensure(processes)?;
    let server = Server::start(processes, &installation, durability)?;
    let status = processes.hand_over(Command::new(program).args(args).env(ENGINE, "postgres").env(DATABASE_URL, server.url()))?;
    // A command ended by a signal has no code of its own.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// A word as the shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Who runs the server: PostgreSQL refuses to be root.
#[derive(Debug)]
enum Account {
    Ourselves,
    Other(&'static str),
}

impl Account {
    fn choose(processes: &Processes) -> Result<Self> {
        if !debian::is_root() {
            return Ok(Self::Ourselves);
        }
        for name in ["postgres", "nobody"] {
            if processes.output(Command::new("id").arg("-u").arg(name)).is_ok() {
                return Ok(Self::Other(name));
            }
        }
        bail!("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it");
    }

    /// A command as this user; it starts in `folder` because our own current folder may be closed to that user.
    fn command(&self, folder: &Path, program: impl AsRef<Path>) -> Command {
        let mut command = match self {
            Self::Ourselves => Command::new(program.as_ref()),
            Self::Other(name) => {
                let mut command = Command::new("runuser");
                command.args(["-u", name, "--"]).arg(program.as_ref());
                command
            }
        };
        command.current_dir(folder);
        command
    }
}

/// Makes the folder, given to the account, and the guard that clears up behind us. Fails when the account cannot get into
/// the machine's folder for temporary files.
fn guarded_folder(processes: &Processes, installation: &Installation, account: &Account) -> Result<(PathBuf, Child)> {
    let folder = tempfile::Builder::new().prefix("yunshi-postgres-").tempdir().context("cannot create a folder for PostgreSQL")?;
    if let Account::Other(name) = account {
        processes.output(Command::new("chown").arg(format!("{name}:")).arg(folder.path()))?;
        processes
            .output(account.command(Path::new("/"), "ls").arg(folder.path()))
            .with_context(|| format!("user {name} cannot use {}: set TMPDIR to a folder open to all", folder.path().display()))?;
    }
    let mut stop = account.command(Path::new("/"), installation.programs.join("pg_ctl"));
    stop.args(["stop", "--wait", "--silent", "--mode=immediate", "--pgdata"]).arg(folder.path().join("data"));
    let guard = guard(folder.path(), &stop).context("cannot start the guard of PostgreSQL")?;
    Ok((folder.keep(), guard))
}

/// A process that outlives us: in a group of its own, deaf to the signals that end us, it reads until the pipe's other end
/// is closed, by us or by our death, then stops the server and removes the folder.
fn guard(folder: &Path, stop: &Command) -> std::io::Result<Child> {
    const SCRIPT: &str = r#"
        trap '' INT TERM HUP
        cat
        "$@" 2> /dev/null
        rm -rf -- "$0"
    "#;
    Command::new("sh")
        .args(["-c", SCRIPT])
        .arg(folder)
        .arg(stop.get_program())
        .args(stop.get_args())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    Ok(listener.local_addr().context("cannot read the free port")?.port())
}

/// Lines for `postgresql.conf`, where a later line wins over an earlier one.
fn settings(folder: &Path, port: u16, durability: Durability) -> String {
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = '{}'\n\
         max_connections = {CONNECTIONS_MAX}\n",
        folder.display()
    );
    if durability == Durability::None {
        settings.push_str("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n");
    }
    settings
}

fn append(file: &Path, text: &str) -> Result<()> {
    let write = || fs::OpenOptions::new().append(true).open(file)?.write_all(text.as_bytes());
    write().with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_way_to_print_it() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("postgres: not found"), None);
    }

    #[test]
    fn commits_are_flushed_only_where_asked() {
        let folder = Path::new("/tmp/x");
        assert!(settings(folder, 5433, Durability::None).contains("fsync = off"));
        assert!(!settings(folder, 5433, Durability::Full).contains("fsync"));
    }
}
