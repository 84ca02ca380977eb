//! Where a NIfTI image lies: sform before qform before pixdim, as nibabel decides.

use super::header::Fields;
use crate::error::{ReadError, Warning};
use regiscope_geometry::nalgebra::{Matrix3, Matrix4};
use regiscope_geometry::{Grid, Point};
use std::path::Path;

/// Affine in the file's unit, the same place in mm, and what was doubtful.
pub(crate) struct Place {
    pub affine: Matrix4<f64>,
    pub grid: Grid,
}

/// Chooses the affine as nibabel's `get_best_affine` does and makes the grid (mm, LPS) from it.
pub(crate) fn place(
    path: &Path,
    fields: &Fields,
    shape: &[usize],
    warnings: &mut Vec<Warning>,
) -> Result<Place, ReadError> {
    let spatial: [usize; 3] = std::array::from_fn(|a| shape.get(a).copied().unwrap_or(1));
    let sform_code = valid_code("sform_code", fields.sform_code, warnings);
    let qform_code = valid_code("qform_code", fields.qform_code, warnings);
    let affine = if sform_code > 0 {
        sform(fields)
    } else if qform_code > 0 {
        qform(path, fields, &spatial, warnings)?.affine
    } else {
        warnings.push(Warning::new(
            "neither sform nor qform is set: the place is taken from pixdim, with the middle of the image at the \
             origin and the first axis running to the left, as nibabel does",
        ));
        base(path, fields, shape, warnings)?
    };
    let grid = Grid::from_ras_affine(spatial, &scaled(&affine, millimetres(fields.xyzt_units, warnings)))
        .map_err(|e| ReadError::grid(path, e))?;
    if sform_code > 0 && qform_code > 0 {
        compare_forms(path, fields, &spatial, &affine, warnings);
    }
    let shear = shear_degrees(grid.axes());
    if shear > 0.1 {
        warnings.push(Warning::new(format!("the affine is sheared: two axes are {shear:.2}° off a right angle")));
    }
    Ok(Place { affine, grid })
}

/// Millimetres in the file's unit of length.
fn millimetres(xyzt_units: i32, warnings: &mut Vec<Warning>) -> f64 {
    let (unit, factor) = match xyzt_units & 7 {
        1 => ("metres", 1000.0),
        2 => return 1.0,
        3 => ("micrometres", 0.001),
        0 => {
            warnings.push(Warning::new("the spatial unit is not stated (xyzt_units); millimetres are assumed"));
            return 1.0;
        }
        code => {
            let text = format!("the spatial unit has the unknown code {code} (xyzt_units); millimetres are assumed");
            warnings.push(Warning::new(text));
            return 1.0;
        }
    };
    warnings.push(Warning::new(format!("the spatial unit is {unit}; positions were converted to millimetres")));
    factor
}

/// Lengths of an affine multiplied by `factor`.
fn scaled(affine: &Matrix4<f64>, factor: f64) -> Matrix4<f64> {
    Matrix4::from_diagonal(&[factor, factor, factor, 1.0].into()) * affine
}

/// A form code; codes outside NIfTI's list count as 0, as in nibabel.
fn valid_code(name: &str, code: i32, warnings: &mut Vec<Warning>) -> i32 {
    if (0..=5).contains(&code) {
        return code;
    }
    warnings.push(Warning::new(format!("{name} is {code}, which NIfTI does not define; it is taken as not set")));
    0
}

fn sform(fields: &Fields) -> Matrix4<f64> {
    Matrix4::from_fn(|r, c| match r {
        3 => f64::from(u8::from(c == 3)),
        _ => fields.srow[r][c],
    })
}

/// A qform and how well its stored quaternion determines the rotation (rad).
struct Qform {
    affine: Matrix4<f64>,
    angle_tolerance: f64,
}

/// The affine of the qform: quaternion, pixdim and offset; pixdim[0] (qfac) −1 turns the third axis round.
fn qform(path: &Path, fields: &Fields, spatial: &[usize; 3], warnings: &mut Vec<Warning>) -> Result<Qform, ReadError> {
    let [b, c, d] = fields.quatern;
    let epsilon = if fields.version == 1 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let w2 = one_minus_squares([b, c, d]);
    let a = if w2.abs() < 3.0 * epsilon {
        0.0
    } else if w2 > 0.0 {
        w2.sqrt()
    } else if w2 > -1e-3 {
        warnings.push(Warning::new(format!(
            "the qform's quaternion is longer than 1 ({:.6}); it was normalised",
            1.0 - w2
        )));
        0.0
    } else {
        let found = format!("({b}, {c}, {d}), of squared length {}", 1.0 - w2);
        return Err(ReadError::field(path, "quatern_b, _c, _d", found, "a squared length of at most 1"));
    };
    let spacing = spacing(path, fields, spatial, warnings)?;
    let qfac = match fields.pixdim[0] {
        f if f == 1.0 || f == -1.0 => f,
        0.0 => 1.0,
        f => {
            warnings.push(Warning::new(format!("qfac (pixdim[0]) is {f}; 1 is assumed")));
            1.0
        }
    };
    let s = 2.0 / (a * a + b * b + c * c + d * d);
    #[rustfmt::skip]
    let rotation = Matrix3::new(
        1.0 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c),
        s * (b * c + a * d), 1.0 - s * (b * b + d * d), s * (c * d - a * b),
        s * (b * d - a * c), s * (c * d + a * b), 1.0 - s * (b * b + c * c),
    );
    let axes = rotation * Matrix3::from_diagonal(&[spacing[0], spacing[1], spacing[2] * qfac].into());
    let mut affine = Matrix4::identity();
    affine.fixed_view_mut::<3, 3>(0, 0).copy_from(&axes);
    for r in 0..3 {
        affine[(r, 3)] = fields.qoffset[r];
    }
    // The real part follows from the other three: an error ε in them is one of ε/a in it, at most √ε.
    let single = f64::from(f32::EPSILON);
    Ok(Qform { affine, angle_tolerance: 4.0 * (single / a.max(1e-9)).min(single.sqrt()) })
}

