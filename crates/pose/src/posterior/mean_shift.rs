//! Basins of attraction of weighted poses, by mean shift.
//!
//! Mean shift climbs a kernel density of the samples to its tops (D. Comaniciu, P. Meer, "Mean shift: a robust approach
//! toward feature space analysis", IEEE TPAMI 24(5), 2002), here with a normal kernel whose width is each sample's
//! distance to its k-th neighbour (D. Comaniciu, V. Ramesh, P. Meer, ICCV 2001), since a posterior may be a tenth of a
//! millimetre wide in one place and centimetres in another. Distances are `√(Δ² + (r θ)²)` with the pivot's displacement
//! Δ and the chord length of the angle, both smooth on all of SE(3). Only a cover of the samples is shifted, each sample
//! follows the nearest of it; so n samples cost n² distances once and some n per step.

use rayon::prelude::*;
use regiscope_geometry::nalgebra::Vector4;
use regiscope_geometry::{Point, Rigid, Vector};

/// A pose as its pivot's place and a unit quaternion of either sign.
#[derive(Clone, Copy, Debug)]
struct Spot {
    place: Vector,
    turn: Vector4<f64>,
}

impl Spot {
    /// Squared distance (mm²); `8 (1 − |q·q'|)` is the squared angle to third order.
    fn squared(&self, other: &Self, radius: f64) -> f64 {
        let angle = 8.0 * (1.0 - self.turn.dot(&other.turn).abs()).max(0.0);
        (self.place - other.place).norm_squared() + radius * radius * angle
    }
}

/// A top of the kernel density and what flows to it.
#[derive(Clone, Debug)]
pub struct Basin {
    /// The member where the density is greatest.
    pub top: usize,
    /// Width (mm; rotations as arcs) of the kernel there.
    pub width: f64,
    /// Positions of the members, ascending.
    pub members: Vec<usize>,
}

/// Most points that are shifted.
const MOST_SEEDS: usize = 96;
/// Most steps of one point.
const MOST_STEPS: usize = 60;

/// Gathers poses by the top of the density to which they flow, the heaviest basin first. Only poses that carry all but
/// a thousandth of the weight take part. `radius` (mm) turns angles into lengths.
pub fn basins(poses: &[Rigid], weights: &[f64], pivot: &Point, radius: f64) -> Vec<Basin> {
    let kept = heavy(weights);
    if kept.is_empty() {
        return Vec::new();
    }
    let spots: Vec<Spot> =
        kept.iter().map(|&n| Spot { place: (poses[n] * pivot).coords, turn: poses[n].rotation.coords }).collect();
    let weights: Vec<f64> = kept.iter().map(|&n| weights[n]).collect();
    let neighbours = (spots.len() as f64).sqrt().ceil().clamp(8.0, 40.0) as usize;
    let widths = widths(&spots, neighbours, radius);
    let height = |n: usize| weights[n].ln() - 6.0 * widths[n].ln();
    let mut order: Vec<usize> = (0..spots.len()).collect();
    order.sort_by(|&a, &b| height(b).total_cmp(&height(a)).then(a.cmp(&b)));
    let seeds = cover(&order, &spots, &widths, radius);
    let follows: Vec<usize> = spots.par_iter().map(|s| nearest(s, &seeds, &spots, radius)).collect();
    let tops: Vec<Spot> = seeds.par_iter().map(|&n| climb(spots[n], &spots, &weights, &widths, radius)).collect();
    let group = joined(&tops, &seeds, &spots, &widths, radius);
    let mut basins: Vec<Basin> = Vec::new();
    let mut of_group = vec![usize::MAX; seeds.len()];
    // Samples come by their height, so that the first of a group is its top.
    for &n in &order {
        let g = group[follows[n]];
        if of_group[g] == usize::MAX {
            of_group[g] = basins.len();
            basins.push(Basin { top: kept[n], width: widths[n], members: Vec::new() });
        }
        basins[of_group[g]].members.push(n);
    }
    let mass = |b: &Basin| b.members.iter().map(|&n| weights[n]).sum::<f64>();
    let mut sized: Vec<(f64, Basin)> = basins.into_iter().map(|b| (mass(&b), b)).collect();
    sized.sort_by(|a, b| b.0.total_cmp(&a.0));
    let finish = |(_, mut b): (f64, Basin)| {
        b.members.iter_mut().for_each(|n| *n = kept[*n]);
        b.members.sort_unstable();
        b
    };
    sized.into_iter().map(finish).collect()
}

