//! Files of named points: CSV tables and the markups of 3D Slicer (`.fcsv`).
//!
//! A CSV table has a header row that names the columns `x`, `y` and `z` (LPS, mm; as ANTs writes points), and may have
//! `name` or `label`; other columns are passed over. A table without a header has three numbers in each row. A `.fcsv`
//! says its coordinate system (LPS, RAS, or by number) and its columns in comment lines; RAS is converted.

use crate::Point;
use crate::file::{FileError, Problem, read_text, shorten, write_renamed};
use csv::{ReaderBuilder, StringRecord};
use std::path::Path;

/// A point with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPoint {
    /// Its name; may be empty.
    pub name: String,
    /// Where it lies in the LPS world, mm.
    pub position: Point,
}

/// Columns of a `.fcsv` that says none.
const SLICER_COLUMNS: &str = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID";

/// Reads the points of a file, in their order.
pub fn read(path: &Path) -> Result<Vec<NamedPoint>, FileError> {
    parse(&read_text(path)?).map_err(|problem| problem.in_file(path))
}

/// Writes points: `.fcsv` as markups in LPS, all other names as a CSV table (temporary name, then renamed).
pub fn write(path: &Path, points: &[NamedPoint]) -> Result<(), FileError> {
    let is_slicer = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("fcsv"));
    write_renamed(path, if is_slicer { to_fcsv(points) } else { to_csv(points) }.as_bytes())
}

/// Where the columns of a table are.
struct Columns {
    axes: [usize; 3],
    name: Option<usize>,
}

impl Columns {
    /// From the names of the columns; `None` if x, y and z are not among them.
    fn named(names: &StringRecord) -> Option<Self> {
        let place =
            |wanted: &[&str]| names.iter().position(|n| wanted.iter().any(|w| n.trim().eq_ignore_ascii_case(w)));
        let axes = [place(&["x"])?, place(&["y"])?, place(&["z"])?];
        Some(Self { axes, name: place(&["name"]).or_else(|| place(&["label"])) })
    }
}

/// The points in the text of a file.
pub fn parse(text: &str) -> Result<Vec<NamedPoint>, Problem> {
    let mut turn = [1.0; 3];
    let mut columns = None;
    for (n, comment) in text.lines().enumerate().filter_map(|(n, l)| Some((n + 1, l.trim().strip_prefix('#')?))) {
        let Some((key, value)) = comment.split_once('=').map(|(k, v)| (k.trim(), v.trim())) else { continue };
        match key {
            "CoordinateSystem" => turn = coordinate_system(n, value)?,
            "columns" => columns = Some(slicer_columns(n, value)?),
            _ => {}
        }
    }
    let is_slicer = text.lines().any(|l| l.trim_start().starts_with("# Markups fiducial file"));
    if is_slicer && columns.is_none() {
        columns = Some(slicer_columns(1, SLICER_COLUMNS)?);
    }
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut points = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| Problem::Meaning(format!("it is no table: {e}")))?;
        let line = record.position().map(|p| p.line() as usize);
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let by_name = Columns::named(&record);
                let is_header = by_name.is_some();
                if !is_header && record.iter().any(|f| f.parse::<f64>().is_err()) {
                    let accepted = "columns x, y and z (LPS, mm) in the header, or three numbers in each row";
                    let found = record.iter().collect::<Vec<_>>().join(",");
                    return Err(Problem::value(line, "header", &found, accepted));
                }
                let found = columns.insert(by_name.unwrap_or(Columns { axes: [0, 1, 2], name: None }));
                if is_header {
                    continue;
                }
                found
            }
        };
        points.push(point(&record, line, columns, turn)?);
    }
    match points.is_empty() {
        true => Err(Problem::Meaning("it holds no points, accepted is at least one".into())),
        false => Ok(points),
    }
}

fn point(record: &StringRecord, line: Option<usize>, columns: &Columns, turn: [f64; 3]) -> Result<NamedPoint, Problem> {
    let mut position = Point::origin();
    for a in 0..3 {
        let text = record.get(columns.axes[a]).unwrap_or("");
        let value = text.parse::<f64>().ok().filter(|v| v.is_finite());
        let accepted = "a finite number";
        position[a] = turn[a] * value.ok_or_else(|| Problem::value(line, ["x", "y", "z"][a], text, accepted))?;
    }
    let name = columns.name.and_then(|c| record.get(c)).unwrap_or("").to_owned();
    Ok(NamedPoint { name, position })
}

