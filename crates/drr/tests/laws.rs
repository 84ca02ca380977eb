//! Laws that every plain projector obeys, in double precision.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_drr::jacobian::{IndexFrame, RaySample};
use regiscope_drr::reference::{Field, March, joseph, siddon, trilinear};
use regiscope_drr::{Projector, Span};
use regiscope_geometry::nalgebra::{Matrix3, Rotation3};
use regiscope_geometry::{Grid, Point, Rigid, Twist, Vector, se3};

const SHAPE: [usize; 3] = [7, 9, 5];

const PROJECTORS: [Projector; 4] = [
    Projector::Siddon,
    Projector::Joseph,
    Projector::Trilinear { samples: 60, span: Span::Ray },
    Projector::Trilinear { samples: 90, span: Span::Fixed([0.1, 0.9]) },
];

fn trace(field: &Field, projector: Projector, s: &Point, e: &Point, clip: bool) -> RaySample {
    match projector {
        Projector::Siddon => siddon(field, s, e, clip),
        Projector::Joseph => joseph(field, s, e, clip),
        Projector::Trilinear { samples, span } => trilinear(field, &March::new(field.shape, samples, span, clip), s, e),
    }
}

fn noise(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(0.0..1.0)).collect()
}

fn point(rng: &mut ChaCha8Rng, range: f64) -> Point {
    Point::new(3.0, 4.0, 2.0) + Vector::from_fn(|_, _| rng.random_range(-range..range))
}

#[test]
fn derivative_agrees_with_central_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let data = noise(&mut rng, SHAPE.iter().product());
    let field = Field { data: &data, shape: SHAPE };
    for n in 0..200 {
        // Half of the rays begin or end inside the volume.
        let (s, e) = (point(&mut rng, if n % 2 == 0 { 30.0 } else { 4.0 }), point(&mut rng, 8.0));
        for (projector, clip) in PROJECTORS.into_iter().flat_map(|p| [(p, true), (p, false)]) {
            let sample = trace(&field, projector, &s, &e, clip);
            for a in 0..3 {
                let h = 1e-7;
                let mut shift = Vector::zeros();
                shift[a] = h;
                let at = |ds: f64, de: f64| trace(&field, projector, &(s + shift * ds), &(e + shift * de), clip).mean;
                let by_start = (at(1.0, 0.0) - at(-1.0, 0.0)) / (2.0 * h);
                let by_end = (at(0.0, 1.0) - at(0.0, -1.0)) / (2.0 * h);
                let close = |x: f64, y: f64| (x - y).abs() < 2e-6 * (1.0 + x.abs());
                assert!(close(sample.by_start[a], by_start), "{projector:?} {clip} {n} {a}: {sample:?} {by_start}");
                assert!(close(sample.by_end[a], by_end), "{projector:?} {clip} {n} {a}: {sample:?} {by_end}");
            }
        }
    }
}

/// The remainder of the first-order expansion in the pose falls with the square of the step.
#[test]
fn taylor_remainder_in_the_pose_is_of_second_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let shape = [12, 10, 8];
    let axes =
        *Rotation3::from_euler_angles(0.2, -0.4, 0.7).matrix() * Matrix3::from_diagonal(&Vector::new(1.0, 1.5, 2.0));
    let grid = Grid::new(shape, Point::new(-8.0, -5.0, -9.0), axes).unwrap();
    let data = noise(&mut rng, grid.len());
    let field = Field { data: &data, shape };
    let pose = se3::exp(&Twist::new(2.0, -1.0, 3.0, 0.3, 0.2, -0.5));
    let middle = pose * grid.centre();
    for projector in PROJECTORS {
        for _ in 0..20 {
            let jitter = Vector::from_fn(|_, _| rng.random_range(-4.0..4.0));
            let (s, e) =
                (middle + Vector::new(-90.0, 35.0, 20.0) + jitter, middle + Vector::new(60.0, -20.0, -15.0) - jitter);
            let value = |pose: &Rigid| {
                let frame = IndexFrame::new(&grid, pose);
                let sample = trace(&field, projector, &frame.index(&s), &frame.index(&e), true);
                (sample.mean * (e - s).norm(), frame.pose_derivative(&s, &e, &sample))
            };
            let (here, derivative) = value(&pose);
            let xi = Twist::from_fn(|n, _| rng.random_range(-1.0..1.0) * if n < 3 { 1.0 } else { 0.02 });
            let remainder = |h: f64| (value(&(se3::exp(&(xi * h)) * pose)).0 - here - h * derivative.dot(&xi)).abs();
            // Small enough that no crossing changes its order; large enough above rounding.
            let (coarse, fine) = (remainder(4e-6), remainder(1e-6));
            assert!(fine < 1e-9 && (coarse < 1e-10 || fine < 0.1 * coarse), "{projector:?}: {coarse:e} {fine:e}");
        }
    }
}

