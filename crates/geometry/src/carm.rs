//! The C-arm: a source and a flat detector that turn together about an isocentre.
//!
//! # Positioner angles
//! The primary (α) and secondary (β) angle are those of the DICOM XA Positioner Module (PS3.3 C.8.7.5.1.2,
//! attributes (0018,1510) and (0018,1511)): the direction from the isocentre to the **detector** (image
//! intensifier), α like a longitude in the transaxial plane and β like a latitude towards the head. At 0/0 the
//! patient faces the detector: the detector is anterior (before the chest) and the source posterior. α = +90°
//! puts the detector at the patient's left hand (LAO is positive, RAO negative), β = +90° above the head (CRAN
//! is positive, CAUD negative). In LPS,
//!
//! ```text
//! to detector    n = ( sin α cos β, −cos α cos β,  sin β )
//! columns        u = ( cos α,        sin α,        0     )   (∂n/∂α direction)
//! rows           v = ( sin α sin β, −cos α sin β, −cos β )   (−∂n/∂β)
//! ```
//!
//! so that at 0/0 columns run to the patient's left and rows to the feet: the patient faces the reader.

use crate::{Point, Source, Vector, View, ViewError};
use std::f64::consts::{FRAC_PI_2, PI};
use thiserror::Error;

/// Where the detector stands about the patient: DICOM XA positioner angles (rad), see the module's header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Positioner {
    /// Positioner primary angle, LAO positive, RAO negative; `[−π, π]`.
    pub primary: f64,
    /// Positioner secondary angle, cranial positive, caudal negative; `[−π/2, π/2]`.
    pub secondary: f64,
}

impl Positioner {
    /// Postero-anterior: the beam enters the back, the detector is before the chest. This is DICOM's 0/0 (called
    /// "AP" in many angiography suites after the side of the detector).
    pub const PA: Self = Self { primary: 0.0, secondary: 0.0 };
    /// Antero-posterior: the beam enters the chest, the detector is behind the back. Columns run to the patient's
    /// right; set [`CArm::horizontal_flip`] for the usual display.
    pub const AP: Self = Self { primary: PI, secondary: 0.0 };
    /// Left lateral: the detector is at the patient's left hand (LAO 90°).
    pub const LEFT_LATERAL: Self = Self { primary: FRAC_PI_2, secondary: 0.0 };
    /// Right lateral: the detector is at the patient's right hand (RAO 90°).
    pub const RIGHT_LATERAL: Self = Self { primary: -FRAC_PI_2, secondary: 0.0 };

    /// From degrees, as DICOM stores them.
    pub fn from_deg(primary_deg: f64, secondary_deg: f64) -> Self {
        Self { primary: primary_deg.to_radians(), secondary: secondary_deg.to_radians() }
    }

    /// The angles (primary, secondary) in degrees.
    pub fn to_deg(self) -> (f64, f64) {
        (self.primary.to_degrees(), self.secondary.to_degrees())
    }

    /// Unit vector from the isocentre to the detector, LPS.
    pub fn to_detector(self) -> Vector {
        let ((sa, ca), (sb, cb)) = (self.primary.sin_cos(), self.secondary.sin_cos());
        Vector::new(sa * cb, -ca * cb, sb)
    }

    /// The angles at which the detector stands in a direction (any length) from the isocentre; `None` for a zero
    /// or non-finite vector. Along the body's axis, where the primary angle is free, it is 0.
    pub fn from_direction(to_detector: &Vector) -> Option<Self> {
        let n = to_detector.try_normalize(0.0).filter(|n| n.iter().all(|v| v.is_finite()))?;
        let across = n.x.hypot(n.y);
        let primary = if across > 0.0 { n.x.atan2(-n.y) } else { 0.0 };
        Some(Self { primary, secondary: n.z.atan2(across) })
    }

    /// Unit directions of growing column and growing row before any in-plane rotation, LPS.
    fn detector_axes(self) -> (Vector, Vector) {
        let ((sa, ca), (sb, cb)) = (self.primary.sin_cos(), self.secondary.sin_cos());
        (Vector::new(ca, sa, 0.0), Vector::new(sa * sb, -ca * sb, -cb))
    }
}

/// Whether rays spread from a point or run in parallel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beam {
    /// A point source.
    Cone,
    /// Orthographic: all rays run along the central ray, over the source–detector distance.
    Parallel,
}

