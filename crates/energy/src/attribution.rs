//! A process's or control group's part of the processor's energy, by processor time.
//!
//! The model, stated in every answer: of the energy of packages and memory, a process is charged the share of busy
//! processor time that it used. It ignores that instructions differ in cost and that idle power has no owner, so it is
//! derived, never measured.

use crate::energy::Energy;
use crate::region::Region;
use crate::report::Attributed;
use crate::sensor::Domain;
use std::path::Path;

/// Ticks per second of times in `/proc`: USER_HZ, 100 on every Linux architecture in use.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of the whole machine that was not idle, s: `/proc/stat`. `None` where the system does not tell.
pub fn machine_busy_s(proc: &Path) -> Option<f64> {
    let stat = std::fs::read_to_string(proc.join("stat")).ok()?;
    let line = stat.lines().find_map(|l| l.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_ascii_whitespace().map(|t| t.parse().ok()).collect::<Option<_>>()?;
    // user nice system idle iowait irq softirq steal; guest time is in user already (proc(5)). Time that the host
    // stole was not spent here.
    let busy = |at: usize| ticks.get(at).copied().unwrap_or(0.0);
    Some([0, 1, 2, 5, 6].into_iter().map(busy).sum::<f64>() / TICKS_PER_S)
}

/// User and system time of a process and its ended, waited-for children, s: `/proc/PID/stat`, in steps of 10 ms.
pub fn process_s(proc: &Path, process: &str) -> Option<f64> {
    fields(&std::fs::read_to_string(proc.join(process).join("stat")).ok()?, 11..15)
}

/// User and system time of the ended, waited-for children of a process, s.
pub fn children_s(proc: &Path, process: &str) -> Option<f64> {
    fields(&std::fs::read_to_string(proc.join(process).join("stat")).ok()?, 13..15)
}

/// Sum of fields after the program's name, which stands in parentheses and may hold anything.
fn fields(stat: &str, range: std::ops::Range<usize>) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks: Option<Vec<f64>> = fields.get(range)?.iter().map(|f| f.parse().ok()).collect();
    Some(ticks?.iter().sum::<f64>() / TICKS_PER_S)
}

/// Processor time of a control group, s: `cpu.stat` of version 2, or `cpuacct.usage` of version 1.
pub fn cgroup_s(folder: &Path) -> Option<f64> {
    if let Ok(text) = std::fs::read_to_string(folder.join("cpu.stat"))
        && let Some(us) = text.lines().find_map(|l| l.strip_prefix("usage_usec ")?.trim().parse::<f64>().ok())
    {
        return Some(us * 1e-6);
    }
    let ns: f64 = std::fs::read_to_string(folder.join("cpuacct.usage")).ok()?.trim().parse().ok()?;
    Some(ns * 1e-9)
}

/// The part of packages and memory that `own_s` of `busy_s` processor seconds are charged.
///
/// Times are known to a tick each, which widens the interval.
pub fn by_cpu_time(region: &Region, own_s: f64, busy_s: f64) -> Attributed {
    let charged = region.domains.iter().filter(|d| matches!(d.domain, Domain::Package | Domain::Dram));
    let energy = Energy::sum(charged.map(|d| &d.energy));
    let tick_s = 1.0 / TICKS_PER_S;
    let share = |own: f64, busy: f64| if busy > 0.0 { (own / busy).clamp(0.0, 1.0) } else { 0.0 };
    let middle = energy.times(share(own_s, busy_s.max(own_s)));
    let low = energy.times(share(own_s - tick_s, busy_s + 2.0 * tick_s));
    let high = energy.times(share(own_s + tick_s, busy_s - 2.0 * tick_s));
    let energy = match (middle.known(), low.known(), high.known()) {
        (Some((joules, _)), Some((_, [low, _])), Some((_, [_, high]))) => {
            Energy::new(joules, low, high, middle.provenance)
        }
        _ => Energy::UNMEASURED,
    };
    let model = format!(
        "energy of packages and memory times the share of busy processor time, {own_s:.2} s of {:.2} s",
        busy_s.max(own_s)
    );
    Attributed { energy, model }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Provenance;
    use crate::region::{DomainEnergy, RegionKind, total};
    use std::fs;

    #[test]
    fn times_of_machine_process_and_group() {
        let proc = tempfile::tempdir().unwrap();
        fs::write(proc.path().join("stat"), "cpu  100 10 40 5000 30 5 5 99 7 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!(machine_busy_s(proc.path()), Some(1.6));
        let own = proc.path().join("77");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("stat"), "77 (a) b (c) S 1 77 77 0 -1 4194304 97 0 0 0 250 50 30 20 20 0 1 0 100\n")
            .unwrap();
        assert_eq!(process_s(proc.path(), "77"), Some(3.5));
        assert_eq!(children_s(proc.path(), "77"), Some(0.5));
        fs::write(own.join("cpu.stat"), "usage_usec 1500000\nuser_usec 1\n").unwrap();
        assert_eq!(cgroup_s(&own), Some(1.5));
        fs::remove_file(own.join("cpu.stat")).unwrap();
        fs::write(own.join("cpuacct.usage"), "2500000000\n").unwrap();
        assert_eq!(cgroup_s(&own), Some(2.5));
        assert_eq!((machine_busy_s(&own), cgroup_s(proc.path())), (None, None));
    }

    #[test]
    fn a_share_is_derived_and_leaves_accelerators_out() {
        let energy = Energy::new(100.0, 99.0, 101.0, Provenance::Measured);
        let domains = vec![
            DomainEnergy::new("package-0", Domain::Package, "", energy),
            DomainEnergy::new("gpu-0", Domain::Gpu, "", energy),
        ];
        let (total, _) = total(&domains);
        let (name, messages) = ("r".to_owned(), Vec::new());
        let region = Region { name, kind: RegionKind::Work, began_s: 0.0, wall_s: 1.0, domains, total, messages };
        let part = by_cpu_time(&region, 1.0, 4.0).energy;
        assert_eq!((part.joules, part.provenance), (Some(25.0), Provenance::Derived));
        let [low, high] = part.interval.unwrap();
        assert!(low < 24.6 && high > 25.4 && low > 24.0 && high < 26.0);
    }
}
