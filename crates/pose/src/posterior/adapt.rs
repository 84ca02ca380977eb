//! Adaptive multiple importance sampling.
//!
//! **Learning.** Each round draws from `λ · flow + (1 − λ) · Σₖ πₖ tₖ` in fixed parts; every pose drawn so far is weighed by
//! the mixture of all rounds (the balance heuristic: E. Veach, L. J. Guibas, SIGGRAPH 1995; J.-M. Cornuet, J.-M. Marin, A.
//! Mira, C. P. Robert, "Adaptive multiple importance sampling", Scand. J. Stat. 39, 2012), and the weighted poses improve
//! the t components for the next round. The densities of proposals cost nothing beside rendering.
//!
//! **Drawing.** Poses that taught a proposal look more probable under it than new ones, so that their weights are too small
//! (measured: an evidence 17 % too small after 400 draws) and their diagnostics too good. The result is therefore a
//! last batch alone, drawn and weighed by the proposal as it was before that batch. A batch that cannot be trusted
//! becomes a lesson, and another one follows.

use super::mixture::{Mixture, Proposal, StudentT};
use super::refine::{Peak, RefineSettings, Refined, refine};
use super::target::Target;
use super::weigh::{Verdict, Weights, log_sum_exp, weigh};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::Rigid;

/// How proposals are adapted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptSettings {
    /// Poses of each round of learning, ≥ 1.
    pub round: usize,
    /// Rounds of learning.
    pub rounds: usize,
    /// Poses of the batch that is the result, ≥ 25.
    pub draws: usize,
    /// Most batches: another one follows, and the one before becomes a lesson, until weights can be trusted with an
    /// effective sample size of [`Self::enough`]; ≥ 1.
    pub batches: usize,
    /// See [`Self::batches`].
    pub enough: f64,
    /// Part λ of each round that is drawn from the flow, above 0 below 1.
    pub flow_share: f64,
    /// Degrees of freedom of the components, > 2.
    pub degrees_of_freedom: f64,
    /// Factor by which Laplace covariances are widened at first.
    pub inflation: f64,
    /// Part of the components' draws that is shared evenly, whatever their weights.
    pub even_share: f64,
    /// Most components.
    pub max_components: usize,
}

impl Default for AdaptSettings {
    fn default() -> Self {
        Self {
            round: 100,
            rounds: 3,
            draws: 500,
            batches: 6,
            enough: 150.0,
            flow_share: 0.1,
            degrees_of_freedom: 8.0,
            inflation: 1.3,
            even_share: 0.15,
            max_components: 16,
        }
    }
}

/// `share` of one proposal and the rest of a mixture.
pub(crate) struct Blend<'a> {
    pub share: f64,
    pub flow: &'a dyn Proposal,
    pub mixture: &'a Mixture,
}

impl Blend<'_> {
    /// How many of `count` draws come from the flow.
    fn flow_draws(&self, count: usize) -> usize {
        if self.mixture.components.is_empty() { count } else { (self.share * count as f64).round() as usize }
    }
}

impl Proposal for Blend<'_> {
    fn draw(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<Rigid> {
        let first = self.flow_draws(count);
        let mut poses = self.flow.draw(first, random);
        poses.extend(self.mixture.draw(count - first, random));
        poses
    }

    fn log_density(&self, poses: &[Rigid]) -> Vec<f64> {
        let (flow, mixture) = (self.flow.log_density(poses), self.mixture.log_density(poses));
        let share = if self.mixture.components.is_empty() { 1.0 } else { self.share };
        flow.iter().zip(mixture).map(|(f, m)| log_sum_exp(&[share.ln() + f, (1.0 - share).ln() + m])).collect()
    }
}

/// All poses drawn so far, and from what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    pub poses: Vec<Rigid>,
    pub log_posteriors: Vec<f64>,
    /// Log density of the flow at every pose.
    by_flow: Vec<f64>,
    /// Draws from the flow in all rounds.
    from_flow: usize,
    /// Draws from each round's mixture.
    rounds: Vec<(usize, Mixture)>,
    /// Log of the sum over rounds of draws times density at every pose.
    by_rounds: Vec<f64>,
}

