use super::*;
use regiscope_geometry::nalgebra::{DVector, Rotation3};
use regiscope_geometry::{Grid, Vector};
use std::ops::ControlFlow::{Break, Continue};

/// Blobs of different widths and heights in a soft ellipsoid, with nothing symmetric about them; mm.
fn scene(p: &Point) -> f64 {
    let blob = |c: [f64; 3], r: [f64; 3]| {
        let q = Vector::new((p.x - c[0]) / r[0], (p.y - c[1]) / r[1], (p.z - c[2]) / r[2]);
        (-q.norm_squared()).exp()
    };
    let body = 1.0 / (1.0 + (6.0 * (Vector::new(p.x / 62.0, p.y / 78.0, p.z / 55.0).norm() - 1.0)).exp());
    100.0 * body + 60.0 * blob([20.0, 30.0, 10.0], [14.0, 18.0, 12.0])
        - 70.0 * blob([-22.0, -12.0, 18.0], [12.0, 26.0, 10.0])
        + 50.0 * blob([5.0, -40.0, -20.0], [22.0, 12.0, 9.0])
        - 40.0 * blob([-10.0, 35.0, -22.0], [9.0, 9.0, 16.0])
}

fn image(grid: &Grid, value: impl Fn(&Point) -> f64) -> Volume<f32> {
    let [nx, ny, _] = grid.shape();
    let at = |n: usize| grid.world_from_index(&Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64));
    Volume::new(grid.clone(), (0..grid.len()).map(|n| value(&at(n)) as f32).collect())
}

fn fixed_grid() -> Grid {
    Grid::centred([44, 52, 40], [4.0, 4.0, 4.0]).unwrap()
}

/// Another spacing, orientation and field of view.
fn moving_grid(centre: &Point) -> Grid {
    let direction = Rotation3::from_euler_angles(0.2, -0.1, 1.3).into_inner();
    let axes = direction * Matrix3::from_diagonal(&Vector::new(3.5, -4.5, 5.0));
    let shape = [56, 50, 40];
    let middle = axes * Vector::new(27.5, 24.5, 19.5);
    Grid::new(shape, centre - middle, axes).unwrap()
}

/// What a truth looks like: rotation vector in degrees, scale, shear, shift.
fn truth(turn_deg: [f64; 3], scale: f64, shear: f64, shift: [f64; 3]) -> AffineMap {
    let turn = Rotation3::new(Vector::from(turn_deg.map(f64::to_radians))).into_inner();
    let stretch = Matrix3::new(scale, shear, 0.0, 0.0, scale * (1.0 + 0.5 * shear), -shear, 0.0, 0.0, scale);
    AffineMap { matrix: turn * stretch, offset: Vector::from(shift) }
}

/// The moving image of a scene under a map: moving(map(x)) = fixed(x).
fn moved(map: &AffineMap, contrast: impl Fn(f64) -> f64) -> Volume<f32> {
    let back = map.inverse().unwrap();
    image(&moving_grid(&map.apply(&Point::origin())), |y| contrast(scene(&back.apply(y))))
}

/// Largest error of a map over the object, mm.
fn error(found: &AffineMap, truth: &AffineMap) -> f64 {
    (0..27)
        .map(|n| {
            let p = Point::from(
                (Vector::new((n % 3) as f64, (n / 3 % 3) as f64, (n / 9) as f64) - Vector::repeat(1.0)) * 45.0,
            );
            (found.apply(&p) - truth.apply(&p)).norm()
        })
        .fold(0.0, f64::max)
}

fn find(fixed: &Volume<f32>, moving: &Volume<f32>, settings: &Settings) -> Result<Solution, AffineError> {
    let images = Images { fixed, moving, fixed_mask: None, moving_mask: None };
    register(images, settings, &mut |_| Continue(()))
}

#[test]
fn displaced_images_come_back_from_far() {
    let fixed = image(&fixed_grid(), scene);
    for (model, truth) in [
        (Model::Translation, truth([0.0; 3], 1.0, 0.0, [45.0, -30.0, 25.0])),
        (Model::Rigid, truth([25.0, -35.0, 50.0], 1.0, 0.0, [80.0, 300.0, -200.0])),
        (Model::Similarity, truth([-40.0, 10.0, 20.0], 1.15, 0.0, [0.0, 20.0, -15.0])),
        (Model::Affine, truth([10.0, -20.0, 30.0], 0.92, 0.12, [20.0, -35.0, 10.0])),
        (Model::Affine, truth([0.0, 0.0, 170.0], 1.0, 0.05, [0.0, 0.0, 500.0])),
    ] {
        let solution =
            find(&fixed, &moved(&truth, |v| 3.0 * v + 7.0), &Settings { model, ..Settings::default() }).unwrap();
        let error = error(&solution.moving_from_fixed, &truth);
        assert!(error < 0.4, "{model:?}: {error} mm, {solution:?}");
        assert_eq!(solution.status, Status::Converged);
        assert!(solution.cost < 0.01 && solution.overlap > 0.5);
    }
}

#[test]
fn each_measure_finds_the_answer() {
    let fixed = image(&fixed_grid(), scene);
    let truth = truth([8.0, -12.0, 15.0], 1.06, 0.05, [12.0, -9.0, 14.0]);
    // Another modality: bright is dark, and not in a line.
    let foreign = |v: f64| 200.0 * (-(v - 60.0).powi(2) / 1800.0).exp() + 0.3 * v;
    for (measure, contrast, within) in [
        (Measure::Ssd, &(|v: f64| v) as &dyn Fn(f64) -> f64, 0.3),
        (Measure::Ncc, &|v| 5.0 - 2.0 * v, f64::INFINITY),
        (Measure::Ncc, &|v| 5.0 * v, 0.3),
        (Measure::MutualInformation { bins: 32 }, &foreign, 1.0),
    ] {
        let solution = find(&fixed, &moved(&truth, contrast), &Settings { measure, ..Settings::default() }).unwrap();
        let error = error(&solution.moving_from_fixed, &truth);
        assert!(error < within, "{measure:?}: {error} mm, {solution:?}");
    }
}

