//! From a flow, or any other proposal, to the posterior.

use super::adapt::{AdaptSettings, Adapted, Blend, Pool, adapt, components};
use super::mixture::{Mixture, Proposal};
use super::pose_modes::{Hpd, ModeSettings, PoseMode, hpd, pose_modes};
use super::refine::{Peak, RefineSettings, refine};
use super::smc::{SmcSettings, smc};
use super::target::Target;
use super::weigh::{Verdict, pareto_k};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Point, Rigid};

/// How a posterior is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PosteriorSettings {
    /// Poses drawn from the flow at first, ≥ 25.
    pub flow_samples: usize,
    /// Most poses from which the posterior is climbed.
    pub starts: usize,
    /// The climbs.
    pub refine: RefineSettings,
    /// Rounds of importance sampling.
    pub adapt: AdaptSettings,
    /// The fallback where weights cannot be trusted; `None` leaves the weights as they are, with their verdict.
    pub smc: Option<SmcSettings>,
    /// How modes are told apart.
    pub modes: ModeSettings,
    /// Probability of the region of highest density, above 0 below 1.
    pub hpd_mass: f64,
}

impl Default for PosteriorSettings {
    fn default() -> Self {
        Self {
            flow_samples: 200,
            starts: 12,
            refine: RefineSettings::default(),
            adapt: AdaptSettings::default(),
            smc: Some(SmcSettings::default()),
            modes: ModeSettings::default(),
            hpd_mass: 0.95,
        }
    }
}

/// By what the samples came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Adaptive multiple importance sampling.
    Importance,
    /// Tempered sequential Monte Carlo, since importance weights could not be trusted.
    Smc,
}

/// A posterior over poses.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// Weighted poses.
    pub poses: Vec<Rigid>,
    /// Log weights; their exponentials add up to 1.
    pub log_weights: Vec<f64>,
    /// Log of the unnormalised posterior at each pose.
    pub log_posteriors: Vec<f64>,
    /// Modes, the heaviest first. The best pose of each is a refined one.
    pub modes: Vec<PoseMode>,
    /// Region of highest density.
    pub hpd: Hpd,
    /// Tops of the posterior that were climbed, by Laplace evidence.
    pub peaks: Vec<Peak>,
    /// The proposal that was learnt, one component or more for each mode.
    pub mixture: Mixture,
    /// Effective sample size; the number of different poses after sequential Monte Carlo.
    pub ess: f64,
    /// Pareto shape of the largest weights, or of the worst step of sequential Monte Carlo.
    pub k_hat: f64,
    /// Log evidence of the images under prior and image model.
    pub log_evidence: f64,
    /// Its standard error.
    pub log_evidence_se: f64,
    /// Whether to trust it all.
    pub verdict: Verdict,
    /// By what the samples came about.
    pub method: Method,
    /// Images rendered.
    pub evaluations: usize,
    /// Images rendered with their derivative, beyond `evaluations`.
    pub derivatives: usize,
}

impl Posterior {
    /// The pose of greatest posterior density.
    pub fn map(&self) -> Option<&Rigid> {
        self.modes.iter().max_by(|a, b| a.map_log_density.total_cmp(&b.map_log_density)).map(|m| &m.map)
    }

    /// Pareto shape of the largest weights inside each mode.
    pub fn k_hat_by_mode(&self) -> Vec<f64> {
        let of = |m: &PoseMode| pareto_k(&m.members.iter().map(|&n| self.log_weights[n]).collect::<Vec<_>>());
        self.modes.iter().map(of).collect()
    }
}

/// Finds the posterior of `target` with the help of `flow`, a distribution of poses that is hoped to be near it: draws
/// from the flow; climbs from the best of them; importance sampling from flow and the tops' Laplace approximations,
/// adapted in rounds; sequential Monte Carlo if the weights cannot be trusted after all; modes.
///
/// What the flow misses altogether and no climb finds is missed here too: its share of later draws is the only guard.
pub fn posterior(
    target: &Target,
    flow: &dyn Proposal,
    settings: &PosteriorSettings,
    random: &mut ChaCha8Rng,
) -> Posterior {
    climbed(target, None, flow, settings, random)
}

