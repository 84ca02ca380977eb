//! Calibration files: a pin-hole camera as `K`, `R`, `t` with its image size and source–detector distance.
//!
//! ```json
//! {"K": [[2000, 0, 319.5], [0, 2000, 239.5], [0, 0, 1]],
//!  "R": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "t": [0, 0, 700],
//!  "rows": 480, "cols": 640, "source_detector_mm": 1000}
//! ```
//!
//! `R`, `t` (mm) carry LPS world points into the camera frame, `K` is in pixels with pixel centres at integers;
//! see [`crate::camera`]. `"distortion_coefficients"` may be there if all are 0. The same content in OpenCV's
//! YAML form is read and written by [`crate::opencv_yaml`]; [`read`] tells the two apart by the first character.

use crate::file::{FileError, Problem, read_text, write_renamed};
use crate::json::{self, Object};
use crate::{Camera, Rigid, Vector, opencv_yaml, rotation};
use nalgebra::{Matrix3, Translation3};
use serde_json::Value;
use std::path::Path;

const KEYS: [&str; 7] = ["K", "R", "t", "rows", "cols", "source_detector_mm", "distortion_coefficients"];

/// The numbers of a calibration file before they are checked together.
pub(crate) struct Calibration {
    pub(crate) intrinsic: Matrix3<f64>,
    pub(crate) rotation: Matrix3<f64>,
    pub(crate) translation: Vector,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) source_detector_mm: f64,
    pub(crate) distortion: Vec<f64>,
}

impl Calibration {
    /// Checks the numbers; `R` may depart from a rotation by [`rotation::ORTHONORMAL_TOLERANCE`].
    pub(crate) fn camera(self) -> Result<Camera, Problem> {
        if let Some((n, value)) = self.distortion.iter().enumerate().find(|(_, value)| **value != 0.0) {
            return Err(Problem::Value {
                line: None,
                field: "distortion_coefficients".into(),
                found: format!("{value} as number {}", n + 1),
                accepted: "all zero, since rays are straight: undistort the image first".into(),
            });
        }
        let rotation = rotation::from_matrix(&self.rotation, rotation::ORTHONORMAL_TOLERANCE)
            .map_err(|e| Problem::Meaning(format!("R: {e}")))?;
        let camera_from_world = Rigid::from_parts(Translation3::from(self.translation), rotation);
        Camera::new(self.intrinsic, camera_from_world, self.rows, self.cols, self.source_detector_mm)
            .map_err(|e| Problem::Meaning(e.to_string()))
    }
}

/// Reads a calibration file, JSON or OpenCV YAML.
pub fn read(path: &Path) -> Result<Camera, FileError> {
    parse(&read_text(path)?).map_err(|problem| problem.in_file(path))
}

/// Writes a calibration file as JSON (temporary name, then renamed).
pub fn write(path: &Path, camera: &Camera) -> Result<(), FileError> {
    write_renamed(path, to_json(camera).as_bytes())
}

/// The camera in the text of a calibration file: JSON where the first character is `{`, else OpenCV YAML.
pub fn parse(text: &str) -> Result<Camera, Problem> {
    if text.trim_start().starts_with('{') { parse_json(text) } else { opencv_yaml::parse(text) }
}

fn parse_json(text: &str) -> Result<Camera, Problem> {
    let object = Object::parse(text, &KEYS)?;
    Calibration {
        intrinsic: json::required("K", matrix(&object, "K")?)?,
        rotation: json::required("R", matrix(&object, "R")?)?,
        translation: Vector::from(json::required("t", object.numbers::<3>("t")?)?),
        rows: json::required("rows", object.count("rows")?)?,
        cols: json::required("cols", object.count("cols")?)?,
        source_detector_mm: json::required("source_detector_mm", object.number("source_detector_mm")?)?,
        distortion: distortion(&object)?,
    }
    .camera()
}

/// Three lists of three finite numbers, the rows of a matrix.
fn matrix(object: &Object, key: &str) -> Result<Option<Matrix3<f64>>, Problem> {
    let Some(value) = object.get(key) else { return Ok(None) };
    let numbers = |row: &Value| row.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
    let rows = value.as_array().and_then(|rows| rows.iter().map(numbers).collect::<Option<Vec<_>>>());
    match rows {
        Some(rows) if rows.len() == 3 && rows.iter().all(|row| row.len() == 3) => {
            Ok(Some(Matrix3::from_fn(|r, c| rows[r][c])))
        }
        _ => Err(json::unaccepted(key, value, "three lists of three finite numbers (the rows of a matrix)".into())),
    }
}

