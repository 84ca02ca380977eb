//! `regiscope energy measure`: a command in a metered region.

use super::{sources, words};
use crate::program::args::JsonTarget;
use crate::program::args::energy::{MeasureArgs, WorkKind};
use crate::program::failure::{Ending, Failure};
use crate::program::interrupt;
use crate::program::output::{Output, say};
use regiscope_energy::attribution::{by_cpu_time, cgroup_s, children_s, machine_busy_s, process_s};
use regiscope_energy::region::total;
use regiscope_energy::repeat::Repeat;
use regiscope_energy::report::{RegionRecord, Work};
use regiscope_energy::sensor::Domain;
use regiscope_energy::sensor::discover::discover;
use regiscope_energy::trace::{Span, Trace};
use regiscope_energy::{
    Clock, DomainEnergy, Energy, Meter, Provenance, Region, RegionKind, Report, Settings, SystemClock, model,
};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Status of a command that is not found, as shells and env(1) give it.
const NOT_FOUND: u8 = 127;

/// Status of a command that cannot be executed.
const NOT_EXECUTABLE: u8 = 126;

/// Why the measurement of a run ended without its record.
enum Ended {
    /// The command could not be started.
    NotStarted(io::Error),
}

/// Measures a command and tells what it took.
pub fn run(arguments: MeasureArgs, output: Output) -> Result<Ending, Failure> {
    let cancel = interrupt::flag();
    let clock = Arc::new(SystemClock::default());
    let settings = Settings { sample_s: 1.0 / arguments.rate, keep_trace: arguments.trace.is_some() };
    let meter = Meter::start(discover(&sources::sources(&arguments.sources)), clock.clone(), settings);
    let mut regions: Vec<RegionRecord> = Vec::new();
    if arguments.idle > 0.0 {
        regions.push(meter.idle(arguments.idle).into());
    }
    let kind = match arguments.kind {
        WorkKind::Work => RegionKind::Work,
        WorkKind::Training => RegionKind::Training,
        WorkKind::Inference => RegionKind::Inference,
    };
    let mut status = None;
    let mut one = |name: String, kind: RegionKind| -> Result<RegionRecord, Ended> {
        let (record, ended) = measure_one(&arguments, &meter, &name, kind)?;
        status = Some(ended);
        Ok(record)
    };
    let mut outcome = Ok(());
    for index in 0..arguments.warm_up {
        match one(format!("warm-up {}", index + 1), RegionKind::WarmUp) {
            Ok(record) => regions.push(record),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if outcome.is_ok() {
        let repeat = Repeat {
            most: arguments.repeat as usize,
            target: arguments.target.map(|percent| percent / 100.0),
            period_s: meter.with(|recorder| recorder.slow_period_s()),
        };
        let worked = repeat.run(|index, first_s| {
            let now_s = clock.now_s();
            // A period that was stated wrongly is known better after the first runs.
            let repeat = Repeat { period_s: meter.with(|recorder| recorder.slow_period_s()), ..repeat };
            clock.wait_until(repeat.begin_s(index, first_s.unwrap_or(now_s), now_s));
            let mut record = one(format!("run {}", index + 1), kind)?;
            if cancel.load(Ordering::Relaxed) {
                record.exit_status = record.exit_status.map(|s| if s == 0 { 130 } else { s });
            }
            Ok(record)
        });
        match worked {
            Ok(records) => regions.extend(records),
            Err(error) => outcome = Err(error),
        }
    }
    if let Err(Ended::NotStarted(error)) = outcome {
        let program = arguments.command[0].to_string_lossy();
        say(format_args!("regiscope: {program}: {error}"));
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        return Ok(Ending::OfCommand(if is_missing { NOT_FOUND } else { NOT_EXECUTABLE }));
    }
    let report = Report::of(regions, meter.with(|recorder| recorder.messages()));
    if let Some(path) = &arguments.trace {
        write_trace(path, &meter, &report)?;
    }
    tell(&arguments, &report, output)?;
    let known = report.total.energy.provenance <= Provenance::Derived;
    let code = status.map_or(0, code_of);
    Ok(match code {
        0 if arguments.require_measured && !known => Ending::CriterionMissed,
        0 => Ending::Done,
        code => Ending::OfCommand(code),
    })
}

/// Runs the command once in a region.
fn measure_one(
    arguments: &MeasureArgs,
    meter: &Meter,
    name: &str,
    kind: RegionKind,
) -> Result<(RegionRecord, ExitStatus), Ended> {
    let proc = Path::new("/proc");
    let own_s = || match (&arguments.cgroup, arguments.pid) {
        (Some(folder), _) => cgroup_s(folder),
        (None, Some(pid)) => process_s(proc, &pid.to_string()),
        (None, None) => children_s(proc, "self"),
    };
    let mut command = Command::new(&arguments.command[0]);
    command.args(&arguments.command[1..]);
    let (own_before, busy_before) = (own_s(), machine_busy_s(proc));
    let region = meter.region(name, kind);
    let mut child = command.spawn().map_err(Ended::NotStarted)?;
    let status = child.wait().map_err(Ended::NotStarted)?;
    let region = region.end();
    let spent = |after: Option<f64>, before: Option<f64>| Some((after? - before?).max(0.0));
    let (own, busy) = (spent(own_s(), own_before), spent(machine_busy_s(proc), busy_before));
    let region = modelled(arguments, region, busy);
    let attributed = own.zip(busy).map(|(own, busy)| by_cpu_time(&region, own, busy));
    let work = arguments.units.zip(arguments.unit.clone()).map(|(count, unit)| Work { count, unit });
    let record = RegionRecord {
        region,
        exit_status: Some(i32::from(code_of(status))),
        cpu_s: own,
        attributed: attributed.filter(|a| a.energy.joules.is_some()),
        work,
    };
    Ok((record, status))
}

/// Adds the models that were asked for, where no sensor sees the same.
fn modelled(arguments: &MeasureArgs, mut region: Region, busy_s: Option<f64>) -> Region {
    let sees = |region: &Region, domain| region.domains.iter().any(|d| d.domain == domain && d.energy.joules.is_some());
    let wall_s = region.wall_s;
    let mut models: Vec<(&str, Domain, Energy, String)> = Vec::new();
    if let Some(tdp_w) = arguments.tdp.filter(|_| !sees(&region, Domain::Package)) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let utilisation = busy_s.map_or(1.0, |busy| busy / (threads * wall_s).max(1e-9)).clamp(0.0, 1.0);
        let energy = model::processor(tdp_w, utilisation, wall_s);
        let words = format!("the TDP curve of {tdp_w} W at {:.0} % utilisation, within 50 %", 100.0 * utilisation);
        models.push(("package-model", Domain::Package, energy, words));
    }
    if let Some(gigabytes) = arguments.dram.filter(|_| !sees(&region, Domain::Dram)) {
        let words = format!("{gigabytes} GB of memory at 0.375 W/GB, from 0.2 to 0.6");
        models.push(("dram-model", Domain::Dram, model::memory(gigabytes, wall_s), words));
    }
    let nothing_known = models.is_empty() && region.total.energy.joules.is_none();
    if let (Some(count), Some(each), true) = (arguments.operations, arguments.joules_per_operation, nothing_known) {
        let words = format!("{count} operations at {each} J, within a factor of 3");
        models.push(("package-operations-model", Domain::Package, model::operations(count, each, 3.0), words));
    }
    for (name, domain, energy, words) in models {
        region.domains.retain(|d| d.domain != domain || d.energy.joules.is_some());
        region.messages.push(format!("{name} is modelled, not measured: {words}"));
        region.domains.push(DomainEnergy::new(name, domain, "model", energy));
        let (sum, remark) = total(&region.domains);
        region.total = sum;
        region.messages.extend(remark);
    }
    region
}

/// Where the report goes: the file or standard output as JSON, else text on standard error, out of the command's way.
fn tell(arguments: &MeasureArgs, report: &Report, output: Output) -> Result<(), Failure> {
    match &arguments.json {
        Some(JsonTarget::Stdout) => output.result(report, String::new)?,
        Some(JsonTarget::File(path)) => {
            let mut text = serde_json::to_vec_pretty(report).map_err(|e| Failure::file(path, e))?;
            text.push(b'\n');
            super::reports::write(path, &text)?;
            output.note(words::report(report).trim_end());
        }
        None => output.note(words::report(report).trim_end()),
    }
    Ok(())
}

fn write_trace(path: &Path, meter: &Meter, report: &Report) -> Result<(), Failure> {
    let span = |r: &RegionRecord| Span {
        region: r.region.name.clone(),
        from_s: r.region.began_s,
        to_s: r.region.began_s + r.region.wall_s,
    };
    let trace = meter.with(|recorder| Trace {
        sensors: recorder.tracks().map(|t| t.description().clone()).collect(),
        samples: recorder.trace().to_vec(),
        regions: report.regions.iter().map(span).collect(),
    });
    super::reports::write(path, trace.to_text().as_bytes())
}

/// The status that a shell would give: the command's own, or 128 and the signal that ended it.
fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128u8.saturating_add(signal as u8);
    }
    status.code().map_or(1, |code| code as u8)
}
