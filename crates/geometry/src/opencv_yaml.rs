//! OpenCV's YAML FileStorage form of a camera: top-level scalars and `!!opencv-matrix` blocks.
//!
//! ```yaml
//! %YAML:1.0
//! ---
//! image_width: 640
//! image_height: 480
//! source_detector_mm: 1000.
//! camera_matrix: !!opencv-matrix
//!    rows: 3
//!    cols: 3
//!    dt: d
//!    data: [ 2000., 0., 319.5, 0., 2000., 239.5, 0., 0., 1. ]
//! ```
//!
//! and `R` (3 × 3, or `rvec`, its rotation vector) and `t` (or `tvec`, `T`; mm) likewise. `K` is accepted for
//! `camera_matrix`, `cols`/`rows` for the image size. `source_detector_mm` is not OpenCV's and must be added.
//! The bookkeeping of OpenCV's calibration programs (time, board, errors) is skipped. Of YAML only what
//! FileStorage writes in these files is read.

use crate::calibration_file::Calibration;
use crate::file::{FileError, Problem, nearest_key, write_renamed};
use crate::{Camera, Vector};
use nalgebra::{Matrix3, UnitQuaternion};
use std::fmt::Write;
use std::path::Path;

/// Accepted spellings of every field; the first is written.
const CAMERA_MATRIX: [&str; 2] = ["camera_matrix", "K"];
const ROTATION: [&str; 1] = ["R"];
const ROTATION_VECTOR: [&str; 1] = ["rvec"];
const TRANSLATION: [&str; 3] = ["t", "tvec", "T"];
const ROWS: [&str; 2] = ["image_height", "rows"];
const COLS: [&str; 2] = ["image_width", "cols"];
const DISTANCE: [&str; 1] = ["source_detector_mm"];
const DISTORTION: [&str; 2] = ["distortion_coefficients", "D"];
/// What OpenCV's calibration programs note besides.
const SKIPPED: [&str; 12] = [
    "calibration_time",
    "nframes",
    "nr_of_frames",
    "board_width",
    "board_height",
    "square_size",
    "marker_size",
    "aspectRatio",
    "fix_aspect_ratio",
    "flags",
    "avg_reprojection_error",
    "per_view_reprojection_errors",
];

enum Node {
    Scalar(String),
    Matrix { rows: usize, cols: usize, data: Vec<f64> },
}

struct Entry {
    line: usize,
    key: String,
    node: Node,
}

/// Writes a camera in OpenCV's YAML form (temporary name, then renamed).
pub fn write(path: &Path, camera: &Camera) -> Result<(), FileError> {
    write_renamed(path, to_yaml(camera).as_bytes())
}

/// The camera in the text of a YAML calibration file.
pub fn parse(text: &str) -> Result<Camera, Problem> {
    let entries = entries(text)?;
    let fields: [&[&'static str]; 9] =
        [&CAMERA_MATRIX, &ROTATION, &ROTATION_VECTOR, &TRANSLATION, &ROWS, &COLS, &DISTANCE, &DISTORTION, &SKIPPED];
    let accepted = fields.concat();
    for (n, entry) in entries.iter().enumerate() {
        if !accepted.contains(&entry.key.as_str()) {
            let nearest = nearest_key(&entry.key, &accepted);
            return Err(Problem::UnknownKey { key: entry.key.chars().take(60).collect(), nearest });
        }
        let field = fields[..8].iter().find(|names| names.contains(&entry.key.as_str()));
        let again = |earlier: &Entry| {
            earlier.key == entry.key || field.is_some_and(|names| names.contains(&earlier.key.as_str()))
        };
        if entries[..n].iter().any(again) {
            return Err(Problem::DuplicateKey { key: entry.key.clone() });
        }
    }
    Calibration {
        intrinsic: Matrix3::from_row_slice(matrix(&entries, &CAMERA_MATRIX, (3, 3))?),
        rotation: rotation(&entries)?,
        translation: Vector::from_row_slice(vector(&entries, &TRANSLATION)?),
        rows: count(&entries, &ROWS)?,
        cols: count(&entries, &COLS)?,
        source_detector_mm: number(find(&entries, &DISTANCE)?)?,
        distortion: match find(&entries, &DISTORTION) {
            Ok(Entry { node: Node::Matrix { data, .. }, .. }) => data.clone(),
            Ok(entry) => return Err(unaccepted(entry, "an !!opencv-matrix of zeros")),
            Err(_) => Vec::new(),
        },
    }
    .camera()
}

/// Splits the text into its top-level entries.
fn entries(text: &str) -> Result<Vec<Entry>, Problem> {
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line)).peekable();
    let mut found = Vec::new();
    while let Some((line, text)) = lines.next() {
        let content = without_comment(text);
        if content.is_empty() || content.starts_with('%') || content == "---" || content == "..." {
            continue;
        }
        if text.starts_with([' ', '\t']) {
            return Err(Problem::value(Some(line), "indented line", content, "\"key: value\" at the line's start"));
        }
        let (key, value) = key_and_value(line, content)?;
        let node = match value {
            "!!opencv-matrix" => {
                let mut block = Vec::new();
                while let Some((n, inner)) = lines.next_if(|(_, inner)| inner.starts_with([' ', '\t'])) {
                    block.push((n, without_comment(inner)));
                }
                opencv_matrix(line, key, &block)?
            }
            scalar => Node::Scalar(scalar.trim_matches('"').to_string()),
        };
        found.push(Entry { line, key: key.to_string(), node });
    }
    Ok(found)
}

