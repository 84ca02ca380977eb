//! Cost of the registration solver's kernels: core-milliseconds (processor time of the process, all threads) per
//! million voxels, by number of threads.
//!
//! `cargo bench -p regiscope-diffeo --bench diffeo_kernels -- [shape=128x150x128] [threads=1,2] [repetitions=5]` prints
//! one JSON line for each kernel and number of threads: the median over the repetitions, the least and the greatest,
//! and the wall-clock time of the median run. Images are smooth noise; the velocity moves voxels by up to about ten.

use cpu_time::ProcessTime;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_diffeo::distance::Distance;
use regiscope_diffeo::field::VectorField;
use regiscope_diffeo::grid::Grid;
use regiscope_diffeo::interpolate::{Image, Kernel, Padded, Quad};
use regiscope_diffeo::objective::{Component, Discretisation, Problem};
use regiscope_diffeo::transport::squaring::{square, square_tangent, square_transpose};
use regiscope_diffeo::transport::{Flow, MapKernel};
use serde_json::json;
use std::f64::consts::TAU;
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let named = |key: &str| arguments.iter().find_map(|a| a.strip_prefix(key)?.strip_prefix('=').map(String::from));
    let numbers = |text: String| -> Vec<usize> {
        text.split([',', 'x']).map(|n| n.parse().expect("whole numbers, separated by x or a comma")).collect()
    };
    let shape = numbers(named("shape").unwrap_or("128x150x128".into()));
    let shape: [usize; 3] = shape.try_into().expect("three extents");
    let threads = numbers(named("threads").unwrap_or("1,2".into()));
    let repetitions = numbers(named("repetitions").unwrap_or("5".into()))[0].max(1);
    let only = named("only").unwrap_or_default();
    for threads in threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| kernels(shape, threads, repetitions, &only));
    }
}

fn kernels(shape: [usize; 3], threads: usize, repetitions: usize, only: &str) {
    let grid = Grid::new(shape, [1.0; 3]);
    let million = grid.len() as f64 * 1e-6;
    let measure = |name: &str, work: &mut dyn FnMut()| {
        if !name.contains(only) {
            return;
        }
        work();
        let mut runs: Vec<(f64, f64)> = (0..repetitions)
            .map(|_| {
                let (cpu, wall) = (ProcessTime::now(), Instant::now());
                work();
                (cpu.elapsed().as_secs_f64() * 1e3 / million, wall.elapsed().as_secs_f64() * 1e3 / million)
            })
            .collect();
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (median, first, last) = (runs[runs.len() / 2], runs[0], runs[runs.len() - 1]);
        let line = json!({
            "kernel": name, "threads": threads, "core_ms_per_million_voxels": median.0,
            "least": first.0, "greatest": last.0, "wall_ms_per_million_voxels": median.1,
        });
        println!("{line}");
    };

    let image = |seed| smooth(shape, seed, 40, 20.0, 0.2);
    // Units of length per time that move by about ten voxels.
    let velocity: VectorField<f32> = [1, 2, 3].map(|seed| smooth(shape, seed, 12, 3.0, 2.5 * grid.step(0) as f32));
    let direction: VectorField<f32> = [4, 5, 6].map(|seed| smooth(shape, seed, 12, 3.0, grid.step(0) as f32));
    let samples = image(7);
    for kernel in [Kernel::Linear, Kernel::CubicLagrange, Kernel::CubicSpline] {
        let (_, displacement) = Flow::new(&grid, &velocity, 2, MapKernel::Linear);
        let moving = Image::new(shape, &samples, kernel);
        measure(&format!("image {kernel:?}"), &mut || drop(black_box(moving.values(&displacement))));
        measure(&format!("image and gradient {kernel:?}"), &mut || {
            drop(black_box(moving.values_and_gradients(&displacement)));
        });
    }
    measure("prefilter", &mut || drop(black_box(Image::new(shape, &samples, Kernel::CubicSpline))));
    for kernel in [MapKernel::Linear, MapKernel::CubicLagrange] {
        let (flow, d) = Flow::new(&grid, &velocity, 1, kernel);
        let change = flow.tangent(&direction, kernel);
        let mut out: Padded<Quad<f32>> = Padded::new(shape);
        measure(&format!("vector gather {kernel:?}"), &mut || drop(black_box(square(&d, 1.0, kernel))));
        measure(&format!("vector tangent {kernel:?}"), &mut || {
            square_tangent(&d, &change, 1.0, kernel, &mut out);
            black_box(&out);
        });
        let mut p = change.clone();
        measure(&format!("vector scatter {kernel:?}"), &mut || {
            square_transpose(&d, &mut p, 1.0, kernel);
            black_box(&p);
        });
    }
    for (map, product) in [
        (MapKernel::Linear, MapKernel::Linear),
        (MapKernel::CubicLagrange, MapKernel::Linear),
        (MapKernel::CubicLagrange, MapKernel::CubicLagrange),
    ] {
        let discretisation = Discretisation { squarings: 2, image: Kernel::CubicSpline, map, product, coarsening: 1.0 };
        let component = Component { fixed: image(8), moving: samples.clone(), weight: 1.0 };
        let problem = Problem::new(grid, vec![component], None, Distance::SumOfSquares, discretisation)
            .expect("images of the grid's size");
        let name = |work: &str| format!("{work}, nt 4, map {map:?}, product {product:?}");
        measure(&name("evaluate"), &mut || drop(black_box(problem.evaluate(&velocity))));
        measure(&name("evaluate and linearise"), &mut || {
            drop(black_box(problem.linearise(problem.evaluate(&velocity))));
        });
        let at = problem.linearise(problem.evaluate(&velocity));
        measure(&name("Gauss-Newton product"), &mut || {
            drop(black_box(problem.gauss_newton_product(&at, &direction)));
        });
    }
}

/// A sum of waves of random direction with up to `highest` periods along each axis, of standard deviation `size`.
fn smooth(shape: [usize; 3], seed: u64, waves: usize, highest: f64, size: f32) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let scale = size * (2.0 / waves as f32).sqrt();
    let mut field = vec![0.0; shape.iter().product()];
    for _ in 0..waves {
        let phase = random.random_range(0.0..TAU);
        let step = shape.map(|n| TAU * random.random_range(-highest..highest).round() / n as f64);
        let turn = |angle: f64| [angle.cos() as f32, angle.sin() as f32];
        let row: Vec<[f32; 2]> = (0..shape[0]).map(|x| turn(step[0] * x as f64)).collect();
        for (i, out) in field.chunks_mut(shape[0]).enumerate() {
            let [c, s] = turn(phase + step[1] * (i % shape[1]) as f64 + step[2] * (i / shape[1]) as f64);
            for (out, [a, b]) in out.iter_mut().zip(&row) {
                *out += scale * (s * a + c * b);
            }
        }
    }
    field
}