/// [`posterior`], with climbs that begin on `coarse`: the same prior and images on a coarser detector and in a volume that is
/// as smooth, whose tops are wider. It finds tops from poses of a flow that is still far away, and costs a fraction more.
pub fn posterior_by_levels(
    target: &Target,
    coarse: &Target,
    flow: &dyn Proposal,
    settings: &PosteriorSettings,
    random: &mut ChaCha8Rng,
) -> Posterior {
    climbed(target, Some(coarse), flow, settings, random)
}

fn climbed(
    target: &Target,
    coarse: Option<&Target>,
    flow: &dyn Proposal,
    settings: &PosteriorSettings,
    random: &mut ChaCha8Rng,
) -> Posterior {
    let mut pool = Pool::default();
    pool.draw(target, flow, settings.flow_samples, &Mixture::default(), 0, random);
    let mut starts = starts(target, &pool, settings);
    let mut derivatives = 0;
    if let Some(coarse) = coarse {
        // A coarse step is worth nothing beyond a tenth of a millimetre.
        let wide = RefineSettings { step_mm: settings.refine.step_mm.max(0.1), ..settings.refine };
        let tops = refine(coarse, &starts, &wide);
        derivatives += tops.derivatives;
        // What the coarse climbs lose, the best pose of all keeps.
        starts.truncate(1);
        starts.extend(tops.peaks.iter().map(|peak| peak.world_from_volume));
    }
    let refined = refine(target, &starts, &settings.refine);
    improve(target, flow, pool, refined.peaks, derivatives + refined.derivatives, settings, random)
}

/// Finds the posterior from tops that are known already, with a `guard` (the prior, say) in the place of the flow.
pub(crate) fn from_peaks(
    target: &Target,
    guard: &dyn Proposal,
    peaks: Vec<Peak>,
    settings: &PosteriorSettings,
    random: &mut ChaCha8Rng,
) -> Posterior {
    let mut pool = Pool::default();
    pool.draw(target, guard, settings.flow_samples, &Mixture::default(), 0, random);
    improve(target, guard, pool, peaks, 0, settings, random)
}

fn improve(
    target: &Target,
    flow: &dyn Proposal,
    pool: Pool,
    mut peaks: Vec<Peak>,
    mut derivatives: usize,
    settings: &PosteriorSettings,
    random: &mut ChaCha8Rng,
) -> Posterior {
    let mixture = components(target, &peaks, &settings.adapt);
    let adapted = adapt(target, flow, pool, mixture, &settings.adapt, &settings.refine, random);
    let Adapted { poses, log_posteriors, weights, mixture, peaks: more, evaluations, derivatives: cost } = adapted;
    derivatives += cost;
    peaks.extend(more);
    peaks.sort_by(|a, b| b.log_evidence.total_cmp(&a.log_evidence));
    let mut found = Posterior {
        evaluations,
        poses,
        log_weights: weights.log_weights,
        log_posteriors,
        modes: Vec::new(),
        hpd: Hpd { mass: settings.hpd_mass, log_threshold: f64::INFINITY, volumes: Vec::new() },
        peaks,
        mixture,
        ess: weights.ess,
        k_hat: weights.k_hat,
        log_evidence: weights.log_evidence,
        log_evidence_se: weights.log_evidence_se,
        verdict: weights.verdict,
        method: Method::Importance,
        derivatives,
    };
    if let Some(smc_settings) = settings.smc
        && found.verdict != Verdict::Trust
        && !found.mixture.components.is_empty()
    {
        found = by_smc(target, flow, found, &smc_settings, settings, random);
    }
    let (pivot, radius) = (target.pivot(), target.radius());
    let densities = Some(found.log_posteriors.as_slice());
    found.modes =
        pose_modes(&found.poses, &found.log_weights, densities, &pivot, radius, &found.mixture, &settings.modes);
    crown(&mut found.modes, &found.peaks, &pivot);
    found.hpd = hpd(&found.log_weights, &found.log_posteriors, found.log_evidence, &found.modes, settings.hpd_mass);
    found
}