fn without_comment(line: &str) -> &str {
    let end = if line.trim_start().starts_with('#') { 0 } else { line.find(" #").unwrap_or(line.len()) };
    line[..end].trim()
}

fn key_and_value(line: usize, content: &str) -> Result<(&str, &str), Problem> {
    let unreadable = || Problem::value(Some(line), "entry", content, "\"key: value\"");
    let (key, value) = content.split_once(':').ok_or_else(unreadable)?;
    Ok((key.trim().trim_matches('"'), value.trim()))
}

/// Reads the indented lines of an `!!opencv-matrix`; the list of data may run over several lines.
fn opencv_matrix(line: usize, name: &str, block: &[(usize, &str)]) -> Result<Node, Problem> {
    let mut size = [None, None];
    let mut data = None;
    let mut lines = block.iter().filter(|(_, content)| !content.is_empty());
    while let Some(&(n, content)) = lines.next() {
        let (key, value) = key_and_value(n, content)?;
        match key {
            "rows" | "cols" => {
                let count = value.parse::<u32>().map_err(|_| Problem::value(Some(n), key, value, "a whole number"))?;
                size[usize::from(key == "cols")] = Some(count as usize);
            }
            "dt" if matches!(value.trim_matches('"'), "d" | "f") => {}
            "dt" => return Err(Problem::value(Some(n), "dt", value, "d (double) or f (float), one channel")),
            "data" => {
                let mut list = value.to_string();
                while !list.ends_with(']') {
                    let Some((_, more)) = lines.next() else {
                        return Err(Problem::value(Some(n), "data", value, "a list that ends with \"]\""));
                    };
                    list.push(' ');
                    list.push_str(more);
                }
                data = Some(numbers(n, &list)?);
            }
            _ => return Err(Problem::value(Some(n), "!!opencv-matrix", key, "rows, cols, dt and data")),
        }
    }
    match (size, data) {
        ([Some(rows), Some(cols)], Some(data)) if rows.checked_mul(cols) == Some(data.len()) => {
            Ok(Node::Matrix { rows, cols, data })
        }
        ([Some(rows), Some(cols)], Some(data)) => Err(Problem::value(
            Some(line),
            name,
            &format!("{} numbers for {rows} × {cols}", data.len()),
            "as many numbers as rows × cols",
        )),
        _ => Err(Problem::value(Some(line), name, "an incomplete !!opencv-matrix", "rows, cols, dt and data")),
    }
}

fn numbers(line: usize, list: &str) -> Result<Vec<f64>, Problem> {
    let inner = list.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
    let inner = inner.ok_or_else(|| Problem::value(Some(line), "data", list, "a list in brackets"))?.trim();
    let finite = |text: &str| {
        let value = text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        value.ok_or_else(|| Problem::value(Some(line), "data", text, "a finite number"))
    };
    if inner.is_empty() { Ok(Vec::new()) } else { inner.split(',').map(finite).collect() }
}

fn unaccepted(entry: &Entry, accepted: &str) -> Problem {
    let found = match &entry.node {
        Node::Scalar(text) => text.clone(),
        Node::Matrix { rows, cols, .. } => format!("a {rows} × {cols} matrix"),
    };
    Problem::value(Some(entry.line), &entry.key, &found, accepted)
}

fn find<'a>(entries: &'a [Entry], names: &[&str]) -> Result<&'a Entry, Problem> {
    let missing = || Problem::MissingKey { key: names[0].into() };
    entries.iter().find(|entry| names.contains(&entry.key.as_str())).ok_or_else(missing)
}

fn matrix<'a>(entries: &'a [Entry], names: &[&str], shape: (usize, usize)) -> Result<&'a [f64], Problem> {
    let entry = find(entries, names)?;
    match &entry.node {
        Node::Matrix { rows, cols, data } if (*rows, *cols) == shape => Ok(data),
        _ => Err(unaccepted(entry, &format!("a {} × {} !!opencv-matrix", shape.0, shape.1))),
    }
}

/// A vector of three, written as a column or a row.
fn vector<'a>(entries: &'a [Entry], names: &[&str]) -> Result<&'a [f64], Problem> {
    matrix(entries, names, (1, 3)).or_else(|_| matrix(entries, names, (3, 1)))
}

fn rotation(entries: &[Entry]) -> Result<Matrix3<f64>, Problem> {
    match (find(entries, &ROTATION), find(entries, &ROTATION_VECTOR)) {
        (Ok(_), Ok(_)) => Err(Problem::Meaning("it has both \"R\" and \"rvec\"; one is accepted".into())),
        (Err(_), Ok(_)) => {
            let phi = Vector::from_row_slice(vector(entries, &ROTATION_VECTOR)?);
            Ok(UnitQuaternion::from_scaled_axis(phi).to_rotation_matrix().into_inner())
        }
        _ => Ok(Matrix3::from_row_slice(matrix(entries, &ROTATION, (3, 3))?)),
    }
}

