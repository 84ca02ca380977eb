//! The fast forms agree with the plain ones on one table of cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_drr::jacobian::{IndexFrame, RaySample};
use regiscope_drr::reference::{Field, March, joseph, siddon, trilinear};
use regiscope_drr::{Projector, Renderer, Settings, Span};
use regiscope_geometry::nalgebra::{Matrix3, Rotation3};
use regiscope_geometry::{Grid, Point, Rigid, Source, Twist, Vector, View, se3};
use regiscope_image::Volume;

struct Case {
    name: &'static str,
    shape: [usize; 3],
    spacing: [f64; 3],
    /// Rotation of the grid's axes (Euler angles, rad).
    tilt: [f64; 3],
    /// Source to the middle of the volume and the middle to the detector, mm; the source may be inside.
    distances: [f64; 2],
    /// Direction of the central ray.
    beam: [f64; 3],
    parallel: bool,
    /// Pixel pitch, mm.
    pitch: f64,
    /// Voxels outside the middle half along each axis are air.
    air: bool,
}

const BASE: Case = Case {
    name: "",
    shape: [24, 20, 16],
    spacing: [1.0, 1.0, 1.0],
    tilt: [0.0; 3],
    distances: [200.0, 100.0],
    beam: [0.0, 1.0, 0.0],
    parallel: false,
    pitch: 3.1,
    air: false,
};

fn cases() -> Vec<Case> {
    vec![
        Case { name: "along x", beam: [1.0, 0.03, 0.02], ..BASE },
        Case { name: "along y", ..BASE },
        Case { name: "along z", beam: [0.02, 0.01, -1.0], ..BASE },
        Case { name: "exactly along an axis, parallel", parallel: true, pitch: 1.0, ..BASE },
        Case { name: "exactly diagonal", beam: [1.0, 1.0, 0.0], parallel: true, pitch: 0.5, ..BASE },
        Case { name: "exactly along the space diagonal", beam: [1.0, -1.0, 1.0], ..BASE },
        Case { name: "oblique", beam: [0.7, 0.69, 0.1], ..BASE },
        Case { name: "oblique grid, anisotropic", spacing: [0.7, 1.1, 2.5], tilt: [0.3, -0.5, 0.9], ..BASE },
        Case { name: "longer than a batch", shape: [70, 9, 50], beam: [0.8, 0.3, 0.6], pitch: 4.0, ..BASE },
        Case { name: "source inside", distances: [2.0, 60.0], ..BASE },
        Case { name: "detector inside", distances: [150.0, 3.0], pitch: 1.0, ..BASE },
        Case { name: "wide fan from inside", distances: [3.0, 4.0], pitch: 8.0, ..BASE },
        Case { name: "volume behind the detector", distances: [120.0, -40.0], ..BASE },
        Case { name: "mostly past the volume", pitch: 20.0, ..BASE },
        Case { name: "one voxel along x", shape: [1, 20, 16], beam: [0.6, 0.5, 0.4], ..BASE },
        Case { name: "one voxel along y", shape: [24, 1, 16], ..BASE },
        Case { name: "one voxel along z", shape: [24, 20, 1], beam: [0.5, 1.0, 0.2], ..BASE },
        Case { name: "one voxel", shape: [1, 1, 1], pitch: 0.2, ..BASE },
        Case { name: "air around", air: true, beam: [0.4, 0.9, 0.3], ..BASE },
        Case { name: "air around, source inside", air: true, distances: [1.0, 30.0], ..BASE },
    ]
}

const SIDE: usize = 13;

