//! Pairs of volumes and labels, and the figures of a deformation.

use cpu_time::ProcessTime;
use regiscope_diffeo::affine;
use regiscope_diffeo::distance::window::Window;
use regiscope_diffeo::distance::{self, Distance, usual_edge};
use regiscope_diffeo::field::VectorField;
use regiscope_diffeo::grid::Grid;
use regiscope_diffeo::interpolate::Kernel;
use regiscope_diffeo::objective::Component;
use regiscope_diffeo::optimise::Images;
use regiscope_diffeo::spectral::resample::{grid_of_shape, resample};
use regiscope_diffeo::transport::map::{SQUARINGS, determinant, displacement, warp};
use regiscope_geometry::{AffineMap, Point};
use regiscope_image::Volume;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Two images in [0, 1] on one grid, and their labels.
pub struct Pair {
    pub grid: Grid,
    /// The voxels in the world.
    pub world: regiscope_geometry::Grid,
    pub fixed: Vec<f32>,
    pub moving: Vec<f32>,
    pub labels: Option<[Vec<u16>; 2]>,
    pub start: Option<AffineStart>,
    /// What the solver makes small.
    pub distance: Distance,
}

/// An affine map before the deformation, as the affine stage of the program finds it.
pub struct AffineStart {
    /// From indices of the fixed image to those of the moving one.
    map: AffineMap,
    /// The moving image through it.
    carried: Vec<f32>,
    /// Processor time of the stage, s.
    pub core_s: f64,
}

/// What a deformation achieves, measured with an accurate map.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Figures {
    pub mismatch: f64,
    pub dice_mean: f64,
    pub dice_union: f64,
    pub jacobian: [f64; 2],
}

impl Pair {
    /// The pair in these files, with an affine stage first if `affine=yes` asks for it.
    pub fn read(named: &BTreeMap<&str, &str>) -> Self {
        let file = |key: &str| named.get(key).map(Path::new);
        let volume = |path: &Path| regiscope_image::read_volume(path).expect("a volume can be read").volume;
        let fixed = volume(file("fixed").expect("fixed=FILE is given"));
        let moving = volume(file("moving").expect("moving=FILE is given"));
        assert_eq!(fixed.grid().shape(), moving.grid().shape(), "the bench takes pairs on one grid");
        let labels = |path: &Path| regiscope_image::read_labels(path).expect("labels can be read").data().to_vec();
        let labels = match (file("labels-fixed"), file("labels-moving")) {
            (Some(f), Some(m)) => Some([labels(f), labels(m)]),
            _ => None,
        };
        let spacing = fixed.grid().spacing();
        let grid = Grid::new(fixed.grid().shape(), [spacing[0], spacing[1], spacing[2]]);
        let map = named.get("affine").is_some_and(|word| *word == "yes").then(|| affine_map(&fixed, &moving));
        let unit = |data: &[f32]| -> Vec<f32> {
            let (least, most) = data.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            data.iter().map(|v| (v - least) / (most - least)).collect()
        };
        let world = fixed.grid().clone();
        let (fixed, moving) = (unit(fixed.data()), unit(moving.data()));
        let start = map.map(|(map, core_s)| {
            let begin = ProcessTime::now();
            let still = [0, 1, 2].map(|_| vec![0.0; grid.len()]);
            let carried = warp(grid.shape, &moving, &through(&map, grid.shape, &still), Kernel::CubicSpline);
            let carried = carried.iter().map(|v| v.clamp(0.0, 1.0)).collect();
            AffineStart { map, carried, core_s: core_s + begin.elapsed().as_secs_f64() }
        });
        let mut pair = Self { grid, world, fixed, moving, labels, start, distance: Distance::SumOfSquares };
        pair.distance = pair.distance_named(named.get("distance").copied().unwrap_or("ssd"));
        pair
    }

    /// A distance by the name that the program gives it, with the program's parameters.
    pub fn distance_named(&self, name: &str) -> Distance {
        match name {
            "ssd" => Distance::SumOfSquares,
            "ncc" => Distance::CrossCorrelation,
            "lncc" => Distance::LocalCrossCorrelation { window: Window::Box { radius: 3 }, floor: 1e-3 },
            "ngf" => {
                let of = &distance::Pair { grid: &self.grid, warped: &self.moving, fixed: &self.fixed, mask: None };
                Distance::NormalisedGradient { edge: usual_edge(*of) }
            }
            other => panic!("distance={other} is not ssd, ncc, lncc or ngf"),
        }
    }

    /// The images on another number of samples of the same box, without labels and as the deformation meets them.
    pub fn resampled(&self, shape: [usize; 3]) -> Self {
        let grid = grid_of_shape(&self.grid, shape);
        let on = |field: &[f32]| resample(&self.grid, &grid, field);
        let moving = self.start.as_ref().map_or(&self.moving, |start| &start.carried);
        Self {
            grid,
            world: self.world.clone(),
            fixed: on(&self.fixed),
            moving: on(moving),
            labels: None,
            start: None,
            distance: self.distance,
        }
    }

