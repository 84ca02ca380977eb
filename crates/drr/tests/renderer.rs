//! What the renderer promises beyond single rays: the ways to ask for the same pixels agree, bit for bit.

use regiscope_drr::{DrrError, Projector, Renderer, Settings, Span};
use regiscope_geometry::{Grid, Point, Rigid, Source, Twist, Vector, View, se3};
use regiscope_image::Volume;

const PROJECTORS: [Projector; 3] =
    [Projector::Siddon, Projector::Joseph, Projector::Trilinear { samples: 80, span: Span::Ray }];

fn volume() -> Volume<f32> {
    let grid = Grid::centred([40, 36, 20], [1.0, 1.1, 2.0]).unwrap();
    let data = (0..grid.len()).map(|n| (n * 7919 % 101) as f32 * 4e-4).collect();
    Volume::new(grid, data)
}

/// Looks along y, or along x.
fn view(along_x: bool) -> View {
    let (beam, across) = if along_x { (Vector::x(), -Vector::y()) } else { (Vector::y(), Vector::x()) };
    let pixel0 = Point::origin() + beam * 120.0 - across * 40.0 + Vector::z() * 33.0;
    View::new(Source::Point(Point::origin() - beam * 300.0), pixel0, across * 2.5, Vector::z() * -2.2, 31, 33).unwrap()
}

fn renderer(projector: Projector) -> Renderer {
    Renderer::new(volume(), Settings { projector, clip: true }).unwrap()
}

fn pose(n: usize) -> Rigid {
    se3::exp(&Twist::new(1.0, -2.0, 0.5, 0.05, 0.3 * n as f64, -0.1))
}

#[test]
fn listed_pixels_batches_and_views_are_the_same_pixels() {
    for projector in PROJECTORS {
        let (renderer, view) = (renderer(projector), view(false));
        let (image, jacobian) = renderer.render_with_jacobian(&view, &pose(1));
        let listed: Vec<u32> = (0..view.pixels() as u32).rev().step_by(7).collect();
        let (values, rows) = renderer.render_pixels_with_jacobian(&view, &pose(1), &listed);
        assert_eq!(values, renderer.render_pixels(&view, &pose(1), &listed));
        for (n, &p) in listed.iter().enumerate() {
            assert_eq!((values[n], rows[n]), (image.data()[p as usize], jacobian[p as usize]));
        }
        let batch = renderer.render_batch(&view, &[pose(0), pose(1), pose(2)]);
        assert_eq!(batch[1], image);
        let views = renderer.render_views(&[(view.clone(), pose(2)), (self::view(true), pose(0))]);
        assert_eq!(views[0], batch[2]);
        assert_eq!(views[1], renderer.render(&self::view(true), &pose(0)));
    }
}

#[test]
fn gradient_is_the_weighted_sum_of_jacobian_rows() {
    for projector in PROJECTORS {
        let (renderer, view) = (renderer(projector), view(false));
        let (image, jacobian) = renderer.render_with_jacobian(&view, &pose(1));
        let weight = |p: usize| if p.is_multiple_of(3) { 0.0 } else { (p % 11) as f32 - 4.0 };
        let (same, gradient) =
            renderer.pose_gradient(&view, &pose(1), |image| (0..image.data().len()).map(weight).collect());
        assert_eq!(same, image);
        for n in 0..6 {
            let terms = jacobian.iter().enumerate().map(|(p, row)| f64::from(row[n]) * f64::from(weight(p)));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
            assert!((gradient[n] - sum).abs() < 1e-6 * size && size > 0.0, "{projector:?} {n}");
        }
    }
}

/// Neither the number of threads nor what was rendered before changes a bit.
#[test]
fn threads_and_history_leave_no_trace() {
    for projector in PROJECTORS {
        let fresh = renderer(projector);
        let expected = fresh.render_with_jacobian(&view(false), &pose(1));
        let gradient = fresh.pose_gradient(&view(false), &pose(1), |image| image.data().to_vec()).1;
        for threads in [1, 2, 4] {
            let used = renderer(projector);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                // The first view looks along another axis, so the volume is held differently.
                used.render(&view(true), &pose(0));
                assert_eq!(used.render_with_jacobian(&view(false), &pose(1)), expected, "{projector:?} {threads}");
                let found = used.pose_gradient(&view(false), &pose(1), |image| image.data().to_vec()).1;
                assert_eq!(found, gradient, "{projector:?} {threads}");
            });
        }
    }
}

#[test]
fn broken_volumes_and_settings_are_refused() {
    let (grid, mut data) = volume().into_parts();
    data[41] = f32::NAN;
    data[50] = f32::INFINITY;
    let refused = Renderer::new(Volume::new(grid, data), Settings::default()).err();
    assert_eq!(refused, Some(DrrError::NotFinite { count: 2, first: [1, 1, 0] }));
    let refused = |projector| Renderer::new(volume(), Settings { projector, clip: true }).err();
    let span = Span::Fixed([0.5, 0.5]);
    assert_eq!(refused(Projector::Trilinear { samples: 9, span }), Some(DrrError::BadSpan([0.5, 0.5])));
    assert_eq!(refused(Projector::Trilinear { samples: 1, span: Span::Ray }), Some(DrrError::TooFewSamples(1)));
}

#[test]
fn empty_and_huge_values_are_rendered() {
    let (grid, data) = volume().into_parts();
    for projector in PROJECTORS {
        let scaled = |factor: f32| {
            let data = data.iter().map(|v| v * factor).collect();
            Renderer::new(Volume::new(grid.clone(), data), Settings { projector, clip: true }).unwrap()
        };
        assert!(scaled(0.0).render(&view(false), &pose(1)).data().iter().all(|&v| v == 0.0));
        let (one, many) = (scaled(1.0).render(&view(false), &pose(1)), scaled(-1e9).render(&view(false), &pose(1)));
        for (a, b) in one.data().iter().zip(many.data()) {
            assert!((f64::from(*a) + f64::from(*b) * 1e-9).abs() < 1e-6, "{projector:?}");
        }
    }
}
