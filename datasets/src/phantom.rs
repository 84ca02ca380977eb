//! A seeded lumbar phantom: CT, labels and landmarks of an invented patient, T11 to the sacrum.
//!
//! Bones are joined from signed distances to simple solids ([`distance`]) with published dimensions ([`anatomy`]),
//! stacked along a lordotic spine ([`spine`]), laid over the soft tissues and sampled with their edges spread
//! over a voxel ([`voxelise`]). The frame is LPS; the middle of the volume is the origin; L3's body lies at
//! [`L3_CENTRE_MM`]. The same settings give the same bits on every machine and any number of threads: the
//! arithmetic is IEEE 754's exactly rounded operations, sines come from `libm` and random numbers from ChaCha8.

pub mod anatomy;
mod bones;
pub mod distance;
mod landmarks;
mod pelvis;
pub mod scene;
mod soft_tissue;
pub mod spine;
pub(crate) mod texture;
mod vertebra;
pub mod voxelise;

use anatomy::Anatomy;
use regiscope_geometry::{Grid, GridError, Point};
use regiscope_image::Volume;
use scene::Scene;
use thiserror::Error;

/// Centre of L3's body in the volume's frame, mm (LPS): a little behind the middle of the trunk.
pub const L3_CENTRE_MM: [f64; 3] = [0.0, 6.0, 0.0];

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomSettings {
    /// Which patient: every seed is another one.
    pub seed: u64,
    /// Voxel size along x, y, z, mm; 0.3 to 20. Default 2.
    pub spacing_mm: [f64; 3],
    /// Size of the volume along x, y, z, mm, centred on the origin; 10 to 800. Default 360 × 260 × 320.
    pub extent_mm: [f64; 3],
    /// How far patients differ from the mean: 0 the mean itself, 1 (default) the population, at most 1.5.
    pub variation: f64,
}

impl Default for PhantomSettings {
    fn default() -> Self {
        Self { seed: 0, spacing_mm: [2.0; 3], extent_mm: [360.0, 260.0, 320.0], variation: 1.0 }
    }
}

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PhantomError {
    /// A number lies outside its range.
    #[error("{field} is {found}; accepted are {low} to {high}")]
    OutOfRange {
        /// Which setting.
        field: &'static str,
        /// What it was.
        found: f64,
        /// Least accepted value.
        low: f64,
        /// Largest accepted value.
        high: f64,
    },
    /// Too many voxels.
    #[error(
        "extent_mm {extent_mm:?} at spacing_mm {spacing_mm:?} makes {voxels} voxels; at most {} are accepted",
        PhantomSettings::MAX_VOXELS
    )]
    TooManyVoxels {
        /// The extent asked for.
        extent_mm: [f64; 3],
        /// The spacing asked for.
        spacing_mm: [f64; 3],
        /// The voxels they make.
        voxels: usize,
    },
    /// The grid could not be built.
    #[error(transparent)]
    Grid(#[from] GridError),
}

impl PhantomSettings {
    /// Most voxels a phantom may have (6 bytes each).
    pub const MAX_VOXELS: usize = 1 << 28;

    /// Checks the settings and gives the grid they describe, at least one voxel along each axis.
    pub fn check(&self) -> Result<Grid, PhantomError> {
        let within = |field, found: f64, low: f64, high: f64| {
            if (low..=high).contains(&found) {
                Ok(())
            } else {
                Err(PhantomError::OutOfRange { field, found, low, high })
            }
        };
        self.spacing_mm.iter().try_for_each(|&s| within("spacing_mm", s, 0.3, 20.0))?;
        self.extent_mm.iter().try_for_each(|&s| within("extent_mm", s, 10.0, 800.0))?;
        within("variation", self.variation, 0.0, 1.5)?;
        let shape = [0, 1, 2].map(|a| ((self.extent_mm[a] / self.spacing_mm[a]).round() as usize).max(1));
        let voxels = shape.iter().product();
        if voxels > Self::MAX_VOXELS {
            return Err(PhantomError::TooManyVoxels { extent_mm: self.extent_mm, spacing_mm: self.spacing_mm, voxels });
        }
        Ok(Grid::centred(shape, self.spacing_mm)?)
    }
}

/// A named point on or in a bone.
#[derive(Clone, Debug, PartialEq)]
pub struct Landmark {
    /// Segment and point, such as `L3_spinous_process_tip`.
    pub name: String,
    /// Label of the bone it belongs to.
    pub label: u16,
    /// Where it lies in the volume's LPS frame, mm.
    pub position: Point,
}

/// An invented patient.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// Attenuation, HU.
    pub hu: Volume<f32>,
    /// Structure of each voxel centre, 0 for none; names by [`crate::labels::name_of`].
    pub labels: Volume<u16>,
    /// Landmarks inside the volume: sixteen for each of T11, T12, L1 … L5, five for the sacrum.
    pub landmarks: Vec<Landmark>,
    /// The measurements behind it.
    pub anatomy: Anatomy,
}

/// The solids of a patient and where the bones begin among them.
struct Patient {
    anatomy: Anatomy,
    scene: Scene,
    first_bone: usize,
}

fn scene_of(settings: &PhantomSettings) -> Patient {
    let anatomy = Anatomy::draw(settings.seed, settings.variation);
    let spine = spine::stack(&anatomy, Point::from(L3_CENTRE_MM));
    let mut parts = soft_tissue::soft_tissue(&anatomy, &spine, settings.seed, settings.variation);
    let first_bone = parts.len();
    parts.extend(bones::bones(&anatomy, &spine, first_bone));
    Patient { anatomy, scene: Scene::new(parts, settings.seed), first_bone }
}

/// Generates a phantom. Time grows with the number of voxels; the default takes about a core-second.
pub fn generate(settings: &PhantomSettings) -> Result<Phantom, PhantomError> {
    let grid = settings.check()?;
    let Patient { anatomy, scene, first_bone } = scene_of(settings);
    let (hu, labels) = voxelise::voxelise(&scene, &grid);
    let inside = |p: &Point| {
        let index = grid.index_from_world(p);
        (0..3).all(|a| index[a] >= -0.5 && index[a] < grid.shape()[a] as f64 - 0.5)
    };
    let mut landmarks = landmarks::landmarks(&anatomy, &scene, first_bone);
    landmarks.retain(|l| inside(&l.position));
    Ok(Phantom { hu, labels, landmarks, anatomy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Vector;

    #[test]
    fn bones_never_share_a_point() {
        for seed in 0..6 {
            let patient = scene_of(&PhantomSettings { seed, ..PhantomSettings::default() });
            let first = patient.first_bone + bones::SACRUM_INDEX;
            let skeleton: Vec<usize> = (first..patient.scene.parts().len()).collect();
            let mut inside = 0;
            for n in 0..60_000usize {
                // A lattice over spine, posterior elements and rib heads.
                let p = Vector::new(
                    (n % 45) as f64 * 2.7 - 60.0,
                    (n / 45 % 36) as f64 * 3.1 - 15.0,
                    (n / 1620) as f64 * 7.3 - 130.0,
                );
                let holders: Vec<usize> =
                    skeleton.iter().copied().filter(|&s| patient.scene.distance(s, &p) < 0.0).collect();
                inside += holders.len();
                let labels: Vec<u16> = holders.iter().map(|&s| patient.scene.parts()[s].label).collect();
                assert!(holders.len() < 2, "seed {seed}: labels {labels:?} at {p:?}");
            }
            assert!(inside > 2000, "{inside}");
        }
    }
}
