//! ITK's linear transforms in 3-D, with their own parameters.
//!
//! # Convention
//! An ITK transform maps points of the **fixed** (output) image's space to the **moving** (input) image's space,
//! both in LPS mm: it is `moving_from_fixed`, the way resampling needs it. Every class with a centre `c` (its
//! fixed parameters) means `y = M (x − c) + t + c`.
//!
//! | class | parameters | `M` |
//! |---|---|---|
//! | Euler3DTransform | angles about x, y, z; t | `R_z R_x R_y`; with ComputeZYX (4th fixed parameter 1) `R_z R_y R_x` |
//! | VersorTransform | versor x, y, z | rotation, `w = √(1 − x² − y² − z²)` |
//! | VersorRigid3DTransform | versor; t | the same |
//! | QuaternionRigidTransform | x, y, z, w; t | rotation of the normalised quaternion |
//! | Rigid3DTransform | 9 by rows; t | as given, orthonormal |
//! | Similarity3DTransform | versor; t; s | `s R` |
//! | ScaleVersor3DTransform | versor; t; 3 scales | `R + diag(s − 1)` |
//! | ScaleSkewVersor3DTransform | versor; t; 3 scales; 6 skews | `R + diag(s − 1) + K`, K off the diagonal by rows |
//! | ScaleTransform | 3 scales | `diag(s)` |
//! | AffineTransform, MatrixOffsetTransformBase | 9 by rows; t | as given |
//! | TranslationTransform | t | identity |
//! | IdentityTransform | | identity |
//!
//! Source: *The ITK Software Guide*, Book 2, §3.9 (Transforms), and point mappings by SimpleITK 2.5.7 (ITK 5.4),
//! which the tests hold.

use crate::affine_map::{AffineMap, RIGID_TOLERANCE};
use crate::euler::EulerOrder;
pub use crate::itk_kind::{Kind, Scalar};
use crate::rotation::{self, NotRotation};
use crate::{Point, Rigid, Vector};
use nalgebra::{Matrix3, Quaternion, UnitQuaternion};
use thiserror::Error;

/// One transform with the parameters of its class.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    kind: Kind,
    scalar: Scalar,
    parameters: Vec<f64>,
    fixed_parameters: Vec<f64>,
}

/// Why parameters make no transform.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TransformError {
    /// Too few or too many parameters.
    #[error("{class} takes {accepted} {field}, not {found}")]
    Count {
        /// ITK's class name.
        class: &'static str,
        /// "parameters" or "fixed parameters".
        field: &'static str,
        /// How many there are.
        found: usize,
        /// How many are accepted.
        accepted: String,
    },
    /// A parameter that is NaN or infinite.
    #[error("{class}: a parameter is not finite")]
    NotFinite {
        /// ITK's class name.
        class: &'static str,
    },
    /// A versor longer than 1, or a quaternion of length 0.
    #[error("{class}: the vector part of the rotation has length {found}, accepted is {accepted}")]
    Versor {
        /// ITK's class name.
        class: &'static str,
        /// Its length.
        found: f64,
        /// What is accepted.
        accepted: &'static str,
    },
    /// The ComputeZYX flag is neither 0 nor 1.
    #[error("Euler3DTransform: found {0} as ComputeZYX (4th fixed parameter), accepted is 0 or 1")]
    ComputeZyx(f64),
}

