//! Seeded pairs of brain-like images with a known deformation between them.
//!
//! The fixed image is an invented brain: folded cortex in four lobes a side, white matter, ventricles, deep nuclei,
//! cerebellum and brainstem, with a label for each. The moving image shows the same brain carried by a flow with a known,
//! smooth, stationary velocity and then by an affine map. Both are sampled from the solids themselves, the moving one
//! along the flow backwards, so that nothing is interpolated and the true map is known to the accuracy of the flow
//! ([`flow`], better than 1e-4 mm). The same settings give the same bits on every machine.

mod anatomy;
mod velocity;

pub use anatomy::{LABELS, name_of};
pub use velocity::Velocity;

use anatomy::Brain;
use rayon::prelude::*;
use regiscope_geometry::nalgebra::Rotation3;
use regiscope_geometry::{AffineMap, Grid, GridError, Point, Vector};
use regiscope_image::Volume;
use thiserror::Error;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct PairSettings {
    /// Which brain, and which velocity: every seed is another pair.
    pub seed: u64,
    /// Voxels along each axis, 16 to 512. Default 64.
    pub voxels: usize,
    /// Greatest speed of the flow, mm for the unit of time, 0 to 30. Default 8.
    pub speed_mm: f64,
    /// Highest wave number of the velocity along each axis of the box, 1 to 6. Default 3.
    pub waves: u32,
    /// Rotation of the moving image, about x, y, z, degrees, at most 180 in all. Default 0.
    pub rotation_deg: [f64; 3],
    /// Shift of the moving image along x, y, z, mm, at most 200. Default 0.
    pub translation_mm: [f64; 3],
    /// Size of the moving brain relative to the fixed one, 0.7 to 1.4. Default 1.
    pub scale: f64,
    /// Standard deviation of noise, in grey values of which white matter has 85; 0 to 30. Default 0.
    pub noise: f64,
}

impl Default for PairSettings {
    fn default() -> Self {
        Self {
            seed: 0,
            voxels: 64,
            speed_mm: 8.0,
            waves: 3,
            rotation_deg: [0.0; 3],
            translation_mm: [0.0; 3],
            scale: 1.0,
            noise: 0.0,
        }
    }
}

/// Edge of the cubic field of view, mm.
pub const FIELD_OF_VIEW_MM: f64 = 192.0;

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PairError {
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
    /// The grid could not be built.
    #[error(transparent)]
    Grid(#[from] GridError),
}

impl PairSettings {
    /// Checks the settings and gives the grid of both images.
    pub fn check(&self) -> Result<Grid, PairError> {
        let within = |field, found: f64, low: f64, high: f64| match (low..=high).contains(&found) {
            true => Ok(()),
            false => Err(PairError::OutOfRange { field, found, low, high }),
        };
        within("voxels", self.voxels as f64, 16.0, 512.0)?;
        within("speed_mm", self.speed_mm, 0.0, 30.0)?;
        within("waves", f64::from(self.waves), 1.0, 6.0)?;
        within("rotation_deg", Vector::from(self.rotation_deg).norm(), 0.0, 180.0)?;
        self.translation_mm.iter().try_for_each(|&t| within("translation_mm", t, -200.0, 200.0))?;
        within("scale", self.scale, 0.7, 1.4)?;
        within("noise", self.noise, 0.0, 30.0)?;
        Ok(Grid::centred([self.voxels; 3], [FIELD_OF_VIEW_MM / self.voxels as f64; 3])?)
    }

    /// The affine part of the true map.
    fn affine(&self) -> AffineMap {
        let turn = Rotation3::new(Vector::from(self.rotation_deg.map(f64::to_radians))).into_inner();
        AffineMap { matrix: turn * self.scale, offset: Vector::from(self.translation_mm) }
    }
}

/// A point of the brain in both images.
#[derive(Clone, Debug, PartialEq)]
pub struct PairLandmark {
    /// The structure whose middle it is.
    pub name: &'static str,
    /// In the fixed image, mm.
    pub fixed: Point,
    /// In the moving image, mm.
    pub moving: Point,
}

/// Two images and what is known about them.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The fixed image; white matter has about 85, background 0.
    pub fixed: Volume<f32>,
    /// The moving image.
    pub moving: Volume<f32>,
    /// Labels of the fixed image; [`name_of`] names them.
    pub labels_fixed: Volume<u16>,
    /// Labels of the moving image.
    pub labels_moving: Volume<u16>,
    /// The true map from fixed to moving points, as displacements in mm at the voxels of the fixed image.
    pub displacement: Volume<[f32; 3]>,
    /// Middles of the structures inside the fixed field of view.
    pub landmarks: Vec<PairLandmark>,
    /// The velocity of the flow.
    pub velocity: Velocity,
    /// The affine map after the flow.
    pub affine: AffineMap,
}