#[test]
fn gradients_are_those_of_the_cost() {
    let fixed = image(&fixed_grid(), scene);
    let moving = moved(&truth([5.0, -3.0, 7.0], 1.0, 0.0, [4.0, 2.0, -3.0]), |v| 2.0 * v + 1.0);
    let images = Images { fixed: &fixed, moving: &moving, fixed_mask: None, moving_mask: None };
    let masses = moments(&moving, None).unwrap();
    for measure in [Measure::Ssd, Measure::Ncc, Measure::MutualInformation { bins: 24 }] {
        let settings = Settings { measure, finest: 24, ..Settings::default() };
        let levels = pyramid::levels(images, &settings, &masses);
        let level = levels.last().unwrap();
        let bins = Bins::new(images, measure);
        let map = truth([1.0, 1.0, 0.0], 1.0, 0.0, [1.0, 0.0, 0.5]);
        let here = measure::evaluate(level, &bins, &map).unwrap();
        let basis = Model::Affine.basis();
        for n in 0..12 {
            let cost = |h: f64| {
                let mut p = DVector::zeros(12);
                p[n] = h;
                measure::evaluate(level, &bins, &Model::Affine.step(&map, &p, &level.centre, level.radius))
                    .unwrap()
                    .cost
            };
            let slope = (cost(1e-5) - cost(-1e-5)) / 2e-5;
            let found = basis.column(n).dot(&here.gradient);
            let scale = here.gradient.amax();
            assert!((slope - found).abs() < 2e-3 * scale, "{measure:?} {n}: {slope} {found}");
        }
        let eigen = here.curvature.clone().symmetric_eigen().eigenvalues;
        assert!(eigen.min() > -1e-9 * eigen.max(), "{measure:?}: {eigen}");
    }
}

#[test]
fn masks_leave_out_what_misleads() {
    let grid = fixed_grid();
    let truth = truth([0.0, 8.0, 0.0], 1.0, 0.0, [6.0, 0.0, -5.0]);
    // A bright block that only the fixed image has.
    let block = |p: &Point| p.x > 30.0 && p.y > -30.0;
    let fixed = image(&grid, |p| if block(p) { 400.0 } else { scene(p) });
    let mask = image(&grid, |p| f64::from(!block(p))).map(|v| *v > 0.5);
    let moving = moved(&truth, |v| v);
    let settings = Settings { model: Model::Rigid, ..Settings::default() };
    let images = Images { fixed: &fixed, moving: &moving, fixed_mask: Some(&mask), moving_mask: None };
    let with = register(images, &settings, &mut |_| Continue(())).unwrap();
    let without = find(&fixed, &moving, &settings).unwrap();
    assert!(error(&with.moving_from_fixed, &truth) < 0.6, "{}", error(&with.moving_from_fixed, &truth));
    assert!(error(&without.moving_from_fixed, &truth) > 2.0);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let fixed = image(&fixed_grid(), scene);
    let moving = moved(&truth([8.0, -12.0, 15.0], 1.06, 0.05, [12.0, -9.0, 14.0]), |v| v);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| find(&fixed, &moving, &Settings { samples: 5000, ..Settings::default() }).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn unfit_images_and_starts_are_refused() {
    let fixed = image(&fixed_grid(), scene);
    let far = image(&moving_grid(&Point::new(900.0, 0.0, 0.0)), |p| scene(&(p - Vector::new(900.0, 0.0, 0.0))));
    let as_they_lie = Settings { start: Start::AsTheyLie, ..Settings::default() };
    let said = find(&fixed, &far, &as_they_lie).unwrap_err();
    assert!(matches!(said, AffineError::Disjoint { percent: 0.0, .. }), "{said}");
    assert!(find(&fixed, &far, &Settings::default()).is_ok(), "a searched start brings them together");
    let constant = fixed.map(|_| 3.0);
    assert!(matches!(
        find(&constant, &fixed, &Settings::default()),
        Err(AffineError::Fixed(ImageFault::Constant { .. }))
    ));
    let broken = fixed.map(|v| if *v > 150.0 { f32::NAN } else { *v });
    assert!(matches!(
        find(&fixed, &broken, &Settings::default()),
        Err(AffineError::Moving(ImageFault::NotFinite { .. }))
    ));
    let none = fixed.map(|_| false);
    let images = Images { fixed: &fixed, moving: &fixed, fixed_mask: Some(&none), moving_mask: None };
    let refused = register(images, &Settings::default(), &mut |_| Continue(())).unwrap_err();
    assert_eq!(refused, AffineError::EmptyMask { which: "fixed" });
    let stopped = register(Images { fixed_mask: None, ..images }, &Settings::default(), &mut |_| Break(())).unwrap();
    assert_eq!(stopped.status, Status::Stopped);
}

#[test]
fn images_that_agree_stay_as_they_lie() {
    let fixed = image(&fixed_grid(), scene);
    let solution = find(&fixed, &fixed, &Settings::default()).unwrap();
    assert!(error(&solution.moving_from_fixed, &AffineMap::IDENTITY) < 1e-4, "{solution:?}");
    assert!(solution.status.advice().is_none() || solution.status == Status::NoImprovement);
}