impl Transform {
    /// Builds a transform from the parameters of its class.
    pub fn new(
        kind: Kind,
        scalar: Scalar,
        parameters: Vec<f64>,
        fixed_parameters: Vec<f64>,
    ) -> Result<Self, TransformError> {
        let class = kind.class_name();
        if parameters.len() != kind.parameters() {
            let (found, accepted) = (parameters.len(), kind.parameters().to_string());
            return Err(TransformError::Count { class, field: "parameters", found, accepted });
        }
        if !kind.fixed_parameters().contains(&fixed_parameters.len()) {
            let counts: Vec<String> = kind.fixed_parameters().iter().map(usize::to_string).collect();
            let (found, accepted) = (fixed_parameters.len(), counts.join(" or "));
            return Err(TransformError::Count { class, field: "fixed parameters", found, accepted });
        }
        if !parameters.iter().chain(&fixed_parameters).all(|v| v.is_finite()) {
            return Err(TransformError::NotFinite { class });
        }
        match kind {
            Kind::Euler3D => match fixed_parameters.get(3) {
                None | Some(0.0 | 1.0) => {}
                Some(&flag) => return Err(TransformError::ComputeZyx(flag)),
            },
            Kind::QuaternionRigid => {
                let found = Vector::from_row_slice(&parameters[..3]).norm().hypot(parameters[3]);
                if !(found.is_finite() && found > 1e-9) {
                    return Err(TransformError::Versor { class, found, accepted: "a quaternion longer than 0" });
                }
            }
            Kind::Versor | Kind::VersorRigid3D | Kind::Similarity3D | Kind::ScaleVersor3D | Kind::ScaleSkewVersor3D => {
                let found = Vector::from_row_slice(&parameters[..3]).norm();
                // Rounding to float may carry a half turn's versor a little over 1.
                if found > 1.0 + 1e-6 {
                    return Err(TransformError::Versor { class, found, accepted: "at most 1" });
                }
            }
            _ => {}
        }
        Ok(Self { kind, scalar, parameters, fixed_parameters })
    }

    /// A rigid motion about a centre as Euler3DTransform (ZXY): exact to rounding for every rotation, which
    /// [`Self::versor_rigid_3d`] is not.
    pub fn euler_3d(moving_from_fixed: &Rigid, centre: &Point) -> Self {
        let [z, x, y] = EulerOrder::ITK_ZXY.angles(&moving_from_fixed.rotation).angles;
        let t = centred_translation(moving_from_fixed, centre);
        let fixed_parameters = vec![centre.x, centre.y, centre.z, 0.0];
        Self { kind: Kind::Euler3D, scalar: Scalar::Double, parameters: vec![x, y, z, t.x, t.y, t.z], fixed_parameters }
    }

    /// A rigid motion about a centre as VersorRigid3DTransform. The format keeps only the vector part of the
    /// quaternion, so that within an angle δ of a half turn the rotation is known to about 1e-16/δ rad.
    pub fn versor_rigid_3d(moving_from_fixed: &Rigid, centre: &Point) -> Self {
        let q = moving_from_fixed.rotation;
        let v = if q.scalar() < 0.0 { -q.imag() } else { q.imag() };
        let t = centred_translation(moving_from_fixed, centre);
        let parameters = vec![v.x, v.y, v.z, t.x, t.y, t.z];
        let fixed_parameters = centre.coords.as_slice().to_vec();
        Self { kind: Kind::VersorRigid3D, scalar: Scalar::Double, parameters, fixed_parameters }
    }

    /// An affine map about a centre as AffineTransform, which every reader of ITK files knows.
    pub fn affine(moving_from_fixed: &AffineMap, centre: &Point) -> Self {
        let t = moving_from_fixed.apply(centre) - centre;
        let parameters = moving_from_fixed.matrix.transpose().iter().chain(t.iter()).copied().collect();
        let fixed_parameters = centre.coords.as_slice().to_vec();
        Self { kind: Kind::Affine, scalar: Scalar::Double, parameters, fixed_parameters }
    }

    /// A shift (mm).
    pub fn translation(shift: &Vector) -> Self {
        let parameters = shift.as_slice().to_vec();
        Self { kind: Kind::Translation, scalar: Scalar::Double, parameters, fixed_parameters: Vec::new() }
    }

