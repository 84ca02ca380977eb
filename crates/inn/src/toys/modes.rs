//! Eight modes on a circle, seen only by their colour (Ardizzone et al. 2018): which mode was it?
//!
//! Eight normal distributions of deviation 0.2 stand on a circle of radius 2 with equal weights. Colours join four, two,
//! one and one of them, so the posterior given a colour has that many modes of equal mass.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// Number of modes.
pub const MODES: usize = 8;
/// Number of colours.
pub const COLOURS: usize = 4;
/// The colour of each mode.
pub const COLOUR: [usize; MODES] = [0, 0, 0, 0, 1, 1, 2, 3];
/// Distance of the modes from the origin.
pub const RADIUS: f64 = 2.0;
/// Deviation of each mode.
pub const DEVIATION: f64 = 0.2;

/// The centre of a mode.
pub fn centre(mode: usize) -> [f64; 2] {
    let angle = TAU * mode as f64 / MODES as f64;
    [RADIUS * angle.cos(), RADIUS * angle.sin()]
}

/// A point and its mode.
pub fn draw(rng: &mut ChaCha8Rng) -> ([f64; 2], usize) {
    let mode = rng.random_range(0..MODES);
    let point = centre(mode).map(|c| c + DEVIATION * rng.sample::<f64, _>(StandardNormal));
    (point, mode)
}

/// The colour as a condition: 1 at its place.
pub fn condition(colour: usize) -> [f64; COLOURS] {
    std::array::from_fn(|k| f64::from(u8::from(k == colour)))
}

/// The mode whose centre is nearest.
pub fn nearest(point: [f64; 2]) -> usize {
    let distance2 = |mode: usize| {
        let c = centre(mode);
        (point[0] - c[0]).powi(2) + (point[1] - c[1]).powi(2)
    };
    (0..MODES).min_by(|&a, &b| distance2(a).total_cmp(&distance2(b))).expect("eight modes")
}

/// The true mass of each mode given a colour.
pub fn masses(colour: usize) -> [f64; MODES] {
    let same = COLOUR.iter().filter(|c| **c == colour).count();
    std::array::from_fn(|mode| if COLOUR[mode] == colour { 1.0 / same as f64 } else { 0.0 })
}