/// Steps of the flow for the unit of time.
const STEPS: usize = 8;

/// Where a point is carried in the unit of time (−1: backwards), by the classical Runge–Kutta method.
pub fn flow(velocity: &Velocity, start: &Point, time: f64) -> Point {
    let h = time / STEPS as f64;
    let mut p = start.coords;
    for _ in 0..STEPS {
        let a = velocity.at(&p);
        let b = velocity.at(&(p + 0.5 * h * a));
        let c = velocity.at(&(p + 0.5 * h * b));
        let d = velocity.at(&(p + h * c));
        p += h / 6.0 * (a + 2.0 * b + 2.0 * c + d);
    }
    Point::from(p)
}

/// Generates a pair. Time grows with the number of voxels: about a core-second for 64³.
pub fn generate(settings: &PairSettings) -> Result<Pair, PairError> {
    let grid = settings.check()?;
    let brain = Brain::draw(settings.seed);
    let velocity = Velocity::draw(settings.seed, settings.waves, settings.speed_mm, FIELD_OF_VIEW_MM);
    let affine = settings.affine();
    let back = affine.inverse().expect("a rotation with a scale has an inverse");
    let width = grid.spacing()[0];
    let image = |which: u64, brain_from: &(dyn Fn(&Point) -> Point + Sync)| {
        let row = grid.shape()[0];
        let (mut grey, mut labels) = (vec![0f32; grid.len()], vec![0u16; grid.len()]);
        let rows = grey.par_chunks_mut(row).zip(labels.par_chunks_mut(row)).enumerate();
        rows.for_each(|(n, (grey, labels))| {
            for i in 0..row {
                let at = world_of(&grid, n * row + i);
                let (value, label) = brain.sample(&brain_from(&at).coords, width);
                let seed = settings.seed ^ (which << 32);
                let noise =
                    if settings.noise > 0.0 { settings.noise * gaussian((n * row + i) as u64, seed) } else { 0.0 };
                grey[i] = (value + noise) as f32;
                labels[i] = label;
            }
        });
        (Volume::new(grid.clone(), grey), Volume::new(grid.clone(), labels))
    };
    let (fixed, labels_fixed) = image(1, &|x| *x);
    let (moving, labels_moving) = image(2, &|y| flow(&velocity, &back.apply(y), -1.0));
    let carry = |x: &Point| affine.apply(&flow(&velocity, x, 1.0));
    let displacement: Vec<[f32; 3]> = (0..grid.len())
        .into_par_iter()
        .map(|o| {
            let x = world_of(&grid, o);
            let u = carry(&x) - x;
            [u.x as f32, u.y as f32, u.z as f32]
        })
        .collect();
    let landmarks = brain.middles().map(|(name, fixed)| PairLandmark { name, fixed, moving: carry(&fixed) }).collect();
    let displacement = Volume::new(grid.clone(), displacement);
    Ok(Pair { fixed, moving, labels_fixed, labels_moving, displacement, landmarks, velocity, affine })
}

fn world_of(grid: &Grid, offset: usize) -> Point {
    let [nx, ny, _] = grid.shape();
    grid.world_from_index(&Point::new((offset % nx) as f64, (offset / nx % ny) as f64, (offset / (nx * ny)) as f64))
}