fn distortion(object: &Object) -> Result<Vec<f64>, Problem> {
    let Some(value) = object.get("distortion_coefficients") else { return Ok(Vec::new()) };
    let numbers = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
    numbers.ok_or_else(|| json::unaccepted("distortion_coefficients", value, "a list of zeros".into()))
}

/// The JSON text of a camera.
pub fn to_json(camera: &Camera) -> String {
    let rows_of = |m: &Matrix3<f64>| {
        let rows: Vec<String> = m.row_iter().map(|row| json::list(row.iter())).collect();
        format!("[{}]", rows.join(", "))
    };
    let pose = camera.camera_from_world();
    format!(
        "{{\n  \"K\": {},\n  \"R\": {},\n  \"t\": {},\n  \"rows\": {},\n  \"cols\": {},\n  \
         \"source_detector_mm\": {:?}\n}}\n",
        rows_of(camera.intrinsic()),
        rows_of(pose.rotation.to_rotation_matrix().matrix()),
        json::list(pose.translation.vector.iter()),
        camera.rows(),
        camera.cols(),
        camera.source_detector_mm()
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::carm::{CArm, Positioner};

    const VALID: &str = r#"{"K": [[2000, 0, 319.5], [0, 2000, 239.5], [0, 0, 1]],
        "R": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "t": [0, 0, 700],
        "rows": 480, "cols": 640, "source_detector_mm": 1000}"#;

    #[test]
    fn the_documented_form_is_read() {
        let camera = parse(VALID).unwrap();
        assert_eq!(camera.intrinsic()[(0, 2)], 319.5);
        assert_eq!(camera.camera_from_world().translation.z, 700.0);
        assert_eq!((camera.rows(), camera.cols(), camera.source_detector_mm()), (480, 640, 1000.0));
        let zeros = VALID.replace("\"rows\"", "\"distortion_coefficients\": [0, 0.0, 0, 0], \"rows\"");
        assert_eq!(parse(&zeros).unwrap(), camera);
    }

    /// Both formats are read by the same function, whatever the name.
    pub(crate) fn a_written_camera_comes_back<E: std::fmt::Debug>(
        name: &str,
        write: impl Fn(&Path, &Camera) -> Result<(), E>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let arm = CArm { detector_rotation: 0.1, ..CArm::new(1020.0, 750.0, 31, 47, 0.388) };
        let camera = Camera::from_view(&arm.at(Positioner::from_deg(33.3, -12.1)).view().unwrap()).unwrap();
        write(&path, &camera).unwrap();
        let back = read(&path).unwrap();
        assert_eq!(back.intrinsic(), camera.intrinsic());
        let difference = back.camera_from_world().to_homogeneous() - camera.camera_from_world().to_homogeneous();
        assert!(difference.amax() < 1e-15);
    }

    #[test]
    fn written_cameras_come_back() {
        a_written_camera_comes_back("calibration.json", write);
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, said) in [
            ("\"K\"", "\"k\"", "unknown key \"k\"; the nearest accepted key is \"K\""),
            ("\"t\": [0, 0, 700],", "", "key \"t\" is missing"),
            ("1000", "0", "source_detector_mm: found 0, accepted is a finite length above 0"),
            ("1000", "\"far\"", "source_detector_mm: found"),
            ("[[1, 0, 0]", "[[1.01, 0, 0]", "R: the matrix is not a rotation: its largest |RᵀR − I| is 2.010e-2"),
            ("[[1, 0, 0]", "[[-1, 0, 0]", "determinant -1"),
            ("[[2000, 0,", "[[0, 0,", "non-zero focal lengths"),
            ("[0, 0, 1]],\n", "[0, 0]],\n", "K: found"),
            (
                "\"rows\"",
                "\"distortion_coefficients\": [0, -0.1], \"rows\"",
                "distortion_coefficients: found -0.1 as number 2, accepted is all zero",
            ),
        ] {
            assert!(VALID.contains(from));
            let message = parse(&VALID.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(said), "{from} -> {to}: {message}");
        }
    }
}
