//! How alike two images, label maps, fields or sets of points are.

use rayon::prelude::*;
use regiscope_geometry::{Point, Vector};
use regiscope_image::Volume;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Overlap of one label in two maps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelDice {
    /// The label.
    pub label: u16,
    /// Voxels that have it in the first map.
    pub first: usize,
    /// Voxels that have it in the second map.
    pub second: usize,
    /// 2 |A ∩ B| / (|A| + |B|).
    pub dice: f64,
}

/// Overlap of two label maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dice {
    /// Each label but 0 that either map has, in their order.
    pub labels: Vec<LabelDice>,
    /// Mean of the labels' overlaps.
    pub mean: f64,
    /// Overlap of all labels joined to one.
    pub union: f64,
    /// Labels that only one of the maps has.
    pub alone: Vec<u16>,
}

/// Overlap of two label maps of one shape; `None` where neither has a label.
///
/// # Panics
/// If the shapes differ.
pub fn dice(first: &Volume<u16>, second: &Volume<u16>) -> Option<Dice> {
    assert_eq!(first.grid().shape(), second.grid().shape(), "label maps that are compared have one shape");
    let mut counts: BTreeMap<u16, [usize; 3]> = BTreeMap::new();
    let mut joined = [0usize; 3];
    let mut last = (0, 0, 0usize);
    let mut add = |(a, b): (u16, u16), n: usize| {
        if n == 0 {
            return;
        }
        if a != 0 {
            counts.entry(a).or_default()[0] += n;
            joined[0] += n;
        }
        if b != 0 {
            counts.entry(b).or_default()[1] += n;
            joined[1] += n;
        }
        if a != 0 && a == b {
            counts.entry(a).or_default()[2] += n;
        }
        if a != 0 && b != 0 {
            joined[2] += n;
        }
    };
    // Labels come in runs, so that few steps touch the table.
    for (&a, &b) in first.data().iter().zip(second.data()) {
        if (a, b) == (last.0, last.1) {
            last.2 += 1;
        } else {
            add((last.0, last.1), last.2);
            last = (a, b, 1);
        }
    }
    add((last.0, last.1), last.2);
    let overlap = |[a, b, both]: [usize; 3]| 2.0 * both as f64 / (a + b) as f64;
    let labels: Vec<LabelDice> =
        counts.iter().map(|(&label, &c)| LabelDice { label, first: c[0], second: c[1], dice: overlap(c) }).collect();
    if labels.is_empty() {
        return None;
    }
    let mean = labels.iter().map(|l| l.dice).sum::<f64>() / labels.len() as f64;
    let alone = labels.iter().filter(|l| l.first == 0 || l.second == 0).map(|l| l.label).collect();
    Some(Dice { labels, mean, union: overlap(joined), alone })
}

/// Differences of two images of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Root mean squared difference.
    pub rms: f64,
    /// Mean absolute difference.
    pub mean_absolute: f64,
    /// Greatest absolute difference.
    pub max_absolute: f64,
    /// Normalised cross-correlation; null where one of the images is constant.
    pub correlation: Option<f64>,
}

/// Differences of two images over the voxels of a mask, or all; `None` where there are none.
///
/// # Panics
/// If the shapes differ.
pub fn difference(a: &Volume<f32>, b: &Volume<f32>, mask: Option<&Volume<bool>>) -> Option<Difference> {
    assert_eq!(a.grid().shape(), b.grid().shape(), "images that are compared have one shape");
    let counted = |n: usize| mask.is_none_or(|m| m.data()[n]);
    let pairs = || {
        let both = a.data().iter().zip(b.data()).enumerate().filter(|(n, _)| counted(*n));
        both.map(|(_, (a, b))| (f64::from(*a), f64::from(*b)))
    };
    let n = pairs().count() as f64;
    if n == 0.0 {
        return None;
    }
    let (sum_a, sum_b) = pairs().fold((0.0, 0.0), |s, (a, b)| (s.0 + a, s.1 + b));
    let (mean_a, mean_b) = (sum_a / n, sum_b / n);
    let [mut square, mut absolute, mut max, mut aa, mut bb, mut ab] = [0.0f64; 6];
    for (a, b) in pairs() {
        let d = a - b;
        square += d * d;
        absolute += d.abs();
        max = max.max(d.abs());
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    Some(Difference {
        rms: (square / n).sqrt(),
        mean_absolute: absolute / n,
        max_absolute: max,
        correlation: (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt()),
    })
}

/// ‖a − b‖ / ‖c − b‖ over the voxels of a mask, or all: what is left of a mismatch. `None` where there was none.
///
/// # Panics
/// If the shapes differ.
pub fn relative_mismatch(
    after: &Volume<f32>,
    before: &Volume<f32>,
    target: &Volume<f32>,
    mask: Option<&Volume<bool>>,
) -> Option<f64> {
    let shape = target.grid().shape();
    assert!(after.grid().shape() == shape && before.grid().shape() == shape, "images that are compared have one shape");
    let row = shape[0];
    // Sums of rows, joined in order.
    let sums: Vec<[f64; 2]> = (0..target.data().len() / row)
        .into_par_iter()
        .map(|r| {
            let mut sums = [0.0; 2];
            for n in r * row..(r + 1) * row {
                if mask.is_none_or(|m| m.data()[n]) {
                    let t = f64::from(target.data()[n]);
                    sums[0] += (f64::from(after.data()[n]) - t).powi(2);
                    sums[1] += (f64::from(before.data()[n]) - t).powi(2);
                }
            }
            sums
        })
        .collect();
    let [a, b] = sums.iter().fold([0.0; 2], |s, r| [s[0] + r[0], s[1] + r[1]]);
    (b > 0.0).then(|| (a / b).sqrt())
}

/// How lengths are spread, mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub median: f64,
    /// 95 % quantile.
    pub p95: f64,
    /// The greatest.
    pub max: f64,
}

