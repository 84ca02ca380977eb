//! From ideal line integrals to what a detector sees.

use crate::experiment::Simulation;
use regiscope_geometry::View;
use regiscope_image::Image;

/// Blurs, adds noise and closes the collimator; returns line integrals and, with a collimator, the pixels that count.
pub fn degrade(
    ideal: Image<f32>,
    view: &View,
    simulation: &Simulation,
    seed: u64,
) -> (Image<f32>, Option<Image<bool>>) {
    let _ = (view, simulation, seed);
    (ideal, None)
}
