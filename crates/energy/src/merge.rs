//! Reports of several ranks of one job as one.

use crate::region::{DomainEnergy, total};
use crate::report::Report;

/// Adds ranks that ran on different machines: domains are named `rank0/package-0`, energies add up, the job takes as
/// long as its slowest rank. The total is unmeasured if any rank's is.
pub fn machines(ranks: &[Report]) -> Report {
    let mut merged = all_regions(ranks);
    merged.wall_s = ranks.iter().map(|r| r.wall_s).fold(0.0, f64::max);
    for (rank, report) in ranks.iter().enumerate() {
        merged.domains.extend(
            report.domains.iter().map(|d| DomainEnergy { name: format!("rank{rank}/{}", d.name), ..d.clone() }),
        );
    }
    let energies: Vec<_> = ranks.iter().map(|r| r.total.energy).collect();
    merged.total.energy = crate::Energy::sum(&energies);
    let unknown: Vec<String> =
        (0..ranks.len()).filter(|&r| energies[r].joules.is_none()).map(|r| format!("rank {r}")).collect();
    if !unknown.is_empty() && unknown.len() < ranks.len() {
        merged.messages.push(format!("the total is unmeasured because {} is", unknown.join(", ")));
    }
    merged
}

/// Joins ranks that shared one machine: each of them measured all of it, so the rank that ran longest speaks for all.
pub fn one_machine(ranks: &[Report]) -> Report {
    let mut merged = all_regions(ranks);
    if let Some((rank, longest)) = ranks.iter().enumerate().max_by(|a, b| a.1.wall_s.total_cmp(&b.1.wall_s)) {
        (merged.domains, merged.wall_s) = (longest.domains.clone(), longest.wall_s);
        merged.total = longest.total.clone();
        merged
            .messages
            .push(format!("the ranks shared one machine; its energy is that seen by rank {rank}, the longest"));
    }
    merged
}

/// Regions and messages of all ranks, named by their rank; no energy yet.
fn all_regions(ranks: &[Report]) -> Report {
    let (mut regions, mut messages) = (Vec::new(), Vec::new());
    for (rank, report) in ranks.iter().enumerate() {
        for record in &report.regions {
            let mut record = record.clone();
            record.region.name = format!("rank{rank}/{}", record.region.name);
            regions.push(record);
        }
        for message in &report.messages {
            let told = format!("rank {rank}: {message}");
            messages.push(told);
        }
    }
    Report { domains: Vec::new(), total: total(&[]).0, wall_s: 0.0, regions, messages }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Energy;
    use crate::provenance::Provenance;
    use crate::sensor::Domain;

    fn rank(joules: Option<f64>, wall_s: f64) -> Report {
        let energy = joules.map_or(Energy::UNMEASURED, |j| Energy::new(j, j, j, Provenance::Measured));
        let domain = |name: &str| DomainEnergy::new(name, Domain::Package, "", energy);
        let (domains, total) = (vec![domain("package-0")], domain("total"));
        Report { domains, total, wall_s, regions: Vec::new(), messages: Vec::new() }
    }

    #[test]
    fn machines_add_up_and_one_machine_counts_once() {
        let ranks = [rank(Some(10.0), 1.0), rank(Some(12.0), 2.0)];
        let added = machines(&ranks);
        assert_eq!((added.total.energy.joules, added.wall_s), (Some(22.0), 2.0));
        assert_eq!(added.domains[1].name, "rank1/package-0");
        assert_eq!(one_machine(&ranks).total.energy.joules, Some(12.0));
        let unknown = machines(&[rank(Some(10.0), 1.0), rank(None, 1.0)]);
        assert_eq!(unknown.total.energy, Energy::UNMEASURED);
        assert!(unknown.messages[0].contains("rank 1"));
    }
}
