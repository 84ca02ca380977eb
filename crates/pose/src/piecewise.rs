//! Piecewise-rigid registration: each labelled part of a volume with its own pose.
//!
//! Bones are rigid, bodies are not: the vertebrae of a standing patient do not lie as they did in the CT. The volume
//! is divided by its labels into pieces and a rest, `μ = Σ_k μ_k + μ_rest`, and because line integrals add up, the
//! image of the whole is the sum of the pieces' images at their own poses, `I = Σ_k I_k(T_k) + I_rest(T)`. Piece by
//! piece, `T_k` climbs the similarity while all others stand still; sweeps over the pieces go on until none moves
//! farther than the level's shortest step. Each level begins at the better of the piece's start and where the coarser
//! level left it.

use crate::chart::radius_of_gyration;
use crate::objective::Objective;
use crate::optimise::{End, Step, climb};
use crate::options::Settings;
use crate::problem::{FixedImage, Problem, ProblemError};
use crate::pyramid::{LevelError, Prepared, Pyramid};
use crate::register::limits;
use crate::solution::{Iteration, Status};
use crate::{coarsen, scores};
use regiscope_drr::Renderer;
use regiscope_geometry::nalgebra::Matrix6;
use regiscope_geometry::{Grid, Point, Rigid, View};
use regiscope_image::{Image, Volume};
use std::ops::ControlFlow;
use std::sync::Arc;
use thiserror::Error;

/// What happens to the voxels that belong to no piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They stay at the whole volume's pose and are rendered with the pieces.
    Fixed,
    /// They are not rendered, and neither are the other pieces: each piece is compared alone.
    Absent,
}

/// How pieces are registered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PieceOptions {
    /// What happens to the voxels that belong to no piece.
    pub rest: Rest,
    /// Only pixels nearer than this (mm on the detector) to the piece's shadow at its start count; `None` uses all.
    pub margin_mm: Option<f64>,
    /// Most sweeps over all pieces on each level; at least one is made.
    pub sweeps: usize,
}

impl Default for PieceOptions {
    fn default() -> Self {
        Self { rest: Rest::Fixed, margin_mm: Some(20.0), sweeps: 4 }
    }
}

/// Why a volume cannot be divided into pieces.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PiecewiseError {
    /// Labels on another grid.
    #[error("the labels lie on another grid than the volume (shapes {labels:?} and {volume:?}); resample them first")]
    Grid {
        /// Shape of the labels.
        labels: [usize; 3],
        /// Shape of the volume.
        volume: [usize; 3],
    },
    /// A label that does not occur, or only where nothing attenuates.
    #[error("label {0} has no attenuating voxels in the volume")]
    Empty(u16),
    /// The same label twice.
    #[error("label {0} is asked for twice")]
    Twice(u16),
    /// The margin is not a length.
    #[error("margin_mm = {0} is not accepted: it must be a length in mm, 0 or more")]
    Margin(f64),
    /// The problem or its pyramid was refused.
    #[error(transparent)]
    Level(#[from] LevelError),
}

/// A problem divided into pieces, with its pyramid.
#[derive(Debug)]
pub struct Pieces {
    prepared: Prepared,
    labels: Vec<u16>,
    pieces: Vec<Shape>,
    rest: Option<Shape>,
}

/// One part of the volume on all levels.
#[derive(Debug)]
struct Shape {
    renderers: Vec<Arc<Renderer>>,
    pivot: Point,
    radius: f64,
}

/// The pose of one piece.
#[derive(Clone, Debug, PartialEq)]
pub struct PieceSolution {
    /// The piece's label.
    pub label: u16,
    /// Where the piece began.
    pub start: Rigid,
    /// The piece's own pose.
    pub world_from_volume: Rigid,
    /// Similarity on the pixels of this piece, on the finest level.
    pub similarity: f64,
    /// How it ended.
    pub status: Status,
    /// Images of this piece rendered.
    pub evaluations: usize,
    /// Sweeps made on the finest level.
    pub sweeps: usize,
    /// As [`crate::Solution::curvature`], the other pieces held fixed; zero if the piece was never seen.
    pub curvature: Matrix6<f64>,
}

