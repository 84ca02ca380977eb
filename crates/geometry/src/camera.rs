//! The pin-hole form of a cone-beam view: `λ (u, v, 1)ᵀ = K (R p + t)`.
//!
//! `p` is a point in the LPS world (mm), `(R, t)` is `camera_from_world`, and the image point is (u, v) =
//! (column, row) with pixel centres at integers, as in OpenCV. The source is the origin of the camera frame, the
//! detector lies at `z = source_detector_mm`, so that imaged points have positive depth `λ`.
//!
//! Unlike in photography both signs of the focal length `K₀₀` occur: a detector whose columns and rows are seen
//! from outside (as the C-arm's, where the patient faces the reader) is a mirror image of what the source
//! "sees", and has `K₀₀ < 0` with a proper rotation `R`. `K₁₁` is kept positive when a camera is derived here.
//! Source of the decomposition: R. Hartley, A. Zisserman, *Multiple View Geometry*, 2nd ed. 2004, §6.2.4.

use crate::{Point, Rigid, Source, Vector, View, ViewError, rotation};
use nalgebra::{Matrix3, Matrix3x4};
use thiserror::Error;

/// A pin-hole camera with its image and the place of its detector; see the module's header.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    intrinsic: Matrix3<f64>,
    camera_from_world: Rigid,
    rows: usize,
    cols: usize,
    source_detector_mm: f64,
}

