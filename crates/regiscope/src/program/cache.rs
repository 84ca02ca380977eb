//! Where fetched datasets lie: the command line, then the environment.

use crate::program::failure::Failure;
use regiscope_datasets::cache::default_cache_dir;
use std::path::{Path, PathBuf};

/// The folder given on the command line, or the user's.
pub fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    given.map(Path::to_path_buf).or_else(|| default_cache_dir(|name| std::env::var(name).ok())).ok_or_else(|| {
        let sentence =
            "no folder for datasets: none of REGISCOPE_DATA, XDG_CACHE_HOME and HOME is set; give --cache DIR";
        Failure::Input(sentence.to_owned())
    })
}
