//! Camera files (`CAM.json`): source, detector and pixel steps of one view in the LPS world.
//!
//! ```json
//! {"source_mm": [0, 700, 0], "pixel0_mm": [-99.5, -300, 99.5], "col_step_mm": [1, 0, 0],
//!  "row_step_mm": [0, 0, -1], "rows": 200, "cols": 200}
//! ```
//!
//! `pixel0_mm` is the centre of the pixel in row 0, column 0. The orthographic case has `"beam_mm"` (the vector
//! from the beginning of every ray to its pixel) in place of `"source_mm"`.

use crate::file::{FileError, Problem, read_text, write_renamed};
use crate::json::{self, Object};
use crate::{Point, Source, Vector, View};
use std::path::Path;

const KEYS: [&str; 7] = ["source_mm", "beam_mm", "pixel0_mm", "col_step_mm", "row_step_mm", "rows", "cols"];

/// Reads a camera file.
pub fn read(path: &Path) -> Result<View, FileError> {
    parse(&read_text(path)?).map_err(|problem| problem.in_file(path))
}

/// Writes a camera file (temporary name, then renamed); numbers come back exactly as they are.
pub fn write(path: &Path, view: &View) -> Result<(), FileError> {
    write_renamed(path, to_json(view).as_bytes())
}

/// The view in the text of a camera file.
pub fn parse(text: &str) -> Result<View, Problem> {
    let object = Object::parse(text, &KEYS)?;
    let source = match (object.numbers::<3>("source_mm")?, object.numbers::<3>("beam_mm")?) {
        (Some(source), None) => Source::Point(Point::from(source)),
        (None, Some(beam)) => Source::Parallel(Vector::from(beam)),
        (None, None) => return Err(Problem::MissingKey { key: "source_mm".into() }),
        (Some(_), Some(_)) => {
            return Err(Problem::Meaning(
                "it has both \"source_mm\" (cone beam) and \"beam_mm\" (parallel rays); one is accepted".into(),
            ));
        }
    };
    let vector = |key| json::required(key, object.numbers::<3>(key)?);
    View::new(
        source,
        Point::from(vector("pixel0_mm")?),
        Vector::from(vector("col_step_mm")?),
        Vector::from(vector("row_step_mm")?),
        json::required("rows", object.count("rows")?)?,
        json::required("cols", object.count("cols")?)?,
    )
    .map_err(|e| Problem::Meaning(e.to_string()))
}

/// The text of a camera file.
pub fn to_json(view: &View) -> String {
    let (key, origin) = match view.source() {
        Source::Point(source) => ("source_mm", source.coords),
        Source::Parallel(beam) => ("beam_mm", beam),
    };
    let vector = |v: Vector| json::list(v.iter());
    format!(
        "{{\n  \"{key}\": {},\n  \"pixel0_mm\": {},\n  \"col_step_mm\": {},\n  \"row_step_mm\": {},\n  \
         \"rows\": {},\n  \"cols\": {}\n}}\n",
        vector(origin),
        vector(view.pixel0().coords),
        vector(view.col_step()),
        vector(view.row_step()),
        view.rows(),
        view.cols()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carm::{Beam, CArm, Positioner};

    const VALID: &str = r#"{"source_mm": [0, 700, 0], "pixel0_mm": [-99.5, -300, 99.5], "col_step_mm": [1, 0, 0],
        "row_step_mm": [0, 0, -1], "rows": 200, "cols": 150}"#;

    #[test]
    fn the_fixed_form_is_read() {
        let view = parse(VALID).unwrap();
        assert_eq!(view.source(), Source::Point(Point::new(0.0, 700.0, 0.0)));
        assert_eq!(view.pixel(2.0, 3.0), Point::new(-96.5, -300.0, 97.5));
        assert_eq!((view.rows(), view.cols()), (200, 150));
    }

    #[test]
    fn written_views_come_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cam.json");
        for beam in [Beam::Cone, Beam::Parallel] {
            let arm = CArm { beam, detector_rotation: 0.1, ..CArm::new(1020.0, 750.0, 31, 47, 0.388) };
            let view = arm.at(Positioner::from_deg(33.3, -12.1)).view().unwrap();
            write(&path, &view).unwrap();
            assert_eq!(read(&path).unwrap(), view);
        }
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(VALID.contains(from));
        parse(&VALID.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, said) in [
            ("source_mm", "source", "unknown key \"source\"; the nearest accepted key is \"source_mm\""),
            ("\"cols\": 150", "\"cols\": 150, \"rows\": 3", "key \"rows\" stands more than once"),
            (", \"cols\": 150", "", "key \"cols\" is missing"),
            ("\"source_mm\": [0, 700, 0], ", "", "key \"source_mm\" is missing"),
            ("\"rows\"", "\"beam_mm\": [0, 1, 0], \"rows\"", "it has both"),
            ("[1, 0, 0]", "[1, 0]", "col_step_mm: found \"[1,0]\", accepted is a list of 3 finite numbers"),
            ("[1, 0, 0]", "[1, 0, \"x\"]", "col_step_mm: found"),
            ("150", "-1", "cols: found \"-1\", accepted is a whole number"),
            ("150", "1.5", "cols: found \"1.5\""),
            ("150", "1e999", "out of range"),
            ("200", "0", "a detector of 0 × 150 pixels is not accepted"),
            ("200", "18446744073709551615", "is not accepted"),
            ("[0, 0, -1]", "[2, 0, 0]", "zero or parallel"),
            ("[0, 700, 0]", "[0, -300, 0]", "in the plane of the detector"),
            ("}", "", "EOF"),
            ("{", "[", "JSON"),
        ] {
            let message = refused(from, to);
            assert!(message.contains(said), "{from} -> {to}: {message}");
        }
    }
}
