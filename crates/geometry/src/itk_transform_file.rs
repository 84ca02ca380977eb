//! ITK's text transform files ("#Insight Transform File V1.0", `.tfm` and `.txt`).
//!
//! ```text
//! #Insight Transform File V1.0
//! #Transform 0
//! Transform: Euler3DTransform_double_3_3
//! Parameters: 0.1 0.2 0.3 10 20 30
//! FixedParameters: 0 0 0 0
//! ```
//!
//! A file holds a list of transforms. Where the first is a `CompositeTransform` (without parameters of its own),
//! the others are its parts and the **last of them is applied first**: `y = T₁(T₂(…Tₙ(x)))`. Transforms are 3-D
//! and linear; displacement fields and B-splines are refused by name.

use crate::affine_map::AffineMap;
use crate::file::{FileError, Problem, nearest_key, read_text, shorten, write_renamed};
use crate::itk_transform::{Kind, Scalar, Transform};
use crate::{Point, Rigid};
use std::fmt::Write;
use std::path::Path;

const SIGNATURE: &str = "#Insight Transform File V1.0";
const COMPOSITE: &str = "CompositeTransform";

/// The content of a transform file.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformFile {
    /// The transforms in the order of the file, the composite itself not counted.
    pub transforms: Vec<Transform>,
    /// The precision of the composite that the transforms are parts of, if there is one.
    pub composite: Option<Scalar>,
}

impl TransformFile {
    /// A file with one rigid motion about a centre, written as Euler3DTransform.
    pub fn from_rigid(moving_from_fixed: &Rigid, centre: &Point) -> Self {
        Self { transforms: vec![Transform::euler_3d(moving_from_fixed, centre)], composite: None }
    }

    /// The whole file as one map from fixed to moving points, LPS mm. A list of several transforms that is no
    /// composite has no such meaning and is refused.
    pub fn map(&self) -> Result<AffineMap, Problem> {
        self.check_chain()?;
        // The chain y = T₁(T₂(…)) read from the left.
        Ok(self.transforms.iter().fold(AffineMap::IDENTITY, |chain, part| chain.after(&part.map())))
    }

    /// The whole file as one rigid motion; a part that is not rigid is refused with its departure from a rotation.
    pub fn rigid(&self) -> Result<Rigid, Problem> {
        self.check_chain()?;
        let rigid = |(n, part): (usize, &Transform)| {
            part.rigid().map_err(|e| Problem::Meaning(format!("transform {n} ({}): {e}", part.kind().class_name())))
        };
        self.transforms.iter().enumerate().map(rigid).try_fold(Rigid::identity(), |chain, part| Ok(chain * part?))
    }

    fn check_chain(&self) -> Result<(), Problem> {
        match (self.transforms.len(), self.composite) {
            (1, _) | (_, Some(_)) => Ok(()),
            (n, None) => Err(Problem::Meaning(format!(
                "it lists {n} transforms without a {COMPOSITE}, accepted as one map is a single transform or a composite"
            ))),
        }
    }
}

/// Reads a transform file.
pub fn read(path: &Path) -> Result<TransformFile, FileError> {
    parse(&read_text(path)?).map_err(|problem| problem.in_file(path))
}

/// Reads a transform file that must be one rigid motion, `moving_from_fixed`.
pub fn read_rigid(path: &Path) -> Result<Rigid, FileError> {
    read(path)?.rigid().map_err(|problem| problem.in_file(path))
}

/// Writes a transform file (temporary name, then renamed); numbers come back exactly as they are.
pub fn write(path: &Path, content: &TransformFile) -> Result<(), FileError> {
    write_renamed(path, to_text(content).as_bytes())
}

/// A transform of which not all lines have been read.
struct Begun {
    line: usize,
    /// `None` for the composite.
    kind: Option<Kind>,
    scalar: Scalar,
    parameters: Option<Vec<f64>>,
    fixed_parameters: Option<Vec<f64>>,
}

