//! Modes of weighted poses: how many there are, how much each weighs, where and how wide it is.
//!
//! Mean shift (`mean_shift`) finds tops of the samples' density without being told their number; expectation
//! maximisation makes them components of a mixture of t distributions, each with its own covariance; components without
//! a dip between them are one mode. **Merging rule**: two components belong to one mode if the mixture's density on the
//! ridge between their means, `[(1−α) A⁻¹ + α B⁻¹]⁻¹ [(1−α) A⁻¹ a + α B⁻¹ b]` with means a, b and scales A, B, nowhere falls
//! below `dip` times the lower of its ends. All tops and saddles of two normal components lie on that curve (S. Ray, B. G.
//! Lindsay, "The topography of multivariate normal mixtures", Ann. Statist. 33(5), 2005).
//! Modes lighter than `min_mass` are given up, their samples go to the mode most likely for them.

use super::mean_shift::{Basin, basins};
use super::mixture::{Mixture, StudentT};
use super::weigh::log_sum_exp;
use regiscope_geometry::mean::mean_rotation;
use regiscope_geometry::nalgebra::{Cholesky, Matrix6, Vector6};
use regiscope_geometry::{Point, Rigid, Vector};

/// How modes are told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModeSettings {
    /// Components join where the density between them does not fall below this part of the lower end; 0 to 1.
    pub dip: f64,
    /// Modes lighter than this are given up; 0 to 0.5.
    pub min_mass: f64,
    /// Most components that are fitted.
    pub max_components: usize,
    /// Steps of expectation maximisation.
    pub iterations: usize,
    /// Degrees of freedom of the components.
    pub degrees_of_freedom: f64,
}

impl Default for ModeSettings {
    fn default() -> Self {
        Self { dip: 0.25, min_mass: 0.01, max_components: 24, iterations: 20, degrees_of_freedom: 8.0 }
    }
}

/// One mode of a distribution over poses.
#[derive(Clone, Debug, PartialEq)]
pub struct PoseMode {
    /// Its probability; those of all modes add up to 1.
    pub mass: f64,
    /// Mean pose: the pivot's mean position and the Fréchet mean of the rotations.
    pub mean: Rigid,
    /// Covariance in the chart at the mean (mm, rad).
    pub covariance: Matrix6<f64>,
    /// The pose of greatest density.
    pub map: Rigid,
    /// The log density there, as it was given.
    pub map_log_density: f64,
    /// Positions of the samples that belong to it, ascending.
    pub members: Vec<usize>,
}

/// Finds the modes of weighted poses, the heaviest first. `log_weights` need not be normalised; `log_densities` are those
/// by which a mode's best pose is chosen (unnormalised is enough; without, the fitted mixture's). `pivot` in the volume's
/// frame; `radius` (mm) is the length at which angles count like displacements; `known` are components that are believed
/// to be there already. Empty if no pose has a weight.
pub fn pose_modes(
    poses: &[Rigid],
    log_weights: &[f64],
    log_densities: Option<&[f64]>,
    pivot: &Point,
    radius: f64,
    known: &Mixture,
    settings: &ModeSettings,
) -> Vec<PoseMode> {
    let total = log_sum_exp(log_weights);
    if !total.is_finite() {
        return Vec::new();
    }
    let weights: Vec<f64> = log_weights.iter().map(|w| (w - total).exp()).collect();
    let mut mixture = start(poses, &weights, pivot, radius, known, settings);
    for _ in 0..settings.iterations {
        mixture = mixture.improved(poses, &weights);
        // A component without even a thousandth of the least mass only costs time.
        mixture.components.retain(|c| c.0 > 1e-3 * settings.min_mass);
    }
    let groups = merged(&mixture, settings.dip);
    let members = assigned(poses, &weights, &mixture, groups, settings.min_mass);
    let fitted: Vec<f64>;
    let log_densities = match log_densities {
        Some(given) => given,
        None => {
            fitted = poses.iter().map(|p| mixture.log_density_at(p)).collect();
            &fitted
        }
    };
    let mut modes: Vec<PoseMode> =
        members.into_iter().map(|m| summary(m, poses, &weights, log_densities, pivot)).collect();
    modes.sort_by(|a, b| b.mass.total_cmp(&a.mass));
    modes
}

