//! From ideal line integrals to what a detector sees.

use super::error::RunError;
use crate::experiment::Simulation;
use regiscope_drr::physics::{self, Aperture, Detector};
use regiscope_geometry::View;
use regiscope_image::Image;

/// Photons of a simulation without noise: so many that half a photon, the least that a pixel counts, is darker than
/// any body.
const MANY_PHOTONS: f64 = 1e12;

/// Blurs, adds noise and closes the collimator; returns line integrals and, with a collimator, the pixels that
/// count. What is behind the collimator is shown as air.
pub fn degrade(
    ideal: Image<f32>,
    view: &View,
    simulation: &Simulation,
    seed: u64,
) -> Result<(Image<f32>, Option<Image<bool>>), RunError> {
    let photons = simulation.photons.unwrap_or(MANY_PHOTONS);
    let noise = simulation.photons.is_some();
    let image = if noise || simulation.blur_mm > 0.0 {
        let detector = Detector { photons, noise, blur_mm: simulation.blur_mm, ..Detector::default() };
        physics::acquire(&ideal, view, &detector, seed)?
    } else {
        ideal
    };
    if simulation.collimation_mm == [0.0; 4] {
        return Ok((image, None));
    }
    let mask = physics::aperture_mask(view, Aperture::Margins(simulation.collimation_mm));
    Ok((physics::collimate(&image, &mask, 0.0), Some(mask)))
}