/// The posterior by sequential Monte Carlo from the blend of flow and learnt components, if that can be trusted more.
fn by_smc(
    target: &Target,
    flow: &dyn Proposal,
    found: Posterior,
    settings: &SmcSettings,
    all: &PosteriorSettings,
    random: &mut ChaCha8Rng,
) -> Posterior {
    let rank = |v: Verdict| match v {
        Verdict::Trust => 2,
        Verdict::Doubtful => 1,
        Verdict::DoNotTrust => 0,
    };
    let start = Blend { share: all.adapt.flow_share, flow, mixture: &found.mixture };
    let population = smc(target, &start, &found.mixture, settings, random);
    let evaluations = found.evaluations + population.evaluations;
    if rank(population.verdict) < rank(found.verdict) {
        return Posterior { evaluations, ..found };
    }
    let count = population.poses.len();
    Posterior {
        poses: population.poses,
        log_weights: vec![-(count as f64).ln(); count],
        log_posteriors: population.log_posteriors,
        ess: population.distinct as f64,
        k_hat: population.k_hat,
        log_evidence: population.log_evidence,
        log_evidence_se: population.log_evidence_se,
        verdict: population.verdict,
        method: Method::Smc,
        evaluations,
        ..found
    }
}

/// Poses to climb from: the best of each cloud that the flow draws, then the best ones that are far from each other.
fn starts(target: &Target, pool: &Pool, settings: &PosteriorSettings) -> Vec<Rigid> {
    /// Poses nearer than this part of the object's radius climb to the same top, it is hoped.
    const APART: f64 = 0.25;
    let (pivot, radius) = (target.pivot(), target.radius());
    let even = vec![1.0; pool.poses.len()];
    let best = |members: &[usize]| {
        members.iter().copied().max_by(|&a, &b| pool.log_posteriors[a].total_cmp(&pool.log_posteriors[b]))
    };
    let clouds = super::mean_shift::basins(&pool.poses, &even, &pivot, radius);
    let mut chosen: Vec<usize> =
        clouds.iter().filter_map(|b| best(&b.members)).take(settings.starts.div_ceil(2)).collect();
    let mut order: Vec<usize> = (0..pool.poses.len()).collect();
    order.sort_by(|&a, &b| pool.log_posteriors[b].total_cmp(&pool.log_posteriors[a]));
    for n in order {
        if chosen.len() >= settings.starts {
            break;
        }
        let near = |&m: &usize| distance(&pool.poses[n], &pool.poses[m], &pivot, radius) < APART * radius;
        if !chosen.iter().any(near) {
            chosen.push(n);
        }
    }
    chosen.retain(|&n| pool.log_posteriors[n].is_finite());
    chosen.into_iter().map(|n| pool.poses[n]).collect()
}

/// `√(Δ² + (r θ)²)` with the pivot's displacement Δ (mm).
pub(crate) fn distance(a: &Rigid, b: &Rigid, pivot: &Point, radius: f64) -> f64 {
    (a * pivot - b * pivot).norm().hypot(radius * a.rotation.angle_to(&b.rotation))
}

/// Refined tops take the place of best samples in the modes in whose midst they lie.
pub(crate) fn crown(modes: &mut [PoseMode], peaks: &[Peak], pivot: &Point) {
    /// Squared distance in standard deviations up to which a top belongs to a mode.
    const NEAR: f64 = 30.0;
    for peak in peaks {
        let squared = |m: &PoseMode| {
            let x = crate::chart::Chart::new(m.mean, pivot, 1.0).coordinates(&peak.world_from_volume);
            m.covariance.cholesky().map_or(f64::INFINITY, |c| x.dot(&c.solve(&x)))
        };
        let nearest = modes.iter_mut().map(|m| (squared(m), m)).min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((squared, mode)) = nearest
            && squared < NEAR
            && peak.log_posterior > mode.map_log_density
        {
            (mode.map, mode.map_log_density) = (peak.world_from_volume, peak.log_posterior);
        }
    }
}

#[cfg(test)]
mod calibration;
#[cfg(test)]
mod tests;
