//! Agreement with DiffDRR 0.6.1 (V. Gopalakrishnan, P. Golland, "Fast auto-differentiable digitally reconstructed
//! radiographs", 2022) on a real chest CT, where its rendered images lie beside the checkout.
//!
//! Its Siddon is not clipped to the segment from source to detector. Its trilinear marching uses one range of the
//! ray parameter for all rays of a patch (1024 pixels, that is 8 rows), from planes `−½` and `n + ½`.

mod npy;

use regiscope_drr::{Projector, Renderer, Settings, Span};
use regiscope_geometry::nalgebra::{Matrix3, Matrix4, Rotation3};
use regiscope_geometry::{Grid, Point, Rigid, Source, Twist, Vector, View, se3};
use regiscope_image::{Image, Volume};
use std::path::PathBuf;

const CASES: [&str; 4] = ["ap", "pa", "lateral", "cran20"];
const SIDE: usize = 128;
const PIXELS: usize = SIDE * SIDE;
const SAMPLES: usize = 500;

/// The folder of reference files, if it is there.
fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/drr"));
    if !folder.is_dir() {
        println!("skipped: the reference images of DiffDRR are not beside the checkout ({})", folder.display());
        return None;
    }
    Some(folder)
}

fn volume(folder: &std::path::Path) -> Volume<f32> {
    let density = npy::parse(&std::fs::read(folder.join("volB_density_f32.npy")).unwrap());
    let affine = npy::parse(&std::fs::read(folder.join("volB_affine_f64.npy")).unwrap()).values;
    let affine = Matrix4::from_row_slice(&affine);
    let [nx, ny, nz] = density.shape[..] else { panic!("a volume has three axes") };
    let axes: Matrix3<f64> = affine.fixed_view::<3, 3>(0, 0).into_owned();
    let grid = Grid::new([nx, ny, nz], Point::new(affine[(0, 3)], affine[(1, 3)], affine[(2, 3)]), axes).unwrap();
    let mut data = vec![0.0f32; grid.len()];
    for (n, v) in density.values.iter().enumerate() {
        data[grid.offset([n / (ny * nz), n / nz % ny, n % nz])] = *v as f32;
    }
    Volume::new(grid, data)
}

fn view_of(folder: &std::path::Path, case: &str) -> View {
    let file = folder.join(format!("drr_volB_{case}.npz"));
    let source = npy::from_npz(&file, "source_world").values;
    let target = npy::from_npz(&file, "target_world").values;
    let target = |n: usize| Point::new(target[3 * n], target[3 * n + 1], target[3 * n + 2]);
    let last = target(PIXELS - 1) - target(0);
    let corner = target(SIDE - 1) - target(0);
    let steps = (SIDE - 1) as f64;
    let source = Source::Point(Point::new(source[0], source[1], source[2]));
    View::new(source, target(0), corner / steps, (last - corner) / steps, SIDE, SIDE).unwrap()
}

fn worst(image: &Image<f32>, reference: &[f64]) -> f64 {
    assert_eq!(image.data().len(), reference.len());
    image.data().iter().zip(reference).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max)
}

fn renderer(volume: Volume<f32>, projector: Projector, clip: bool) -> Renderer {
    Renderer::new(volume, Settings { projector, clip }).unwrap()
}

#[test]
fn siddon_agrees() {
    let Some(folder) = folder() else { return };
    let renderer = renderer(volume(&folder), Projector::Siddon, false);
    for case in CASES {
        let image = renderer.render(&view_of(&folder, case), &Rigid::identity());
        for (key, tolerance) in [("siddon", 2e-3), ("siddon_f64", 6e-4)] {
            let reference = npy::from_npz(&folder.join(format!("drr_volB_{case}.npz")), key).values;
            let error = worst(&image, &reference);
            println!("{case} {key}: max |difference| {error:.2e}");
            assert!(error < tolerance, "{case} {key}: {error:e}");
        }
    }
}

#[test]
fn trilinear_agrees_with_one_range_for_all_rays() {
    let Some(folder) = folder() else { return };
    let volume = volume(&folder);
    for case in CASES {
        let file = folder.join(format!("drr_volB_{case}.npz"));
        let range = npy::from_npz(&file, "alpha_global").values;
        let span = Span::Fixed([range[0], range[1]]);
        let renderer = renderer(volume.clone(), Projector::Trilinear { samples: SAMPLES, span }, true);
        let image = renderer.render(&view_of(&folder, case), &Rigid::identity());
        for (key, tolerance) in [("trilinear_nopatch", 3e-4), ("trilinear_nopatch_f64", 1e-4)] {
            let error = worst(&image, &npy::from_npz(&file, key).values);
            println!("{case} {key}: max |difference| {error:.2e}");
            assert!(error < tolerance, "{case} {key}: {error:e}");
        }
    }
}

