//! Regions: the energy of each domain between two moments, and their total.

use crate::energy::Energy;
use crate::provenance::Provenance;
use crate::sensor::{Domain, Unreadable};
use serde::{Deserialize, Serialize};

/// What a region is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// The work that is asked about.
    Work,
    /// Work that is thrown away: caches fill, the machine gets warm.
    WarmUp,
    /// Nothing runs: the idle baseline.
    Idle,
    /// Training of a model.
    Training,
    /// Use of a trained model.
    Inference,
}

/// Energy of one domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DomainEnergy {
    /// Name, as `package-0`.
    pub name: String,
    /// The energy.
    #[serde(flatten)]
    pub energy: Energy,
    /// What the sensor sees.
    #[serde(skip, default = "other")]
    pub domain: Domain,
    /// Interface and place.
    #[serde(skip)]
    pub source: String,
    /// The estimate before it was held to its bounds, J: means over repetitions use it.
    #[serde(skip)]
    pub raw_joules: Option<f64>,
}

fn other() -> Domain {
    Domain::Other
}

impl DomainEnergy {
    /// A number of its own, such as a model's.
    pub fn new(name: &str, domain: Domain, source: &str, energy: Energy) -> Self {
        Self { name: name.to_owned(), domain, source: source.to_owned(), energy, raw_joules: energy.joules }
    }

    /// The domain of a sensor that cannot be read.
    pub fn of_unreadable(unreadable: &Unreadable) -> Self {
        Self::new(&unreadable.name, unreadable.domain, &unreadable.source, Energy::UNMEASURED)
    }
}

/// Energy between two moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// What it is there for.
    pub kind: RegionKind,
    /// When it began, s of the meter's clock.
    pub began_s: f64,
    /// How long it lasted, s.
    pub wall_s: f64,
    /// Energy of each domain.
    pub domains: Vec<DomainEnergy>,
    /// The sum over packages, memory and accelerators.
    pub total: DomainEnergy,
    /// What a reader should know, in plain sentences.
    pub messages: Vec<String>,
}

/// The total over domains that do not overlap, and a remark where it is not simply their sum.
///
/// A domain that is there but has no number makes the total unmeasured: leaving it out would count it as zero. Only
/// where no package, memory or accelerator is known at all does the platform (psys) or the node speak for the whole.
pub fn total(domains: &[DomainEnergy]) -> (DomainEnergy, Option<String>) {
    let named = |energy, source: &str| DomainEnergy::new("total", Domain::Other, source, energy);
    let counted: Vec<&DomainEnergy> = domains.iter().filter(|d| d.domain.counts()).collect();
    if counted.is_empty() {
        for wide in [Domain::Node, Domain::Psys] {
            let of_kind: Vec<&DomainEnergy> = domains.iter().filter(|d| d.domain == wide).collect();
            if let [one] = of_kind[..] {
                let remark = format!("the total is that of {}, the only sensor of the whole machine", one.name);
                return (named(one.energy, &one.source), Some(remark));
            }
        }
        return (named(Energy::UNMEASURED, ""), None);
    }
    let sum = Energy::sum(counted.iter().map(|d| &d.energy));
    let missing: Vec<&str> =
        counted.iter().filter(|d| d.energy.provenance == Provenance::Unmeasured).map(|d| d.name.as_str()).collect();
    let known = counted.len() - missing.len();
    let remark = (!missing.is_empty() && known > 0).then(|| {
        let there = Energy::sum(counted.iter().map(|d| &d.energy).filter(|e| e.joules.is_some()));
        format!("the total is unmeasured because {} is; without it: {there}", missing.join(", "))
    });
    (named(sum, "sum"), remark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, domain: Domain, joules: Option<f64>) -> DomainEnergy {
        let energy = joules.map_or(Energy::UNMEASURED, |j| Energy::new(j, j - 1.0, j + 1.0, Provenance::Measured));
        DomainEnergy::new(name, domain, "test", energy)
    }

    #[test]
    fn parts_and_platform_are_not_added() {
        let domains = [
            one("package-0", Domain::Package, Some(10.0)),
            one("core-0", Domain::Core, Some(6.0)),
            one("dram-0", Domain::Dram, Some(3.0)),
            one("psys", Domain::Psys, Some(20.0)),
            one("gpu-0", Domain::Gpu, Some(100.0)),
        ];
        let (sum, remark) = total(&domains);
        assert_eq!(sum.energy, Energy::new(113.0, 110.0, 116.0, Provenance::Measured));
        assert_eq!(remark, None);
        let (sum, remark) = total(&[one("psys", Domain::Psys, Some(20.0))]);
        assert_eq!(sum.energy.joules, Some(20.0));
        assert!(remark.unwrap().contains("psys"));
    }

    #[test]
    fn what_is_missing_is_not_zero() {
        let domains = [one("package-0", Domain::Package, Some(10.0)), one("package-1", Domain::Package, None)];
        let (sum, remark) = total(&domains);
        assert_eq!(sum.energy, Energy::UNMEASURED);
        assert!(remark.unwrap().contains("because package-1 is"));
        assert_eq!(total(&[]).0.energy, Energy::UNMEASURED);
    }

    #[test]
    fn a_domain_is_written_with_four_keys() {
        let text = serde_json::to_value(one("gpu-0", Domain::Gpu, Some(2.0))).unwrap();
        assert_eq!(text.as_object().unwrap().len(), 4);
        assert_eq!(text["interval"], serde_json::json!([1.0, 3.0]));
    }
}