    /// The images for the engine.
    pub fn images(&self) -> Images<f32> {
        let moving = self.start.as_ref().map_or(&self.moving, |start| &start.carried).clone();
        let component = Component { fixed: self.fixed.clone(), moving, weight: 1.0 };
        Images { grid: self.grid, components: vec![component], mask: None, distance: self.distance }
    }

    /// Displacements of the whole map, voxels, from those of the flow.
    fn whole(&self, flow: &VectorField<f32>) -> VectorField<f32> {
        self.start.as_ref().map_or_else(|| flow.clone(), |start| through(&start.map, self.grid.shape, flow))
    }

    /// What is left of the difference of the images as they lie.
    pub fn mismatch(&self, flow: &VectorField<f32>) -> f64 {
        let warped = warp(self.grid.shape, &self.moving, &self.whole(flow), Kernel::CubicSpline);
        apart(&warped, &self.fixed) / apart(&self.moving, &self.fixed)
    }

    /// The figures of a velocity's map as it is put out: 32 cubic steps. det F is that of the flow.
    pub fn figures(&self, velocity: &VectorField<f32>) -> Figures {
        let shape = self.grid.shape;
        let flow = displacement(&self.grid, velocity, SQUARINGS);
        let jacobian = determinant(shape, &flow)
            .iter()
            .fold([f64::MAX, f64::MIN], |[a, b], &d| [a.min(f64::from(d)), b.max(f64::from(d))]);
        let (dice_mean, dice_union) = match &self.labels {
            Some([fixed, moving]) => dice(fixed, &warp_labels(moving, shape, &self.whole(&flow))),
            None => (f64::NAN, f64::NAN),
        };
        Figures { mismatch: self.mismatch(&flow), dice_mean, dice_union, jacobian }
    }
}

/// The program's affine stage, from indices to indices, and its processor time.
fn affine_map(fixed: &Volume<f32>, moving: &Volume<f32>) -> (AffineMap, f64) {
    let begin = ProcessTime::now();
    let images = affine::Images { fixed, moving, fixed_mask: None, moving_mask: None };
    let found = affine::register(images, &affine::Settings::default(), &mut |_| ControlFlow::Continue(()));
    let found = found.expect("the images can be brought together");
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "affine stage: {:?}, cost {:.4}, as they lie {:?}, {seconds:.2} core-seconds",
        found.status, found.cost, found.cost_as_they_lie
    );
    let to_world = AffineMap { matrix: *fixed.grid().axes(), offset: fixed.grid().origin().coords };
    let to_index = AffineMap { matrix: *moving.grid().axes(), offset: moving.grid().origin().coords };
    let to_index = to_index.inverse().expect("a grid's axes are independent");
    (to_index.after(&found.moving_from_fixed.after(&to_world)), seconds)
}

/// Displacements, voxels, of a map of indices after a flow.
fn through(map: &AffineMap, shape: [usize; 3], flow: &VectorField<f32>) -> VectorField<f32> {
    let mut whole = flow.clone();
    for i in 0..flow[0].len() {
        let at = [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])].map(|n| n as f64);
        let carried = map.apply(&Point::from([0, 1, 2].map(|a| at[a] + f64::from(flow[a][i]))));
        (0..3).for_each(|a| whole[a][i] = (carried[a] - at[a]) as f32);
    }
    whole
}

fn apart(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

/// Labels of the nearest sample; 0 outside.
fn warp_labels(labels: &[u16], shape: [usize; 3], displacement: &VectorField<f32>) -> Vec<u16> {
    let at = |i: usize| [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])];
    let label = |i: usize| {
        let place = at(i);
        let index = [0, 1, 2].map(|a: usize| (place[a] as f32 + displacement[a][i]).round());
        if (0..3).all(|a| index[a] >= 0.0 && index[a] < shape[a] as f32) {
            labels[(index[2] as usize * shape[1] + index[1] as usize) * shape[0] + index[0] as usize]
        } else {
            0
        }
    };
    (0..labels.len()).map(label).collect()
}

/// Dice overlap: the mean over the labels of either, and that of everything labelled.
fn dice(a: &[u16], b: &[u16]) -> (f64, f64) {
    let mut counts: BTreeMap<u16, [usize; 2]> = BTreeMap::new();
    let mut union = [0usize; 2];
    for (&a, &b) in a.iter().zip(b) {
        for label in [a, b] {
            if label != 0 {
                counts.entry(label).or_default()[1] += 1;
                union[1] += 1;
            }
        }
        if a == b && a != 0 {
            counts.entry(a).or_default()[0] += 1;
        }
        union[0] += usize::from(a != 0 && b != 0);
    }
    let each = counts.values().map(|[both, all]| 2.0 * *both as f64 / *all as f64);
    (each.sum::<f64>() / counts.len() as f64, 2.0 * union[0] as f64 / union[1] as f64)
}
