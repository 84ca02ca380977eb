//! Reports in other forms: CSV, Prometheus text, SPDX.

use crate::carbon::J_PER_KWH;
use crate::energy::Energy;
use crate::provenance::Provenance;
use crate::region::{DomainEnergy, RegionKind};
use crate::report::Report;
use serde_json::{Value, json};

/// One row for each domain of each region, and its total; empty cells where unmeasured.
pub fn csv(report: &Report) -> String {
    let mut text = "region,kind,wall_s,domain,joules,low_j,high_j,provenance\n".to_owned();
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    for record in &report.regions {
        let region = &record.region;
        let head = format!("{},{},{}", quoted(&region.name), kind_word(region.kind), region.wall_s);
        for domain in region.domains.iter().chain([&region.total]) {
            let energy = domain.energy;
            let [low, high] = [0, 1].map(|side| energy.interval.map(|bounds| bounds[side]));
            let (name, word) = (quoted(&domain.name), energy.provenance.word());
            text += &format!("{head},{name},{},{},{},{word}\n", number(energy.joules), number(low), number(high));
        }
    }
    text
}

/// A cell, in quotes where it must be (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn kind_word(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Work => "work",
        RegionKind::WarmUp => "warm-up",
        RegionKind::Idle => "idle",
        RegionKind::Training => "training",
        RegionKind::Inference => "inference",
    }
}

/// Prometheus' text format 0.0.4, gauges of the mean repetition. What is unmeasured has no joules, but says so in a
/// gauge of its own.
pub fn prometheus(report: &Report) -> String {
    let all: Vec<&DomainEnergy> = report.domains.iter().chain([&report.total]).collect();
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(&Energy) -> Option<f64>| {
        text += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        for domain in &all {
            if let Some(value) = value(&domain.energy) {
                let label = domain.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let word = domain.energy.provenance.word();
                text += &format!("{name}{{domain=\"{label}\",provenance=\"{word}\"}} {value}\n");
            }
        }
    };
    gauge("regiscope_energy_joules", "Energy of one run.", &|e| e.joules);
    gauge("regiscope_energy_low_joules", "Lower bound of the energy.", &|e| e.interval.map(|b| b[0]));
    gauge("regiscope_energy_high_joules", "Upper bound of the energy.", &|e| e.interval.map(|b| b[1]));
    gauge("regiscope_energy_unmeasured", "1 where a domain has no number.", &|e| {
        Some(if e.provenance == Provenance::Unmeasured { 1.0 } else { 0.0 })
    });
    text += "# HELP regiscope_energy_wall_seconds Wall time of one run.\n";
    text += "# TYPE regiscope_energy_wall_seconds gauge\n";
    text + &format!("regiscope_energy_wall_seconds {}\n", report.wall_s)
}

/// Why a report has no SPDX form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpdxError {
    /// Neither training nor inference.
    #[error("SPDX knows energy of training and of inference; this report holds neither (`measure --kind training`)")]
    Neither,
    /// No number.
    #[error("{0} of this report is unmeasured; SPDX has no word for that, so nothing is written")]
    Unmeasured(&'static str),
}

/// `EnergyConsumption` of SPDX 3.0.1's AI profile as JSON-LD: the mean energy of one repetition of training and of
/// inference, in kWh.
pub fn spdx(report: &Report) -> Result<Value, SpdxError> {
    let of_kind = |kind: RegionKind, word: &'static str| -> Result<Option<Value>, SpdxError> {
        let energies: Vec<Energy> =
            report.worked().filter(|r| r.region.kind == kind).map(|r| r.region.total.energy).collect();
        if energies.is_empty() {
            return Ok(None);
        }
        let joules = Energy::sum(&energies).joules.ok_or(SpdxError::Unmeasured(word))?;
        let kwh = joules / energies.len() as f64 / J_PER_KWH;
        Ok(Some(json!([{
            "type": "ai_EnergyConsumptionDescription",
            // xsd:decimal has no exponent.
            "ai_energyQuantity": format!("{kwh:.12}"),
            "ai_energyUnit": "kilowattHour",
        }])))
    };
    let mut value = json!({
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "type": "ai_EnergyConsumption",
    });
    let (training, inference) =
        (of_kind(RegionKind::Training, "training")?, of_kind(RegionKind::Inference, "inference")?);
    if training.is_none() && inference.is_none() {
        return Err(SpdxError::Neither);
    }
    for (key, part) in [("ai_trainingEnergyConsumption", training), ("ai_inferenceEnergyConsumption", inference)] {
        if let Some(part) = part {
            value[key] = part;
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;
    use crate::sensor::Domain;

    fn report(kind: RegionKind, energy: Energy) -> Report {
        let domain = |name: &str| DomainEnergy::new(name, Domain::Package, "", energy);
        let (domains, total) = (vec![domain("package-0")], domain("total"));
        let region =
            Region { name: "a,b".into(), kind, began_s: 0.0, wall_s: 2.0, domains, total, messages: Vec::new() };
        Report::of(vec![region.into()], Vec::new())
    }

    #[test]
    fn forms() {
        let energy = Energy::new(7.2e6, 7e6, 7.5e6, Provenance::Measured);
        let known = report(RegionKind::Training, energy);
        assert!(csv(&known).contains("\"a,b\",training,2,package-0,7200000,7000000,7500000,measured\n"));
        let text = prometheus(&known);
        assert!(text.contains("regiscope_energy_joules{domain=\"total\",provenance=\"measured\"} 7200000\n"));
        let value = spdx(&known).unwrap();
        assert_eq!(value["ai_trainingEnergyConsumption"][0]["ai_energyQuantity"], "2.000000000000");
        assert!(value.get("ai_inferenceEnergyConsumption").is_none());
    }

    #[test]
    fn what_is_unmeasured_is_written_as_such_or_not_at_all() {
        let unknown = report(RegionKind::Inference, Energy::UNMEASURED);
        assert!(csv(&unknown).contains(",package-0,,,,unmeasured\n"));
        let text = prometheus(&unknown);
        assert!(!text.contains("regiscope_energy_joules{"), "{text}");
        assert!(text.contains("regiscope_energy_unmeasured{domain=\"total\",provenance=\"unmeasured\"} 1\n"));
        assert_eq!(spdx(&unknown), Err(SpdxError::Unmeasured("inference")));
        assert_eq!(spdx(&report(RegionKind::Work, Energy::UNMEASURED)), Err(SpdxError::Neither));
    }
}
