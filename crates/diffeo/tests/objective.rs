//! Laws of the objective's data part: Taylor remainders, symmetry, positivity, sameness between threads.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_diffeo::distance::window::Window;
use regiscope_diffeo::distance::{Distance, Pair};
use regiscope_diffeo::field::{VectorField, inner};
use regiscope_diffeo::grid::Grid;
use regiscope_diffeo::interpolate::Kernel;
use regiscope_diffeo::objective::{Component, Discretisation, Problem, ProblemError};
use regiscope_diffeo::real::Real;
use regiscope_diffeo::transport::MapKernel;
use std::f64::consts::TAU;

const SHAPE: [usize; 3] = [24, 20, 18];

fn grid() -> Grid {
    Grid::new(SHAPE, [1.0, 1.2, 0.9])
}

/// A smooth periodic field: a few random waves of low frequency.
fn smooth<R: Real>(seed: u64, size: f64, waves: usize) -> Vec<R> {
    smooth_on(SHAPE, seed, size, waves)
}

/// The same field in another number of samples of the box.
fn smooth_on<R: Real>(shape: [usize; 3], seed: u64, size: f64, waves: usize) -> Vec<R> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let waves: Vec<([f64; 3], f64, f64)> = (0..waves)
        .map(|_| {
            let k = [0; 3].map(|_: i32| f64::from(random.random_range(-2..=2)));
            (k, random.random_range(0.0..TAU), random.random_range(0.5..1.0))
        })
        .collect();
    let mut field = Vec::new();
    for z in 0..shape[2] {
        for y in 0..shape[1] {
            for x in 0..shape[0] {
                let at = [x, y, z];
                let value: f64 = waves
                    .iter()
                    .map(|(k, phase, a)| {
                        let angle: f64 = (0..3).map(|d| k[d] * TAU * at[d] as f64 / shape[d] as f64).sum();
                        a * (angle + phase).sin()
                    })
                    .sum();
                field.push(R::of(size * value));
            }
        }
    }
    field
}

fn velocity<R: Real>(seed: u64, size: f64) -> VectorField<R> {
    [0, 1, 2].map(|c| smooth(seed + c, size, 5))
}

fn problem<R: Real>(distance: Distance, discretisation: Discretisation, mask: bool) -> Problem<R> {
    let channel =
        |seed: u64, weight: f64| Component { fixed: smooth(seed, 0.3, 8), moving: smooth(seed + 1, 0.3, 8), weight };
    let mask = mask.then(|| smooth::<R>(50, 1.0, 6).iter().map(|w| R::of(w.wide().clamp(0.0, 1.0))).collect());
    Problem::new(grid(), vec![channel(10, 1.0), channel(20, 0.5)], mask, distance, discretisation).expect("valid")
}

fn discretisations() -> Vec<Discretisation> {
    let mut all = Vec::new();
    for (image, map) in [
        (Kernel::CubicSpline, MapKernel::CubicLagrange),
        (Kernel::CubicLagrange, MapKernel::CubicLagrange),
        (Kernel::CubicSpline, MapKernel::Linear),
        (Kernel::Linear, MapKernel::Linear),
    ] {
        all.push(Discretisation { squarings: 2, image, map, product: map, coarsening: 1.0 });
    }
    all.push(Discretisation { squarings: 0, ..all[0] });
    all
}

fn distances() -> Vec<Distance> {
    vec![
        Distance::SumOfSquares,
        Distance::CrossCorrelation,
        Distance::LocalCrossCorrelation { window: Window::Gaussian { sigma: 1.5 }, floor: 1e-4 },
        Distance::LocalCrossCorrelation { window: Window::Box { radius: 2 }, floor: 1e-9 },
        Distance::NormalisedGradient { edge: 0.02 },
    ]
}

fn add(a: &VectorField<f64>, factor: f64, b: &VectorField<f64>) -> VectorField<f64> {
    std::array::from_fn(|c| a[c].iter().zip(&b[c]).map(|(a, b)| a + factor * b).collect())
}

