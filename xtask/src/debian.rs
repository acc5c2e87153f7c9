//! Debian packages, where a test needs one that the machine lacks.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::Processes;

/// A configuration file that a package's own set-up reads, to be there before it.
pub(crate) struct PackageDefault {
    /// Where it is; one that exists is kept.
    pub(crate) path: &'static str,
    /// Its only line.
    pub(crate) line: &'static str,
}

/// Installs packages with what they need and nothing recommended, after writing the defaults. Fails when this is not Debian,
/// when we are neither root nor may become it without a password, or when apt does.
pub(crate) fn install(processes: &Processes, packages: &[&str], defaults: &[PackageDefault]) -> Result<()> {
    let names = packages.join(" ");
    println!("installing {names}");
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("this machine has no apt-get, so provide {names} yourself");
    }
    let by_hand = format!("only root can install it here, so run: apt-get install {names}");
    let root = Root::find().context(by_hand)?;

    for PackageDefault { path, line } in defaults {
        let script = r#"test -e "$1" || { mkdir -p "$(dirname "$1")" && printf '%s\n' "$2" > "$1"; }"#;
        processes.run(root.command("sh").args(["-c", script, "sh", path, line]))?;
    }
    // One source of many that cannot be reached must not stop us: the packages may come from the others.
    if let Err(error) = processes.run(root.apt_get().args(["-q", "update"])) {
        if processes.interrupted() {
            return Err(error);
        }
        eprintln!("going on with older package lists: {error:#}");
    }
    let options = ["-q", "-y", "--no-install-recommends", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120", "install"];
    processes.run(root.apt_get().args(options).args(packages))
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The way to act as root.
enum Root {
    Already,
    Sudo,
}

impl Root {
    fn find() -> Option<Self> {
        if is_root() {
            return Some(Self::Already);
        }
        succeeds(Command::new("sudo").args(["-n", "true"])).then_some(Self::Sudo)
    }

    fn command(&self, program: &str) -> Command {
        match self {
            Self::Already => Command::new(program),
            Self::Sudo => {
                let mut command = Command::new("sudo");
                command.args(["-n", program]);
                command
            }
        }
    }

    /// apt that never asks and keeps configuration files it finds.
    fn apt_get(&self) -> Command {
        let mut command = self.command("env");
        command.args(["DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1", "apt-get"]);
        command
    }
}

/// Whether a short command can start and ends well; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