impl Pool {
    /// Draws from the flow and from a mixture, evaluates the posterior and puts all into the pool.
    pub fn draw(
        &mut self,
        target: &Target,
        flow: &dyn Proposal,
        from_flow: usize,
        mixture: &Mixture,
        from_mixture: usize,
        random: &mut ChaCha8Rng,
    ) {
        let mut poses = flow.draw(from_flow, random);
        poses.extend(mixture.draw(from_mixture, random));
        self.by_flow.extend(flow.log_density(&poses));
        self.log_posteriors.extend(target.log_posteriors(&poses));
        self.by_rounds.extend(vec![f64::NEG_INFINITY; poses.len()]);
        let old = self.poses.len();
        self.poses.extend(poses);
        self.from_flow += from_flow;
        // New poses meet all earlier rounds, all poses meet the new one.
        for (count, earlier) in &self.rounds {
            add(&mut self.by_rounds[old..], *count, &earlier.log_density(&self.poses[old..]));
        }
        if from_mixture > 0 {
            add(&mut self.by_rounds, from_mixture, &mixture.log_density(&self.poses));
            self.rounds.push((from_mixture, mixture.clone()));
        }
    }

    /// Log ratios of posterior and the mixture of all proposals.
    pub fn log_ratios(&self) -> Vec<f64> {
        let (total, from_flow) = ((self.poses.len() as f64).ln(), (self.from_flow as f64).ln());
        let ratio =
            |n: usize| self.log_posteriors[n] + total - log_sum_exp(&[from_flow + self.by_flow[n], self.by_rounds[n]]);
        (0..self.poses.len()).map(ratio).collect()
    }

    /// Log ratios of posterior and proposal for the poses from `first` on, of which `from_flow` were drawn from the flow
    /// and the others from `mixture`.
    fn latest_log_ratios(&self, first: usize, from_flow: usize, mixture: &Mixture) -> Vec<f64> {
        let count = self.poses.len() - first;
        let share = |draws: usize| (draws as f64 / count as f64).ln();
        let by_mixture = mixture.log_density(&self.poses[first..]);
        let ratio = |(n, by_mixture): (usize, &f64)| {
            let by_flow = share(from_flow) + self.by_flow[n];
            self.log_posteriors[n] - log_sum_exp(&[by_flow, share(count - from_flow) + by_mixture])
        };
        (first..).zip(&by_mixture).map(ratio).collect()
    }

    /// Smoothed weights of all poses.
    pub fn weights(&self) -> Weights {
        weigh(&self.log_ratios())
    }
}

/// Adds `count` times a density to logarithms of sums.
fn add(sums: &mut [f64], count: usize, log_density: &[f64]) {
    let log_count = (count as f64).ln();
    sums.iter_mut().zip(log_density).for_each(|(s, d)| *s = log_sum_exp(&[*s, log_count + d]));
}

/// Components at tops of the posterior, by the root of their evidence: Laplace's method is out by factors.
pub(crate) fn components(target: &Target, peaks: &[Peak], settings: &AdaptSettings) -> Mixture {
    /// Tops this much below the best one (nats of evidence) are left out.
    const WINDOW: f64 = 20.0;
    let Some(best) = peaks.iter().map(|p| p.log_evidence).reduce(f64::max) else { return Mixture::default() };
    let near = peaks.iter().filter(|p| p.log_evidence > best - WINDOW).take(settings.max_components);
    let component = |p: &Peak| Some(((0.5 * (p.log_evidence - best)).exp(), of_peak(target, p, settings)?));
    Mixture::new(near.filter_map(component).collect())
}

fn of_peak(target: &Target, peak: &Peak, settings: &AdaptSettings) -> Option<StudentT> {
    let nu = settings.degrees_of_freedom;
    let scale = peak.covariance * (settings.inflation * (nu - 2.0) / nu);
    StudentT::new(peak.world_from_volume, &target.pivot(), scale, nu)
}

/// What adaptation leaves behind.
pub(crate) struct Adapted {
    /// Poses of the last batch.
    pub poses: Vec<Rigid>,
    /// Log of the unnormalised posterior there.
    pub log_posteriors: Vec<f64>,
    /// Their weights.
    pub weights: Weights,
    /// The components that the batch was drawn from.
    pub mixture: Mixture,
    /// Tops found on the way.
    pub peaks: Vec<Peak>,
    /// Images rendered in all, those of the pool as it was given included.
    pub evaluations: usize,
    /// Images rendered with their derivative.
    pub derivatives: usize,
}