/// A C-arm as it is set up; [`CArm::view`] checks it and places source and detector in the world.
///
/// The central ray runs from the source through the isocentre and meets the detector at a right angle in the
/// principal point.
#[derive(Clone, Debug, PartialEq)]
pub struct CArm {
    /// Source to detector plane along the central ray (SID of DICOM (0018,1110)), mm, greater than
    /// `source_isocentre_mm`.
    pub source_detector_mm: f64,
    /// Source to isocentre (DICOM (0018,1111)), mm, greater than 0.
    pub source_isocentre_mm: f64,
    /// Detector rows.
    pub rows: usize,
    /// Detector columns.
    pub cols: usize,
    /// Distance between rows on the detector, mm (first value of DICOM Imager Pixel Spacing (0018,1164)).
    pub row_pitch_mm: f64,
    /// Distance between columns on the detector, mm (second value of Imager Pixel Spacing).
    pub col_pitch_mm: f64,
    /// Where the central ray meets the image, as continuous (row, column) of the image as stored; `None` for
    /// the middle `((rows − 1)/2, (cols − 1)/2)`.
    pub principal_point: Option<(f64, f64)>,
    /// Isocentre in the LPS world, mm.
    pub isocentre: Point,
    /// Positioner angles.
    pub positioner: Positioner,
    /// In-plane rotation of the detector about the central ray, rad: the column axis turns towards the row axis,
    /// so that anatomy turns anticlockwise in the displayed image.
    pub detector_rotation: f64,
    /// Whether columns are stored right to left (after the rotation), as DICOM's Field of View Horizontal Flip.
    pub horizontal_flip: bool,
    /// Cone or parallel rays.
    pub beam: Beam,
}