#[test]
fn a_box_gives_its_chord() {
    let data = vec![2.0f32; SHAPE.iter().product()];
    let field = Field { data: &data, shape: SHAPE };
    let through = |s, e, clip| siddon(&field, &s, &e, clip).mean;
    let (s, e) = (Point::new(-20.0, 4.0, 2.0), Point::new(20.0, 4.0, 2.0));
    assert!((through(s, e, true) - 2.0 * 7.0 / 40.0).abs() < 1e-14);
    assert!((joseph(&field, &s, &e, true).mean - 2.0 * 7.0 / 40.0).abs() < 1e-14);
    // The diagonal through the middle, from outside: leaves by the shortest axis.
    let (s, e) = (Point::new(-7.0, -6.0, -8.0), Point::new(13.0, 14.0, 12.0));
    assert!((through(s, e, true) - 2.0 * 5.0 / 20.0).abs() < 1e-14);
    // Begins inside, ends inside, lies behind.
    let (s, e) = (Point::new(3.0, 4.0, 2.0), Point::new(23.0, 4.0, 2.0));
    assert!((through(s, e, true) - 2.0 * 3.5 / 20.0).abs() < 1e-14);
    assert!((through(s, e, false) - 2.0 * 7.0 / 20.0).abs() < 1e-14);
    assert_eq!(through(Point::new(9.0, 4.0, 2.0), Point::new(23.0, 4.0, 2.0), true), 0.0);
    assert!((through(Point::new(9.0, 4.0, 2.0), Point::new(23.0, 4.0, 2.0), false) - 1.0).abs() < 1e-14);
    assert!((through(Point::new(3.0, 4.0, 2.0), Point::new(5.0, 5.0, 2.0), true) - 2.0).abs() < 1e-14);
    // In the plane between two voxels, in the lower and in the upper face.
    let along = |y: f64| through(Point::new(-20.0, y, 2.0), Point::new(20.0, y, 2.0), true);
    assert!((along(3.5) - 0.35).abs() < 1e-14 && (along(-0.5) - 0.35).abs() < 1e-14 && along(8.5) == 0.0);
}

#[test]
fn a_sphere_converges_to_its_chord() {
    let error = |n: usize| {
        let radius = 0.4 * n as f64;
        let centre = 0.5 * (n as f64 - 1.0);
        let data: Vec<f32> = (0..n * n * n)
            .map(|v| {
                let at = [v % n, v / n % n, v / n / n].map(|i| i as f64 - centre);
                let distance = at.iter().map(|x| x * x).sum::<f64>().sqrt();
                (radius - distance + 0.5).clamp(0.0, 1.0) as f32
            })
            .collect();
        let field = Field { data: &data, shape: [n; 3] };
        let scale = 1.0 / n as f64;
        let mut worst = [0.0f64; 3];
        for offset in [0.0, 0.1, 0.23, 0.31] {
            let aim = Point::from(Vector::repeat(centre)) + Vector::new(0.0, offset, 0.0) * n as f64;
            let reach = Vector::new(1.3, 0.0, 0.9) * n as f64;
            let (s, e) = (aim - reach, aim + reach);
            let length = (e - s).norm() * scale;
            let exact = 2.0 * (0.4f64 * 0.4 - offset * offset).sqrt();
            for (p, projector) in PROJECTORS.iter().take(3).enumerate() {
                let projector = match *projector {
                    Projector::Trilinear { span, .. } => Projector::Trilinear { samples: 6 * n, span },
                    other => other,
                };
                worst[p] = worst[p].max((trace(&field, projector, &s, &e, true).mean * length - exact).abs());
            }
        }
        worst
    };
    let (coarse, fine) = (error(16), error(64));
    for p in 0..3 {
        assert!(fine[p] < 0.4 * coarse[p] && fine[p] < 0.012, "{coarse:?} {fine:?}");
    }
}

/// Moving the ray by whole voxels is moving the volume back.
#[test]
fn shift_of_ray_and_volume_cancel() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let data = noise(&mut rng, SHAPE.iter().product());
    let field = Field { data: &data, shape: SHAPE };
    let wide = [SHAPE[0] + 3, SHAPE[1] + 2, SHAPE[2] + 1];
    let mut moved = vec![0.0f32; wide.iter().product()];
    for k in 0..SHAPE[2] {
        for j in 0..SHAPE[1] {
            for i in 0..SHAPE[0] {
                moved[i + 3 + wide[0] * (j + 2 + wide[1] * (k + 1))] = data[i + SHAPE[0] * (j + SHAPE[1] * k)];
            }
        }
    }
    let moved = Field { data: &moved, shape: wide };
    let shift = Vector::new(3.0, 2.0, 1.0);
    for _ in 0..100 {
        let (s, e) = (point(&mut rng, 20.0), point(&mut rng, 9.0));
        for projector in [Projector::Siddon, Projector::Joseph, PROJECTORS[3]] {
            let (a, b) =
                (trace(&field, projector, &s, &e, true), trace(&moved, projector, &(s + shift), &(e + shift), true));
            assert!((a.mean - b.mean).abs() < 1e-12, "{projector:?}");
            for n in 0..3 {
                assert!((a.by_start[n] - b.by_start[n]).abs() < 1e-10 && (a.by_end[n] - b.by_end[n]).abs() < 1e-10);
            }
        }
    }
}
