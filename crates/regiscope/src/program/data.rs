//! `regiscope data`: datasets that can be fetched. The environment and pip's settings are read here.

mod generated;

use crate::program::args::{DataArgs, DataCommand};
use crate::program::cache;
use crate::program::failure::{Ending, Failure};
use crate::program::interrupt;
use crate::program::output::Output;
use crate::program::progress::Progress;
use regiscope_datasets::cache::{FileReport, FileState, folder, verify};
use regiscope_datasets::fetch::{FetchError, FetchEvent, IndexSettings, fetch};
use regiscope_datasets::manifest::{self, Manifest};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Does what was asked with the datasets.
pub fn run(arguments: DataArgs, output: Output) -> Result<Ending, Failure> {
    let cache_dir = || cache::folder(arguments.cache.as_deref());
    match &arguments.command {
        DataCommand::List => list(&cache_dir()?, output),
        DataCommand::Fetch { name } => fetch_one(&known(name)?, &cache_dir()?, output),
        DataCommand::Generate(arguments) => generated::run(arguments, output),
        DataCommand::Verify { name: Some(name) } => verify_all(&[known(name)?], &cache_dir()?, output),
        DataCommand::Verify { name: None } => {
            let cache_dir = cache_dir()?;
            let there = manifest::list().into_iter().filter(|m| folder(m, &cache_dir).is_dir());
            verify_all(&there.collect::<Vec<_>>(), &cache_dir, output)
        }
    }
}

fn known(name: &str) -> Result<Manifest, Failure> {
    manifest::by_name(name).map_err(|e| Failure::Input(e.to_string()))
}

fn list(cache_dir: &Path, output: Output) -> Result<Ending, Failure> {
    let all = manifest::list();
    let is_there = |m: &Manifest| m.members.iter().all(|member| folder(m, cache_dir).join(&member.file).is_file());
    let value: Value = all
        .iter()
        .map(|m| {
            json!({
                "name": m.name,
                "title": m.title,
                "description": m.description,
                "licence_spdx": m.licence_spdx,
                "licence": m.licence,
                "citation": m.citation,
                "url": m.url,
                "bytes": m.source.size,
                "fetched": is_there(m),
                "folder": folder(m, cache_dir),
            })
        })
        .collect();
    output.result(&json!({"cache": cache_dir, "datasets": value}), || {
        let one = |m: &Manifest| {
            let state = if is_there(m) { "fetched" } else { "not fetched" };
            let size = m.source.size as f64 / 1e6;
            format!("{}  {} ({size:.0} MB, {state})\n    licence: {}\n    {}\n", m.name, m.title, m.licence, m.url)
        };
        format!("{}cache: {}\n", all.iter().map(one).collect::<String>(), cache_dir.display())
    })?;
    Ok(Ending::Done)
}

fn fetch_one(manifest: &Manifest, cache_dir: &Path, output: Output) -> Result<Ending, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let settings = IndexSettings::resolve(env, |path: &Path| std::fs::read_to_string(path).ok())
        .map_err(|e| Failure::Input(e.to_string()))?;
    output.note(format_args!("{}: licence {}", manifest.name, manifest.licence));
    let cancel = interrupt::flag();
    let progress = Progress::new(output);
    let fetched = fetch(manifest, cache_dir, &settings, &mut |event| {
        match event {
            FetchEvent::Received { bytes, of } => progress.bytes(&manifest.source.file, *bytes, *of),
            FetchEvent::Waiting => output.note("another process fetches the same dataset; waiting for it"),
            FetchEvent::Asking(page) => output.detail(format_args!("asking {page}")),
            FetchEvent::Downloading(address) => output.detail(format_args!("downloading {address}")),
            FetchEvent::Failed(reason) => output.detail(format_args!("no luck: {reason}")),
            FetchEvent::AskingPip(python) => output.detail(format_args!("asking pip of {python}")),
            FetchEvent::Unpacked(file) => output.detail(format_args!("unpacked {file}")),
        }
        if cancel.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    let fetched = fetched.map_err(|error| match error {
        FetchError::Stopped => Failure::Interrupted(error.to_string()),
        other => Failure::Input(other.to_string()),
    })?;
    let value = json!({
        "name": manifest.name,
        "folder": fetched.folder,
        "files": fetched.files,
        "already_there": fetched.already_there,
        "licence_spdx": manifest.licence_spdx,
    });
    output.result(&value, || {
        let state = if fetched.already_there { "was there already" } else { "fetched" };
        let files: String = fetched.files.iter().map(|f| format!("  {}\n", f.display())).collect();
        format!("{} {state}, every file verified\n{files}", manifest.name)
    })?;
    Ok(Ending::Done)
}

fn verify_all(manifests: &[Manifest], cache_dir: &Path, output: Output) -> Result<Ending, Failure> {
    let mut datasets = Vec::new();
    let mut lines = String::new();
    let mut bad = Vec::new();
    for manifest in manifests {
        let reports = verify(manifest, cache_dir).map_err(|e| Failure::Input(e.to_string()))?;
        let files: Vec<Value> = reports.iter().map(|r| json!({"path": r.path, "state": state(r)})).collect();
        lines.extend(reports.iter().map(|r| format!("{}  {}\n", state(r), r.path.display())));
        bad.extend(reports.into_iter().filter(|r| r.state != FileState::Good));
        datasets.push(json!({"name": manifest.name, "files": files}));
    }
    if manifests.is_empty() {
        lines = format!("nothing is fetched in {}\n", cache_dir.display());
    }
    output.result(&json!({"cache": cache_dir, "good": bad.is_empty(), "datasets": datasets}), || lines)?;
    match bad.first() {
        None => Ok(Ending::Done),
        Some(report) => {
            let more =
                if bad.len() > 1 { format!(", and {} more files are not good", bad.len() - 1) } else { "".into() };
            let reason = format!("the file is {}{more}; `regiscope data fetch` brings it back", state(report));
            Err(Failure::file(&report.path, reason))
        }
    }
}

fn state(report: &FileReport) -> &'static str {
    match report.state {
        FileState::Good => "good",
        FileState::Missing => "missing",
        FileState::Damaged { .. } => "damaged",
    }
}