/// Remainders of the objective after its first derivative shrink with the square of the step. Images interpolated
/// linearly are left out: all their curvature sits in kinks, of which short steps meet few.
#[test]
fn the_gradient_is_that_of_the_discrete_objective() {
    let cell = (0..3).map(|a| grid().step(a)).product::<f64>();
    for distance in distances() {
        for (i, discretisation) in discretisations().into_iter().enumerate() {
            // The distance and the map do not know each other: one map is enough for all distances but the first.
            if discretisation.image == Kernel::Linear || (i > 1 && distance != Distance::SumOfSquares) {
                continue;
            }
            let problem = problem::<f64>(distance, discretisation, i == 1);
            let (v, direction) = (velocity(1, 0.15), velocity(5, 0.15));
            let at = problem.linearise(problem.evaluate(&v));
            let slope = inner(&at.gradient, &direction) * cell;
            let remainder = |e: f64| problem.evaluate(&add(&v, e, &direction)).value - at.evaluation.value - e * slope;
            let (coarse, fine) = (remainder(8e-3), remainder(1e-3));
            let order = (coarse / fine).abs().log2() / 3.0;
            assert!((order - 2.0).abs() < 0.15, "{distance:?} {discretisation:?}: order {order}, {coarse} {fine}");
        }
    }
}

/// A flow on a coarser grid than the images': gradient, symmetry, and agreement with the flow on their own grid.
#[test]
fn a_flow_on_a_coarser_grid_obeys_the_same_laws() {
    for map in [MapKernel::Linear, MapKernel::CubicLagrange] {
        let own = Discretisation { map, product: map, ..Discretisation::default() };
        let problem = problem::<f64>(Distance::SumOfSquares, Discretisation { coarsening: 1.5, ..own }, true);
        let shape = problem.flow_grid().shape;
        assert_eq!(shape, [16, 14, 12]);
        let on_flow =
            |seed: u64, size: f64| -> VectorField<f64> { [0, 1, 2].map(|c| smooth_on(shape, seed + c, size, 5)) };
        let (v, a, b) = (on_flow(1, 0.15), on_flow(5, 0.15), on_flow(30, 0.15));
        let at = problem.linearise(problem.evaluate(&v));
        let cell = (0..3).map(|a| problem.flow_grid().step(a)).product::<f64>();
        let slope = inner(&at.gradient, &a) * cell;
        let remainder = |e: f64| problem.evaluate(&add(&v, e, &a)).value - at.evaluation.value - e * slope;
        let order = (remainder(8e-3) / remainder(1e-3)).abs().log2() / 3.0;
        assert!((order - 2.0).abs() < 0.15, "{map:?}: order {order}");
        let (ha, hb) = (problem.gauss_newton_product(&at, &a), problem.gauss_newton_product(&at, &b));
        let (left, right) = (inner(&ha, &b), inner(&a, &hb));
        let scale = (inner(&ha, &a) * inner(&hb, &b)).sqrt();
        assert!((left - right).abs() < 1e-12 * scale && inner(&ha, &a) > 0.0, "{map:?}: {left} {right}");
        let reference = crate::problem::<f64>(Distance::SumOfSquares, own, true).evaluate(&velocity(1, 0.15));
        let apart = (at.evaluation.value / reference.value - 1.0).abs();
        assert!(apart < if map == MapKernel::Linear { 0.05 } else { 0.01 }, "{map:?}: {apart}");
    }
}

/// With the images alike the residual vanishes and the Gauss-Newton Hessian is the Hessian: the remainder after the
/// second derivative shrinks with the cube of the step or faster. Floors and edges leave a residual and are left out.
#[test]
fn the_gauss_newton_product_is_the_hessian_where_the_residual_vanishes() {
    let discretisation = discretisations()[0];
    let cell = (0..3).map(|a| grid().step(a)).product::<f64>();
    let (v, direction) = (velocity::<f64>(1, 0.15), velocity(5, 0.15));
    let local = Distance::LocalCrossCorrelation { window: Window::Box { radius: 2 }, floor: 1e-12 };
    for distance in [Distance::SumOfSquares, Distance::CrossCorrelation, local] {
        let channel = |fixed: Vec<f64>| Component { fixed, moving: smooth(11, 0.3, 8), weight: 1.0 };
        let make = |fixed| Problem::new(grid(), vec![channel(fixed)], None, distance, discretisation).expect("valid");
        let warped = make(smooth(10, 0.3, 8)).evaluate(&v).warped.remove(0);
        let problem = make(warped);
        let at = problem.linearise(problem.evaluate(&v));
        let curvature = inner(&problem.gauss_newton_product(&at, &direction), &direction) * cell;
        let remainder =
            |e: f64| problem.evaluate(&add(&v, e, &direction)).value - at.evaluation.value - 0.5 * e * e * curvature;
        let (coarse, fine) = (remainder(0.2), remainder(0.025));
        assert!(curvature > 0.0 && fine.abs() < 1e-2 * 3e-4 * curvature, "{distance:?}: {fine} {curvature}");
        let order = (coarse / fine).abs().log2() / 3.0;
        assert!(order > 2.8, "{distance:?}: order {order}");
    }
}

