//! The master key: from the configuration, from a file, or made once.
//!
//! A key that is lost cannot be had again, and with it everything that was sealed with it. So one is made only for a market in which nobody
//! has an account yet; where a key should be and is not, that is an error.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::config::Config;

/// Its name in the data folder.
const FILE_NAME: &str = "master.key";
/// Length of a key.
const KEY_BYTES: usize = 32;
/// Largest key file that is read (ours): 64 digits and white space.
const FILE_MAX_BYTES: u64 = 1_024;

/// Whether a missing key may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing can have been sealed yet.
    Make,
    /// Something may have been.
    Refuse,
}

/// A key and where it came from.
#[derive(Debug)]
pub(crate) struct MasterKey {
    pub(crate) bytes: [u8; KEY_BYTES],
    pub(crate) place: Place,
}

/// Where a key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The setting `master_key`.
    Setting,
    /// A file that was there.
    File(PathBuf),
    /// A file that was made now.
    Made(PathBuf),
}

/// Where the key file is; `None` when the key itself is configured.
pub(crate) fn file(config: &Config) -> Option<PathBuf> {
    match (&config.master_key, &config.master_key_file) {
        (Some(_), _) => None,
        (None, Some(path)) => Some(path.clone()),
        (None, None) => Some(config.data_dir.join(FILE_NAME)),
    }
}

/// Finds the key, or makes it where that is allowed: only in the data folder, never where the configuration says that one is.
pub(crate) fn find(config: &Config, missing: Missing) -> Result<MasterKey> {
    if let Some(text) = &config.master_key {
        return Ok(MasterKey { bytes: parse(&text.0).context("master_key")?, place: Place::Setting });
    }
    let path = file(config).context("a key that is not configured has a file")?;
    match read(&path) {
        Ok(text) => Ok(MasterKey { bytes: parse(&text).with_context(|| path.display().to_string())?, place: Place::File(path) }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && config.master_key_file.is_none() => match missing {
            Missing::Make => make(&path).with_context(|| format!("cannot write the master key to {}", path.display())),
            Missing::Refuse => bail!(
                "the master key {} is not there, but the market is in use; put the file back from its copy, or name it with master_key_file",
                path.display()
            ),
        },
        Err(error) => Err(error).with_context(|| format!("cannot read the master key from {}", path.display())),
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_MAX_BYTES {
        return Err(io::Error::other("the file is too large for a key"));
    }
    fs::read_to_string(path)
}

fn parse(text: &str) -> Result<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    hex::decode_to_slice(text.trim(), &mut bytes).ok().context("the master key is not 64 hexadecimal digits")?;
    Ok(bytes)
}

fn make(path: &Path) -> Result<MasterKey> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).context("the machine has no random bytes")?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // A temporary file has mode 0600 from the start, and gets its name only when it is whole and on the disk.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", hex::encode(bytes))?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            fs::File::open(folder)?.sync_all()?;
            Ok(MasterKey { bytes, place: Place::Made(path.to_owned()) })
        }
        // Another process that starts at the same moment was faster.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(MasterKey { bytes: parse(&read(path)?)?, place: Place::File(path.to_owned()) })
        }
        Err(error) => Err(error.error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::MasterKeyText;

    fn in_folder(folder: &Path) -> Config {
        Config { data_dir: folder.to_owned(), ..Config::default() }
    }

    #[test]
    fn a_new_market_makes_its_key_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = in_folder(folder.path());
        let made = find(&config, Missing::Make).unwrap();
        let path = folder.path().join("master.key");
        assert_eq!(made.place, Place::Made(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        for missing in [Missing::Make, Missing::Refuse] {
            let found = find(&config, missing).unwrap();
            assert_eq!((found.bytes, found.place), (made.bytes, Place::File(path.clone())));
        }
        let other = tempfile::tempdir().unwrap();
        assert_ne!(find(&in_folder(other.path()), Missing::Make).unwrap().bytes, made.bytes);
    }

    #[test]
    fn a_market_in_use_does_not_get_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let error = find(&in_folder(folder.path()), Missing::Refuse).unwrap_err();
        assert!(error.to_string().contains("put the file back"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_configured_key_goes_before_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("secret");
        let text = "AA".repeat(32);
        let config = Config { master_key: Some(MasterKeyText(text.clone())), ..in_folder(folder.path()) };
        assert_eq!(find(&config, Missing::Make).unwrap().bytes, [0xaa; 32]);

        let config = Config { master_key_file: Some(named.clone()), ..in_folder(folder.path()) };
        assert!(find(&config, Missing::Make).is_err(), "a named file is never made");
        fs::write(&named, format!("{text}\n")).unwrap();
        assert_eq!(find(&config, Missing::Make).unwrap().bytes, [0xaa; 32]);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "tooshort", &"g".repeat(64), &"a".repeat(66)] {
            let config = Config { master_key: Some(MasterKeyText(text.to_owned())), ..in_folder(folder.path()) };
            let error = format!("{:#}", find(&config, Missing::Make).unwrap_err());
            assert_eq!(error, "master_key: the master key is not 64 hexadecimal digits");
        }
    }
}