    /// The class.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// Precision of the file's numbers.
    pub fn scalar(&self) -> Scalar {
        self.scalar
    }
    /// Parameters of the class.
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }
    /// Fixed parameters: the centre (mm) and, for Euler3DTransform, the ComputeZYX flag.
    pub fn fixed_parameters(&self) -> &[f64] {
        &self.fixed_parameters
    }
    /// Centre of rotation, mm; the origin for classes without one.
    pub fn centre(&self) -> Point {
        match self.fixed_parameters.as_slice() {
            [x, y, z, ..] => Point::new(*x, *y, *z),
            _ => Point::origin(),
        }
    }

    /// The transform as `y = M x + offset`, fixed to moving, LPS mm.
    pub fn map(&self) -> AffineMap {
        let (matrix, t) = self.matrix_and_translation();
        let c = self.centre().coords;
        AffineMap { matrix, offset: t + c - matrix * c }
    }

    /// The transform as a rigid motion, if its matrix is a rotation within [`RIGID_TOLERANCE`]. The nearest
    /// rotation then turns about the transform's own centre.
    pub fn rigid(&self) -> Result<Rigid, NotRotation> {
        let (matrix, t) = self.matrix_and_translation();
        let rotation = rotation::from_matrix(&matrix, RIGID_TOLERANCE)?;
        let c = self.centre().coords;
        Ok(Rigid::from_parts((t + c - rotation * c).into(), rotation))
    }

    /// `M` and `t` of `y = M (x − c) + t + c`.
    fn matrix_and_translation(&self) -> (Matrix3<f64>, Vector) {
        let p = self.parameters.as_slice();
        let vector = |n: usize| Vector::from_row_slice(&p[n..n + 3]);
        let turn = |q: UnitQuaternion<f64>| q.to_rotation_matrix().into_inner();
        match self.kind {
            Kind::Euler3D if self.fixed_parameters.get(3) == Some(&1.0) => {
                (turn(EulerOrder::ITK_ZYX.rotation([p[2], p[1], p[0]])), vector(3))
            }
            Kind::Euler3D => (turn(EulerOrder::ITK_ZXY.rotation([p[2], p[0], p[1]])), vector(3)),
            Kind::Versor => (turn(versor(&vector(0))), Vector::zeros()),
            Kind::VersorRigid3D => (turn(versor(&vector(0))), vector(3)),
            Kind::QuaternionRigid => {
                (turn(UnitQuaternion::from_quaternion(Quaternion::new(p[3], p[0], p[1], p[2]))), vector(4))
            }
            Kind::Similarity3D => (turn(versor(&vector(0))) * p[6], vector(3)),
            Kind::ScaleVersor3D => (turn(versor(&vector(0))) + scale_surplus(&vector(6)), vector(3)),
            Kind::ScaleSkewVersor3D => {
                let skew = Matrix3::new(0.0, p[9], p[10], p[11], 0.0, p[12], p[13], p[14], 0.0);
                (turn(versor(&vector(0))) + scale_surplus(&vector(6)) + skew, vector(3))
            }
            Kind::Scale => (Matrix3::from_diagonal(&vector(0)), Vector::zeros()),
            Kind::Rigid3D | Kind::Affine | Kind::MatrixOffset => (Matrix3::from_row_slice(&p[..9]), vector(9)),
            Kind::Translation => (Matrix3::identity(), vector(0)),
            Kind::Identity => (Matrix3::identity(), Vector::zeros()),
        }
    }
}

/// The `t` with which a motion is written about a centre.
fn centred_translation(motion: &Rigid, centre: &Point) -> Vector {
    motion * centre - centre
}

/// Rotation of a versor, the vector part of a unit quaternion with `w ≥ 0`.
fn versor(v: &Vector) -> UnitQuaternion<f64> {
    let w = (1.0 - v.norm_squared()).max(0.0).sqrt();
    UnitQuaternion::from_quaternion(Quaternion::from_parts(w, *v))
}