#[test]
fn the_gauss_newton_product_is_symmetric_and_positive() {
    for distance in distances() {
        for (i, discretisation) in discretisations().into_iter().enumerate() {
            let problem = problem::<f64>(distance, discretisation, i == 2);
            let at = problem.linearise(problem.evaluate(&velocity(1, 0.2)));
            let (a, b) = (velocity(30, 1.0), velocity(40, 1.0));
            let (ha, hb) = (problem.gauss_newton_product(&at, &a), problem.gauss_newton_product(&at, &b));
            let (left, right) = (inner(&ha, &b), inner(&a, &hb));
            let scale = (inner(&ha, &a) * inner(&hb, &b)).sqrt();
            assert!((left - right).abs() < 1e-12 * scale, "{distance:?} {discretisation:?}: {left} {right}");
            assert!(inner(&ha, &a) > 0.0 && inner(&hb, &b) > 0.0);
        }
    }
}

#[test]
fn results_are_the_same_to_the_bit_for_a_thread_count_and_close_between_counts() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| {
            let problem = problem::<f32>(Distance::SumOfSquares, discretisations()[0], true);
            let at = problem.linearise(problem.evaluate(&velocity(1, 0.2)));
            let product = problem.gauss_newton_product(&at, &velocity(30, 1.0));
            (at.evaluation.value, at.gradient, product)
        })
    };
    let (first, again, more) = (run(2), run(2), run(3));
    assert_eq!(first, again);
    assert!((first.0 - more.0).abs() <= 1e-6 * first.0.abs());
    for (a, b) in [(&first.1, &more.1), (&first.2, &more.2)] {
        let difference: VectorField<f32> =
            std::array::from_fn(|c| a[c].iter().zip(&b[c]).map(|(a, b)| a - b).collect());
        assert!(inner(&difference, &difference).sqrt() < 1e-5 * inner(a, a).sqrt());
    }
}

#[test]
fn products_in_single_precision_agree_with_double() {
    let discretisation = Discretisation::default();
    let single = problem::<f32>(Distance::SumOfSquares, discretisation, false);
    let double = problem::<f64>(Distance::SumOfSquares, discretisation, false);
    let at = single.linearise(single.evaluate(&velocity(1, 0.2)));
    let exact = double.linearise(double.evaluate(&velocity(1, 0.2)));
    let wide = |field: &VectorField<f32>| field.each_ref().map(|c| c.iter().map(|&x| f64::from(x)).collect());
    let close = |a: &VectorField<f32>, b: &VectorField<f64>| {
        let difference = add(&wide(a), -1.0, b);
        (inner(&difference, &difference) / inner(b, b)).sqrt()
    };
    assert!(close(&at.gradient, &exact.gradient) < 1e-4);
    let product = single.gauss_newton_product(&at, &velocity(30, 1.0));
    assert!(close(&product, &double.gauss_newton_product(&exact, &velocity(30, 1.0))) < 1e-4);
}

#[test]
fn images_that_cannot_be_registered_are_refused() {
    let distance = Distance::SumOfSquares;
    let new = |components, mask| {
        Problem::<f32>::new(grid(), components, mask, distance, Discretisation::default()).map(|_| ()).unwrap_err()
    };
    let good = || Component { fixed: smooth(1, 1.0, 3), moving: smooth(2, 1.0, 3), weight: 1.0 };
    assert_eq!(new(vec![], None), ProblemError::NoComponent);
    let short = new(vec![Component { moving: vec![0.0; 5], ..good() }], None);
    let expected = ProblemError::Length { image: "moving image", channel: 0, found: 5, expected: 24 * 20 * 18 };
    assert_eq!(short, expected);
    let mut broken = good();
    broken.fixed[7] = f32::NAN;
    let message = new(vec![good(), broken], None).to_string();
    assert_eq!(message, "sample 7 of the fixed image of channel 1 is NaN; samples must be finite");
    assert!(matches!(new(vec![Component { weight: 0.0, ..good() }], None), ProblemError::Weight { .. }));
    for mask in [vec![0.0; 8640], vec![1.0; 3], vec![-1.0; 8640]] {
        assert!(matches!(new(vec![good()], Some(mask)), ProblemError::Mask { .. }));
    }
    let flat = Grid::new([64, 64, 1], [1.0; 3]);
    let image = vec![0.0f32; 64 * 64];
    let component = Component { fixed: image.clone(), moving: image, weight: 1.0 };
    let refused = Problem::new(flat, vec![component], None, distance, Discretisation::default());
    assert_eq!(refused.map(|_| ()), Err(ProblemError::Shape([64, 64, 1])));
}

