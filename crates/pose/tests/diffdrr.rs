//! Similarities and their gradients by the pose against those of DiffDRR 0.6.1 (automatic differentiation in double
//! precision) on a real chest CT, where its stored values lie beside the checkout: normalised cross-correlation, its mean
//! with the local form of 9 × 9 windows, and the gradient form with σ = 1.

use regiscope_drr::{Projector, Renderer, Settings};
use regiscope_geometry::nalgebra::{Matrix3, Rotation3};
use regiscope_geometry::{Grid, Point, Rigid, Source, Twist, Vector, View, se3};
use regiscope_image::Volume;
use regiscope_pose::Similarity;
use regiscope_pose::similarity::compare;
use std::path::{Path, PathBuf};

const SIDE: usize = 128;

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/drr"));
    if !folder.is_dir() {
        println!("skipped: the reference values of DiffDRR are not beside the checkout ({})", folder.display());
        return None;
    }
    Some(folder)
}

/// Numbers after the header of a little-endian `.npy` file (format 1.0).
fn numbers<const N: usize>(file: &Path, parse: fn([u8; N]) -> f64) -> Vec<f64> {
    let bytes = std::fs::read(file).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + length..].chunks_exact(N).map(|b| parse(b.try_into().unwrap())).collect()
}

/// 128 × 128 × 133 voxels, stored z-fastest.
fn volume(folder: &Path) -> Volume<f32> {
    let density = numbers::<4>(&folder.join("volB_density_f32.npy"), |b| f64::from(f32::from_le_bytes(b)));
    let affine = numbers::<8>(&folder.join("volB_affine_f64.npy"), f64::from_le_bytes);
    let axes = Matrix3::from_fn(|r, c| affine[4 * r + c]);
    let grid = Grid::new([128, 128, 133], Point::new(affine[3], affine[7], affine[11]), axes).unwrap();
    let mut data = vec![0.0f32; grid.len()];
    for (n, v) in density.iter().enumerate() {
        data[grid.offset([n / (128 * 133), n / 133 % 128, n % 133])] = *v as f32;
    }
    Volume::new(grid, data)
}

/// DiffDRR's camera and the twists by which its angles (z, x, y) and translations (x, y, z) move it in the world:
/// `world_from_camera = [R | R t] · reorient` with `R = Rz Rx Ry`.
fn camera(angles_zxy_deg: [f64; 3], t: [f64; 3]) -> (View, [Twist; 6]) {
    let turn = |axis: Vector, deg: f64| *Rotation3::from_scaled_axis(axis * deg.to_radians()).matrix();
    let [z, x, y] = angles_zxy_deg;
    let (rz, rx, ry) = (turn(Vector::z(), z), turn(Vector::x(), x), turn(Vector::y(), y));
    let rotation = rz * rx * ry;
    let axes = rotation * Matrix3::new(1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0);
    let source = Point::from(rotation * Vector::from(t));
    let pixel0 = source + axes * Vector::new(190.5, 190.5, 1020.0);
    let (col_step, row_step) = (axes * Vector::new(-3.0, 0.0, 0.0), axes * Vector::new(0.0, -3.0, 0.0));
    let view = View::new(Source::Point(source), pixel0, col_step, row_step, SIDE, SIDE).unwrap();
    let zero = Vector::zeros();
    let turns = [Vector::z(), rz * Vector::x(), rz * rx * Vector::y()].map(|axis| se3::join(&zero, &axis));
    let moves = [0, 1, 2].map(|a| se3::join(&rotation.column(a).into_owned(), &zero));
    (view, [turns[0], turns[1], turns[2], moves[0], moves[1], moves[2]])
}

#[test]
fn values_and_gradients_agree() {
    let Some(folder) = folder() else { return };
    let renderer = Renderer::new(volume(&folder), Settings { projector: Projector::Siddon, clip: false }).unwrap();
    let stored = std::fs::read_to_string(folder.join("ncc_gradients_volB.json")).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    // Fixed and moving angles (ZXY, degrees) and translations (mm), as listed in the references' description.
    let pairs = [
        ("pair0_cran20", ([10.0, 20.0, -5.0], [15.0, 820.0, -25.0]), ([14.0, 16.0, -2.0], [22.0, 812.0, -18.0])),
        ("pair1_oblique", ([45.0, 0.0, 0.0], [0.0, 850.0, 0.0]), ([50.0, -4.0, 3.0], [-10.0, 865.0, 12.0])),
    ];
    let kinds: [(&str, &[(f64, Similarity)]); 3] = [
        ("ncc", &[(1.0, Similarity::Ncc)]),
        ("mncc_None9", &[(0.5, Similarity::Ncc), (0.5, Similarity::LocalNcc { patch: 9 })]),
        ("gncc_sig1", &[(1.0, Similarity::GradientNcc { sigma: 1.0 })]),
    ];
    for (pair, fixed, moving) in pairs {
        let fixed = renderer.render(&camera(fixed.0, fixed.1).0, &Rigid::identity());
        let (view, twists) = camera(moving.0, moving.1);
        let (image, jacobian) = renderer.render_with_jacobian(&view, &Rigid::identity());
        for (kind, terms) in kinds {
            let (mut value, mut gradient) = (0.0, Twist::zeros());
            for &(share, similarity) in terms {
                let compare = compare(similarity, &fixed, None, 1.0, 0).unwrap();
                let model = compare.quadratic(image.data(), &jacobian);
                value += share * model.value;
                gradient += model.gradient * share;
            }
            let entry = &stored[format!("{pair}_siddon_float64_{kind}")];
            let list =
                |key: &str| entry[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
            let expected = [list("d_rot_ZXY_per_rad"), list("d_xyz_per_mm")].concat();
            let error = (value - entry["value"].as_f64().unwrap()).abs();
            println!("{pair} {kind}: value differs by {error:.1e}");
            assert!(error < 2e-6, "{pair} {kind}: {value}");
            for part in [0..3, 3..6] {
                let scale = expected[part.clone()].iter().map(|v| v * v).sum::<f64>().sqrt();
                for n in part {
                    // A motion of the camera is the opposite motion of the volume.
                    let relative = (-gradient.dot(&twists[n]) - expected[n]).abs() / scale;
                    println!("{pair} {kind}: component {n} differs by {relative:.1e}");
                    assert!(relative < 2e-3, "{pair} {kind}: component {n} {relative:e}");
                }
            }
        }
    }
}
