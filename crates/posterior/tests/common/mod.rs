//! A small patient: blobs of attenuation that look alike from no two sides.

use regiscope_drr::{Renderer, Settings};
use regiscope_geometry::{CArm, Grid, Point, Positioner, Rigid, Vector, View};
use regiscope_image::Volume;
use regiscope_pose::posterior::{Prior, RotationPrior};
use regiscope_posterior::network::{NetworkSettings, SeeSettings};
use regiscope_posterior::{Content, Degradation, Simulator, TrainingSettings};
use std::sync::Arc;

const BLOBS: [([f64; 3], f64); 4] =
    [([-20.0, 6.0, 16.0], 0.03), ([18.0, -14.0, 20.0], 0.05), ([4.0, 18.0, -8.0], 0.03), ([-10.0, -12.0, -20.0], 0.06)];

/// A view of `side` × `side` pixels from an angle about the long axis, degrees.
pub fn view(side: usize, primary_deg: f64) -> View {
    CArm::new(1000.0, 600.0, side, side, 200.0 / side as f64).at(Positioner::from_deg(primary_deg, 0.0)).view().unwrap()
}

/// X-rays of the blobs, turned by up to ±`turn` rad.
pub fn simulator(side: usize, turn: f64, angles_deg: &[f64]) -> Simulator {
    let grid = Grid::centred([20; 3], [5.0; 3]).unwrap();
    let value = |n: usize| {
        let at = grid.world_from_index(&Point::new((n % 20) as f64, (n / 20 % 20) as f64, (n / 400) as f64));
        let blob = |(c, a): &([f64; 3], f64)| a * (-(at - Point::from(*c)).norm_squared() / 128.0).exp();
        BLOBS.iter().map(blob).sum::<f64>() as f32
    };
    let volume = Volume::new(grid.clone(), (0..grid.len()).map(value).collect());
    let renderer = Arc::new(Renderer::new(volume, Settings::default()).unwrap());
    let rotation = RotationPrior::Turn { axis: Vector::z(), turn, swing_sd: 0.1 };
    let prior = Prior::new(Rigid::identity(), Point::origin(), rotation, [8.0, 15.0, 8.0]).unwrap();
    let content = Content { name: "blobs".into(), coarse: renderer.clone(), renderers: vec![renderer] };
    let views = angles_deg.iter().map(|angle| view(side, *angle)).collect();
    Simulator::new(views, vec![content], prior, Degradation { noise: [0.05, 0.2], ..Degradation::default() }).unwrap()
}

/// A network small enough for tests.
pub fn settings(side: usize, steps: u64) -> TrainingSettings {
    TrainingSettings {
        network: NetworkSettings {
            see: SeeSettings { pixels: side, channels: vec![8, 16], blocks: 1, features: 32 },
            attention: false,
            components: 2,
            steps: 1,
            width: 16,
        },
        steps,
        batch: 32,
        learning_rate: 4e-3,
        warm_up: 5,
        checkpoint_every: 7,
        validation: 64,
    }
}