fn count(entries: &[Entry], names: &[&str]) -> Result<usize, Problem> {
    let entry = find(entries, names)?;
    match &entry.node {
        Node::Scalar(text) => text.parse().map_err(|_| unaccepted(entry, "a whole number of at least 1")),
        Node::Matrix { .. } => Err(unaccepted(entry, "a whole number of at least 1")),
    }
}

fn number(entry: &Entry) -> Result<f64, Problem> {
    match &entry.node {
        Node::Scalar(text) => text.parse().map_err(|_| unaccepted(entry, "a number")),
        Node::Matrix { .. } => Err(unaccepted(entry, "a number")),
    }
}

/// The YAML text of a camera, as OpenCV's FileStorage reads it.
pub fn to_yaml(camera: &Camera) -> String {
    let mut text = String::from("%YAML:1.0\n---\n");
    let pose = camera.camera_from_world();
    let rotation = pose.rotation.to_rotation_matrix();
    let row_major = |m: &Matrix3<f64>| m.transpose().as_slice().to_vec();
    let mut entry = |key: &str, value: String| writeln!(text, "{key}: {value}").expect("strings take all writes");
    let block = |rows: usize, cols: usize, data: &[f64]| {
        let data: Vec<String> = data.iter().map(|v| format!("{v:?}")).collect();
        format!("!!opencv-matrix\n   rows: {rows}\n   cols: {cols}\n   dt: d\n   data: [ {} ]", data.join(", "))
    };
    entry(COLS[0], camera.cols().to_string());
    entry(ROWS[0], camera.rows().to_string());
    entry(DISTANCE[0], format!("{:?}", camera.source_detector_mm()));
    entry(CAMERA_MATRIX[0], block(3, 3, &row_major(camera.intrinsic())));
    entry(ROTATION[0], block(3, 3, &row_major(rotation.matrix())));
    entry(TRANSLATION[0], block(3, 1, pose.translation.vector.as_slice()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenCV 5.0.0 writes matrices (`cv2.FileStorage`), with the pose added.
    const VALID: &str = r#"%YAML 1.2
---
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 1234.5, 0., 319.5, 0., 1230.25, 239.5, 0.,
       0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ 0., 0., 0., 0., 0. ]
calibration_time: "Sat Nov 21 03:00:00"
rvec: !!opencv-matrix
   rows: 3
   cols: 1
   dt: d
   data: [ 0., 0., 1.5707963267948966 ]
tvec: !!opencv-matrix
   rows: 3
   cols: 1
   dt: d
   data: [ 1., -2., .7e3 ]
source_detector_mm: 1000. # not OpenCV's
"#;

    #[test]
    fn the_form_of_file_storage_is_read() {
        let camera = parse(VALID).unwrap();
        assert_eq!(camera.intrinsic(), &Matrix3::new(1234.5, 0.0, 319.5, 0.0, 1230.25, 239.5, 0.0, 0.0, 1.0));
        let pose = camera.camera_from_world();
        assert_eq!(pose.translation.vector, Vector::new(1.0, -2.0, 700.0));
        assert!((pose.rotation * Vector::x() - Vector::y()).norm() < 1e-15);
        assert_eq!((camera.rows(), camera.cols(), camera.source_detector_mm()), (480, 640, 1000.0));
    }

    #[test]
    fn written_cameras_come_back() {
        crate::calibration_file::tests::a_written_camera_comes_back("camera.yml", write);
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, said) in [
            ("tvec", "translat", "unknown key \"translat\""),
            ("source_detector_mm: 1000.", "", "key \"source_detector_mm\" is missing"),
            ("calibration_time: ", "K: ", "key \"K\" stands more than once"),
            ("data: [ 0., 0., 0., 0., 0. ]", "data: [ 0.1, 0., 0., 0., 0. ]", "distortion_coefficients: found 0.1"),
            ("data: [ 0., 0., 0., 0., 0. ]", "data: [ 0., 0. ]", "line 11, distortion_coefficients: found \"2 numbers"),
            ("1234.5", "wide", "line 9, data: found \"wide\", accepted is a finite number"),
            ("1234.5", ".Inf", "line 9, data: found \".Inf\""),
            ("1234.5", "inf", "line 9, data: found \"inf\""),
            ("0., 1. ]", "0., 1.", "accepted is a list that ends with"),
            ("640", "many", "line 3, image_width: found \"many\""),
            ("dt: d", "dt: \"3f\"", "line 8, dt: found"),
            ("image_height: 480", "  image_height: 480", "line 4, indented line"),
            ("image_height: 480", "image_height", "line 4, entry: found \"image_height\""),
        ] {
            assert!(VALID.contains(from));
            let message = parse(&VALID.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(message.contains(said), "{from} -> {to}: {message}");
        }
    }
}