/// Why a C-arm was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CArmError {
    /// A length that must be positive and finite.
    #[error("{field}: found {found} mm, accepted is a finite length above 0")]
    NotPositive {
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: f64,
    },
    /// The isocentre is not between source and detector.
    #[error(
        "source_isocentre_mm: found {source_isocentre_mm}, accepted is less than source_detector_mm ({source_detector_mm})"
    )]
    IsocentreBehindDetector {
        /// Source to isocentre, mm.
        source_isocentre_mm: f64,
        /// Source to detector, mm.
        source_detector_mm: f64,
    },
    /// An angle beyond its range, often degrees taken for radians.
    #[error("{field}: found {found} rad, accepted is at most {limit:.6} rad either way")]
    Angle {
        /// The field's name.
        field: &'static str,
        /// Its value, rad.
        found: f64,
        /// Largest accepted absolute value, rad.
        limit: f64,
    },
    /// Detector size or coordinates that make no view.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl CArm {
    /// A cone-beam C-arm about the world origin in PA position, with square pixels and a centred, upright
    /// detector; change fields with `CArm { positioner: …, ..CArm::new(…) }`.
    pub fn new(source_detector_mm: f64, source_isocentre_mm: f64, rows: usize, cols: usize, pitch_mm: f64) -> Self {
        Self {
            source_detector_mm,
            source_isocentre_mm,
            rows,
            cols,
            row_pitch_mm: pitch_mm,
            col_pitch_mm: pitch_mm,
            principal_point: None,
            isocentre: Point::origin(),
            positioner: Positioner::PA,
            detector_rotation: 0.0,
            horizontal_flip: false,
            beam: Beam::Cone,
        }
    }

    /// The same C-arm moved to a positioner setting.
    pub fn at(&self, positioner: Positioner) -> Self {
        Self { positioner, ..self.clone() }
    }

    /// Source and detector in the world, or the first setting that is not accepted.
    pub fn view(&self) -> Result<View, CArmError> {
        self.check()?;
        let normal = self.positioner.to_detector();
        let (u, v) = self.positioner.detector_axes();
        let (s, c) = self.detector_rotation.sin_cos();
        let (u, v) = (u * c + v * s, v * c - u * s);
        let col_step = u * if self.horizontal_flip { -self.col_pitch_mm } else { self.col_pitch_mm };
        let row_step = v * self.row_pitch_mm;
        let middle = || (0.5 * (self.rows as f64 - 1.0), 0.5 * (self.cols as f64 - 1.0));
        let (row, col) = self.principal_point.unwrap_or_else(middle);
        let source = self.isocentre - normal * self.source_isocentre_mm;
        let pixel0 = source + normal * self.source_detector_mm - col_step * col - row_step * row;
        let source = match self.beam {
            Beam::Cone => Source::Point(source),
            Beam::Parallel => Source::Parallel(normal * self.source_detector_mm),
        };
        Ok(View::new(source, pixel0, col_step, row_step, self.rows, self.cols)?)
    }

    fn check(&self) -> Result<(), CArmError> {
        for (field, found) in [
            ("source_detector_mm", self.source_detector_mm),
            ("source_isocentre_mm", self.source_isocentre_mm),
            ("row_pitch_mm", self.row_pitch_mm),
            ("col_pitch_mm", self.col_pitch_mm),
        ] {
            if !(found.is_finite() && found > 0.0) {
                return Err(CArmError::NotPositive { field, found });
            }
        }
        if self.source_isocentre_mm >= self.source_detector_mm {
            return Err(CArmError::IsocentreBehindDetector {
                source_isocentre_mm: self.source_isocentre_mm,
                source_detector_mm: self.source_detector_mm,
            });
        }
        for (field, found, limit) in [
            ("primary", self.positioner.primary, PI),
            ("secondary", self.positioner.secondary, FRAC_PI_2),
            ("detector_rotation", self.detector_rotation, 2.0 * PI),
        ] {
            // The slack admits limits that passed through degrees.
            if found.is_nan() || found.abs() > limit + 1e-9 {
                return Err(CArmError::Angle { field, found, limit });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm() -> CArm {
        CArm { isocentre: Point::new(10.0, -20.0, 30.0), ..CArm::new(1020.0, 750.0, 200, 160, 1.5) }
    }

    fn source_of(view: &View) -> Point {
        match view.source() {
            Source::Point(p) => p,
            Source::Parallel(_) => panic!("a cone beam was asked for"),
        }
    }

    fn positions() -> Vec<Positioner> {
        let mut all = vec![Positioner::AP, Positioner::PA, Positioner::LEFT_LATERAL, Positioner::RIGHT_LATERAL];
        for (a, b) in [(30.0, 20.0), (-45.0, 25.0), (-170.0, -35.0), (120.0, 89.0)] {
            all.push(Positioner::from_deg(a, b));
        }
        all
    }

    /// The sentences of PS3.3 C.8.7.5.1.2, one by one, in LPS.
    #[test]
    fn dicom_places_the_detector() {
        for (primary_deg, secondary_deg, to_detector) in [
            (0.0, 0.0, -Vector::y()),   // the patient faces the detector
            (90.0, 0.0, Vector::x()),   // +90 at the patient's left hand
            (-90.0, 0.0, -Vector::x()), // −90 at the patient's right hand
            (180.0, 0.0, Vector::y()),  // behind the back
            (0.0, 90.0, Vector::z()),   // +90 is the cranial direction
            (0.0, -90.0, -Vector::z()),
        ] {
            let view = arm().at(Positioner::from_deg(primary_deg, secondary_deg)).view().unwrap();
            assert!((view.centre() - (arm().isocentre + to_detector * 270.0)).norm() < 1e-9);
            assert!((source_of(&view) - (arm().isocentre - to_detector * 750.0)).norm() < 1e-9);
        }
    }

    #[test]
    fn at_zero_the_patient_faces_the_reader() {
        let view = arm().view().unwrap();
        assert!((view.col_step() - Vector::x() * 1.5).norm() < 1e-12, "columns run to the patient's left");
        assert!((view.row_step() + Vector::z() * 1.5).norm() < 1e-12, "rows run to the feet");
    }

    #[test]
    fn the_isocentre_falls_on_the_principal_point() {
        for positioner in positions() {
            for beam in [Beam::Cone, Beam::Parallel] {
                for horizontal_flip in [false, true] {
                    let principal_point = Some((81.25, 90.5));
                    let set = CArm { beam, horizontal_flip, principal_point, detector_rotation: 0.3, ..arm() };
                    let view = set.at(positioner).view().unwrap();
                    let (row, col) = view.project(&set.isocentre).unwrap();
                    assert!((row - 81.25).abs() < 1e-9 && (col - 90.5).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn detector_is_square_to_the_central_ray() {
        for positioner in positions() {
            let view = CArm { detector_rotation: -0.7, row_pitch_mm: 2.0, ..arm() }.at(positioner).view().unwrap();
            let (u, v, n) = (view.col_step(), view.row_step(), positioner.to_detector());
            assert!((u.norm() - 1.5).abs() < 1e-12 && (v.norm() - 2.0).abs() < 1e-12);
            assert!(u.dot(&v).abs() < 1e-12 && u.dot(&n).abs() < 1e-12 && v.dot(&n).abs() < 1e-12);
            assert!((u.cross(&v) / 3.0 + n).norm() < 1e-12, "seen from outside, rows follow columns clockwise");
        }
    }

    #[test]
    fn axes_follow_the_angles() {
        let h = 1e-6;
        for p in positions() {
            let (u, v) = p.detector_axes();
            let along = |da: f64, db: f64| Positioner { primary: p.primary + da, secondary: p.secondary + db };
            let by_primary = (along(h, 0.0).to_detector() - along(-h, 0.0).to_detector()) / (2.0 * h);
            let by_secondary = (along(0.0, h).to_detector() - along(0.0, -h).to_detector()) / (2.0 * h);
            assert!((by_primary - u * p.secondary.cos()).norm() < 1e-9);
            assert!((by_secondary + v).norm() < 1e-9);
        }
    }

    #[test]
    fn magnification_is_the_ratio_of_distances() {
        let view = arm().view().unwrap();
        let (_, col) = view.project(&(arm().isocentre + Vector::x() * 10.0)).unwrap();
        assert!((col - (79.5 + 10.0 / 1.5 * 1020.0 / 750.0)).abs() < 1e-9);
        let flat = CArm { beam: Beam::Parallel, ..arm() }.view().unwrap();
        let (_, col) = flat.project(&(arm().isocentre + Vector::x() * 10.0)).unwrap();
        assert!((col - (79.5 + 10.0 / 1.5)).abs() < 1e-9);
        assert!(((flat.ray(0.0, 0.0).1 - flat.ray(0.0, 0.0).0).norm() - 1020.0).abs() < 1e-9);
    }

    #[test]
    fn rotation_turns_anatomy_anticlockwise() {
        let turned = CArm { detector_rotation: 0.1, ..arm() };
        let (row, col) = turned.view().unwrap().project(&(arm().isocentre + Vector::x() * 10.0)).unwrap();
        assert!(col > 79.5 && row < 99.5, "a point to the right of the middle moves up: {row} {col}");
    }

    #[test]
    fn flip_mirrors_columns() {
        let point = Point::new(30.0, 10.0, 5.0);
        let (row, col) = arm().view().unwrap().project(&point).unwrap();
        let flipped = CArm { horizontal_flip: true, ..arm() }.view().unwrap();
        let (row_f, col_f) = flipped.project(&point).unwrap();
        assert!((row - row_f).abs() < 1e-9 && (col + col_f - 159.0).abs() < 1e-9);
    }

    #[test]
    fn angles_come_back_from_the_direction() {
        for p in positions() {
            let back = Positioner::from_direction(&(p.to_detector() * 7.0)).unwrap();
            assert!((back.to_detector() - p.to_detector()).norm() < 1e-12);
            assert!((back.primary - p.primary).abs() < 1e-9 && (back.secondary - p.secondary).abs() < 1e-9);
        }
        assert_eq!(Positioner::from_direction(&Vector::zeros()), None);
        assert_eq!(Positioner::from_direction(&Vector::z()), Some(Positioner::from_deg(0.0, 90.0)));
    }

    #[test]
    fn impossible_arms_are_refused() {
        let refused = |arm: CArm| arm.view().unwrap_err();
        assert!(matches!(refused(CArm::new(0.0, 1.0, 2, 2, 1.0)), CArmError::NotPositive { .. }));
        assert!(matches!(refused(CArm::new(1000.0, 700.0, 2, 2, f64::NAN)), CArmError::NotPositive { .. }));
        assert!(matches!(refused(CArm::new(700.0, 1000.0, 2, 2, 1.0)), CArmError::IsocentreBehindDetector { .. }));
        assert!(matches!(refused(CArm::new(1000.0, 700.0, 0, 2, 1.0)), CArmError::View(ViewError::Size { .. })));
        let degrees = Positioner { primary: 30.0, secondary: 0.0 };
        assert!(matches!(refused(arm().at(degrees)), CArmError::Angle { field: "primary", .. }));
        let lost = CArm { isocentre: Point::new(f64::NAN, 0.0, 0.0), ..arm() };
        assert_eq!(refused(lost), CArmError::View(ViewError::NotFinite));
    }
}
