//! The file that a seller remembers in.
//!
//! It is written whole, to a new file beside it that is on the disk before it takes the old one's place: whatever moment the machine
//! stops at, the file is the old one or the new one.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::book::{Book, InstanceRecord};

/// The form of the file; another number is another program's.
const FORMAT: u32 = 1;

/// Why the state file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read or written.
    #[error("cannot use the state file {path}, check that the folder exists and may be written to")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the state file {path} was not written by this program, name another file")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The file was written by a newer program.
    #[error("the state file {path} has the form {format}, this program knows {FORMAT}, use the program that wrote it")]
    Format {
        /// Which file.
        path: PathBuf,
        /// Its form.
        format: u32,
    },
}

#[derive(Deserialize)]
struct Stored {
    format: u32,
    instances: Vec<InstanceRecord>,
}

#[derive(Serialize)]
struct Storing<'a> {
    format: u32,
    instances: Vec<&'a InstanceRecord>,
}

/// Reads the file; a missing one is an empty book.
pub(crate) fn load(path: &Path) -> Result<Book, StateError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        Err(source) => return Err(StateError::Io { path: path.to_owned(), source }),
    };
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|source| StateError::Foreign { path: path.to_owned(), source })?;
    if stored.format != FORMAT {
        return Err(StateError::Format { path: path.to_owned(), format: stored.format });
    }
    Ok(Book::from_records(stored.instances))
}

/// Writes the file. The passwords of instances are in it, so only its owner may read it.
pub(crate) fn save(path: &Path, book: &Book) -> Result<(), StateError> {
    write(path, book).map_err(|source| StateError::Io { path: path.to_owned(), source })
}

fn write(path: &Path, book: &Book) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let text = serde_json::to_vec_pretty(&Storing { format: FORMAT, instances: book.records().collect() })?;
    // A temporary file is made with mode 0600.
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(&text)?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    // The new name, too, has to reach the disk.
    fs::File::open(folder)?.sync_all()
}
