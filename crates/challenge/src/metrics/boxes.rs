//! Boxes of objects and detections, image by image: from tables to average precision and F1.

use super::detection::{Detection, average_precision, f1, hits};
use crate::table::{Table, TableError};

/// An axis-aligned box; `low` is not above `high`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// Image it lies in.
    pub image: String,
    /// Least coordinates.
    pub low: [f64; 3],
    /// Greatest coordinates. Of boxes in the plane the third extent is 1.
    pub high: [f64; 3],
    /// Confidence of a detection.
    pub confidence: f64,
}

impl Bounds {
    /// Intersection over union; 0 of two boxes without content.
    pub fn iou(&self, other: &Self) -> f64 {
        let common: f64 =
            (0..3).map(|a| (self.high[a].min(other.high[a]) - self.low[a].max(other.low[a])).max(0.0)).product();
        let union = self.content() + other.content() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }

    fn content(&self) -> f64 {
        (0..3).map(|a| self.high[a] - self.low[a]).product()
    }
}

/// Why a table of boxes is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BoundsError {
    /// The table is not what it must be.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A number that is none.
    #[error("line {line}: column {column:?} has no finite number; accepted are numbers in every row")]
    NotFinite {
        /// Line.
        line: u64,
        /// Column.
        column: &'static str,
    },
    /// A box inside out.
    #[error(
        "line {line}: {low} is {from} and {high} is {to}; accepted are boxes whose first corner is not above the second"
    )]
    InsideOut {
        /// Line.
        line: u64,
        /// Column of the least coordinate.
        low: &'static str,
        /// Its value.
        from: f64,
        /// Column of the greatest coordinate.
        high: &'static str,
        /// Its value.
        to: f64,
    },
}

/// The boxes of a table with the columns image, x0, y0, x1, y1, of volumes also z0 and z1, and of detections confidence.
///
/// # Errors
/// If columns are missing, or hold what is no box.
pub fn boxes(table: &Table, is_detection: bool) -> Result<Vec<Bounds>, BoundsError> {
    let image = table.names("image")?;
    let column = |name: &'static str| -> Result<Vec<f64>, BoundsError> {
        let numbers = table.numbers(name)?;
        match numbers.iter().position(|v| !v.is_finite()) {
            Some(row) => Err(BoundsError::NotFinite { line: table.lines[row], column: name }),
            None => Ok(numbers),
        }
    };
    let is_volume = ["z0", "z1"].iter().any(|z| table.names.iter().any(|n| n == z));
    let rows = table.lines.len();
    let [z0, z1] = if is_volume { [column("z0")?, column("z1")?] } else { [vec![0.0; rows], vec![1.0; rows]] };
    let (low, high) = ([column("x0")?, column("y0")?, z0], [column("x1")?, column("y1")?, z1]);
    let confidence = if is_detection { column("confidence")? } else { vec![1.0; rows] };
    const NAMES: [(&str, &str); 3] = [("x0", "x1"), ("y0", "y1"), ("z0", "z1")];
    let bounds = |row: usize| {
        for (axis, (low_name, high_name)) in NAMES.into_iter().enumerate() {
            let (from, to) = (low[axis][row], high[axis][row]);
            if from > to {
                return Err(BoundsError::InsideOut {
                    line: table.lines[row],
                    low: low_name,
                    from,
                    high: high_name,
                    to,
                });
            }
        }
        Ok(Bounds {
            image: image[row].clone(),
            low: [0, 1, 2].map(|a| low[a][row]),
            high: [0, 1, 2].map(|a| high[a][row]),
            confidence: confidence[row],
        })
    };
    (0..rows).map(bounds).collect()
}

/// What detections are worth.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Found {
    /// Number of objects.
    pub objects: usize,
    /// Number of detections.
    pub detections: usize,
    /// Average precision over all detections; `None` without objects.
    pub average_precision: Option<f64>,
    /// Hits among the detections that count.
    pub true_positive: usize,
    /// Detections that count and hit nothing.
    pub false_positive: usize,
    /// Objects that none of them hits.
    pub false_negative: usize,
    /// Precision of the detections that count; `None` where none does.
    pub precision: Option<f64>,
    /// Recall of the detections that count; `None` without objects.
    pub recall: Option<f64>,
    /// F1 of the detections that count; `None` where there is neither an object nor a detection.
    pub f1: Option<f64>,
}