impl Pieces {
    /// Divides a problem's volume by labels on the same grid: one piece for each of `wanted`, and the rest.
    pub fn new(
        problem: Problem,
        labels: &Volume<u16>,
        wanted: &[u16],
        pyramid: &Pyramid,
    ) -> Result<Self, PiecewiseError> {
        let volume = problem.volume();
        if labels.grid() != volume.grid() {
            let [labels, volume] = [labels.grid().shape(), volume.grid().shape()];
            return Err(PiecewiseError::Grid { labels, volume });
        }
        if let Some((_, &label)) = wanted.iter().enumerate().find(|(n, l)| wanted[..*n].contains(l)) {
            return Err(PiecewiseError::Twice(label));
        }
        let piece = |&label: &u16| {
            let part = cut(volume, |n| labels.data()[n] == label).ok_or(PiecewiseError::Empty(label))?;
            Ok(Shape::new(part, pyramid)?)
        };
        let pieces = wanted.iter().map(piece).collect::<Result<Vec<_>, PiecewiseError>>()?;
        let rest = cut(volume, |n| !wanted.contains(&labels.data()[n])).map(|part| Shape::new(part, pyramid));
        let rest = rest.transpose()?;
        let prepared = Prepared::new(problem, pyramid)?;
        Ok(Self { prepared, labels: wanted.to_vec(), pieces, rest })
    }

    /// The whole problem, to register as one body first.
    pub fn whole(&self) -> &Prepared {
        &self.prepared
    }

    /// Labels of the pieces.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }
}

impl Shape {
    fn new(part: Volume<f32>, pyramid: &Pyramid) -> Result<Self, LevelError> {
        let (pivot, radius) = (part.grid().centre(), radius_of_gyration(part.grid()));
        let renderer = |level: &crate::Level| {
            let blocks = coarsen::blocks(part.grid(), level.voxel_mm);
            let settings = regiscope_drr::Settings::default();
            let renderer = Renderer::new(coarsen::volume(&part, blocks), settings).map_err(ProblemError::from)?;
            Ok(Arc::new(renderer))
        };
        let renderers = pyramid.levels().iter().map(renderer).collect::<Result<_, LevelError>>()?;
        Ok(Self { renderers, pivot, radius })
    }
}

/// The part of a volume where `keep` holds, zero elsewhere, cut to the box of its attenuating voxels; `None` if
/// there are none.
fn cut(volume: &Volume<f32>, keep: impl Fn(usize) -> bool) -> Option<Volume<f32>> {
    let grid = volume.grid();
    let [nx, ny, _] = grid.shape();
    let index = |n: usize| [n % nx, n / nx % ny, n / nx / ny];
    let inside = |n: usize| volume.data()[n] != 0.0 && keep(n);
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    for n in (0..grid.len()).filter(|&n| inside(n)) {
        for (a, i) in index(n).into_iter().enumerate() {
            (low[a], high[a]) = (low[a].min(i), high[a].max(i));
        }
    }
    if low[0] == usize::MAX {
        return None;
    }
    let shape = [0, 1, 2].map(|a| high[a] - low[a] + 1);
    let origin = grid.world_from_index(&Point::from(low.map(|i| i as f64)));
    let cropped = Grid::new(shape, origin, *grid.axes()).expect("a box within a valid grid is a valid grid");
    let value = |m: usize| {
        let [i, j, k] = [m % shape[0], m / shape[0] % shape[1], m / shape[0] / shape[1]];
        let n = grid.offset([low[0] + i, low[1] + j, low[2] + k]);
        if inside(n) { volume.data()[n] } else { 0.0 }
    };
    let data = (0..cropped.len()).map(value).collect();
    Some(Volume::new(cropped, data))
}