/// Components for known ones and for all basins that none of them covers.
fn start(
    poses: &[Rigid],
    weights: &[f64],
    pivot: &Point,
    radius: f64,
    known: &Mixture,
    settings: &ModeSettings,
) -> Mixture {
    /// Squared distance, in standard deviations, up to which a component covers a basin's top.
    const COVERED: f64 = 25.0;
    let mut components: Vec<(f64, StudentT)> = known.components.iter().filter(|c| c.0 > 0.0).cloned().collect();
    let found = basins(poses, weights, pivot, radius);
    for basin in &found {
        if components.len() >= settings.max_components {
            break;
        }
        if components.iter().any(|(_, c)| c.squared_distance(&poses[basin.top]) < COVERED) {
            continue;
        }
        components.extend(component(basin, poses, weights, pivot, radius, settings.degrees_of_freedom));
    }
    let count = components.len() as f64;
    // Equal weights, so that what is known is not preferred to what is seen.
    components.iter_mut().for_each(|c| c.0 = 1.0 / count);
    Mixture::new(components)
}

/// The component of a basin: the round one of its kernel's width, fitted to the members.
fn component(
    basin: &Basin,
    poses: &[Rigid],
    weights: &[f64],
    pivot: &Point,
    radius: f64,
    degrees_of_freedom: f64,
) -> Option<(f64, StudentT)> {
    // The width is a distance in six dimensions.
    let variance = basin.width.powi(2) / 6.0;
    let diagonal = Vector6::from_fn(|n, _| if n < 3 { variance } else { variance / (radius * radius) });
    let scale = Matrix6::from_diagonal(&diagonal);
    let round = StudentT::new(poses[basin.top], pivot, scale, degrees_of_freedom)?;
    let (poses, weights): (Vec<Rigid>, Vec<f64>) = basin.members.iter().map(|&n| (poses[n], weights[n])).unzip();
    let mut one = Mixture::new(vec![(1.0, round)]);
    for _ in 0..5 {
        one = one.improved(&poses, &weights);
    }
    one.components.pop().map(|(_, c)| (weights.iter().sum(), c))
}

/// The mode's number for each component, by the merging rule.
fn merged(mixture: &Mixture, dip: f64) -> Vec<usize> {
    const POINTS: usize = 32;
    // Normal components of the same covariances: t distributions are so peaked in six dimensions that a long even cloud
    // would seem to have dips between them.
    let mixture = mixture.normal();
    let components = &mixture.components;
    let ends: Vec<f64> = components.iter().map(|(_, c)| mixture.log_density_at(c.mean())).collect();
    let precisions: Vec<Matrix6<f64>> =
        components.iter().map(|(_, c)| c.scale().try_inverse().expect("scales are positive definite")).collect();
    let no_dip = |a: usize, b: usize| {
        // In the coordinates of a, whose mean is 0; the axes of both are those of the world.
        let x = components[a].1.coordinates(components[b].1.mean());
        let floor = ends[a].min(ends[b]) + dip.ln();
        x.iter().all(|v| v.is_finite())
            && (1..POINTS).all(|n| {
                let part = n as f64 / POINTS as f64;
                let pull = precisions[b] * part;
                let ridge = Cholesky::new(precisions[a] * (1.0 - part) + pull).map(|c| c.solve(&(pull * x)));
                ridge.is_some_and(|r| mixture.log_density_at(&components[a].1.pose(&r)) >= floor)
            })
    };
    let mut group: Vec<usize> = (0..components.len()).collect();
    for a in 0..components.len() {
        for b in a + 1..components.len() {
            if group[a] != group[b] && no_dip(a, b) {
                let (keep, give) = (group[a].min(group[b]), group[a].max(group[b]));
                group.iter_mut().filter(|g| **g == give).for_each(|g| *g = keep);
            }
        }
    }
    group
}

/// Members of each mode that weighs enough.
fn assigned(
    poses: &[Rigid],
    weights: &[f64],
    mixture: &Mixture,
    mut group: Vec<usize>,
    min_mass: f64,
) -> Vec<Vec<usize>> {
    let terms: Vec<Vec<f64>> = poses.iter().map(|p| mixture.terms(p)).collect();
    loop {
        let mut names = group.clone();
        names.sort_unstable();
        names.dedup();
        names.retain(|&g| g != usize::MAX);
        let mut members = vec![Vec::new(); names.len()];
        for (n, terms) in terms.iter().enumerate() {
            let share = |g: usize| {
                let own: Vec<f64> = terms.iter().zip(&group).filter(|(_, h)| **h == g).map(|(t, _)| *t).collect();
                log_sum_exp(&own)
            };
            let shares: Vec<f64> = names.iter().map(|&g| share(g)).collect();
            let best = (0..names.len()).max_by(|&a, &b| shares[a].total_cmp(&shares[b]));
            members[best.expect("a mixture has components")].push(n);
        }
        let mass = |m: &[usize]| m.iter().map(|&n| weights[n]).sum::<f64>();
        let lightest = (0..names.len()).min_by(|&a, &b| mass(&members[a]).total_cmp(&mass(&members[b])));
        match lightest {
            Some(k) if names.len() > 1 && mass(&members[k]) < min_mass => {
                group.iter_mut().filter(|g| **g == names[k]).for_each(|g| *g = usize::MAX);
            }
            _ => return members,
        }
    }
}

