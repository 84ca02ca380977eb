//! Where the climb starts: the best of many places, looked at on the coarsest level.

use super::climb::{Work, climb};
use super::measure::evaluate;
use super::moments::Moments;
use super::pyramid::Level;
use super::{AffineError, Images, Model, Settings, Start, about};
use regiscope_geometry::nalgebra::{Matrix3, Rotation3, Unit};
use regiscope_geometry::{AffineMap, Vector};

/// Places that are climbed from with rotations before the best is chosen.
const CLIMBED: usize = 5;
/// Steps of each such climb.
const STEPS: usize = 12;
/// Angles around the centres of mass that are looked at, degrees.
const ANGLES_DEG: [f64; 2] = [30.0, 60.0];
/// What the whole of an overlap is worth, as cost: a place where the images hardly meet is no good start.
const OVERLAP_WORTH: f64 = 0.3;
/// What a half turn costs: of two equal places the one that turns less is meant.
const TURN_COST: f64 = 0.02;

/// Finds the start.
pub fn find(
    images: Images,
    settings: &Settings,
    [fixed, moving]: &[Moments; 2],
    coarsest: &Level,
    work: &mut Work,
) -> Result<AffineMap, AffineError> {
    match settings.start {
        Start::AsTheyLie => meeting(AffineMap::IDENTITY, coarsest, work),
        Start::At(map) => meeting(map, coarsest, work),
        Start::Search => {
            let (middle, other) = (images.fixed.grid().centre(), images.moving.grid().centre());
            let mut places = vec![AffineMap::IDENTITY, about(Matrix3::identity(), &middle, &other)];
            let turns =
                if settings.model == Model::Translation { vec![Matrix3::identity()] } else { turns(fixed, moving) };
            places.extend(turns.into_iter().map(|turn| about(turn, &fixed.centre, &moving.centre)));
            best(places, settings, coarsest, work)
        }
    }
}

/// A start that was given, if the images meet there.
fn meeting(map: AffineMap, level: &Level, work: &mut Work) -> Result<AffineMap, AffineError> {
    work.evaluations += 1;
    match evaluate(level, work.bins, &map) {
        Some(e) if e.overlap >= level.least_overlap => Ok(map),
        found => Err(disjoint(found.map_or(0.0, |e| e.overlap), level)),
    }
}

fn disjoint(overlap: f64, level: &Level) -> AffineError {
    AffineError::Disjoint { percent: 100.0 * overlap, needed: 100.0 * level.least_overlap }
}

/// Rotations about the centres of mass: none, up to 60° about 13 axes, and those that join the principal axes.
fn turns(fixed: &Moments, moving: &Moments) -> Vec<Matrix3<f64>> {
    let mut turns = vec![Matrix3::identity()];
    for n in 0..27 {
        let direction = Vector::new((n % 3) as f64, (n / 3 % 3) as f64, (n / 9) as f64) - Vector::repeat(1.0);
        if direction.norm() < 0.5 {
            continue;
        }
        for angle in ANGLES_DEG {
            turns.push(Rotation3::from_axis_angle(&Unit::new_normalize(direction), angle.to_radians()).into_inner());
        }
    }
    // The signs of axes are not known: the four choices that keep left left.
    for [a, b] in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]] {
        let signs = Matrix3::from_diagonal(&Vector::new(a, b, a * b));
        turns.push(moving.axes * signs * fixed.axes.transpose());
    }
    turns
}

/// The cost of a place with what its overlap and its turn are worth; `None` where the images do not meet.
fn worth(map: &AffineMap, level: &Level, work: &mut Work) -> Option<f64> {
    work.evaluations += 1;
    let found = evaluate(level, work.bins, map).filter(|e| e.overlap >= level.least_overlap)?;
    let turn = (0.5 * (map.matrix.trace() - 1.0)).clamp(-1.0, 1.0).acos() / std::f64::consts::PI;
    Some(found.cost + OVERLAP_WORTH * (1.0 - found.overlap) + TURN_COST * turn)
}

/// The place with the lowest cost after a few steps with rotations.
fn best(places: Vec<AffineMap>, settings: &Settings, level: &Level, work: &mut Work) -> Result<AffineMap, AffineError> {
    let mut ranked: Vec<(f64, AffineMap)> =
        places.into_iter().filter_map(|map| Some((worth(&map, level, work)?, map))).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let model = settings.model.min(Model::Rigid);
    let mut found: Option<(f64, AffineMap)> = None;
    for (_, map) in ranked.into_iter().take(CLIMBED) {
        let (map, _) = climb(level, 0, model, STEPS, map, work);
        if work.stopped {
            return Ok(map);
        }
        let Some(cost) = worth(&map, level, work) else { continue };
        if found.is_none_or(|(least, _)| cost < least) {
            found = Some((cost, map));
        }
    }
    found.map(|(_, map)| map).ok_or_else(|| disjoint(0.0, level))
}