/// DiffDRR's range of the ray parameter over a set of pixels: from the first entry to the last exit of any ray of
/// the box whose upper planes lie one voxel too far.
fn patch_range(grid: &Grid, view: &View, pixels: std::ops::Range<usize>) -> [f64; 2] {
    pixels.fold([f64::INFINITY, f64::NEG_INFINITY], |range, p| {
        let (start, end) = view.ray((p / SIDE) as f64, (p % SIDE) as f64);
        let (s, e) = (grid.index_from_world(&start), grid.index_from_world(&end));
        let (mut enter, mut leave) = (f64::NEG_INFINITY, f64::INFINITY);
        for a in 0..3 {
            let crossing = |plane: f64| (plane - s[a]) / (e[a] - s[a] + 1e-8);
            let (low, high) = (crossing(-0.5), crossing(grid.shape()[a] as f64 + 0.5));
            enter = enter.max(low.min(high));
            leave = leave.min(low.max(high));
        }
        [range[0].min(enter.max(0.0)), range[1].max(leave.min(1.0))]
    })
}

#[test]
fn trilinear_agrees_with_a_range_for_each_patch() {
    let Some(folder) = folder() else { return };
    let volume = volume(&folder);
    for case in CASES {
        let file = folder.join(format!("drr_volB_{case}.npz"));
        let view = view_of(&folder, case);
        let mut values = Vec::new();
        for patch in 0..PIXELS / 1024 {
            let pixels = 1024 * patch..1024 * (patch + 1);
            let span = Span::Fixed(patch_range(volume.grid(), &view, pixels.clone()));
            let renderer = renderer(volume.clone(), Projector::Trilinear { samples: SAMPLES, span }, true);
            let listed: Vec<u32> = pixels.map(|p| p as u32).collect();
            values.extend(renderer.render_pixels(&view, &Rigid::identity(), &listed));
        }
        let image = Image::new(SIDE, SIDE, values);
        for (key, tolerance) in [("trilinear", 3e-4), ("trilinear_f64", 1e-4)] {
            let error = worst(&image, &npy::from_npz(&file, key).values);
            println!("{case} {key}: max |difference| {error:.2e}");
            assert!(error < tolerance, "{case} {key}: {error:e}");
        }
    }
}

/// DiffDRR's camera: `world_from_camera = [R | R t] · reorient` with `R = Rz Rx Ry`; the pixel in row `h`, column
/// `w` is at `(tx · 3, ty · 3, 1020)` mm of the camera. Returns the view and, for the angles z, x, y and the
/// translation x, y, z, the twist by which each moves the camera in the world.
fn camera(angles_zxy_deg: [f64; 3], t: [f64; 3]) -> (View, [Twist; 6]) {
    let [rz, rx, ry] = [Vector::z(), Vector::x(), Vector::y()]
        .iter()
        .zip(angles_zxy_deg)
        .map(|(axis, deg)| *Rotation3::from_scaled_axis(axis * deg.to_radians()).matrix())
        .collect::<Vec<_>>()[..]
    else {
        unreachable!()
    };
    let rotation = rz * rx * ry;
    let reorient = Matrix3::new(1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0);
    let source = Point::from(rotation * Vector::from(t));
    let axes = rotation * reorient;
    let first = (SIDE as f64) / 2.0 - 0.5;
    let pixel0 = source + axes * Vector::new(3.0 * first, 3.0 * first, 1020.0);
    let (col_step, row_step) = (axes * Vector::new(-3.0, 0.0, 0.0), axes * Vector::new(0.0, -3.0, 0.0));
    let view = View::new(Source::Point(source), pixel0, col_step, row_step, SIDE, SIDE).unwrap();
    let zero = Vector::zeros();
    let turns = [Vector::z(), rz * Vector::x(), rz * rx * Vector::y()].map(|axis| se3::join(&zero, &axis));
    let moves = [0, 1, 2].map(|a| se3::join(&rotation.column(a).into_owned(), &zero));
    (view, [turns[0], turns[1], turns[2], moves[0], moves[1], moves[2]])
}

/// Normalised cross-correlation as DiffDRR has it (variance plus 1e-5) and its derivative by the second image.
fn ncc(fixed: &Image<f32>, moving: &Image<f32>) -> (f64, Vec<f32>) {
    let n = fixed.data().len() as f64;
    let standard = |image: &Image<f32>| {
        let mean = image.data().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let var = image.data().iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n + 1e-5;
        (image.map(|&v| (f64::from(v) - mean) / var.sqrt()), var.sqrt())
    };
    let ((a, _), (b, sd)) = (standard(fixed), standard(moving));
    let score = a.data().iter().zip(b.data()).map(|(x, y)| x * y).sum::<f64>() / n;
    let weights = a.data().iter().zip(b.data()).map(|(x, y)| ((x - score * y) / (n * sd)) as f32).collect();
    (score, weights)
}

