//! A folder and a database for each test, and the program in processes of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use db::scratch::Scratch;
use db::{Db, Engine, Location};
use market::{MIGRATIONS, Mode};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

/// How long a test waits for anything that must come: a busy machine and a program that is not optimised.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The master key of every market here.
pub(crate) const MASTER_KEY: [u8; 32] = [7; 32];

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for this in vain: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Where a market lives, and how the program finds it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) scratch: Scratch,
    pub(crate) mode: Mode,
    variables: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn text_of(pipe: &mut impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

impl Ended {
    /// The one line on standard error that is for people.
    pub(crate) fn complaint(&self) -> &str {
        let lines: Vec<&str> = self.err.lines().filter_map(|line| line.strip_prefix("yunshi: ")).collect();
        assert_eq!(lines.len(), 1, "one clear line: {self:?}");
        lines[0]
    }
}

impl Place {
    /// A database with the schema, and a folder beside it.
    pub(crate) async fn new(mode: Mode) -> Self {
        Self::on(Scratch::new(MIGRATIONS).await.unwrap(), mode)
    }

    /// A database in which nothing is.
    pub(crate) async fn empty(mode: Mode) -> Self {
        Self::on(Scratch::new(&[]).await.unwrap(), mode)
    }

    fn on(scratch: Scratch, mode: Mode) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), scratch, mode, variables: Vec::new() };
        let url = match &place.scratch.options.location {
            Location::Sqlite(path) => format!("sqlite:{}", path.display()),
            Location::Postgres(url) => url.clone(),
        };
        place
            .with("YUNSHI_DATABASE_URL", &url)
            .with("YUNSHI_MODE", mode.word())
            .with("YUNSHI_MASTER_KEY", &hex::encode(MASTER_KEY))
            .with("YUNSHI_LISTEN", "127.0.0.1:0")
            .with("YUNSHI_LOG_FORMAT", "json")
            .with("YUNSHI_ALLOW_PRIVATE_ADDRESSES", "true")
            // A test knocks faster than any client.
            .with("YUNSHI_REQUESTS_PER_SECOND", "100000")
            .with("YUNSHI_REQUESTS_BURST", "100000")
            .with("YUNSHI_EDITION_REFUND_QUOTA", "100000")
    }

    /// The same with a variable set to another value.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// From here on, commands find another value.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(there, _)| there != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn engine(&self) -> Engine {
        self.scratch.options.location.engine()
    }

    /// The file of an embedded database.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.scratch.options.location {
            Location::Sqlite(path) => Some(path.clone()),
            Location::Postgres(_) => None,
        }
    }

    /// The database, to look at.
    pub(crate) async fn db(&self) -> Db {
        Db::open(self.scratch.options.clone()).await.unwrap()
    }

    /// Runs one statement that is no part of the program, and gives the first column.
    pub(crate) async fn sql(&self, text: &'static str) -> Vec<String> {
        self.db().await.write(async move |tx| tx.run_text(text).await).await.unwrap()
    }

    /// A file of the folder beside the database.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dressed(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments);
        self.dressed(command)
    }

    /// Runs a command that must come to an end by itself.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let mut child = self.command(arguments).spawn().unwrap();
        let pid = Pid::from_child(&child);
        // Read on a thread of its own: a pipe that nobody reads would hold the program up.
        let ended = tokio::task::spawn_blocking(move || {
            let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
            let reader = std::thread::spawn(move || text_of(&mut err));
            let out = text_of(&mut out);
            let code = child.wait().unwrap().code();
            Ended { code, out, err: reader.join().unwrap() }
        });
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(ended) => ended.unwrap(),
            Err(_) => {
                kill_process(pid, Signal::KILL).unwrap();
                panic!("yunshi {arguments:?} goes on instead of ending");
            }
        }
    }

    /// Starts a server or a worker.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments))
    }

    /// Starts a program on a small disk; the database is the one there.
    pub(crate) fn start_on(&self, disk: &SmallDisk, arguments: &[&str]) -> Running {
        Running::of(self.command_on(disk, arguments))
    }

    /// Runs a command on a small disk to its end.
    pub(crate) async fn run_on(&self, disk: &SmallDisk, arguments: &[&str]) -> Ended {
        let mut running = Running::of(self.command_on(disk, arguments));
        let code = running.end().await.code();
        Ended { code, out: text_of(&mut running.child.stdout.take().unwrap()), err: String::new() }
    }

    fn command_on(&self, disk: &SmallDisk, arguments: &[&str]) -> Command {
        let mut command = self.dressed(disk.enter());
        command.arg(program()).args(arguments);
        command.env("YUNSHI_DATABASE_URL", format!("sqlite:{}", disk.inside(DATABASE).display()));
        command
    }

    /// Starts a server the size of whose files can be limited while it runs, see [`Running::limit_files`].
    pub(crate) fn start_limitable(&self, arguments: &[&str]) -> Running {
        self.start_confined(arguments, None)
    }

    /// Starts a server whose files may not grow beyond so many KiB: writes fail from there on, as on a full disk.
    pub(crate) fn start_confined(&self, arguments: &[&str], kib: Option<u64>) -> Running {
        let kib = kib.map_or_else(|| "unlimited".to_owned(), |kib| kib.to_string());
        let mut command = Command::new("bash");
        // The signal that the kernel sends with the failed write is ignored, so that the program sees the error instead.
        command.args(["-c", r#"trap "" XFSZ; ulimit -f "$0"; exec "$@""#]).arg(kib).arg(program()).args(arguments);
        Running::of(self.dressed(command))
    }
}

/// The database on a small disk.
const DATABASE: &str = "yunshi.sqlite";
/// What fills a small disk.
const BALLAST: &str = "ballast";

/// A small file system in memory that only some processes see: it stands in a mount namespace of its own, which this process holds open.
pub(crate) struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl SmallDisk {
    /// A disk of so many KiB beside a place, with a copy of the place's database on it. Why not, where the machine permits no such thing.
    pub(crate) fn new(place: &Place, kib: u64) -> Result<Self, String> {
        let folder = place.path("small");
        std::fs::create_dir(&folder).unwrap();
        let script = r#"mount -t tmpfs -o "size=$1k,mode=0700" tmpfs "$0" && echo mounted && exec cat"#;
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .arg(&folder)
            .arg(kib.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare cannot be started: {error}"))?;
        let mut disk = Self { holder, folder };
        let mut said = String::new();
        BufReader::new(disk.holder.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        if said != "mounted\n" {
            return Err(text_of(disk.holder.stderr.as_mut().unwrap()).trim().to_owned());
        }
        std::fs::copy(place.file().unwrap(), disk.outside(DATABASE)).map_err(|error| format!("cannot look into it: {error}"))?;
        Ok(disk)
    }

    /// How a program on the disk sees a file of it.
    fn inside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// How this process sees it. For whole files only: the database's library would follow the links in it to another place.
    fn outside(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(self.inside(name).strip_prefix("/").unwrap())
    }

    /// A command that runs another one where the disk is seen, in its folder.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--user", "--mount", "--preserve-credentials", "--"]);
        command.args(["sh", "-c", r#"cd "$0" && exec "$@""#]).arg(&self.folder);
        command
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let mut ballast = std::fs::OpenOptions::new().create(true).append(true).open(self.outside(BALLAST)).unwrap();
        // In ever smaller pieces, down to the last page.
        for bytes in [1 << 16, 1 << 12, 1] {
            while ballast.write_all(&vec![0; bytes]).is_ok() {}
        }
    }

    /// Frees what [`SmallDisk::fill`] took.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.outside(BALLAST)).unwrap();
    }

    /// Takes the database, which nobody has open any more, to its old place.
    pub(crate) fn bring_back(&self, place: &Place) {
        let (file, log) = (place.file().unwrap(), format!("{DATABASE}-wal"));
        std::fs::copy(self.outside(DATABASE), &file).unwrap();
        // What was not yet moved from the log into the file belongs to it.
        if self.outside(&log).exists() {
            std::fs::copy(self.outside(&log), file.with_file_name(log)).unwrap();
        }
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_yunshi"))
}

/// A process of the program and its log. Killed when the test ends before it does.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<String> = log.iter().rev().take(25).rev().map(ToString::to_string).collect();
            eprintln!("the last lines of process {}:\n{}", self.child.id(), tail.join("\n"));
        }
    }
}

impl Running {
    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (log, err) = (Arc::new(Mutex::new(Vec::new())), BufReader::new(child.stderr.take().unwrap()));
        let lines = log.clone();
        // A pipe that nobody reads would hold the program up.
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                lines.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, log }
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Waits for a line of the log that says `sign`.
    pub(crate) async fn says(&self, sign: &str) -> Value {
        let message = |line: &&Value| {
            let texts = [line, &line["message"], &line["why"], &line["error"]];
            texts.iter().any(|text| text.as_str().is_some_and(|text| text.contains(sign)))
        };
        until(&format!("{sign:?} in the log"), async || self.log().iter().find(message).cloned()).await
    }

    /// Waits until the doors are open, and says where.
    pub(crate) async fn open(&mut self) -> String {
        until("open doors", async || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended instead of opening its doors: {ended:?} {:#?}", self.log());
            self.log().iter().find_map(|line| Some(format!("http://{}", line["address"].as_str()?)))
        })
        .await
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// From here on no file of the process may grow beyond so many bytes: every write beyond fails. `None` takes that back.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limits = Rlimit { current: bytes, maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limits).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        until("the end of the process", async || self.child.try_wait().unwrap()).await
    }

    /// Asks for its end as a supervisor does.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::TERM);
        let ended = self.end().await;
        assert_eq!(ended.code(), Some(0), "{:#?}", self.log());
    }
}
