//! The report of a measurement: regions, their mean over repetitions, and what should be known about them.

use crate::energy::Energy;
use crate::provenance::Provenance;
use crate::region::{DomainEnergy, Region, RegionKind, total};
use crate::sensor::Domain;
use crate::statistics::{mean, mean_and_half_width};
use serde::{Deserialize, Serialize};

/// One region as written to a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionRecord {
    /// Energies and times.
    #[serde(flatten)]
    pub region: Region,
    /// Exit status of the command that ran in it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// Processor time of the work, s, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_s: Option<f64>,
    /// The work's part of the processor's energy by a declared model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributed: Option<Attributed>,
    /// Useful work done, if it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
}

impl From<Region> for RegionRecord {
    fn from(region: Region) -> Self {
        Self { region, exit_status: None, cpu_s: None, attributed: None, work: None }
    }
}

/// A part of a domain's energy by a declared model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attributed {
    /// The part.
    #[serde(flatten)]
    pub energy: Energy,
    /// How it was computed, in words.
    pub model: String,
}

/// An amount of useful work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// How many units.
    pub count: f64,
    /// What one unit is: voxel, pose, epoch, sample.
    pub unit: String,
}

/// A measurement: the form of `regiscope energy measure --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Energy of each domain: of the work, as the mean over its repetitions.
    pub domains: Vec<DomainEnergy>,
    /// The sum over packages, memory and accelerators.
    pub total: DomainEnergy,
    /// How long the work took, s, as the mean over its repetitions.
    pub wall_s: f64,
    /// Every region.
    pub regions: Vec<RegionRecord>,
    /// What a reader should know, in plain sentences.
    pub messages: Vec<String>,
}

impl Report {
    /// The report of some regions; those that are neither idle nor warm-up make the mean.
    pub fn of(regions: Vec<RegionRecord>, messages: Vec<String>) -> Self {
        let worked: Vec<&Region> = regions.iter().map(|r| &r.region).filter(|r| is_work(r.kind)).collect();
        let domains = mean_domains(&worked);
        let (total, remark) = total(&domains);
        let wall_s = mean(worked.iter().map(|r| r.wall_s)).unwrap_or(0.0);
        let mut all = messages;
        let told = regions.iter().flat_map(|r| r.region.messages.iter().cloned());
        for sentence in told.chain(remark) {
            if !all.contains(&sentence) {
                all.push(sentence);
            }
        }
        Self { domains, total, wall_s, regions, messages: all }
    }

    /// Reads a report that [`Report`] wrote; energies must be finite, from zero, and inside their interval.
    pub fn parse(text: &str) -> Result<Self, ReportError> {
        let mut report: Self = serde_json::from_str(text).map_err(|e| ReportError::Json(e.to_string()))?;
        let of_regions =
            report.regions.iter_mut().flat_map(|r| r.region.domains.iter_mut().chain([&mut r.region.total]));
        for domain in report.domains.iter_mut().chain([&mut report.total]).chain(of_regions) {
            domain.domain = Domain::of_name(&domain.name);
            domain.raw_joules = domain.energy.joules;
            let is_sound = match (domain.energy.joules, domain.energy.interval, domain.energy.provenance) {
                (None, None, Provenance::Unmeasured) => true,
                (Some(_), Some(_), Provenance::Unmeasured) => false,
                (Some(j), Some([low, high]), _) => 0.0 <= low && low <= j && j <= high && high.is_finite(),
                _ => false,
            };
            if !is_sound {
                return Err(ReportError::Energy(domain.name.clone()));
            }
        }
        let mut times = report.regions.iter().map(|r| r.region.wall_s).chain([report.wall_s]);
        if times.any(|t| !(t.is_finite() && t >= 0.0)) {
            return Err(ReportError::Time);
        }
        Ok(report)
    }

    /// The regions of work.
    pub fn worked(&self) -> impl Iterator<Item = &RegionRecord> {
        self.regions.iter().filter(|r| is_work(r.region.kind))
    }

    /// Energy of the work above the idle baseline, if one was measured.
    pub fn above_idle(&self) -> Option<Energy> {
        let idle = self.regions.iter().map(|r| &r.region).find(|r| r.kind == RegionKind::Idle && r.wall_s > 0.0)?;
        Some(self.total.energy.minus(&idle.total.energy.times(self.wall_s / idle.wall_s)))
    }

    /// Joules for one unit of the stated useful work; `None` where none was stated.
    pub fn per_unit(&self) -> Option<(Energy, String)> {
        let work = self.worked().find_map(|r| r.work.as_ref())?;
        Some((self.total.energy.times(1.0 / work.count), work.unit.clone()))
    }
}

/// Why a text is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not the form.
    #[error("this is no report of `regiscope energy measure --json`: {0}")]
    Json(String),
    /// Joules, provenance and interval contradict each other.
    #[error(
        "the energy of {0} contradicts itself: joules and interval are both null and unmeasured, or 0 ≤ low ≤ joules ≤ high"
    )]
    Energy(String),
    /// A time that cannot be.
    #[error("a wall time is negative or not finite")]
    Time,
}

fn is_work(kind: RegionKind) -> bool {
    !matches!(kind, RegionKind::Idle | RegionKind::WarmUp)
}

