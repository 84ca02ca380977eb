//! Models for machines without sensors: only on request, always marked as modelled, with wide intervals.

use crate::energy::Energy;
use crate::provenance::Provenance;

/// Power of a processor over its thermal design power against utilisation, for servers.
///
/// Davy (Teads Engineering), "Building an AWS EC2 Carbon Emissions Dataset", 2021: 12, 32, 75 and 102 % of TDP at 0,
/// 10, 50 and 100 %.
const TDP_CURVE: [(f64, f64); 4] = [(0.0, 0.12), (0.1, 0.32), (0.5, 0.75), (1.0, 1.02)];

/// Machines of the data set behind the curve scatter by about this fraction.
const TDP_SPREAD: f64 = 0.5;

/// Memory: 3 W for 8 GB, the figure CodeCarbon and others use, from 0.2 to 0.6 W/GB over published DIMMs.
const DRAM_W_PER_GB: [f64; 3] = [0.2, 0.375, 0.6];

/// Energy of a processor from its thermal design power: `tdp_w` times the curve at the mean `utilisation` (0 to 1 of
/// all threads), over `wall_s`. Bounds are 50 % to either side, held between 5 and 130 % of TDP.
pub fn processor(tdp_w: f64, utilisation: f64, wall_s: f64) -> Energy {
    let utilisation = utilisation.clamp(0.0, 1.0);
    let share = TDP_CURVE
        .windows(2)
        .find(|w| utilisation <= w[1].0)
        .map_or(TDP_CURVE[3].1, |w| w[0].1 + (w[1].1 - w[0].1) * (utilisation - w[0].0) / (w[1].0 - w[0].0));
    let bound = |factor: f64| (share * factor).clamp(0.05, 1.3) * tdp_w * wall_s;
    Energy::new(share * tdp_w * wall_s, bound(1.0 - TDP_SPREAD), bound(1.0 + TDP_SPREAD), Provenance::Modelled)
}

/// Energy of memory from its size.
pub fn memory(gigabytes: f64, wall_s: f64) -> Energy {
    let [low, middle, high] = DRAM_W_PER_GB.map(|w| w * gigabytes * wall_s);
    Energy::new(middle, low, high, Provenance::Modelled)
}

/// Energy of counted operations at `joules_each`, believed to within a factor of `spread` (at least 1).
pub fn operations(count: f64, joules_each: f64, spread: f64) -> Energy {
    let joules = count * joules_each;
    let spread = spread.max(1.0);
    Energy::new(joules, joules / spread, joules * spread, Provenance::Modelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_passes_its_points_and_everything_is_modelled() {
        for (utilisation, share) in TDP_CURVE {
            let energy = processor(200.0, utilisation, 10.0);
            assert!((energy.joules.unwrap() - 2000.0 * share).abs() < 1e-9);
            assert_eq!(energy.provenance, Provenance::Modelled);
        }
        assert!((processor(100.0, 0.3, 1.0).joules.unwrap() - 53.5).abs() < 1e-9);
        assert_eq!(memory(8.0, 10.0).joules, Some(30.0));
        assert_eq!(operations(1e9, 1e-9, 3.0).interval, Some([1.0 / 3.0, 3.0]));
        assert_eq!(processor(f64::NAN, 0.5, 1.0), Energy::UNMEASURED);
    }
}