/// Positions of the weights that make up all but a thousandth of their sum, ascending.
fn heavy(weights: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).filter(|&n| weights[n] > 0.0).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    let total: f64 = order.iter().map(|&n| weights[n]).sum();
    let mut sum = 0.0;
    let count = order.iter().take_while(|&&n| (sum < 0.999 * total, sum += weights[n]).0).count();
    order.truncate(count);
    order.sort_unstable();
    order
}

/// Distance of each spot to its `neighbours`-th neighbour, at least a micrometre.
fn widths(spots: &[Spot], neighbours: usize, radius: f64) -> Vec<f64> {
    spots
        .par_iter()
        .map(|s| {
            let mut squared: Vec<f64> = spots.iter().map(|o| s.squared(o, radius)).collect();
            let k = neighbours.min(squared.len() - 1);
            let (_, kth, _) = squared.select_nth_unstable_by(k, f64::total_cmp);
            kth.sqrt().max(1e-3)
        })
        .collect()
}

/// Spots of `order` such that each lies within its width of one of them; the first ones if there are too many.
fn cover(order: &[usize], spots: &[Spot], widths: &[f64], radius: f64) -> Vec<usize> {
    let mut seeds: Vec<usize> = Vec::new();
    for &n in order {
        let near = |&s: &usize| spots[n].squared(&spots[s], radius) < (0.7 * widths[n]).powi(2);
        if !seeds.iter().any(near) {
            seeds.push(n);
        }
        if seeds.len() == MOST_SEEDS {
            break;
        }
    }
    seeds
}

fn nearest(spot: &Spot, seeds: &[usize], spots: &[Spot], radius: f64) -> usize {
    let distance = |&k: &usize| spot.squared(&spots[seeds[k]], radius);
    (0..seeds.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("there is at least one seed")
}

/// Shifts a spot to the top of the density.
fn climb(mut at: Spot, spots: &[Spot], weights: &[f64], widths: &[f64], radius: f64) -> Spot {
    for _ in 0..MOST_STEPS {
        let (mut place, mut turn, mut mass, mut width) = (Vector::zeros(), Vector4::zeros(), 0.0, 0.0);
        // The gradient of a normal kernel of width h in six dimensions has the factor h⁻⁸; scaled to stay finite.
        let unit = widths.iter().copied().fold(f64::INFINITY, f64::min);
        for ((s, &w), &h) in spots.iter().zip(weights).zip(widths) {
            let z = at.squared(s, radius) / (h * h);
            if z > 40.0 {
                continue;
            }
            let g = w * (unit / h).powi(8) * (-0.5 * z).exp();
            place += s.place * g;
            turn += s.turn * (g * at.turn.dot(&s.turn).signum());
            width += h * g;
            mass += g;
        }
        if mass <= 0.0 || turn.norm() <= 0.0 {
            return at;
        }
        let next = Spot { place: place / mass, turn: turn.normalize() };
        let step = at.squared(&next, radius).sqrt();
        at = next;
        if step < 1e-2 * width / mass {
            break;
        }
    }
    at
}

/// The number of the first seed whose top is the same, for each seed: tops that lie within half the width of the
/// nearest sample are one.
fn joined(tops: &[Spot], seeds: &[usize], spots: &[Spot], widths: &[f64], radius: f64) -> Vec<usize> {
    let all: Vec<usize> = (0..spots.len()).collect();
    let width: Vec<f64> = tops.par_iter().map(|t| widths[nearest(t, &all, spots, radius)]).collect();
    (0..seeds.len())
        .map(|n| {
            (0..n).find(|&m| tops[n].squared(&tops[m], radius) < (0.5 * width[n].max(width[m])).powi(2)).unwrap_or(n)
        })
        .collect::<Vec<_>>()
        .into_iter()
        .fold(Vec::new(), |mut group: Vec<usize>, first| {
            // A seed that joins another one joins that one's group.
            group.push(if first == group.len() { first } else { group[first] });
            group
        })
}
