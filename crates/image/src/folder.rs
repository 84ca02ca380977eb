//! Data files that a header names: accepted only beside the header.

use crate::error::ReadError;
use crate::input::Input;
use std::path::{Path, PathBuf};

/// Where a header's data files may lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Folder<'a> {
    /// Beside this header.
    Of(&'a Path),
    /// Nowhere: the header came without its folder.
    Unknown(&'a Path),
}

impl Folder<'_> {
    /// The file that `reference` names: a plain file name, found in the header's own folder, that does not lead
    /// out of it by a symbolic link.
    pub fn resolve(self, reference: &str) -> Result<PathBuf, ReadError> {
        let header = match self {
            Self::Of(path) => path,
            Self::Unknown(path) => {
                return Err(ReadError::unsupported(
                    path,
                    format!("the separate data file {reference:?} of a header that comes without its folder"),
                    "headers with their data attached",
                ));
            }
        };
        let foreign = || ReadError::ForeignReference { path: header.to_path_buf(), reference: reference.into() };
        let plain = !reference.is_empty()
            && !matches!(reference, "." | "..")
            && !reference.contains(['/', '\\', '\0'])
            && Path::new(reference).components().count() == 1
            && Path::new(reference).file_name().is_some_and(|name| name == reference);
        if !plain {
            return Err(foreign());
        }
        let folder = match header.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let path = folder.join(reference);
        let real = path.canonicalize().map_err(|e| ReadError::io(&path, e))?;
        let real_folder = folder.canonicalize().map_err(|e| ReadError::io(folder, e))?;
        if real.parent() != Some(&real_folder) {
            return Err(foreign());
        }
        Ok(path)
    }

    /// Opens the file that `reference` names.
    pub fn open(self, reference: &str) -> Result<Input, ReadError> {
        Input::open_raw(&self.resolve(reference)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_the_same_folder_are_followed() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("secret.raw"), b"x").unwrap();
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("a b.raw"), b"x").unwrap();
        let header = inner.join("h.mhd");
        assert_eq!(Folder::Of(&header).resolve("a b.raw").unwrap(), inner.join("a b.raw"));
        let absolute = outer.path().join("secret.raw").display().to_string();
        for reference in ["../secret.raw", "", ".", "..", "./a b.raw", "x\\a", "a\0b", "inner/../a b.raw", &absolute] {
            let refused = Folder::Of(&header).resolve(reference);
            assert!(matches!(refused, Err(ReadError::ForeignReference { .. })), "{reference:?}: {refused:?}");
        }
        assert!(matches!(Folder::Of(&header).resolve("absent.raw"), Err(ReadError::Io { .. })));
        assert!(matches!(Folder::Unknown(&header).resolve("a b.raw"), Err(ReadError::Unsupported { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_do_not_lead_out() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("secret.raw"), b"x").unwrap();
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("real.raw"), b"x").unwrap();
        std::os::unix::fs::symlink("../secret.raw", inner.join("out.raw")).unwrap();
        std::os::unix::fs::symlink("real.raw", inner.join("in.raw")).unwrap();
        let header = inner.join("h.mhd");
        assert!(matches!(Folder::Of(&header).resolve("out.raw"), Err(ReadError::ForeignReference { .. })));
        assert!(Folder::Of(&header).resolve("in.raw").is_ok());
    }
}
