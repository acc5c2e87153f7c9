//! What a backup is: one tar file that any tar reads, with everything but the master key.
//!
//! | entry | |
//! |---|---|
//! | `manifest.json` | what it is a backup of, and when it was made |
//! | `SHA256SUMS` | the sums of the other two, as `sha256sum -c` reads them |
//! | `yunshi.sqlite` | the whole database, whichever engine it came from |
//!
//! Invariants: a backup has its name only when it is whole and on the disk; nothing of one is used before its sum was checked. The manifest
//! comes first, so that one that is of no use is refused at once.
//!
//! Left out: compression and encryption, which whoever carries backups away has tools for.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of this format.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
const DATABASE: &str = "yunshi.sqlite";
/// Largest manifest or list of sums that is read (ours).
const SMALL_MAX_BYTES: u64 = 64 * 1024;
/// Bytes that are hashed and written at a time.
const CHUNK: usize = 256 * 1024;
/// Permissions of what is in a backup, once taken out of it: the owner's alone.
const MODE: u32 = 0o600;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Which version of this format it is.
    pub(crate) format: u32,
    /// The version of the program that made it.
    pub(crate) product: String,
    /// When it was begun, machine ms UTC: everything that was acknowledged before is in it.
    pub(crate) created_at: i64,
    /// The same for people.
    pub(crate) created: String,
    /// Which engine the database was on.
    pub(crate) engine: String,
    /// The version of its schema.
    pub(crate) schema: i64,
    /// What tells the market from every other; none in a database that no market was made in yet.
    pub(crate) market: Option<String>,
    /// Its mode.
    pub(crate) mode: Option<String>,
    /// Its currency.
    pub(crate) currency: Option<String>,
    /// Tells which master key its secrets are sealed with; none when the key was not there to look at.
    pub(crate) master_key_fingerprint: Option<String>,
    /// Length of the database's file.
    pub(crate) database_bytes: u64,
    /// Its SHA-256.
    pub(crate) database_sha256: String,
}

impl Manifest {
    /// A manifest whose facts about the file are filled in when the backup is written.
    pub(crate) fn new(created_at: i64, created: String) -> Self {
        Self {
            format: FORMAT,
            product: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            created,
            engine: String::new(),
            schema: 0,
            market: None,
            mode: None,
            currency: None,
            master_key_fingerprint: None,
            database_bytes: 0,
            database_sha256: String::new(),
        }
    }
}

/// A folder of its own beside `file`, for what is not whole yet; gone when dropped.
pub(crate) fn folder_beside(file: &Path) -> Result<tempfile::TempDir> {
    let folder = folder_of(file);
    tempfile::Builder::new()
        .prefix(".yunshi-half-")
        .tempdir_in(folder)
        .with_context(|| format!("cannot write into the folder {}", folder.display()))
}

pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads everything, giving what was read to `take`; the SHA-256 and the length.
fn digest_of(mut from: impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(String, u64)> {
    let (mut digest, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok((hex::encode(digest.finalize()), bytes)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&chunk[..read]);
        take(&chunk[..read])?;
        bytes += read as u64;
    }
}

/// Writes the backup of the database file `database` to `out`, replacing what was there only when it is whole.
pub(crate) fn write(out: &Path, database: &Path, mut manifest: Manifest, tell: impl Fn(u64)) -> Result<Manifest> {
    let cannot = || format!("cannot write {}", out.display());
    let (sha256, bytes) = File::open(database).and_then(|file| digest_of(file, |_| Ok(()))).with_context(cannot)?;
    manifest.database_bytes = bytes;
    manifest.database_sha256 = sha256;
    let json = serde_json::to_vec_pretty(&manifest)?;
    let sums = format!("{}  {MANIFEST}\n{}  {DATABASE}\n", hex::encode(Sha256::digest(&json)), manifest.database_sha256);

    // Mode 0600 from the start.
    let half = tempfile::NamedTempFile::new_in(folder_of(out)).with_context(cannot)?;
    let mut archive = tar::Builder::new(BufWriter::with_capacity(CHUNK, half));
    let seconds = u64::try_from(manifest.created_at / 1_000).unwrap_or(0);
    let header = |bytes: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(MODE);
        header.set_mtime(seconds);
        header
    };
    let write = || -> io::Result<tempfile::NamedTempFile> {
        for (name, text) in [(MANIFEST, json.as_slice()), (SUMS, sums.as_bytes())] {
            archive.append_data(&mut header(text.len() as u64), name, text)?;
        }
        let told = Told { from: File::open(database)?, bytes: 0, tell };
        archive.append_data(&mut header(bytes), DATABASE, told)?;
        let half = archive.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        half.as_file().sync_all()?;
        Ok(half)
    };
    write().with_context(cannot)?.persist(out).map_err(|error| error.error).with_context(cannot)?;
    File::open(folder_of(out)).and_then(|folder| folder.sync_all()).with_context(cannot)?;
    Ok(manifest)
}

