//! One download: resumed where it stopped, never larger than announced, hashed as it comes.

use super::address::Address;
use super::http::{self, HttpError};
use super::settings::IndexSettings;
use super::{FetchEvent, Observer};
use crate::cache::{hash_into, hex};
use crate::manifest::Source;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use thiserror::Error;

/// Why a download failed.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// The request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The connection broke.
    #[error("{address} broke off after {received} of {expected} bytes: {reason}")]
    Broken {
        /// From where.
        address: Address,
        /// Bytes on disk, kept to resume from.
        received: u64,
        /// Bytes announced by the manifest.
        expected: u64,
        /// What the connection says.
        reason: String,
    },
    /// More bytes than the manifest announces.
    #[error("{address} sends more than the {expected} bytes that the manifest announces")]
    TooLarge {
        /// From where.
        address: Address,
        /// Bytes announced by the manifest.
        expected: u64,
    },
    /// Another content than the manifest announces.
    #[error("{origin} has SHA-256 {found} and {size} bytes; the manifest announces {expected}")]
    WrongHash {
        /// From where.
        origin: String,
        /// Hash of what came.
        found: String,
        /// Size of what came.
        size: u64,
        /// Hash in the manifest.
        expected: String,
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
    /// The observer asked to stop.
    #[error("stopped on request")]
    Stopped,
}

/// Downloads `source` from `address` into `part`, resuming what is already there. On success `part` has the
/// manifest's size and hash; on a wrong content it is removed; after a broken connection it stays for next time.
pub fn download(
    settings: &IndexSettings,
    address: &Address,
    source: &Source,
    part: &Path,
    observer: &mut Observer,
) -> Result<(), DownloadError> {
    let resumed = size_of(part).is_some_and(|n| n > 0);
    match attempt(settings, address, source, part, observer) {
        // What lay there may have been of another file: once more from the start.
        Err(DownloadError::WrongHash { .. } | DownloadError::TooLarge { .. }) if resumed => {
            attempt(settings, address, source, part, observer)
        }
        result => result,
    }
}

fn attempt(
    settings: &IndexSettings,
    address: &Address,
    source: &Source,
    part: &Path,
    observer: &mut Observer,
) -> Result<(), DownloadError> {
    let disk = |error: io::Error| DownloadError::Disk { path: part.display().to_string(), error };
    let mut have = size_of(part).unwrap_or(0);
    if have > source.size {
        std::fs::remove_file(part).map_err(disk)?;
        have = 0;
    }
    if have < source.size {
        have = receive(settings, address, source, part, have, observer)?;
    }
    let mut hasher = Sha256::new();
    hash_into(File::open(part).map_err(disk)?, &mut hasher).map_err(disk)?;
    let found = hex(hasher);
    if found != source.sha256 {
        std::fs::remove_file(part).map_err(disk)?;
        let (origin, expected) = (address.to_string(), source.sha256.clone());
        return Err(DownloadError::WrongHash { origin, found, size: have, expected });
    }
    Ok(())
}

/// Appends what is missing; gives the size that the file then has.
fn receive(
    settings: &IndexSettings,
    address: &Address,
    source: &Source,
    part: &Path,
    have: u64,
    observer: &mut Observer,
) -> Result<u64, DownloadError> {
    let disk = |error: io::Error| DownloadError::Disk { path: part.display().to_string(), error };
    let range = [("range", format!("bytes={have}-"))];
    let mut answer = http::get(settings, address, if have > 0 { &range } else { &[] })?;
    let status = answer.response.status().as_u16();
    // Only a partial answer that begins where the file ends is appended; anything else starts afresh.
    let continues = status == 206 && answer.header("content-range").starts_with(&format!("bytes {have}-"));
    if status == 416 || (status == 206 && !continues) {
        std::fs::remove_file(part).map_err(disk)?;
        answer = http::get(settings, address, &[])?;
    }
    let mut received = if continues { have } else { 0 };
    let too_large = || DownloadError::TooLarge { address: address.clone(), expected: source.size };
    let mut file =
        OpenOptions::new().create(true).write(true).append(continues).truncate(!continues).open(part).map_err(disk)?;
    let mut body = answer.response.body_mut().with_config().limit(u64::MAX).reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let broken = |reason: String| DownloadError::Broken {
            address: address.clone(),
            received,
            expected: source.size,
            reason,
        };
        let n = body.read(&mut buffer).map_err(|e| broken(e.to_string()))?;
        if n == 0 && received < source.size {
            return Err(broken("the connection ended".to_string()));
        }
        if n == 0 {
            break;
        }
        received += n as u64;
        if received > source.size {
            drop(file);
            std::fs::remove_file(part).map_err(disk)?;
            return Err(too_large());
        }
        file.write_all(&buffer[..n]).map_err(disk)?;
        if observer(&FetchEvent::Received { bytes: received, of: source.size }).is_break() {
            return Err(DownloadError::Stopped);
        }
    }
    file.sync_all().map_err(disk)?;
    Ok(received)
}

fn size_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|m| m.len())
}
