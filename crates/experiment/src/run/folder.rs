//! The run folder: whose it is, what is finished in it, and files that are there whole or not at all.

use super::error::RunError;
use super::record::StartRecord;
use super::{Outcome, Status};
use crate::document::Tables;
use regiscope_image::{WriteError, write_atomically};
use serde::Serialize;
#[cfg(feature = "networks")]
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// Where finished starts stand until the run is complete.
const STATE: &str = "state";

/// The resolved document, which also says whose the folder is.
const DOCUMENT: &str = "document.toml";

/// Written last: a folder that has it is complete.
const METRICS: &str = "metrics.json";

impl RunFolder {
    /// Makes the folder for a new run, or opens that of an interrupted run of the same document.
    pub fn open(path: &Path, tables: &Tables, resume: bool) -> Result<Self, RunError> {
        let folder = Self { path: path.to_path_buf() };
        let document = document_text(tables);
        let begun = folder.file(DOCUMENT);
        if resume {
            if !begun.is_file() {
                return Err(RunError::NothingToResume(path.to_path_buf()));
            }
            let before = fs::read_to_string(&begun).map_err(|e| RunError::io(&begun, e))?;
            if before != document {
                return Err(RunError::DocumentChanged(path.to_path_buf()));
            }
        } else if begun.exists() || folder.file("run.json").exists() {
            return Err(RunError::FolderInUse(path.to_path_buf()));
        }
        fs::create_dir_all(folder.file(STATE)).map_err(|e| RunError::io(path, e))?;
        folder.write(DOCUMENT, document.as_bytes())?;
        Ok(folder)
    }

    /// A folder of results beside a run; made if it is not there.
    #[cfg(feature = "networks")]
    pub fn beside(path: &Path) -> Result<Self, RunError> {
        let folder = Self { path: path.to_path_buf() };
        fs::create_dir_all(folder.file(STATE)).map_err(|e| RunError::io(path, e))?;
        Ok(folder)
    }

    /// Drops the state.
    #[cfg(feature = "networks")]
    pub fn forget(&self) -> Result<(), RunError> {
        let state = self.file(STATE);
        fs::remove_dir_all(&state).map_err(|e| RunError::io(&state, e))
    }

    /// A path in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder inside.
    pub fn make_dir(&self, name: &str) -> Result<(), RunError> {
        fs::create_dir_all(self.file(name)).map_err(|e| RunError::io(&self.file(name), e))
    }

    /// Writes a file under a temporary name and renames it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.file(name);
        Ok(write_atomically(&path, |out| out.write_all(bytes).map_err(|e| WriteError::io(&path, e)))?)
    }

    /// Writes a JSON file.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), RunError> {
        let mut text = serde_json::to_vec_pretty(value).expect("records have string keys and no failing fields");
        text.push(b'\n');
        self.write(name, &text)
    }

    /// Keeps a finished start.
    pub fn keep(&self, record: &StartRecord) -> Result<(), RunError> {
        let text = serde_json::to_vec(record).expect("records have string keys and no failing fields");
        self.write(&state_name(record.start), &text)
    }

    /// A start that is finished; one whose file is damaged counts as unfinished.
    pub fn kept(&self, start: usize) -> Option<StartRecord> {
        let bytes = fs::read(self.file(&state_name(start))).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|record: &StartRecord| record.start == start)
    }

    /// Keeps a finished piece of work until the run is complete.
    #[cfg(feature = "networks")]
    pub fn remember(&self, name: &str, value: &impl Serialize) -> Result<(), RunError> {
        let text = serde_json::to_vec(value).expect("records have string keys and no failing fields");
        self.write(&format!("{STATE}/{name}.json"), &text)
    }

    /// A finished piece of work; one whose file is damaged counts as unfinished.
    #[cfg(feature = "networks")]
    pub fn remembered<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.file(&format!("{STATE}/{name}.json"))).ok()?).ok()
    }

    /// Writes the metrics, which completes the run, and drops the state.
    pub fn finish(&self, metrics: &serde_json::Value) -> Result<(), RunError> {
        self.write_json(METRICS, metrics)?;
        let state = self.file(STATE);
        fs::remove_dir_all(&state).map_err(|e| RunError::io(&state, e))
    }
}

/// What a complete folder of the same document holds; `None` if its run is not complete.
pub fn complete(path: &Path, tables: &Tables) -> Result<Option<Outcome>, RunError> {
    let read =
        |name: &str| -> Option<serde_json::Value> { serde_json::from_slice(&fs::read(path.join(name)).ok()?).ok() };
    let (Some(metrics), Some(record)) = (read(METRICS), read("run.json")) else { return Ok(None) };
    if fs::read_to_string(path.join(DOCUMENT)).ok().as_deref() != Some(&document_text(tables)) {
        return Err(RunError::DocumentChanged(path.to_path_buf()));
    }
    let words = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|w| w.as_str().map(str::to_owned)).collect()
    };
    let missed = words(&metrics["missed"]);
    let status = if missed.is_empty() { Status::Done } else { Status::CriterionMissed(missed) };
    let report = Some(path.join("report.html")).filter(|r| r.is_file());
    Ok(Some(Outcome { status, metrics, warnings: words(&record["warnings"]), report }))
}

/// The resolved document as text.
pub fn document_text(tables: &Tables) -> String {
    toml::to_string_pretty(tables).expect("every table has a TOML form")
}

/// SHA-256 of the resolved document, hexadecimal.
pub fn document_hash(tables: &Tables) -> String {
    Sha256::digest(document_text(tables)).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn state_name(start: usize) -> String {
    format!("{STATE}/start-{start:05}.json")
}