/// Says how much was read.
struct Told<R, F> {
    from: R,
    bytes: u64,
    tell: F,
}

impl<R: Read, F: Fn(u64)> Read for Told<R, F> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        self.bytes += read as u64;
        (self.tell)(self.bytes);
        Ok(read)
    }
}

/// A backup that was opened: its manifest was read, its database not yet.
pub(crate) struct Backup {
    path: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Backup {
    /// Reads what a backup says about itself.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
        let mut archive = tar::Archive::new(BufReader::new(file));
        let no_backup = || format!("{shown} is not a backup that yunshi backup made");
        // Of bytes that are no archive the reader repeats some; only what the disk says is worth telling.
        let unread = |error: io::Error| match error.raw_os_error() {
            Some(_) => anyhow::Error::new(error).context(no_backup()),
            None => anyhow::Error::msg(no_backup()),
        };
        let mut entries = archive.entries().map_err(unread)?;
        let mut small = |name: &str| -> Result<Vec<u8>> {
            let mut entry = entries.next().with_context(no_backup)?.map_err(unread)?;
            ensure!(entry.path_bytes() == name.as_bytes() && entry.size() <= SMALL_MAX_BYTES, no_backup());
            let (wanted, mut text) = (entry.size(), Vec::new());
            entry.read_to_end(&mut text).with_context(no_backup)?;
            ensure!(text.len() as u64 == wanted, not_whole(path));
            Ok(text)
        };
        let json = small(MANIFEST)?;
        let sums = String::from_utf8(small(SUMS)?).ok().with_context(no_backup)?;
        let sum_of = |name: &str| sums.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix("  "));
        if sum_of(MANIFEST) != Some(hex::encode(Sha256::digest(&json)).as_str()) {
            bail!("{shown} was damaged or changed: its manifest does not have the sum that is written beside it");
        }
        let format: Format = serde_json::from_slice(&json).with_context(no_backup)?;
        ensure!(
            format.format <= FORMAT,
            "{shown} was made by yunshi {}, in a form that this one ({}) does not know; use that program",
            format.product,
            env!("CARGO_PKG_VERSION")
        );
        let manifest: Manifest = serde_json::from_slice(&json).with_context(no_backup)?;
        if sum_of(DATABASE) != Some(manifest.database_sha256.as_str()) {
            bail!("{shown} was damaged or changed: its manifest and its sums do not agree");
        }
        Ok(Self { path: path.to_owned(), manifest })
    }

    /// Takes the database out into the new file `to`, and checks it against its sum.
    pub(crate) fn take_out(&self, to: &Path, tell: impl Fn(u64)) -> Result<()> {
        let shown = self.path.display();
        let cannot_read = || format!("cannot read {shown}");
        let mut archive = tar::Archive::new(BufReader::with_capacity(CHUNK, File::open(&self.path).with_context(cannot_read)?));
        let mut entries = archive.entries().with_context(cannot_read)?;
        let entry = entries.nth(2).with_context(|| not_whole(&self.path))?.with_context(|| not_whole(&self.path))?;
        ensure!(
            entry.path_bytes() == DATABASE.as_bytes() && entry.size() == self.manifest.database_bytes,
            "{shown} was damaged or changed: it does not hold the database that its manifest describes"
        );
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).open(to).with_context(|| format!("cannot write {}", to.display()))?;
        let mut done = 0;
        let mut written = Ok(());
        let read = digest_of(entry, |chunk| {
            done += chunk.len() as u64;
            tell(done);
            written = file.write_all(chunk);
            written.as_ref().map(|&()| ()).map_err(|error| error.kind().into())
        });
        written.with_context(|| format!("cannot write {}", to.display()))?;
        let (sha256, bytes) = read.with_context(cannot_read)?;
        ensure!(bytes == self.manifest.database_bytes, not_whole(&self.path));
        ensure!(
            sha256 == self.manifest.database_sha256,
            "{shown} was damaged or changed: the SHA-256 of its database is {sha256}, the manifest says {}; use another backup",
            self.manifest.database_sha256
        );
        Ok(())
    }
}

/// What every version of the manifest says.
#[derive(Deserialize)]
struct Format {
    format: u32,
    product: String,
}

fn not_whole(path: &Path) -> String {
    format!("{} is not whole: it ends before its database does; use another backup", path.display())
}