/// A number of normal distribution for each place, from the finaliser of SplitMix64 and the method of Box and Muller.
fn gaussian(place: u64, seed: u64) -> f64 {
    let uniform = |n: u64| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let radius = (-2.0 * libm::log(uniform(2 * place + 1))).sqrt();
    radius * libm::cos(std::f64::consts::TAU * uniform(2 * place + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn small() -> PairSettings {
        PairSettings { seed: 3, voxels: 32, ..PairSettings::default() }
    }

    #[test]
    fn the_brain_has_all_its_parts() {
        let pair = generate(&PairSettings { voxels: 48, ..small() }).unwrap();
        let present = |labels: &Volume<u16>| labels.data().iter().copied().collect::<BTreeSet<u16>>();
        let all: BTreeSet<u16> = (0..=LABELS.len() as u16).collect();
        assert_eq!(present(&pair.labels_fixed), all);
        assert_eq!(present(&pair.labels_moving), all);
        let brain = pair.labels_fixed.data().iter().filter(|l| **l > 0).count() as f64;
        let part = brain / pair.fixed.grid().len() as f64;
        assert!((0.1..0.4).contains(&part), "{part}");
        // The faces of the field of view are empty.
        assert!((0..48 * 48).all(|n| pair.fixed.data()[n] == 0.0));
    }

    #[test]
    fn the_moving_image_is_the_fixed_one_carried() {
        let settings =
            PairSettings { rotation_deg: [5.0, -8.0, 10.0], translation_mm: [6.0, -4.0, 3.0], scale: 1.05, ..small() };
        let pair = generate(&settings).unwrap();
        let brain = Brain::draw(settings.seed);
        let (grid, width) = (pair.fixed.grid(), pair.fixed.grid().spacing()[0]);
        let back = pair.affine.inverse().unwrap();
        for o in (0..grid.len()).step_by(211) {
            let x = world_of(grid, o);
            let y = x + Vector::from(pair.displacement.data()[o].map(f64::from));
            let there = flow(&pair.velocity, &back.apply(&y), -1.0);
            assert!((there - x).norm() < 2e-3, "{}", (there - x).norm());
            let (a, b) = (brain.sample(&x.coords, width).0, brain.sample(&there.coords, width).0);
            assert!((a - b).abs() < 0.5, "{a} {b}");
        }
        assert!(pair.landmarks.len() == 15);
    }

    #[test]
    fn seeds_decide_and_noise_is_normal() {
        let (a, b) = (generate(&small()).unwrap(), generate(&small()).unwrap());
        assert!(a.fixed == b.fixed && a.moving == b.moving && a.displacement == b.displacement);
        assert!(generate(&PairSettings { seed: 4, ..small() }).unwrap().fixed != a.fixed);
        let noisy = generate(&PairSettings { noise: 5.0, ..small() }).unwrap();
        let n = a.fixed.data().len() as f64;
        let differences = || noisy.fixed.data().iter().zip(a.fixed.data()).map(|(x, y)| f64::from(x - y));
        let mean = differences().sum::<f64>() / n;
        let deviation = (differences().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!(mean.abs() < 0.1 && (deviation - 5.0).abs() < 0.1, "{mean} {deviation}");
    }

    #[test]
    fn the_speed_is_what_was_asked_for() {
        let pair = generate(&PairSettings { speed_mm: 6.0, ..small() }).unwrap();
        let fastest = (0..pair.fixed.grid().len())
            .map(|o| pair.velocity.at(&world_of(pair.fixed.grid(), o).coords).norm())
            .fold(0.0, f64::max);
        assert!((5.0..=6.1).contains(&fastest), "{fastest}");
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (settings, said) in [
            (PairSettings { voxels: 8, ..small() }, "voxels is 8; accepted are 16 to 512"),
            (PairSettings { speed_mm: f64::NAN, ..small() }, "speed_mm is NaN"),
            (PairSettings { scale: 2.0, ..small() }, "scale is 2"),
        ] {
            assert!(generate(&settings).unwrap_err().to_string().contains(said));
        }
    }
}
