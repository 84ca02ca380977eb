//! A small scene for tests: soft blobs of attenuation that look alike from no two sides, and C-arms around them.

use crate::{FixedImage, Level, Prepared, Problem, Pyramid};
use regiscope_drr::Renderer;
use regiscope_geometry::{Grid, Point, Rigid, Source, Twist, Vector, View, se3};
use regiscope_image::Volume;

/// Blobs: centre (mm), width (mm), attenuation (1/mm).
const BLOBS: [([f64; 3], f64, f64); 5] = [
    ([-22.0, 6.0, 18.0], 9.0, 0.03),
    ([18.0, -14.0, 24.0], 7.0, 0.05),
    ([4.0, 18.0, -4.0], 11.0, 0.03),
    ([-14.0, -10.0, -24.0], 8.0, 0.06),
    ([24.0, 10.0, -20.0], 6.0, 0.05),
];

/// 30³ voxels of 3 mm.
pub fn blobs() -> Volume<f32> {
    let grid = Grid::centred([30; 3], [3.0; 3]).unwrap();
    let value = |n: usize| {
        let index = Point::new((n % 30) as f64, (n / 30 % 30) as f64, (n / 900) as f64);
        let at = grid.world_from_index(&index);
        let blob =
            |(c, w, a): &([f64; 3], f64, f64)| a * (-(at - Point::from(*c)).norm_squared() / (2.0 * w * w)).exp();
        BLOBS.iter().map(blob).sum::<f64>() as f32
    };
    let data = (0..grid.len()).map(value).collect();
    Volume::new(grid, data)
}

/// Voxels labelled by the nearest of the first two blobs (1, 2), within 18 mm; 0 elsewhere.
pub fn labels() -> Volume<u16> {
    let volume = blobs();
    let grid = volume.grid().clone();
    let label = |n: usize| {
        let at = grid.world_from_index(&Point::new((n % 30) as f64, (n / 30 % 30) as f64, (n / 900) as f64));
        let near = |b: usize| (at - Point::from(BLOBS[b].0)).norm() < 18.0;
        if near(0) { 1 } else { u16::from(near(1)) * 2 }
    };
    let data = (0..grid.len()).map(label).collect();
    Volume::new(grid, data)
}

/// A detector of 40 × 40 pixels of 5 mm, 400 mm behind the isocentre, turned about the patient's long axis.
pub fn view(angle: f64) -> View {
    let ap = View::new(
        Source::Point(Point::new(0.0, -600.0, 0.0)),
        Point::new(-97.5, 400.0, 97.5),
        Vector::x() * 5.0,
        Vector::z() * -5.0,
        40,
        40,
    );
    ap.unwrap().transformed(&Rigid::rotation(Vector::z() * angle))
}

/// The true pose of all scenes.
pub fn truth() -> Rigid {
    se3::exp(&Twist::new(3.0, -5.0, 2.0, 0.1, -0.05, 0.2))
}

/// X-rays of a volume at the true pose.
pub fn xrays(volume: &Volume<f32>, angles: &[f64]) -> Vec<FixedImage> {
    let renderer = Renderer::new(volume.clone(), Default::default()).unwrap();
    let shoot = |&angle: &f64| {
        let view = view(angle);
        let image = renderer.render(&view, &truth());
        FixedImage { view, image, mask: None }
    };
    angles.iter().map(shoot).collect()
}

/// The blobs seen from the given angles.
pub fn problem(angles: &[f64]) -> Problem {
    Problem::new(xrays(&blobs(), angles), blobs()).unwrap()
}

/// Two levels: halved and whole.
pub fn pyramid() -> Pyramid {
    let fine = Level { voxel_mm: 0.0, detector_factor: 1, ray_fraction: 1.0, max_iterations: 30, step_mm: 0.01 };
    let coarse = Level { voxel_mm: 6.0, detector_factor: 2, step_mm: 0.1, ..fine };
    Pyramid::new(vec![coarse, fine]).unwrap()
}

/// The scene, ready to be registered.
pub fn prepared(angles: &[f64]) -> Prepared {
    Prepared::new(problem(angles), &pyramid()).unwrap()
}

/// The true pose, displaced by a few degrees and millimetres.
pub fn start() -> Rigid {
    se3::exp(&Twist::new(6.0, 8.0, -5.0, -0.08, 0.1, 0.07)) * truth()
}

/// Corners of the volume.
pub fn targets() -> [Point; 8] {
    blobs().grid().corners()
}