/// Where the velocity vanishes and varies slowly, the Gauss-Newton product is that of the pointwise blocks.
#[test]
fn blocks_are_the_product_for_small_and_smooth_velocities() {
    let problem = problem::<f64>(Distance::SumOfSquares, discretisations()[0], true);
    let at = problem.linearise(problem.evaluate(&velocity(1, 0.0)));
    let direction = velocity(30, 1.0);
    let product = problem.gauss_newton_product(&at, &direction);
    let [xx, xy, xz, yy, yz, zz] = problem.zero_velocity_blocks(&at.evaluation);
    let times = |row: [&Vec<f64>; 3]| -> Vec<f64> {
        (0..xx.len()).map(|i| (0..3).map(|c| row[c][i] * direction[c][i]).sum()).collect()
    };
    let local = [times([&xx, &xy, &xz]), times([&xy, &yy, &yz]), times([&xz, &yz, &zz])];
    let difference = add(&local, -1.0, &product);
    assert!(inner(&difference, &difference).sqrt() < 0.01 * inner(&product, &product).sqrt());
}

#[test]
fn the_map_of_an_evaluation_is_told() {
    let problem = problem::<f64>(Distance::SumOfSquares, discretisations()[0], false);
    let still = problem.evaluate(&velocity(1, 0.0));
    assert_eq!(problem.determinant_range(&still), [1.0, 1.0]);
    let moved = problem.evaluate(&velocity(1, 0.2));
    let [low, high] = problem.determinant_range(&moved);
    assert!(low > 0.0 && low < 0.9 && high > 1.1, "{low} {high}");
    assert!(inner(&problem.displacement(&moved), &problem.displacement(&moved)) > 1.0);
    assert_eq!(problem.interpolations(), 2 * (9 + 2));
}

/// The derivative of every distance by the warped image itself, masked and not.
#[test]
fn slopes_of_distances_are_their_derivatives() {
    let grid = grid();
    let cell = (0..3).map(|a| grid.step(a)).product::<f64>();
    let (warped, fixed): (Vec<f64>, Vec<f64>) = (smooth(1, 0.3, 8), smooth(2, 0.3, 8));
    let direction: Vec<f64> = smooth(3, 0.1, 8);
    let weights: Vec<f64> = smooth::<f64>(4, 1.0, 4).iter().map(|w| w.clamp(0.0, 1.0)).collect();
    for distance in distances() {
        for mask in [None, Some(&weights[..])] {
            let at = |warped: &[f64]| distance.compare(Pair { grid: &grid, warped, fixed: &fixed, mask });
            let here = at(&warped);
            let moved = |e: f64| {
                let moved: Vec<f64> = warped.iter().zip(&direction).map(|(w, d)| w + e * d).collect();
                at(&moved).value
            };
            let slope = here.slope.iter().zip(&direction).map(|(s, d)| s * d).sum::<f64>() * cell;
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - difference).abs() < 1e-6 * here.value, "{distance:?}: {slope} {difference}");
        }
    }
}

/// Distances that forgive changes of contrast are small for an image and its negative.
#[test]
fn correlations_forgive_changes_of_contrast() {
    let grid = grid();
    let fixed: Vec<f64> = smooth(2, 0.3, 8);
    let warped: Vec<f64> = fixed.iter().map(|r| 2.0 - 3.0 * r).collect();
    let other: Vec<f64> = smooth(3, 0.3, 8);
    for distance in distances().into_iter().skip(1) {
        let value = |warped| distance.compare(Pair { grid: &grid, warped, fixed: &fixed, mask: None }).value;
        assert!(value(&warped) < 0.15 * value(&other), "{distance:?}: {} {}", value(&warped), value(&other));
    }
    let flat = vec![0.3; fixed.len()];
    for distance in distances() {
        let pair = Pair { grid: &grid, warped: &flat, fixed: &fixed, mask: None };
        let comparison = distance.compare(pair);
        assert!(comparison.value.is_finite() && comparison.slope.iter().all(|s| s.is_finite()), "{distance:?}");
    }
}