/// The transforms in the text of a file.
pub fn parse(text: &str) -> Result<TransformFile, Problem> {
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())).filter(|(_, l)| !l.is_empty());
    let (first, signature) = lines.next().unwrap_or((1, ""));
    if signature.split_whitespace().ne(SIGNATURE.split_whitespace()) {
        return Err(Problem::value(Some(first), "signature", signature, format!("{SIGNATURE:?}")));
    }
    let mut begun: Vec<Begun> = Vec::new();
    for (line, content) in lines.filter(|(_, l)| !l.starts_with('#')) {
        let (key, value) = content.split_once(':').map_or((content, ""), |(key, value)| (key.trim(), value.trim()));
        match (key, begun.last_mut()) {
            ("Transform", _) => {
                let (kind, scalar) = class(line, value)?;
                if kind.is_none() && !begun.is_empty() {
                    return Err(Problem::value(
                        Some(line),
                        "Transform",
                        value,
                        "a composite as the first transform only",
                    ));
                }
                begun.push(Begun { line, kind, scalar, parameters: None, fixed_parameters: None });
            }
            ("Parameters", Some(transform)) => fill(&mut transform.parameters, line, key, value)?,
            ("FixedParameters", Some(transform)) => fill(&mut transform.fixed_parameters, line, key, value)?,
            ("Parameters" | "FixedParameters", None) => {
                return Err(Problem::value(Some(line), key, content, "a \"Transform:\" line before it"));
            }
            ("ComponentTransformFile", _) => {
                return Err(Problem::value(
                    Some(line),
                    key,
                    value,
                    "transforms in this file, not names of other files",
                ));
            }
            _ => {
                let nearest = nearest_key(key, &["Transform", "Parameters", "FixedParameters"]);
                let accepted = format!("a line that begins with \"{nearest}:\"");
                return Err(Problem::value(Some(line), "entry", content, accepted));
            }
        }
    }
    let composite = begun.first().filter(|first| first.kind.is_none()).map(|first| first.scalar);
    let transforms = begun.into_iter().filter_map(|transform| finish(transform).transpose());
    let transforms = transforms.collect::<Result<Vec<_>, Problem>>()?;
    if transforms.is_empty() {
        let held = composite.map_or("no \"Transform:\" line", |_| "a CompositeTransform without parts");
        return Err(Problem::Meaning(format!("it holds {held}, accepted is at least one transform")));
    }
    Ok(TransformFile { transforms, composite })
}

/// Splits "Euler3DTransform_double_3_3" into class (`None`: the composite) and precision.
fn class(line: usize, value: &str) -> Result<(Option<Kind>, Scalar), Problem> {
    let refused = |accepted: String| Problem::value(Some(line), "Transform", value, accepted);
    let (name, rest) = value.split_once('_').unwrap_or((value, ""));
    let kind = Kind::ALL.into_iter().find(|kind| kind.class_name() == name);
    if kind.is_none() && name != COMPOSITE {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.class_name()).chain([COMPOSITE]).collect();
        return Err(refused(format!("one of {}", names.join(", "))));
    }
    match rest {
        "double_3_3" => Ok((kind, Scalar::Double)),
        "float_3_3" => Ok((kind, Scalar::Float)),
        _ => Err(refused(format!("{name}_double_3_3 or {name}_float_3_3 (3-D to 3-D)"))),
    }
}

fn fill(place: &mut Option<Vec<f64>>, line: usize, key: &str, value: &str) -> Result<(), Problem> {
    let number = |word: &str| {
        let finite = word.parse::<f64>().ok().filter(|v| v.is_finite());
        finite.ok_or_else(|| Problem::value(Some(line), key, word, "finite numbers separated by blanks"))
    };
    let numbers = value.split_whitespace().map(number).collect::<Result<_, _>>()?;
    match place.replace(numbers) {
        None => Ok(()),
        Some(_) => Err(Problem::value(Some(line), key, value, "one such line for each transform")),
    }
}