/// Why a camera was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CameraError {
    /// The intrinsic matrix does not have the form `[[fx, s, cx], [0, fy, cy], [0, 0, 1]]`.
    #[error(
        "K = {found:?} (rows) is not accepted: it must be finite, upper triangular, with non-zero focal lengths and a last element of 1"
    )]
    Intrinsic {
        /// The matrix by rows.
        found: [[f64; 3]; 3],
    },
    /// The source–detector distance.
    #[error("source_detector_mm: found {0}, accepted is a finite length above 0")]
    SourceDetector(f64),
    /// Parallel rays have no pin-hole.
    #[error("a view with parallel rays has no pin-hole form")]
    Parallel,
    /// A projection matrix with a source at infinity or in the detector plane.
    #[error("the projection matrix is singular: its left 3 × 3 block has determinant {determinant:.3e}")]
    Projection {
        /// Determinant of the left block after scaling its rows to length 1.
        determinant: f64,
    },
    /// The given point does not have a positive or negative depth.
    #[error("the point {0:?} said to lie before the source has depth 0 under the projection matrix")]
    NoDepth([f64; 3]),
    /// Detector size or coordinates that make no view.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl Camera {
    /// Builds a camera from the intrinsic matrix (pixels), the pose, the image size and the distance (mm) from
    /// source to detector, which fixes the size of a pixel: `source_detector_mm / |K₀₀|` by the same over `|K₁₁|`.
    pub fn new(
        intrinsic: Matrix3<f64>,
        camera_from_world: Rigid,
        rows: usize,
        cols: usize,
        source_detector_mm: f64,
    ) -> Result<Self, CameraError> {
        let k = &intrinsic;
        let triangular = k[(1, 0)] == 0.0 && k[(2, 0)] == 0.0 && k[(2, 1)] == 0.0 && k[(2, 2)] == 1.0;
        if !k.iter().all(|v| v.is_finite()) || !triangular || k[(0, 0)] == 0.0 || k[(1, 1)] == 0.0 {
            let found = std::array::from_fn(|r| std::array::from_fn(|c| k[(r, c)]));
            return Err(CameraError::Intrinsic { found });
        }
        if !(source_detector_mm.is_finite() && source_detector_mm > 0.0) {
            return Err(CameraError::SourceDetector(source_detector_mm));
        }
        let camera = Self { intrinsic, camera_from_world, rows, cols, source_detector_mm };
        camera.placed()?;
        Ok(camera)
    }

    /// The pin-hole form of a cone-beam view.
    pub fn from_view(view: &View) -> Result<Self, CameraError> {
        let Source::Point(source) = view.source() else { return Err(CameraError::Parallel) };
        let (u, v) = (view.col_step(), view.row_step());
        let outward = u.cross(&v).normalize();
        let side = (view.pixel0() - source).dot(&outward);
        let z = outward * side.signum();
        let distance = side.abs();
        // x along the columns or against them, so that y = z × x points along the rows.
        let x = u.normalize() * side.signum();
        let y = z.cross(&x);
        let (fx, fy) = (distance / u.dot(&x), distance / v.dot(&y));
        let skew = -fx * v.dot(&x) / v.dot(&y);
        let to_pixel0 = view.pixel0() - source;
        let (px, py) = (to_pixel0.dot(&x) / distance, to_pixel0.dot(&y) / distance);
        let intrinsic = Matrix3::new(fx, skew, -fx * px - skew * py, 0.0, fy, -fy * py, 0.0, 0.0, 1.0);
        let r = Matrix3::from_rows(&[x.transpose(), y.transpose(), z.transpose()]);
        let rotation = rotation::from_matrix(&r, 1e-9).expect("unit vectors at right angles make a rotation");
        let camera_from_world = Rigid::from_parts((-(rotation * source.coords)).into(), rotation);
        Self::new(intrinsic, camera_from_world, view.rows(), view.cols(), distance)
    }

    /// The view: source and detector in the world.
    pub fn view(&self) -> View {
        self.placed().expect("the constructor has placed the same detector")
    }

    fn placed(&self) -> Result<View, ViewError> {
        let (k, d) = (&self.intrinsic, self.source_detector_mm);
        let (fx, skew, cx, fy, cy) = (k[(0, 0)], k[(0, 1)], k[(0, 2)], k[(1, 1)], k[(1, 2)]);
        let world_from_camera = self.camera_from_world.inverse();
        // The point of the plane z = d seen in pixel (u, v), from K⁻¹ in closed form.
        let on_detector = |u: f64, v: f64| {
            let y = (v - cy) / fy;
            Point::new(d * (u - cx - skew * y) / fx, d * y, d)
        };
        let col_step = world_from_camera * Vector::new(d / fx, 0.0, 0.0);
        let row_step = world_from_camera * Vector::new(-d * skew / (fx * fy), d / fy, 0.0);
        let source = Source::Point(world_from_camera * Point::origin());
        View::new(source, world_from_camera * on_detector(0.0, 0.0), col_step, row_step, self.rows, self.cols)
    }

    /// Intrinsic matrix `K`, pixels.
    pub fn intrinsic(&self) -> &Matrix3<f64> {
        &self.intrinsic
    }
    /// Pose `(R, t)`, mm.
    pub fn camera_from_world(&self) -> &Rigid {
        &self.camera_from_world
    }
    /// Detector rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Detector columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Distance from source to detector plane, mm.
    pub fn source_detector_mm(&self) -> f64 {
        self.source_detector_mm
    }

    /// The 3 × 4 projection matrix `P = K [R | t]`; the last row gives depth in mm.
    pub fn projection_matrix(&self) -> Matrix3x4<f64> {
        self.intrinsic * self.camera_from_world.to_homogeneous().fixed_rows::<3>(0)
    }

    /// Where a world point falls, as continuous (row, column); `None` beside or behind the source.
    pub fn project(&self, point: &Point) -> Option<(f64, f64)> {
        let image = self.intrinsic * (self.camera_from_world * point).coords;
        (image.z > 0.0).then(|| (image.y / image.z, image.x / image.z))
    }

    /// Decomposes a 3 × 4 projection matrix (any scale, either sign) into `K [R | t]`. A projection matrix does
    /// not say on which side of the source the detector lies; `in_front` (mm, for instance the isocentre) is a
    /// world point that is imaged, and decides.
    pub fn from_projection_matrix(
        projection: &Matrix3x4<f64>,
        in_front: &Point,
        rows: usize,
        cols: usize,
        source_detector_mm: f64,
    ) -> Result<Self, CameraError> {
        let block = projection.fixed_columns::<3>(0).into_owned();
        let lengths: f64 = (0..3).map(|r| block.row(r).norm()).product();
        let determinant = block.determinant() / lengths;
        if determinant.is_nan() || determinant.abs() <= 1e-12 || !projection.iter().all(|v| v.is_finite()) {
            return Err(CameraError::Projection { determinant });
        }
        let depth = (projection * in_front.to_homogeneous()).z / block.row(2).norm();
        if depth == 0.0 || !depth.is_finite() {
            return Err(CameraError::NoDepth([in_front.x, in_front.y, in_front.z]));
        }
        // RQ from the last row up: z is the last row, y what the middle row adds, x completes a right-handed frame.
        let scale = depth.signum() / block.row(2).norm();
        let (p, m) = (projection * scale, block * scale);
        let z = m.row(2).transpose();
        let middle = m.row(1).transpose();
        let y = (middle - z * middle.dot(&z)).normalize();
        let x = y.cross(&z);
        let r = Matrix3::from_rows(&[x.transpose(), y.transpose(), z.transpose()]);
        let rotation = rotation::from_matrix(&r, 1e-6).map_err(|_| CameraError::Projection { determinant })?;
        let k = m * rotation.to_rotation_matrix().matrix().transpose();
        let k = Matrix3::new(k[(0, 0)], k[(0, 1)], k[(0, 2)], 0.0, k[(1, 1)], k[(1, 2)], 0.0, 0.0, 1.0);
        let t = k.solve_upper_triangular(&p.column(3)).ok_or(CameraError::Projection { determinant })?;
        Self::new(k, Rigid::from_parts(t.into(), rotation), rows, cols, source_detector_mm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carm::{Beam, CArm, Positioner};

    /// Views from both sides, with skew, offset, unequal pitch, and sources off the middle.
    fn views() -> Vec<View> {
        let arm = CArm { row_pitch_mm: 0.5, detector_rotation: 0.2, ..CArm::new(1020.0, 740.0, 60, 80, 0.4) };
        let mut all: Vec<View> = [Positioner::PA, Positioner::AP, Positioner::from_deg(35.0, -20.0)]
            .into_iter()
            .flat_map(|p| [false, true].map(|flip| CArm { horizontal_flip: flip, ..arm.at(p) }.view().unwrap()))
            .collect();
        let skewed = |z: f64| {
            let source = Source::Point(Point::new(3.0, -20.0, z));
            View::new(
                source,
                Point::new(-10.0, 5.0, 7.0),
                Vector::new(1.0, 0.1, 0.02),
                Vector::new(0.3, 0.9, -0.1),
                20,
                30,
            )
        };
        all.extend([skewed(500.0).unwrap(), skewed(-500.0).unwrap()]);
        all
    }

    fn points(view: &View) -> Vec<Point> {
        [(0.0, 0.0, 0.5), (12.0, 7.5, 0.8), (33.0, 70.0, 0.3), (59.0, 2.0, 1.0), (10.0, 10.0, 1.4)]
            .map(|(row, col, s)| {
                let (start, end) = view.ray(row, col);
                start + (end - start) * s
            })
            .to_vec()
    }

    #[test]
    fn view_projects_as_the_pin_hole_does() {
        for view in views() {
            let camera = Camera::from_view(&view).unwrap();
            let p = camera.projection_matrix();
            for point in points(&view) {
                let (row, col) = view.project(&point).unwrap();
                let (r, c) = camera.project(&point).unwrap();
                let h = p * point.to_homogeneous();
                assert!((row - r).abs() < 1e-9 && (col - c).abs() < 1e-9);
                assert!((row - h.y / h.z).abs() < 1e-9 && (col - h.x / h.z).abs() < 1e-9 && h.z > 0.0);
            }
            let Source::Point(source) = view.source() else { unreachable!("cone-beam views only") };
            let behind = source + (source - view.centre());
            assert_eq!((view.project(&behind), camera.project(&behind)), (None, None));
        }
    }

    #[test]
    fn view_and_camera_are_inverse() {
        for view in views() {
            let back = Camera::from_view(&view).unwrap().view();
            assert!((back.pixel0() - view.pixel0()).norm() < 1e-9);
            assert!((back.col_step() - view.col_step()).norm() < 1e-12);
            assert!((back.row_step() - view.row_step()).norm() < 1e-12);
            let (Source::Point(a), Source::Point(b)) = (back.source(), view.source()) else { panic!("cone beam") };
            assert!((a - b).norm() < 1e-9);
        }
    }

    #[test]
    fn projection_matrices_are_taken_apart() {
        for view in views() {
            let camera = Camera::from_view(&view).unwrap();
            let imaged = points(&view)[1];
            for scale in [1.0, -1.0, 1e-6, -3e5] {
                let p = camera.projection_matrix() * scale;
                let back =
                    Camera::from_projection_matrix(&p, &imaged, view.rows(), view.cols(), camera.source_detector_mm);
                let back = back.unwrap();
                assert!((back.intrinsic - camera.intrinsic).amax() < 1e-9 * camera.intrinsic.amax());
                let difference = back.camera_from_world.to_homogeneous() - camera.camera_from_world.to_homogeneous();
                assert!(difference.amax() < 1e-8);
            }
        }
    }

    #[test]
    fn a_textbook_camera_makes_the_expected_view() {
        let k = Matrix3::new(2000.0, 0.0, 319.5, 0.0, 1000.0, 239.5, 0.0, 0.0, 1.0);
        let camera = Camera::new(k, Rigid::translation(0.0, 0.0, 700.0), 480, 640, 1000.0).unwrap();
        let view = camera.view();
        assert_eq!(view.source(), Source::Point(Point::new(0.0, 0.0, -700.0)));
        assert_eq!((view.col_step(), view.row_step()), (Vector::new(0.5, 0.0, 0.0), Vector::new(0.0, 1.0, 0.0)));
        assert!((view.centre() - Point::new(0.0, 0.0, 300.0)).norm() < 1e-12);
        // A mirrored detector keeps the pixel's size and turns the columns round.
        let mut mirrored = k;
        mirrored[(0, 0)] = -2000.0;
        let view = Camera::new(mirrored, Rigid::identity(), 480, 640, 1000.0).unwrap().view();
        assert_eq!(view.col_step(), Vector::new(-0.5, 0.0, 0.0));
    }

    #[test]
    fn impossible_cameras_are_refused() {
        let k = Matrix3::new(2000.0, 0.0, 319.5, 0.0, 1000.0, 239.5, 0.0, 0.0, 1.0);
        let new = |k, distance| Camera::new(k, Rigid::identity(), 4, 4, distance).unwrap_err();
        for (row, col, value) in [(0, 0, 0.0), (2, 2, 2.0), (1, 0, 1e-3), (0, 1, f64::NAN)] {
            let mut broken = k;
            broken[(row, col)] = value;
            assert!(matches!(new(broken, 1000.0), CameraError::Intrinsic { .. }));
        }
        assert_eq!(new(k, -1.0), CameraError::SourceDetector(-1.0));
        let far = Rigid::translation(f64::INFINITY, 0.0, 0.0);
        assert!(matches!(Camera::new(k, far, 4, 4, 1.0), Err(CameraError::View(_))));
        let flat = CArm { beam: Beam::Parallel, ..CArm::new(1000.0, 700.0, 4, 4, 1.0) }.view().unwrap();
        assert_eq!(Camera::from_view(&flat), Err(CameraError::Parallel));
        let apart = |p: &Matrix3x4<f64>, front: &Point| Camera::from_projection_matrix(p, front, 4, 4, 1000.0);
        let affine = Matrix3x4::new(1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0);
        assert!(matches!(apart(&affine, &Point::origin()), Err(CameraError::Projection { .. })));
        let at_source = Matrix3x4::identity();
        assert!(matches!(apart(&at_source, &Point::origin()), Err(CameraError::NoDepth(_))));
        assert!(matches!(apart(&(at_source * f64::NAN), &Point::origin()), Err(CameraError::Projection { .. })));
    }
}