/// What DiffDRR's gradient contains beyond the derivative at a fixed range: the motion of the range with the camera
/// (in its global form it follows the rays that enter first and leave last), by central differences.
fn by_range(volume: &Volume<f32>, target: &Image<f32>, (angles, t): ([f64; 3], [f64; 3])) -> [f64; 6] {
    let view = camera(angles, t).0;
    let range = patch_range(volume.grid(), &view, 0..PIXELS);
    let score = |range: [f64; 2]| {
        let projector = Projector::Trilinear { samples: SAMPLES, span: Span::Fixed(range) };
        ncc(target, &renderer(volume.clone(), projector, true).render(&view, &Rigid::identity())).0
    };
    let h = 1e-5;
    let by_end = [
        (score([range[0] + h, range[1]]) - score([range[0] - h, range[1]])) / (2.0 * h),
        if range[1] < 1.0 {
            (score([range[0], range[1] + h]) - score([range[0], range[1] - h])) / (2.0 * h)
        } else {
            0.0
        },
    ];
    std::array::from_fn(|n| {
        let moved = |h: f64| {
            let (mut angles, mut t) = (angles, t);
            if n < 3 {
                angles[n] += h.to_degrees()
            } else {
                t[n - 3] += h
            }
            patch_range(volume.grid(), &camera(angles, t).0, 0..PIXELS)
        };
        let (up, down) = (moved(1e-6), moved(-1e-6));
        (0..2).map(|end| by_end[end] * (up[end] - down[end]) / 2e-6).sum()
    })
}

/// DiffDRR differentiates the range too. Without that term the trilinear gradient agrees to 1.1e-3, with it to 1e-4.
#[test]
fn ncc_gradients_agree() {
    let Some(folder) = folder() else { return };
    let volume = volume(&folder);
    let stored = std::fs::read_to_string(folder.join("ncc_gradients_volB.json")).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    // Fixed and moving angles (ZXY, degrees) and translations (mm), as listed in the references' description.
    let pairs = [
        ("pair0_cran20", ([10.0, 20.0, -5.0], [15.0, 820.0, -25.0]), ([14.0, 16.0, -2.0], [22.0, 812.0, -18.0])),
        ("pair1_oblique", ([45.0, 0.0, 0.0], [0.0, 850.0, 0.0]), ([50.0, -4.0, 3.0], [-10.0, 865.0, 12.0])),
    ];
    for (pair, fixed, moving) in pairs {
        let (fixed_view, _) = camera(fixed.0, fixed.1);
        let (view, twists) = camera(moving.0, moving.1);
        for kind in ["siddon", "trilinear"] {
            let projector = |view: &View| match kind {
                "siddon" => Projector::Siddon,
                _ => {
                    let span = Span::Fixed(patch_range(volume.grid(), view, 0..PIXELS));
                    Projector::Trilinear { samples: SAMPLES, span }
                }
            };
            let clip = kind == "trilinear";
            let make = |view: &View| renderer(volume.clone(), projector(view), clip);
            let target = make(&fixed_view).render(&fixed_view, &Rigid::identity());
            let mut score = 0.0;
            let (_, by_volume) = make(&view).pose_gradient(&view, &Rigid::identity(), |image| {
                let (value, weights) = ncc(&target, image);
                score = value;
                weights
            });
            let entry = &stored[format!("{pair}_{kind}_float64_ncc")];
            let value = entry["value"].as_f64().unwrap();
            assert!((score - value).abs() < 1e-6, "{pair} {kind}: {score} {value}");
            let numbers =
                |key: &str| entry[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
            let expected: Vec<f64> = [numbers("d_rot_ZXY_per_rad"), numbers("d_xyz_per_mm")].concat();
            let range_term = if clip { by_range(&volume, &target, moving) } else { [0.0; 6] };
            for part in [0..3, 3..6] {
                let scale = expected[part.clone()].iter().map(|v| v * v).sum::<f64>().sqrt();
                for n in part {
                    // A motion of the camera is the opposite motion of the volume.
                    let found = -by_volume.dot(&twists[n]);
                    let fixed_range = (found - expected[n]).abs() / scale;
                    let whole = (found + range_term[n] - expected[n]).abs() / scale;
                    println!("{pair} {kind} component {n}: {fixed_range:.1e} at a fixed range, {whole:.1e} in all");
                    assert!(
                        fixed_range < 2e-3 && whole < 2e-4,
                        "{pair} {kind} component {n}: {fixed_range:e} {whole:e}"
                    );
                }
            }
        }
    }
}