/// Mean of repetitions in golden phase, and half-width of its 95 % interval.
///
/// Eight phases in a row are spread evenly over the period, so their mean varies far less than single ones do; from 24
/// repetitions on the interval is that of the means of such batches.
fn phase_mean(values: &[f64]) -> (f64, f64) {
    if values.len() < 3 * BATCH {
        return mean_and_half_width(values);
    }
    let whole = &values[..values.len() / BATCH * BATCH];
    let batches: Vec<f64> = whole.chunks(BATCH).filter_map(|c| mean(c.iter().copied())).collect();
    mean_and_half_width(&batches)
}

/// Repetitions of a batch: a Fibonacci number, for which multiples of the golden ratio are spread most evenly.
pub(crate) const BATCH: usize = 8;

/// The mean of each domain over repetitions of the same work.
///
/// Bounds of every repetition hold for its own energy, so their means bound the mean. Where a slow or part-time sensor
/// makes them wide, three or more repetitions whose phases are spread over its period narrow them to the 95 % interval
/// of the mean, if that lies inside.
fn mean_domains(regions: &[&Region]) -> Vec<DomainEnergy> {
    let Some(first) = regions.first() else { return Vec::new() };
    let one = |model: &DomainEnergy| {
        let all: Vec<&DomainEnergy> =
            regions.iter().filter_map(|r| r.domains.iter().find(|d| d.name == model.name)).collect();
        let known: Option<Vec<(f64, [f64; 2])>> = all.iter().map(|d| d.energy.known()).collect();
        let energy = match known {
            Some(known) if known.len() == regions.len() => {
                let bound = |side: usize| mean(known.iter().map(|(_, bounds)| bounds[side])).unwrap_or(f64::NAN);
                let (low, high) = (bound(0), bound(1));
                let provenance = all.iter().map(|d| d.energy.provenance).max().unwrap_or(Provenance::Unmeasured);
                let raw: Option<Vec<f64>> = all.iter().map(|d| d.raw_joules).collect();
                let spread = raw.filter(|r| r.len() >= 3 && provenance == Provenance::Derived);
                match spread.map(|raw| phase_mean(&raw)) {
                    Some((mean, half)) => {
                        let mean = mean.clamp(low, high);
                        Energy::new(mean, (mean - half).max(low), (mean + half).min(high), provenance)
                    }
                    None => Energy::new(mean(known.iter().map(|k| k.0)).unwrap_or(f64::NAN), low, high, provenance),
                }
            }
            _ => Energy::UNMEASURED,
        };
        DomainEnergy { energy, raw_joules: energy.joules, ..model.clone() }
    };
    first.domains.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(kind: RegionKind, wall_s: f64, energy: Energy) -> RegionRecord {
        let domain = |name: &str| DomainEnergy::new(name, Domain::Package, "test", energy);
        let (name, domains, total) = ("r".to_owned(), vec![domain("package-0")], domain("total"));
        Region { name, kind, began_s: 0.0, wall_s, domains, total, messages: vec!["once".into()] }.into()
    }

    fn measured(joules: f64, half: f64) -> Energy {
        Energy::new(joules, joules - half, joules + half, Provenance::Measured)
    }

    #[test]
    fn the_mean_is_over_work_and_idle_stands_apart() {
        let regions = vec![
            region(RegionKind::Idle, 2.0, measured(20.0, 1.0)),
            region(RegionKind::WarmUp, 9.0, measured(900.0, 1.0)),
            region(RegionKind::Work, 1.0, measured(100.0, 2.0)),
            region(RegionKind::Work, 3.0, measured(300.0, 4.0)),
        ];
        let report = Report::of(regions, Vec::new());
        assert_eq!((report.total.energy, report.wall_s), (measured(200.0, 3.0), 2.0));
        assert_eq!(report.above_idle().unwrap(), Energy::new(180.0, 176.0, 184.0, Provenance::Derived));
        assert_eq!(report.messages, ["once"]);
    }

    #[test]
    fn repetitions_narrow_a_derived_interval_and_an_unknown_one_keeps_the_mean_unknown() {
        let derived = |j: f64| region(RegionKind::Work, 1.0, Energy::new(j, 0.0, 400.0, Provenance::Derived));
        let report = Report::of([98.0, 101.0, 100.0, 101.0].map(derived).to_vec(), Vec::new());
        let [low, high] = report.total.energy.interval.unwrap();
        assert!(low > 97.0 && high < 103.0 && report.total.energy.joules == Some(100.0));
        let report = Report::of(vec![derived(98.0), region(RegionKind::Work, 1.0, Energy::UNMEASURED)], Vec::new());
        assert_eq!(report.total.energy, Energy::UNMEASURED);
    }

    #[test]
    fn a_report_is_read_back() {
        let report = Report::of(vec![region(RegionKind::Training, 1.0, measured(100.0, 2.0))], vec!["a".into()]);
        let text = serde_json::to_string(&report).unwrap();
        let back = Report::parse(&text).unwrap();
        assert!(Report::parse(&text.replace("\"joules\":100.0", "\"joules\":500.0")).is_err());
        assert!(Report::parse("{}").is_err());
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
