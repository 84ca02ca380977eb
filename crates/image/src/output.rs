//! Files that are there whole or not at all.

use crate::error::WriteError;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file under a temporary name in its own folder and renames it when `write` has succeeded, so that
/// a killed run leaves no half file. On failure the temporary file is removed and an existing file of that
/// name stays as it was.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let (temporary, file) = create_temporary(path)?;
    let result = write_and_sync(file, path, write)
        .and_then(|()| fs::rename(&temporary, path).map_err(|e| WriteError::io(path, e)));
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Writes an image in two files, the data first: `data_path` by `data`, then `path` by `header`, which is given the name
/// and the length (bytes) of the data file. Refused where that name cannot stand in a text header.
pub(crate) fn write_detached(
    path: &Path,
    data_path: &Path,
    data: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    header: impl FnOnce(&mut dyn Write, &str, usize) -> io::Result<()>,
) -> Result<(), WriteError> {
    let is_plain = |name: &&str| !name.contains(['\n', '\r', '%']);
    let name = data_path.file_name().and_then(|n| n.to_str()).filter(is_plain).ok_or_else(|| {
        let accepted = "names in UTF-8 without % and line ends";
        WriteError::unsupported(path, "the name of the data file cannot stand in a header", accepted)
    })?;
    write_atomically(data_path, |w| data(w).map_err(|e| WriteError::io(data_path, e)))?;
    let size = fs::metadata(data_path).map_err(|e| WriteError::io(data_path, e))?.len() as usize;
    write_atomically(path, |w| header(w, name, size).map_err(|e| WriteError::io(path, e)))
}

fn write_and_sync(
    file: File,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let error = |e| WriteError::io(path, e);
    let mut buffered = BufWriter::with_capacity(1 << 16, file);
    write(&mut buffered)?;
    let file = buffered.into_inner().map_err(|e| error(e.into_error()))?;
    file.sync_all().map_err(error)
}

/// Creates a file beside `path` under a name that nobody else uses.
fn create_temporary(path: &Path) -> Result<(PathBuf, File), WriteError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| {
        WriteError::io(path, io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name"))
    })?;
    loop {
        let unique = format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(unique);
        let temporary = path.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // Left by a killed run that had the same process id.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(WriteError::io(path, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomically(&path, |w| w.write_all(b"old").map_err(|e| WriteError::io(&path, e))).unwrap();
        let failed = write_atomically(&path, |w| {
            w.write_all(b"half").map_err(|e| WriteError::io(&path, e))?;
            Err(WriteError::unsupported(&path, "a bad value", "good ones"))
        });
        assert!(failed.unwrap_err().to_string().contains("a.bin"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