fn coordinate_system(line: usize, value: &str) -> Result<[f64; 3], Problem> {
    match value {
        "LPS" | "1" => Ok([1.0; 3]),
        "RAS" | "0" => Ok([-1.0, -1.0, 1.0]),
        _ => Err(Problem::value(Some(line), "CoordinateSystem", value, "LPS (1) or RAS (0)")),
    }
}

fn slicer_columns(line: usize, value: &str) -> Result<Columns, Problem> {
    let names: StringRecord = value.split(',').collect();
    let columns = Columns::named(&names);
    let missing = || Problem::Value {
        line: Some(line),
        field: "columns".into(),
        found: shorten(value),
        accepted: "columns x, y and z among them".into(),
    };
    let columns = columns.ok_or_else(missing)?;
    let label = names.iter().position(|n| n.trim() == "label");
    Ok(Columns { name: label.or(columns.name), ..columns })
}

fn field(text: &str) -> String {
    let plain = !text.contains([',', '"', '\n', '\r']) && !text.starts_with('#');
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

fn to_csv(points: &[NamedPoint]) -> String {
    let rows = points.iter().map(|p| {
        let [x, y, z] = [p.position.x, p.position.y, p.position.z];
        format!("{x:?},{y:?},{z:?},{}\n", field(&p.name))
    });
    format!("x,y,z,name\n{}", rows.collect::<String>())
}

fn to_fcsv(points: &[NamedPoint]) -> String {
    let rows = points.iter().enumerate().map(|(n, p)| {
        let [x, y, z] = [p.position.x, p.position.y, p.position.z];
        format!("{},{x:?},{y:?},{z:?},0,0,0,1,1,1,0,{},,\n", n + 1, field(&p.name))
    });
    format!(
        "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n# columns = {SLICER_COLUMNS}\n{}",
        rows.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<NamedPoint> {
        let one = |name: &str, p: [f64; 3]| NamedPoint { name: name.into(), position: Point::from(p) };
        vec![one("AC", [1.5, -2.25, 1e-3]), one("a \"b\", c", [0.1 + 0.2, 1e5, -7.0]), one("", [0.0, 0.0, 3.0])]
    }

    #[test]
    fn points_come_back_from_both_kinds_of_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.csv", "b.FCSV", "c.txt"] {
            let path = folder.path().join(name);
            write(&path, &points()).unwrap();
            assert_eq!(read(&path).unwrap(), points(), "{name}");
        }
    }

    #[test]
    fn slicers_files_are_turned_to_lps() {
        let text = "# Markups fiducial file version = 4.6\n# CoordinateSystem = 0\n\
            # columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n\
            vtkMRMLMarkupsFiducialNode_0,10.5,-20,30,0,0,0,1,1,1,0,F-1,,vtkMRMLScalarVolumeNode1\n";
        let expected = vec![NamedPoint { name: "F-1".into(), position: Point::new(-10.5, 20.0, 30.0) }];
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse(&text.replace("CoordinateSystem = 0", "CoordinateSystem = RAS")).unwrap(), expected);
        let lps = parse(&text.replace("CoordinateSystem = 0", "CoordinateSystem = LPS")).unwrap();
        assert_eq!(lps[0].position, Point::new(10.5, -20.0, 30.0));
    }

    #[test]
    fn tables_with_and_without_header_are_read() {
        assert_eq!(parse("1,2,3\n\n4, 5 ,6\n").unwrap().len(), 2);
        let ants = parse("x,y,z,t,label,comment\n1,2,3,0,7,tip\r\n").unwrap();
        assert_eq!(ants, [NamedPoint { name: "7".into(), position: Point::new(1.0, 2.0, 3.0) }]);
        let turned = parse("Name,Z,Y,X\nn,3,2,1\n").unwrap();
        assert_eq!(turned, [NamedPoint { name: "n".into(), position: Point::new(1.0, 2.0, 3.0) }]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, said) in [
            ("", "it holds no points"),
            ("x,y,z\n", "it holds no points"),
            ("a,b,c\n1,2,3\n", "line 1, header: found \"a,b,c\", accepted is columns x, y and z"),
            ("x,y,z\n1,two,3\n", "line 2, y: found \"two\", accepted is a finite number"),
            ("x,y,z\n1,2\n", "line 2, z: found nothing"),
            ("1,2,nan\n", "line 1, z: found \"nan\""),
            (
                "# CoordinateSystem = IJK\n1,2,3\n",
                "line 1, CoordinateSystem: found \"IJK\", accepted is LPS (1) or RAS (0)",
            ),
            ("# columns = id,a,b\n1,2,3\n", "line 1, columns: found \"id,a,b\""),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(said), "{text:?}: {message}");
        }
    }
}
