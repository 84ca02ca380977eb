//! Where fetched data lie, and whether they are whole.

use crate::manifest::{Manifest, Member};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The folder for data: `REGISCOPE_DATA`, else `regiscope` in `XDG_CACHE_HOME`, else in `~/.cache` (on Windows
/// in `LOCALAPPDATA`). `None` where none of them is set. The caller passes the environment; relative paths in
/// `XDG_CACHE_HOME` are ignored, as its specification asks.
pub fn default_cache_dir(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("REGISCOPE_DATA")
        .or_else(|| set("XDG_CACHE_HOME").filter(|p| p.is_absolute()).map(|p| p.join("regiscope")))
        .or_else(|| set("LOCALAPPDATA").map(|p| p.join("regiscope")))
        .or_else(|| set("HOME").map(|p| p.join(".cache").join("regiscope")))
}

/// The folder of one dataset.
pub fn folder(manifest: &Manifest, cache_dir: &Path) -> PathBuf {
    cache_dir.join(&manifest.name)
}

/// Where a member lies once it is fetched.
pub fn member_path(manifest: &Manifest, member: &Member, cache_dir: &Path) -> PathBuf {
    folder(manifest, cache_dir).join(&member.file)
}

/// State of a file in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is there and has the manifest's hash.
    Good,
    /// It is not there.
    Missing,
    /// It is there with another content.
    Damaged {
        /// Its hash.
        found_sha256: String,
        /// Its size, bytes.
        found_size: u64,
    },
}

/// A member and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Where it lies or should lie.
    pub path: PathBuf,
    /// What was found there.
    pub state: FileState,
}

/// A file of the cache could not be read.
#[derive(Debug, Error)]
#[error("{} cannot be read: {error}", path.display())]
pub struct VerifyError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub error: io::Error,
}

/// Hashes every file of a dataset in the cache, in the manifest's order.
pub fn verify(manifest: &Manifest, cache_dir: &Path) -> Result<Vec<FileReport>, VerifyError> {
    let one = |member: &Member| {
        let path = member_path(manifest, member, cache_dir);
        let state = state_of(&path, &member.sha256).map_err(|error| VerifyError { path: path.clone(), error })?;
        Ok(FileReport { path, state })
    };
    manifest.members.iter().map(one).collect()
}

fn state_of(path: &Path, sha256: &str) -> io::Result<FileState> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(e) => return Err(e),
    };
    let mut hasher = Sha256::new();
    let found_size = hash_into(file, &mut hasher)?;
    let found_sha256 = hex(hasher);
    Ok(if found_sha256 == sha256 { FileState::Good } else { FileState::Damaged { found_sha256, found_size } })
}

/// Feeds everything a reader has to the hasher; gives the number of bytes.
pub(crate) fn hash_into(mut reader: impl Read, hasher: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(total),
            n => {
                hasher.update(&buffer[..n]);
                total += n as u64;
            }
        }
    }
}

/// The hash as the manifest writes it.
pub(crate) fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    #[test]
    fn the_folder_follows_the_given_environment() {
        let dir = |set: &[(&str, &str)]| {
            default_cache_dir(|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))
        };
        let (data, xdg, home) = (("REGISCOPE_DATA", "/d"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h"));
        assert_eq!(dir(&[data, xdg, home]), Some("/d".into()));
        assert_eq!(dir(&[xdg, home]), Some("/x/regiscope".into()));
        assert_eq!(dir(&[("XDG_CACHE_HOME", "relative"), home]), Some("/h/.cache/regiscope".into()));
        assert_eq!(dir(&[("XDG_CACHE_HOME", ""), home]), Some("/h/.cache/regiscope".into()));
        assert_eq!(dir(&[]), None);
    }

    #[test]
    fn missing_good_and_damaged_are_told_apart() {
        let cache = tempfile::tempdir().unwrap();
        let mut manifest = manifest::list().remove(0);
        manifest.members.truncate(3);
        // SHA-256 of "abc", FIPS 180-4 example.
        manifest.members[1].sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into();
        std::fs::create_dir(folder(&manifest, cache.path())).unwrap();
        for n in [1, 2] {
            std::fs::write(member_path(&manifest, &manifest.members[n], cache.path()), "abc").unwrap();
        }
        let states: Vec<FileState> = verify(&manifest, cache.path()).unwrap().into_iter().map(|r| r.state).collect();
        assert_eq!(states[..2], [FileState::Missing, FileState::Good]);
        assert!(matches!(states[2], FileState::Damaged { found_size: 3, .. }));
    }
}