/// `1 − b² − c² − d²` with twofold working precision: near half turns almost everything cancels, and the root
/// of what is left enters the rotation. (T. Ogita, S. M. Rump, S. Oishi, SIAM J. Sci. Comput. 26, 2005, Dot2.)
fn one_minus_squares(bcd: [f64; 3]) -> f64 {
    let (mut sum, mut lost) = (1.0f64, 0.0f64);
    for v in bcd {
        let square = v * v;
        lost -= v.mul_add(v, -square);
        let next = sum - square;
        let back = next - sum;
        lost += (sum - (next - back)) + (-square - back);
        sum = next;
    }
    sum + lost
}

/// The affine nibabel falls back to: pixdim along the axes, first axis to the left, middle at the origin.
fn base(path: &Path, fields: &Fields, shape: &[usize], warnings: &mut Vec<Warning>) -> Result<Matrix4<f64>, ReadError> {
    let spatial: [usize; 3] = std::array::from_fn(|a| shape.get(a).copied().unwrap_or(1));
    let mut step = spacing(path, fields, &spatial, warnings)?;
    for missing in step.iter_mut().skip(shape.len()) {
        *missing = 1.0;
    }
    step[0] = -step[0];
    let mut affine = Matrix4::from_diagonal(&[step[0], step[1], step[2], 1.0].into());
    for a in 0..3 {
        affine[(a, 3)] = -0.5 * (spatial[a] as f64 - 1.0) * step[a];
    }
    Ok(affine)
}

/// pixdim[1..=3] as positive lengths. A negative one is taken without its sign, as nibabel does; zero is
/// accepted (as 1) only along an axis of extent 1.
fn spacing(
    path: &Path,
    fields: &Fields,
    spatial: &[usize; 3],
    warnings: &mut Vec<Warning>,
) -> Result<[f64; 3], ReadError> {
    let mut spacing = [1.0; 3];
    for a in 0..3 {
        let (n, found) = (a + 1, fields.pixdim[a + 1]);
        if !found.is_finite() || (found == 0.0 && spatial[a] > 1) {
            return Err(ReadError::field(path, format!("pixdim[{n}]"), found, "a spacing above 0"));
        }
        if found < 0.0 {
            warnings.push(Warning::new(format!("pixdim[{n}] is {found}; its sign is ignored")));
        }
        if found != 0.0 {
            spacing[a] = found.abs();
        }
    }
    Ok(spacing)
}

/// Warns if sform and qform put a corner of the image to places a tenth of a voxel apart.
fn compare_forms(
    path: &Path,
    fields: &Fields,
    spatial: &[usize; 3],
    sform: &Matrix4<f64>,
    warnings: &mut Vec<Warning>,
) {
    let qform = match qform(path, fields, spatial, &mut Vec::new()) {
        Ok(qform) => qform,
        Err(_) => {
            warnings.push(Warning::new("the qform is set but unusable; the sform is used"));
            return;
        }
    };
    let corner = |affine: &Matrix4<f64>, n: usize| {
        affine.transform_point(&Point::from(
            [0, 1, 2].map(|a| if n >> a & 1 == 0 { 0.0 } else { spatial[a] as f64 - 1.0 }),
        ))
    };
    let spacing = (0..3).map(|a| sform.fixed_view::<3, 1>(0, a).norm()).fold(f64::INFINITY, f64::min);
    let diameter = (corner(sform, 7) - corner(sform, 0)).norm();
    let distances = (0..8).map(|n| (corner(sform, n) - corner(&qform.affine, n)).norm());
    // Not `f64::max`, which passes over NaN.
    let distance = distances.fold(0.0, |worst: f64, d| if d > worst || d.is_nan() { d } else { worst });
    if distance.is_nan() || distance > 0.1 * spacing + qform.angle_tolerance * diameter {
        warnings.push(Warning::new(format!(
            "sform and qform disagree by up to {distance:.3} units of length at the image's corners; the sform is used"
        )));
    }
}

/// Largest deviation of two axes from a right angle, degrees.
fn shear_degrees(axes: &Matrix3<f64>) -> f64 {
    [(0, 1), (0, 2), (1, 2)]
        .map(|(a, b)| {
            let (u, v) = (axes.column(a), axes.column(b));
            (u.dot(&v) / (u.norm() * v.norm())).clamp(-1.0, 1.0).asin().abs().to_degrees()
        })
        .into_iter()
        .fold(0.0, f64::max)
}