impl Lengths {
    /// The spread of lengths; `None` if there are none.
    pub fn of(mut lengths: Vec<f64>) -> Option<Self> {
        if lengths.is_empty() {
            return None;
        }
        lengths.sort_by(f64::total_cmp);
        let last = lengths.len() - 1;
        let at = |part: f64| {
            let place = part * last as f64;
            let low = place as usize;
            lengths[low] + (lengths[(low + 1).min(last)] - lengths[low]) * place.fract()
        };
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        Some(Self { mean, median: at(0.5), p95: at(0.95), max: lengths[last] })
    }
}

/// Lengths of the displacements of a field.
pub fn magnitude(field: &Volume<[f32; 3]>) -> Option<Lengths> {
    Lengths::of(field.data().iter().map(|u| Vector::from(u.map(f64::from)).norm()).collect())
}

/// Lengths of the differences of two fields of one shape.
///
/// # Panics
/// If the shapes differ.
pub fn field_difference(a: &Volume<[f32; 3]>, b: &Volume<[f32; 3]>) -> Option<Lengths> {
    assert_eq!(a.grid().shape(), b.grid().shape(), "fields that are compared have one shape");
    let apart =
        |(a, b): (&[f32; 3], &[f32; 3])| (Vector::from(a.map(f64::from)) - Vector::from(b.map(f64::from))).norm();
    Lengths::of(a.data().iter().zip(b.data()).map(apart).collect())
}

/// Distances of points from their partners (target registration errors), mm, in their order.
///
/// # Panics
/// If there are not as many partners as points.
pub fn distances(points: &[Point], partners: &[Point]) -> Vec<f64> {
    assert_eq!(points.len(), partners.len(), "each point has its partner");
    points.iter().zip(partners).map(|(a, b)| (a - b).norm()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;

    fn volume<T>(values: Vec<T>) -> Volume<T> {
        Volume::new(Grid::centred([values.len(), 1, 1], [1.0; 3]).unwrap(), values)
    }

    #[test]
    fn overlaps_are_counted() {
        let a = volume(vec![0u16, 1, 1, 1, 2, 2, 0, 5]);
        let b = volume(vec![0u16, 1, 1, 2, 2, 0, 7, 0]);
        let found = dice(&a, &b).unwrap();
        let table: Vec<(u16, usize, usize, f64)> =
            found.labels.iter().map(|l| (l.label, l.first, l.second, l.dice)).collect();
        assert_eq!(table, [(1, 3, 2, 0.8), (2, 2, 2, 0.5), (5, 1, 0, 0.0), (7, 0, 1, 0.0)]);
        assert!((found.mean - 0.325).abs() < 1e-12 && (found.union - 8.0 / 11.0).abs() < 1e-12);
        assert_eq!(found.alone, [5, 7]);
        assert_eq!(dice(&volume(vec![0, 0]), &volume(vec![0, 0])), None);
        let same = dice(&a, &a).unwrap();
        assert_eq!((same.mean, same.union), (1.0, 1.0));
    }

    #[test]
    fn differences_are_measured() {
        let (a, b) = (volume(vec![0.0f32, 1.0, 2.0, 3.0]), volume(vec![1.0f32, 3.0, 5.0, 7.0]));
        let found = difference(&a, &b, None).unwrap();
        assert!((found.rms - 7.5f64.sqrt()).abs() < 1e-12 && (found.mean_absolute - 2.5).abs() < 1e-12);
        assert_eq!((found.max_absolute, found.correlation), (4.0, Some(1.0)));
        let mask = volume(vec![true, true, false, false]);
        assert!((difference(&a, &b, Some(&mask)).unwrap().rms - 2.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(difference(&a, &b, Some(&mask.map(|_| false))), None);
        let half = volume(vec![0.5f32, 2.0, 3.5, 5.0]);
        assert!((relative_mismatch(&half, &a, &b, None).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(relative_mismatch(&a, &b, &b, None), None);
    }

    #[test]
    fn lengths_have_their_quantiles() {
        // numpy 2.4: mean, median, percentile 95 of [1, 2, 3, 4, 10].
        let found = Lengths::of(vec![10.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((found.mean, found.median, found.max), (4.0, 3.0, 10.0));
        assert!((found.p95 - 8.8).abs() < 1e-12);
        assert_eq!(Lengths::of(Vec::new()), None);
        let field = volume(vec![[3.0f32, 4.0, 0.0], [0.0, 0.0, 0.0]]);
        assert_eq!(magnitude(&field).unwrap().max, 5.0);
        assert_eq!(field_difference(&field, &field).unwrap().max, 0.0);
        assert_eq!(distances(&[Point::origin()], &[Point::new(0.0, 3.0, 4.0)]), [5.0]);
    }
}