/// The finished transform; `None` for the composite, which has no parameters of its own.
fn finish(begun: Begun) -> Result<Option<Transform>, Problem> {
    let Begun { line, kind, scalar, parameters, fixed_parameters } = begun;
    let Some(kind) = kind else {
        let own = parameters.unwrap_or_default().len() + fixed_parameters.unwrap_or_default().len();
        let accepted = "none: its parts carry them";
        return match own {
            0 => Ok(None),
            _ => Err(Problem::value(Some(line), "parameters of CompositeTransform", &own.to_string(), accepted)),
        };
    };
    let missing = |key: &str, count: usize| {
        let accepted = format!("a line \"{key}:\" with {count} numbers for {}", kind.class_name());
        Problem::Value { line: Some(line), field: key.into(), found: shorten(""), accepted }
    };
    let or_missing = |given: Option<Vec<f64>>, key: &str, count: usize| match (given, count) {
        (Some(numbers), _) => Ok(numbers),
        (None, 0) => Ok(Vec::new()),
        (None, _) => Err(missing(key, count)),
    };
    let parameters = or_missing(parameters, "Parameters", kind.parameters())?;
    let fixed_parameters = or_missing(fixed_parameters, "FixedParameters", kind.fixed_parameters()[0])?;
    let transform = Transform::new(kind, scalar, parameters, fixed_parameters);
    transform.map(Some).map_err(|e| Problem::Meaning(format!("line {line}, {e}")))
}