fn scale_surplus(scale: &Vector) -> Matrix3<f64> {
    Matrix3::from_diagonal(&scale.add_scalar(-1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Twist;
    use crate::se3::exp;

    const CENTRE: [f64; 3] = [10.5, -20.25, 30.125];
    const POINTS: [[f64; 3]; 3] = [[0.0, 0.0, 0.0], [12.5, -7.25, 101.0], [-40.0, 55.5, 3.0]];

    fn transform(kind: Kind, parameters: &[f64], fixed: &[f64]) -> Transform {
        Transform::new(kind, Scalar::Double, parameters.to_vec(), fixed.to_vec()).unwrap()
    }

    /// `TransformPoint` of SimpleITK 2.5.7 (ITK 5.4) for the same parameters, 15 digits.
    #[test]
    fn points_map_as_in_simple_itk() {
        let [x, y, z] = CENTRE;
        let v = [0.1, -0.2, 0.3, 4.0, 5.0, -6.0];
        let euler = [0.3, -0.5, 0.7, 1.5, -2.5, 3.5];
        let matrix = [1.1, 0.1, 0.2, -0.3, 0.9, 0.05, 0.01, 0.02, 1.2, 7.0, 8.0, 9.0];
        let (scale, skew) = ([1.1, 0.9, 1.25], [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]);
        let quaternion = [0.1, -0.2, 0.3, 0.9273618495495703, 4.0, 5.0, -6.0];
        let versor_rigid = [
            [4.01976381504504, 4.72997549137387, -6.18660427743243],
            [-13.811630861217, -25.4675199979057, 89.6255302884685],
            [-59.6142199944151, 27.5568739924544, -17.0906773402253],
        ];
        let zxy = [
            [-2.45555577390563, 2.52763001502524, 9.54375308272018],
            [-8.62326068544481, -48.2857473709484, 97.8034414730312],
            [-67.710963885758, 23.279171374136, 10.1397760493155],
        ];
        for (transform, mapped) in [
            (transform(Kind::Euler3D, &euler, &[x, y, z, 0.0]), zxy),
            (transform(Kind::Euler3D, &euler, &CENTRE), zxy),
            (
                transform(Kind::Euler3D, &euler, &[x, y, z, 1.0]),
                [
                    [-4.8869946980289, -0.0404662550387727, 8.58633765243816],
                    [-7.40197662653468, -50.2389606617047, 97.3759683826266],
                    [-72.3865793599873, 11.2693024134069, 6.31803363195146],
                ],
            ),
            (transform(Kind::VersorRigid3D, &v, &CENTRE), versor_rigid),
            (transform(Kind::QuaternionRigid, &quaternion, &CENTRE), versor_rigid),
            (
                transform(Kind::Versor, &v[..3], &CENTRE),
                [
                    [0.0197638150450423, -0.270024508626129, -0.186604277432433],
                    [-17.811630861217, -30.4675199979057, 95.6255302884685],
                    [-63.6142199944151, 22.5568739924544, -11.0906773402253],
                ],
            ),
            (
                transform(Kind::Similarity3D, &[&v[..], &[1.25]].concat(), &CENTRE),
                [
                    [1.3997047688063, 9.72496936421734, -13.7645053467905],
                    [-20.8895385765212, -28.0218999973821, 106.000662860586],
                    [-78.1427749930189, 38.258592490568, -27.3945966752817],
                ],
            ),
            (
                transform(Kind::ScaleVersor3D, &[&v[..], &scale].concat(), &CENTRE),
                [
                    [2.96976381504504, 2.70497549137387, -13.7178542774324],
                    [-13.611630861217, -26.7675199979057, 107.344280288469],
                    [-64.6642199944151, 19.9818739924544, -23.8719273402253],
                ],
            ),
            (
                transform(Kind::ScaleSkewVersor3D, &[&v[..], &scale, &skew].concat(), &CENTRE),
                [
                    [2.56976381504504, 1.18497549137387, -13.0278542774324],
                    [-12.064130861217, -23.8725199979057, 108.224280288469],
                    [-64.4492199944152, 17.3818739924544, -21.8519273402253],
                ],
            ),
            (
                transform(Kind::Affine, &matrix, &CENTRE),
                [[1.95, 7.61875, 3.275], [35.175, 2.39375, 124.455], [-35.9, 69.71875, 7.585]],
            ),
            (
                transform(Kind::Translation, &[1.0, 2.0, 3.5], &[]),
                [[1.0, 2.0, 3.5], [13.5, -5.25, 104.5], [-39.0, 57.5, 6.5]],
            ),
            (
                transform(Kind::Scale, &scale, &[0.0, 0.0, 0.0]),
                [[0.0, 0.0, 0.0], [13.75, -6.525, 126.25], [-44.0, 49.95, 3.75]],
            ),
            (transform(Kind::Identity, &[], &[]), POINTS),
        ] {
            for (point, expected) in POINTS.iter().zip(mapped) {
                let difference = transform.map().apply(&Point::from(*point)) - Point::from(expected);
                assert!(difference.norm() < 1e-12, "{:?}: {difference}", transform.kind());
            }
        }
    }

    #[test]
    fn rigid_motions_come_back_about_any_centre() {
        let centre = Point::from(CENTRE) * 10.0;
        for xi in [[0.0; 6], [30.0, -20.0, 10.0, 0.5, -0.7, 0.2], [-3.0, 8.0, 100.0, 1.5, 1.6, -1.9]] {
            let motion = exp(&Twist::from(xi));
            let by_affine = |motion: &Rigid, centre: &Point| Transform::affine(&AffineMap::from(motion), centre);
            for build in [Transform::euler_3d, Transform::versor_rigid_3d, by_affine] {
                let back = build(&motion, &centre).rigid().unwrap();
                assert!((back.to_homogeneous() - motion.to_homogeneous()).amax() < 1e-12);
                let map = build(&motion, &centre).map();
                assert!((map.apply(&centre) - motion * centre).norm() < 1e-12);
            }
        }
        // a half turn, where a versor loses half its digits and Euler angles do not
        let half = Rigid::from_parts(
            Vector::x().into(),
            UnitQuaternion::from_axis_angle(&Vector::y_axis(), std::f64::consts::PI - 1e-9),
        );
        let back = Transform::euler_3d(&half, &centre).rigid().unwrap();
        assert!((back.to_homogeneous() - half.to_homogeneous()).amax() < 1e-12);
    }

    #[test]
    fn a_matrix_that_is_no_rotation_says_by_how_much() {
        let matrix = [1.01, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 7.0, 8.0, 9.0];
        let error = transform(Kind::Affine, &matrix, &CENTRE).rigid().unwrap_err();
        assert!((error.deviation - 0.0201).abs() < 1e-12, "{error}");
        let similarity = transform(Kind::Similarity3D, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0], &CENTRE);
        assert!((similarity.rigid().unwrap_err().deviation - 3.0).abs() < 1e-12);
    }

    #[test]
    fn impossible_parameters_are_refused() {
        let new =
            |kind, p: &[f64], f: &[f64]| Transform::new(kind, Scalar::Double, p.to_vec(), f.to_vec()).unwrap_err();
        assert!(matches!(new(Kind::Euler3D, &[0.0; 5], &CENTRE), TransformError::Count { field: "parameters", .. }));
        let error = new(Kind::Euler3D, &[0.0; 6], &[]);
        assert_eq!(error.to_string(), "Euler3DTransform takes 3 or 4 fixed parameters, not 0");
        assert_eq!(new(Kind::Euler3D, &[0.0; 6], &[0.0, 0.0, 0.0, 2.0]), TransformError::ComputeZyx(2.0));
        assert!(matches!(new(Kind::Versor, &[1.0, 0.1, 0.0], &CENTRE), TransformError::Versor { .. }));
        assert!(matches!(new(Kind::QuaternionRigid, &[0.0; 7], &CENTRE), TransformError::Versor { .. }));
        assert!(matches!(new(Kind::Translation, &[0.0, f64::NAN, 0.0], &[]), TransformError::NotFinite { .. }));
    }
}