/// Gives each piece its own pose, all beginning at `world_from_volume`, the answer for the whole body; the rest
/// stays there. The observer hears each iteration with the piece's label; breaking ends everything with the best
/// poses so far. `settings.search` is not used: the whole body's answer is near.
pub fn register_pieces(
    pieces: &Pieces,
    settings: &Settings,
    options: &PieceOptions,
    world_from_volume: &Rigid,
    observer: &mut dyn FnMut(u16, &Iteration) -> ControlFlow<()>,
) -> Result<Vec<PieceSolution>, PiecewiseError> {
    if let Some(margin) = options.margin_mm.filter(|m| !(m.is_finite() && *m >= 0.0)) {
        return Err(PiecewiseError::Margin(margin));
    }
    let unseen = |&label: &u16| PieceSolution {
        label,
        start: *world_from_volume,
        world_from_volume: *world_from_volume,
        similarity: f64::NEG_INFINITY,
        status: Status::NoOverlap,
        evaluations: 0,
        sweeps: 0,
        curvature: Matrix6::zeros(),
    };
    let mut found: Vec<PieceSolution> = pieces.labels.iter().map(unseen).collect();
    for n in 0..pieces.prepared.levels().len() {
        let regions: Vec<Vec<FixedImage>> =
            pieces.pieces.iter().map(|piece| region(pieces, n, piece, options, world_from_volume)).collect();
        let mut objectives = objectives(pieces, n, settings, &regions);
        for sweep in 1..=options.sweeps.max(1) {
            let mut farthest = 0.0f64;
            for k in 0..found.len() {
                let Some(objective) = &mut objectives[k] else { continue };
                let background = |view: &View, pixels: &[u32]| {
                    background(pieces, n, k, options.rest, &found, world_from_volume, view, pixels)
                };
                objective.set_background(background);
                if !objective.sees(&found[k].world_from_volume) {
                    continue;
                }
                if sweep == 1 {
                    return_if_better(&mut found[k], objective);
                }
                let before = found[k].world_from_volume;
                let stopped = improve(&mut found[k], objective, pieces, n, settings, observer);
                found[k].sweeps = sweep;
                if stopped {
                    return Ok(found);
                }
                let targets = corners(&pieces.pieces[k]);
                farthest = farthest.max(scores::mtre(&before, &found[k].world_from_volume, &targets));
            }
            if farthest < pieces.prepared.levels()[n].level.step_mm {
                break;
            }
        }
    }
    Ok(found)
}

/// Puts a piece back to its start where this level prefers that: a small bone is poorly determined on coarse levels,
/// which can carry it away from a start that was all but right.
fn return_if_better(found: &mut PieceSolution, objective: &Objective) {
    if found.world_from_volume != found.start {
        found.evaluations += 2;
        if objective.value(&found.start) > objective.value(&found.world_from_volume) {
            found.world_from_volume = found.start;
        }
    }
}

/// Climbs with one piece; whether the observer stopped it.
fn improve(
    found: &mut PieceSolution,
    objective: &Objective,
    pieces: &Pieces,
    n: usize,
    settings: &Settings,
    observer: &mut dyn FnMut(u16, &Iteration) -> ControlFlow<()>,
) -> bool {
    let level = &pieces.prepared.levels()[n].level;
    let (label, before) = (found.label, found.evaluations);
    let mut report = |step: &Step| {
        observer(
            label,
            &Iteration {
                level: n,
                iteration: step.iteration,
                world_from_volume: step.pose,
                similarity: step.similarity,
                evaluations: before + step.evaluations,
                step_mm: step.step_mm,
            },
        )
    };
    let seed = settings.seed.wrapping_add(u64::from(label));
    let limits = limits(level, n, seed);
    let end = climb(settings.optimiser, objective, &found.world_from_volume, &limits, &mut report);
    found.world_from_volume = end.pose;
    found.similarity = end.similarity;
    found.evaluations += end.evaluations;
    found.curvature = end.curvature.unwrap_or_else(|| {
        found.evaluations += 1;
        objective.quadratic(&end.pose).curvature
    });
    found.status = match end.end {
        End::Converged => Status::Converged,
        End::IterationLimit => Status::IterationLimit,
        End::Stopped => Status::Stopped,
    };
    end.end == End::Stopped
}