fn setting(case: &Case, rng: &mut ChaCha8Rng) -> (Volume<f32>, View, Rigid) {
    let rotation = *Rotation3::from_euler_angles(case.tilt[0], case.tilt[1], case.tilt[2]).matrix();
    let axes = rotation * Matrix3::from_diagonal(&Vector::from(case.spacing));
    let middle = Vector::from_fn(|a, _| 0.5 * (case.shape[a] as f64 - 1.0));
    let grid = Grid::new(case.shape, Point::from(-(axes * middle)), axes).unwrap();
    let data = (0..grid.len())
        .map(|n| {
            let at = [n % case.shape[0], n / case.shape[0] % case.shape[1], n / case.shape[0] / case.shape[1]];
            let outside = (0..3).any(|a| 4 * at[a] < case.shape[a] || 4 * at[a] > 3 * case.shape[a]);
            if case.air && outside { 0.0 } else { rng.random_range(0.0..0.05f32) }
        })
        .collect();
    let beam = Vector::from(case.beam).normalize();
    let aside = if beam.x.abs() > 0.9 { Vector::y() } else { Vector::x() };
    let (col, row) = (beam.cross(&aside).normalize(), beam.cross(&beam.cross(&aside)).normalize());
    let reach = 0.5 * (SIDE as f64 - 1.0) * case.pitch;
    let pixel0 = Point::origin() + beam * case.distances[1] - (col + row) * reach;
    let source = if case.parallel {
        Source::Parallel(beam * (case.distances[0] + case.distances[1]))
    } else {
        Source::Point(Point::origin() - beam * case.distances[0])
    };
    let view = View::new(source, pixel0, col * case.pitch, row * case.pitch, SIDE, SIDE).unwrap();
    // Exact directions stay exact; other cases get a pose of their own.
    let pose = if case.name.starts_with("exactly") {
        Rigid::identity()
    } else {
        se3::exp(&Twist::from_fn(|n, _| rng.random_range(-1.0..1.0) * if n < 3 { 1.0 } else { 0.05 }))
    };
    (Volume::new(grid, data), view, pose)
}

fn plain(field: &Field, settings: Settings, s: &Point, e: &Point) -> RaySample {
    match settings.projector {
        Projector::Siddon => siddon(field, s, e, settings.clip),
        Projector::Joseph => joseph(field, s, e, settings.clip),
        Projector::Trilinear { samples, span } => {
            trilinear(field, &March::new(field.shape, samples, span, settings.clip), s, e)
        }
    }
}

/// Compares value and pose derivative of every pixel; the latter not where rays run exactly along edges between
/// voxels, because there it does not exist.
fn compare(projector: Projector, tolerance: f64, slope_tolerance: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for case in cases() {
        let (volume, view, pose) = setting(&case, &mut rng);
        for clip in [true, false] {
            let settings = Settings { projector, clip };
            let frame = IndexFrame::new(volume.grid(), &pose);
            let field = Field { data: volume.data(), shape: case.shape };
            let renderer = Renderer::new(volume.clone(), settings).unwrap();
            let (image, jacobian) = renderer.render_with_jacobian(&view, &pose);
            assert_eq!(renderer.render(&view, &pose), image, "{}: values with and without derivative", case.name);
            let mut lit = 0;
            for (p, found) in jacobian.iter().enumerate() {
                let (start, end) = view.ray((p / SIDE) as f64, (p % SIDE) as f64);
                let sample = plain(&field, settings, &frame.index(&start), &frame.index(&end));
                let expected = sample.mean * (end - start).norm();
                let error = (f64::from(image.data()[p]) - expected).abs();
                assert!(error < tolerance, "{} clip {clip} pixel {p}: {} {expected}", case.name, image.data()[p]);
                lit += usize::from(expected > 0.0);
                if case.name.starts_with("exactly") {
                    continue;
                }
                let row = frame.pose_derivative(&start, &end, &sample);
                for n in 0..6 {
                    let error = (f64::from(found[n]) - row[n]).abs() / (1.0 + row[n].abs());
                    let message = || format!("{} clip {clip} pixel {p}: {found:?} {row:?}", case.name);
                    assert!(error < slope_tolerance, "{}", message());
                }
            }
            if !matches!(projector, Projector::Trilinear { span: Span::Fixed(_), .. }) {
                assert!((lit > 0) != (clip && case.name == "volume behind the detector"), "{}: {lit}", case.name);
            }
        }
    }
}

#[test]
fn siddon_agrees_with_its_plain_form() {
    compare(Projector::Siddon, 2e-6, 2e-5);
}

#[test]
fn joseph_agrees_with_its_plain_form() {
    compare(Projector::Joseph, 2e-6, 2e-5);
}

#[test]
fn trilinear_agrees_with_its_plain_form() {
    compare(Projector::Trilinear { samples: 120, span: Span::Ray }, 2e-6, 2e-5);
    compare(Projector::Trilinear { samples: 75, span: Span::Fixed([0.2, 0.9]) }, 2e-6, 2e-5);
}
