//! Commands that work on reports and traces.

use super::words;
use crate::program::args::energy::{CompareArgs, ExportArgs, FootprintArgs, Form};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_energy::carbon::{Grid, footprint as carbon_footprint, grid, grids};
use regiscope_energy::energy::figure;
use regiscope_energy::report::RegionRecord;
use regiscope_energy::trace::{self, Trace};
use regiscope_energy::{Report, compare as comparison, export as forms, merge as merging};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Greatest report or trace that is read, bytes.
const MOST_BYTES: u64 = 1 << 30;

fn read(path: &Path) -> Result<String, Failure> {
    let size = fs::metadata(path).map_err(|e| Failure::file(path, e))?.len();
    if size > MOST_BYTES {
        return Err(Failure::file(path, format!("it has {size} bytes, more than the {MOST_BYTES} that are read")));
    }
    fs::read_to_string(path).map_err(|e| Failure::file(path, e))
}

fn read_report(path: &Path) -> Result<Report, Failure> {
    Report::parse(&read(path)?).map_err(|e| Failure::file(path, e))
}

/// Writes a file under a temporary name and renames it. Pipes and devices are written to as they are.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::file(path, format!("cannot be written: {error}"));
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return fs::OpenOptions::new().write(true).open(path).and_then(|mut f| f.write_all(bytes)).map_err(fail);
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.part", std::process::id()));
    let fresh = PathBuf::from(fresh);
    fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path)).map_err(|error| {
        let _ = fs::remove_file(&fresh);
        fail(error)
    })
}

/// `regiscope energy replay`.
pub fn replay(path: &Path, output: Output) -> Result<Ending, Failure> {
    let trace = Trace::parse(&read(path)?).map_err(|e| Failure::file(path, e))?;
    let regions: Vec<RegionRecord> = trace::replay(&trace).into_iter().map(RegionRecord::from).collect();
    let report = Report::of(regions, Vec::new());
    output.result(&report, || {
        let one = |r: &RegionRecord| words::line(&r.region.name, &r.region.total.energy);
        report.regions.iter().map(one).collect::<String>() + &words::report(&report)
    })?;
    Ok(Ending::Done)
}

/// `regiscope energy merge`.
pub fn merge(paths: &[PathBuf], same_machine: bool, output: Output) -> Result<Ending, Failure> {
    let ranks = paths.iter().map(|p| read_report(p)).collect::<Result<Vec<_>, _>>()?;
    let merged = if same_machine { merging::one_machine(&ranks) } else { merging::machines(&ranks) };
    output.result(&merged, || words::report(&merged))?;
    Ok(Ending::Done)
}

/// `regiscope energy compare`.
pub fn compare(arguments: &CompareArgs, output: Output) -> Result<Ending, Failure> {
    let (first, second) = (read_report(&arguments.first)?, read_report(&arguments.second)?);
    let found = comparison::compare(&first, &second, arguments.warm_up).map_err(|e| Failure::Input(e.to_string()))?;
    output.result(&found, || {
        let ratio = |what: &str, r: &comparison::Ratio| {
            let [low, high] = r.interval;
            format!("{what:22}{} (95 %: {} to {})\n", figure(r.ratio), figure(low), figure(high))
        };
        let (energy, wall) = (ratio("energy ratio", &found.energy), ratio("wall time ratio", &found.wall));
        let used = format!("{:22}{} pairs after {} of warm-up\n", "", found.pairs, found.warm_up);
        format!("{energy}{wall}{used}{}\n", found.verdict)
    })?;
    Ok(Ending::Done)
}

/// `regiscope energy footprint`.
pub fn footprint(arguments: &FootprintArgs, output: Output) -> Result<Ending, Failure> {
    let report = read_report(&arguments.report)?;
    let chosen = match (arguments.intensity, &arguments.source, arguments.year) {
        (Some(g_per_kwh), Some(source), Some(year)) => {
            Grid { name: "stated".to_owned(), g_per_kwh, year, source: source.clone() }
        }
        _ => grid(&arguments.grid).ok_or_else(|| {
            let known: Vec<String> = grids().into_iter().map(|g| g.name).collect();
            let name = &arguments.grid;
            Failure::Input(format!(
                "grid \"{name}\" is not in the table ({}); --intensity, --source and --year state another one",
                known.join(", ")
            ))
        })?,
    };
    let found = carbon_footprint(&report.total.energy, chosen, arguments.pue, arguments.price);
    output.result(&found, || {
        let or_unmeasured = |value: Option<f64>, unit: &str| match value {
            Some(value) => format!("{} {unit}", figure(value)),
            None => "unmeasured".to_owned(),
        };
        let mut text = format!("{:22}{}\n", "energy", or_unmeasured(found.kwh, "kWh"));
        text += &format!("{:22}{} (PUE {})\n", "of the building", or_unmeasured(found.building_kwh, "kWh"), found.pue);
        text += &format!("{:22}{}\n", "carbon", or_unmeasured(found.carbon_g, "g CO2e"));
        if let Some(cost) = found.cost {
            text += &format!("{:22}{} at {} per kWh\n", "cost", or_unmeasured(cost.cost, ""), cost.price_per_kwh);
        }
        let g = &found.grid;
        text + &format!("{:22}{}: {} g/kWh in {}, {}\n", "grid", g.name, g.g_per_kwh, g.year, g.source)
    })?;
    Ok(Ending::Done)
}

/// `regiscope energy export`.
pub fn export(arguments: &ExportArgs, output: Output) -> Result<Ending, Failure> {
    let report = read_report(&arguments.report)?;
    let text = match arguments.form {
        Form::Csv => forms::csv(&report),
        Form::Prometheus => forms::prometheus(&report),
        Form::Spdx => {
            let value = forms::spdx(&report).map_err(|e| Failure::file(&arguments.report, e))?;
            format!("{value:#}\n")
        }
    };
    match &arguments.out {
        Some(path) => {
            write(path, text.as_bytes())?;
            output.result(&json!({"out": path}), || format!("{}\n", path.display()))?;
        }
        None => output.result(&json!({"text": text}), || text.clone())?,
    }
    Ok(Ending::Done)
}