/// One objective for each piece; `None` where its region has no structure.
fn objectives<'a>(
    pieces: &'a Pieces,
    n: usize,
    settings: &Settings,
    regions: &'a [Vec<FixedImage>],
) -> Vec<Option<Objective<'a>>> {
    let fraction = pieces.prepared.levels()[n].level.ray_fraction;
    let one = |(k, piece): (usize, &'a Shape)| {
        let seed = settings.seed.wrapping_add(1000 * n as u64 + k as u64);
        let renderer = &piece.renderers[n];
        Objective::of_views(&regions[k], renderer, fraction, piece.pivot, piece.radius, settings.similarity, seed)
    };
    pieces.pieces.iter().enumerate().map(one).collect()
}

/// The views of a level with masks that keep what lies near the piece's shadow.
fn region(pieces: &Pieces, n: usize, piece: &Shape, options: &PieceOptions, pose: &Rigid) -> Vec<FixedImage> {
    let near = |fixed: &FixedImage| {
        let Some(margin) = options.margin_mm else { return fixed.clone() };
        let shadow = piece.renderers[n].render(&fixed.view, pose);
        let reach = [fixed.view.row_step().norm(), fixed.view.col_step().norm()].map(|step| (margin / step) as usize);
        let near = dilated(&shadow.map(|&v| v != 0.0), reach);
        let counts = |p: usize| near.data()[p] && fixed.mask.as_ref().is_none_or(|m| m.data()[p]);
        let mask = (0..fixed.view.pixels()).map(counts).collect();
        FixedImage { mask: Some(Image::new(fixed.view.rows(), fixed.view.cols(), mask)), ..fixed.clone() }
    };
    pieces.prepared.levels()[n].views.iter().map(near).collect()
}

/// Marks all pixels within `reach` rows and columns of a marked one.
fn dilated(marked: &Image<bool>, reach: [usize; 2]) -> Image<bool> {
    let (rows, cols) = (marked.rows(), marked.cols());
    let across = |p: usize| {
        let (r, c) = (p / cols, p % cols);
        (c.saturating_sub(reach[1])..=(c + reach[1]).min(cols - 1)).any(|c| marked.data()[r * cols + c])
    };
    let wide: Vec<bool> = (0..rows * cols).map(across).collect();
    let down = |p: usize| {
        let (r, c) = (p / cols, p % cols);
        (r.saturating_sub(reach[0])..=(r + reach[0]).min(rows - 1)).any(|r| wide[r * cols + c])
    };
    Image::new(rows, cols, (0..rows * cols).map(down).collect())
}

/// What is rendered besides piece `k`: the other pieces where they are now, and the rest.
#[allow(clippy::too_many_arguments)] // one scene, spelled out
fn background(
    pieces: &Pieces,
    n: usize,
    k: usize,
    rest: Rest,
    found: &[PieceSolution],
    world_from_volume: &Rigid,
    view: &View,
    pixels: &[u32],
) -> Vec<f32> {
    let mut sum = vec![0.0f32; pixels.len()];
    if rest == Rest::Absent {
        return sum;
    }
    let others = pieces.pieces.iter().zip(found).enumerate().filter(|(other, _)| *other != k);
    let others = others.map(|(_, (piece, found))| (piece, &found.world_from_volume));
    for (shape, pose) in others.chain(pieces.rest.iter().map(|rest| (rest, world_from_volume))) {
        let image = shape.renderers[n].render_pixels(view, pose, pixels);
        sum.iter_mut().zip(image).for_each(|(s, v)| *s += v);
    }
    sum
}

/// Six points around a piece at its radius of gyration, to measure how far it moves.
fn corners(piece: &Shape) -> [Point; 6] {
    std::array::from_fn(|n| {
        let mut point = piece.pivot;
        point[n % 3] += if n < 3 { piece.radius } else { -piece.radius };
        point
    })
}

#[cfg(test)]
mod tests;