fn summary(members: Vec<usize>, poses: &[Rigid], weights: &[f64], log_densities: &[f64], pivot: &Point) -> PoseMode {
    let mass: f64 = members.iter().map(|&n| weights[n]).sum();
    let own: Vec<Rigid> = members.iter().map(|&n| poses[n]).collect();
    let share: Vec<f64> = members.iter().map(|&n| weights[n] / mass).collect();
    let (mean, covariance) = mean_and_covariance(&own, &share, pivot);
    let density = |n: &usize| if weights[*n] > 0.0 { log_densities[*n] } else { f64::NEG_INFINITY };
    let best = *members.iter().max_by(|a, b| density(a).total_cmp(&density(b))).expect("a mode has members");
    PoseMode { mass, mean, covariance, map: poses[best], map_log_density: log_densities[best], members }
}

/// Mean pose (the pivot's mean position, the Fréchet mean of rotations) and unbiased covariance in the chart there, for
/// weights that add up to 1; all zeros if one pose has all the weight.
pub fn mean_and_covariance(poses: &[Rigid], weights: &[f64], pivot: &Point) -> (Rigid, Matrix6<f64>) {
    let rotations: Vec<_> = poses.iter().map(|p| p.rotation).collect();
    let rotation = mean_rotation(&rotations, Some(weights)).expect("poses are finite and weights add up to 1").mean;
    let place: Vector = poses.iter().zip(weights).map(|(p, &w)| (p * pivot).coords * w).sum();
    let mean = Rigid::from_parts((place - rotation * pivot.coords).into(), rotation);
    let chart = crate::chart::Chart::new(mean, pivot, 1.0);
    let outer: Matrix6<f64> = poses
        .iter()
        .zip(weights)
        .map(|(p, &w)| {
            let x = chart.coordinates(p);
            x * x.transpose() * w
        })
        .sum();
    let freedom = 1.0 - weights.iter().map(|w| w * w).sum::<f64>();
    (mean, if freedom > 1e-9 { outer / freedom } else { Matrix6::zeros() })
}

/// A region of highest posterior density.
#[derive(Clone, Debug, PartialEq)]
pub struct Hpd {
    /// Its probability.
    pub mass: f64,
    /// Log of the unnormalised posterior density at its border.
    pub log_threshold: f64,
    /// Volume inside each mode, in mm³ times Haar measure of mass 1.
    pub volumes: Vec<f64>,
}

impl Hpd {
    /// Whether a pose with this log of the unnormalised posterior density lies inside.
    pub fn contains(&self, log_posterior: f64) -> bool {
        log_posterior >= self.log_threshold
    }
}

/// The region of highest density that holds `mass` (0 to 1) of weighted samples. A sample of weight w stands for the
/// volume `w Z / p̃`, with its unnormalised density `p̃` and the evidence `Z`.
pub fn hpd(log_weights: &[f64], log_posteriors: &[f64], log_evidence: f64, modes: &[PoseMode], mass: f64) -> Hpd {
    let total = log_sum_exp(log_weights);
    let mut order: Vec<usize> = (0..log_weights.len()).filter(|&n| log_weights[n].is_finite()).collect();
    order.sort_by(|&a, &b| log_posteriors[b].total_cmp(&log_posteriors[a]));
    let mut sum = 0.0;
    let mut log_threshold = f64::INFINITY;
    for &n in &order {
        sum += (log_weights[n] - total).exp();
        log_threshold = log_posteriors[n];
        if sum >= mass {
            break;
        }
    }
    let volume = |mode: &PoseMode| {
        let inside = mode.members.iter().filter(|&&n| log_weights[n].is_finite() && log_posteriors[n] >= log_threshold);
        inside.map(|&n| (log_weights[n] - total + log_evidence - log_posteriors[n]).exp()).sum()
    };
    Hpd { mass, log_threshold, volumes: modes.iter().map(volume).collect() }
}

#[cfg(test)]
mod tests;