/// The text of a transform file.
pub fn to_text(content: &TransformFile) -> String {
    let mut text = format!("{SIGNATURE}\n");
    let mut number = 0;
    let mut begin = |text: &mut String, class: &str, scalar: Scalar| {
        let scalar = if scalar == Scalar::Float { "float" } else { "double" };
        writeln!(text, "#Transform {number}\nTransform: {class}_{scalar}_3_3").expect("strings take all writes");
        number += 1;
    };
    if let Some(scalar) = content.composite {
        begin(&mut text, COMPOSITE, scalar);
    }
    for transform in &content.transforms {
        begin(&mut text, transform.kind().class_name(), transform.scalar());
        for (key, numbers) in
            [("Parameters", transform.parameters()), ("FixedParameters", transform.fixed_parameters())]
        {
            let numbers: Vec<String> = numbers.iter().map(|v| format!("{v:?}")).collect();
            writeln!(text, "{key}: {}", numbers.join(" ")).expect("strings take all writes");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Twist, se3};

    /// As SimpleITK 2.5.7 (ITK 5.4) writes `CompositeTransform([translation, euler, affine])`.
    const COMPOSITE_FILE: &str = "#Insight Transform File V1.0
#Transform 0
Transform: CompositeTransform_double_3_3
#Transform 1
Transform: TranslationTransform_double_3_3
Parameters: 1 2 3.5
FixedParameters: 
#Transform 2
Transform: Euler3DTransform_double_3_3
Parameters: 0.3 -0.5 0.7 1.5 -2.5 3.5
FixedParameters: 10.5 -20.25 30.125 0
#Transform 3
Transform: AffineTransform_double_3_3
Parameters: 1.1 0.1 0.2 -0.3 0.9 0.05 0.01 0.02 1.2 7 8 9
FixedParameters: 10.5 -20.25 30.125
";

    /// `TransformPoint` of SimpleITK 2.5.7 (ITK 5.4) on the file above, 15 digits.
    #[test]
    fn composites_apply_their_last_part_first() {
        let file = parse(COMPOSITE_FILE).unwrap();
        assert_eq!((file.transforms.len(), file.composite), (3, Some(Scalar::Double)));
        let map = file.map().unwrap();
        for (point, expected) in [
            ([0.0, 0.0, 0.0], [-5.31135623588607, 9.32452751885136, 18.9340887011445]),
            ([12.5, -7.25, 101.0], [-0.950993067511295, -40.7735938020497, 134.203161409986]),
            ([-40.0, 55.5, 3.0], [-73.2508474063746, 35.2166526829694, 23.5635588631347]),
        ] {
            assert!((map.apply(&Point::from(point)) - Point::from(expected)).norm() < 1e-12);
        }
        let said = file.rigid().unwrap_err().to_string();
        assert!(said.contains("transform 2 (AffineTransform): the matrix is not a rotation"), "{said}");
    }

    #[test]
    fn written_files_come_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.tfm");
        let awkward = [0.1 + 0.2, -1e-17, 1e300, std::f64::consts::PI, 5e-324, -0.0];
        let extra = Transform::new(Kind::Euler3D, Scalar::Float, awkward.to_vec(), vec![1.0 / 3.0; 3]).unwrap();
        let mut file = parse(COMPOSITE_FILE).unwrap();
        file.transforms.push(extra);
        write(&path, &file).unwrap();
        assert_eq!(read(&path).unwrap(), file);
        file.composite = None;
        assert_eq!(parse(&to_text(&file)).unwrap(), file);
    }

    #[test]
    fn rigid_motions_come_back_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pose.txt");
        for xi in [[30.0, -20.0, 10.0, 0.5, -0.7, 0.2], [-3.0, 8.0, 100.0, 1.5, 1.6, -1.9]] {
            let motion = se3::exp(&Twist::from(xi));
            write(&path, &TransformFile::from_rigid(&motion, &Point::new(12.0, -150.0, 900.0))).unwrap();
            let back = read_rigid(&path).unwrap();
            assert!((back.to_homogeneous() - motion.to_homogeneous()).amax() < 1e-12);
        }
    }

    #[test]
    fn lists_are_read_but_are_no_single_map() {
        let list: String =
            COMPOSITE_FILE.lines().filter(|l| !l.contains("Composite")).map(|l| format!("{l}\r\n")).collect();
        let file = parse(&list).unwrap();
        assert_eq!((file.transforms.len(), file.composite), (3, None));
        assert!(file.map().unwrap_err().to_string().contains("lists 3 transforms without a CompositeTransform"));
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, said) in [
            ("#Insight Transform File V1.0", "#Insight Transform File V2", "line 1, signature: found"),
            ("Transform: Euler3D", "Transform: Euler2D", "line 9, Transform: found \"Euler2DTransform_double_3_3\""),
            ("AffineTransform_double_3_3", "AffineTransform_double_2_2", "AffineTransform_double_3_3 or"),
            ("AffineTransform_double", "CompositeTransform_double", "a composite as the first transform only"),
            ("0.7 1.5", "0.7 x1.5", "line 10, Parameters: found \"x1.5\""),
            ("0.7 1.5", "0.7 nan", "line 10, Parameters: found \"nan\""),
            ("0.7 1.5", "0.7", "line 9, Euler3DTransform takes 6 parameters, not 5"),
            ("30.125 0", "30.125 0.5", "found 0.5 as ComputeZYX"),
            ("Parameters: 0.3", "Parameter: 0.3", "line 10, entry: found \"Parameter: 0.3"),
            ("FixedParameters: 10.5", "Parameters: 10.5", "line 11, Parameters: found"),
            ("Parameters: 0.3 -0.5 0.7 1.5 -2.5 3.5\n", "", "accepted is a line \"Parameters:\" with 6 numbers"),
            ("#Transform 1", "Parameters: 1", "line 3, parameters of CompositeTransform: found \"1\""),
            ("#Transform 1", "ComponentTransformFile: a.tfm", "not names of other files"),
        ] {
            assert!(COMPOSITE_FILE.contains(from));
            let message = parse(&COMPOSITE_FILE.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(message.contains(said), "{from} -> {to}: {message}");
        }
        assert!(parse("").is_err() && parse(SIGNATURE).is_err());
        let empty = format!("{SIGNATURE}\nTransform: CompositeTransform_double_3_3\n");
        assert!(parse(&empty).unwrap_err().to_string().contains("a CompositeTransform without parts"));
        let early = format!("{SIGNATURE}\nParameters: 1\n");
        assert!(parse(&early).unwrap_err().to_string().contains("a \"Transform:\" line before it"));
    }
}