/// Learns components from a pool and further rounds, and draws a batch from them.
pub(crate) fn adapt(
    target: &Target,
    flow: &dyn Proposal,
    mut pool: Pool,
    mut mixture: Mixture,
    settings: &AdaptSettings,
    refining: &RefineSettings,
    random: &mut ChaCha8Rng,
) -> Adapted {
    let (mut peaks, mut derivatives) = (Vec::new(), 0);
    for step in 1.. {
        let last = step == settings.rounds + settings.batches.max(1);
        let drawing = step > settings.rounds;
        let count = if drawing { settings.draws } else { settings.round };
        let even = evened(&mixture, settings.even_share);
        let from_flow = Blend { share: settings.flow_share, flow, mixture: &even }.flow_draws(count);
        let first = pool.poses.len();
        pool.draw(target, flow, from_flow, &even, count - from_flow, random);
        if drawing {
            let weights = weigh(&pool.latest_log_ratios(first, from_flow, &even));
            if last || weights.ess >= settings.enough && weights.verdict == Verdict::Trust {
                let evaluations = pool.poses.len();
                let poses = pool.poses.split_off(first);
                let log_posteriors = pool.log_posteriors.split_off(first);
                return Adapted { poses, log_posteriors, weights, mixture: even, peaks, evaluations, derivatives };
            }
        }
        let lesson = learn(target, &pool, mixture, settings, refining);
        mixture = lesson.0;
        peaks.extend(lesson.1);
        derivatives += lesson.2;
    }
    unreachable!("the last step returns")
}

/// Improved components, tops that they had missed, and how many derivatives those cost.
fn learn(
    target: &Target,
    pool: &Pool,
    mut mixture: Mixture,
    settings: &AdaptSettings,
    refining: &RefineSettings,
) -> (Mixture, Vec<Peak>, usize) {
    let weights = pool.weights();
    let mild = tempered(&weights.log_weights, FEWEST_PER_COMPONENT * mixture.components.len() as f64);
    for _ in 0..2 {
        mixture = mixture.improved(&pool.poses, &mild);
    }
    // What weighs nothing after its first round only takes draws from the others.
    let kept: Vec<(f64, StudentT)> = mixture.components.iter().filter(|c| c.0 > 1e-5).cloned().collect();
    mixture = Mixture::new(kept);
    let Refined { peaks, derivatives } = stray(target, pool, &weights.normalised(), &mixture, refining);
    let room = settings.max_components.saturating_sub(mixture.components.len());
    let new: Vec<Peak> = peaks.into_iter().filter(|p| uncovered(&mixture, &p.world_from_volume)).take(room).collect();
    let fresh = new.iter().filter_map(|peak| of_peak(target, peak, settings)).map(|c| (0.1, c));
    (Mixture::new(mixture.components.into_iter().chain(fresh).collect()), new, derivatives)
}

/// Effective samples per component below which weights are made milder before components learn from them.
const FEWEST_PER_COMPONENT: f64 = 25.0;

/// Weights to the power, at most 1, at which their effective sample size is `least`: components that learn from a few
/// heavy poses collapse onto them, and miss the rest for good.
fn tempered(log_weights: &[f64], least: f64) -> Vec<f64> {
    let at = |power: f64| {
        let logs: Vec<f64> = log_weights.iter().map(|w| power * w).collect();
        let total = log_sum_exp(&logs);
        let linear: Vec<f64> = logs.iter().map(|l| (l - total).exp()).collect();
        let ess = 1.0 / linear.iter().map(|w| w * w).sum::<f64>();
        (ess, linear)
    };
    let (mut low, mut high) = (0.0, 1.0);
    if at(1.0).0 >= least {
        return at(1.0).1;
    }
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if at(middle).0 >= least { low = middle } else { high = middle }
    }
    at(high).1
}

/// The mixture with a part of its weight shared evenly.
fn evened(mixture: &Mixture, share: f64) -> Mixture {
    let count = mixture.components.len() as f64;
    Mixture {
        components: mixture.components.iter().map(|(w, c)| ((1.0 - share) * w + share / count, c.clone())).collect(),
    }
}

fn uncovered(mixture: &Mixture, pose: &Rigid) -> bool {
    const FAR: f64 = 36.0;
    mixture.components.iter().all(|(_, c)| c.squared_distance(pose) > FAR)
}

/// Climbs from the few heavy poses that no component explains.
fn stray(target: &Target, pool: &Pool, weights: &[f64], mixture: &Mixture, refining: &RefineSettings) -> Refined {
    const HEAVY: f64 = 0.01;
    const MOST: usize = 4;
    let mut heavy: Vec<usize> =
        (0..weights.len()).filter(|&n| weights[n] > HEAVY && uncovered(mixture, &pool.poses[n])).collect();
    heavy.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    let starts: Vec<Rigid> = heavy.into_iter().take(MOST).map(|n| pool.poses[n]).collect();
    refine(target, &starts, refining)
}