/// Matches detections to the objects of their image by falling confidence (see [`hits`]). Those with at least `confidence`
/// count for precision, recall and F1.
pub fn found(objects: &[Bounds], detections: &[Bounds], iou: f64, confidence: f64) -> Found {
    let mut images: Vec<&str> = detections.iter().map(|d| &*d.image).collect();
    images.sort_unstable();
    images.dedup();
    let mut all: Vec<Detection> = Vec::with_capacity(detections.len());
    for image in images {
        let of_image = |all: &[Bounds]| all.iter().filter(|b| b.image == image).cloned().collect::<Vec<_>>();
        let (there, said) = (of_image(objects), of_image(detections));
        let table: Vec<f64> = said.iter().flat_map(|d| there.iter().map(|o| d.iou(o))).collect();
        let surety: Vec<f64> = said.iter().map(|d| d.confidence).collect();
        all.extend(hits(&surety, &table, there.len(), iou));
    }
    let counting = || all.iter().filter(|d| d.confidence >= confidence);
    let (counted, tp) = (counting().count(), counting().filter(|d| d.hit).count());
    let (fp, fn_) = (counted - tp, objects.len() - tp);
    let part = |whole: usize| (whole > 0).then(|| tp as f64 / whole as f64);
    Found {
        objects: objects.len(),
        detections: detections.len(),
        average_precision: average_precision(&all, objects.len()),
        true_positive: tp,
        false_positive: fp,
        false_negative: fn_,
        precision: part(counted),
        recall: part(objects.len()),
        f1: f1(tp, fp, fn_),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, is_detection: bool) -> Result<Vec<Bounds>, BoundsError> {
        boxes(&Table::from_csv(text.as_bytes())?, is_detection)
    }

    #[test]
    fn detections_find_the_objects_of_their_image() {
        let objects = read("image,x0,y0,x1,y1\na,0,0,10,10\na,20,0,30,10\nb,0,0,10,10\n", false).unwrap();
        let said = "image,x0,y0,x1,y1,confidence\na,0,0,10,8,0.9\nb,20,0,30,10,0.8\na,0,0,10,10,0.7\nb,0,0,10,9,0.2\n";
        let detections = read(said, true).unwrap();
        assert_eq!((objects[0].iou(&detections[0]), objects[0].iou(&objects[1])), (0.8, 0.0));
        let all = found(&objects, &detections, 0.5, f64::NEG_INFINITY);
        // Hit, miss, a second one on the same object, hit: precision 1 to recall 1/3, 1/2 to 2/3.
        assert_eq!((all.true_positive, all.false_positive, all.false_negative), (2, 2, 1));
        assert!((all.average_precision.unwrap() - (1.0 / 3.0 + 0.5 / 3.0)).abs() < 1e-15);
        assert_eq!((all.precision, all.f1), (Some(0.5), Some(4.0 / 7.0)));
        let sure = found(&objects, &detections, 0.5, 0.5);
        assert_eq!((sure.true_positive, sure.false_positive, sure.recall), (1, 2, Some(1.0 / 3.0)));
        let strict = found(&objects, &detections, 0.95, 0.0);
        assert_eq!((strict.true_positive, strict.objects), (1, 3));
        assert_eq!(found(&[], &[], 0.5, 0.0).f1, None);
    }

    #[test]
    fn what_is_no_box_is_refused_with_its_line() {
        let said = |text: &str| read(text, true).unwrap_err().to_string();
        let header = "image,x0,y0,x1,y1,confidence\n";
        assert!(said(&format!("{header}a,2,0,1,1,0.5\n")).contains("line 2: x0 is 2 and x1 is 1"));
        assert!(said(&format!("{header}a,0,0,inf,1,0.5\n")).contains("line 2: column \"x1\""));
        assert!(said(&format!("{header}a,0,0,1,1,\n")).contains("\"confidence\" has no finite number"));
        assert!(said("image,x0,y0,x1,y1\na,0,0,1,1\n").contains("no column \"confidence\""));
        let flat = read("image,x0,y0,z0,x1,y1,z1,confidence\na,0,0,0,1,1,2,1\n", true).unwrap();
        assert_eq!(flat[0].high, [1.0, 1.0, 2.0]);
    }
}
