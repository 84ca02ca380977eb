//! Smooth pseudo-random texture fixed in space, so that it does not change with the voxel size.

use regiscope_geometry::Vector;

/// Value noise in [−1, 1] that varies over about `scale` mm: random values on a lattice, trilinearly joined.
pub fn noise(p: &Vector, scale: f64, seed: u64) -> f64 {
    let q = p / scale;
    let base = q.map(|v| v.floor());
    let f = q - base;
    let [i, j, k] = [base.x as i64, base.y as i64, base.z as i64];
    let mut value = 0.0;
    for corner in 0..8u64 {
        let [di, dj, dk] = [corner & 1, corner >> 1 & 1, corner >> 2];
        let weight = |d: u64, f: f64| if d == 1 { f } else { 1.0 - f };
        let w = weight(di, f.x) * weight(dj, f.y) * weight(dk, f.z);
        value += w * lattice(i + di as i64, j + dj as i64, k + dk as i64, seed);
    }
    value
}

/// A value in [−1, 1) for a lattice point, from the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn lattice(i: i64, j: i64, k: i64, seed: u64) -> f64 {
    let mut z = seed
        .wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add((j as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F))
        .wrapping_add((k as u64).wrapping_mul(0x1656_67B1_9E37_79F9));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_centred_and_continuous() {
        let at = |n: usize| Vector::new(n as f64 * 0.37, n as f64 * -0.21, n as f64 * 0.11);
        let values: Vec<f64> = (0..5000).map(|n| noise(&at(n), 3.0, 9)).collect();
        assert!(values.iter().all(|v| v.abs() <= 1.0));
        assert!((values.iter().sum::<f64>() / 5000.0).abs() < 0.05);
        assert!(values.windows(2).all(|w| (w[0] - w[1]).abs() < 0.7));
        assert_ne!(noise(&at(5), 3.0, 1), noise(&at(5), 3.0, 2));
    }
}
