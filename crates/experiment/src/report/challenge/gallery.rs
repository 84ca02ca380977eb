//! The cases on which algorithms did worst: values, and thumbnails with contours where masks are given.

use crate::report::canvas::Canvas;
use crate::report::picture::{Picture, grey, window};
use regiscope_challenge::manifest::Entry;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::results::Better;
use regiscope_image::picture::{Rgb, read_png_rgb};
use regiscope_image::{Image, Volume, read_labels, read_volume};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::Path;

/// A case that most algorithms did badly on.
#[derive(Clone, Debug)]
pub struct WorstCase {
    /// Its task.
    pub task: String,
    /// Its name.
    pub case: String,
    /// Mean value of all algorithms.
    pub mean: f64,
    /// Names and values of the algorithms, best first.
    pub values: Vec<(String, Value)>,
    /// Thumbnails of the worst and the best answer.
    pub shown: Vec<Shown>,
    /// Why there are no thumbnails, if files could not be read.
    pub trouble: Option<String>,
}

/// A thumbnail.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Algorithm and value.
    pub caption: String,
    /// The picture as inline SVG.
    pub svg: String,
}

/// Colour of the reference's contour; the prediction's is [`PREDICTION`]. Both are M. Okabe and K. Ito's.
const REFERENCE: &str = "#56B4E9";
const PREDICTION: &str = "#E69F00";

/// The `count` worst cases of each task by the mean over algorithms, worst first. Masks come from the entries of a
/// manifest, whose file names start from `folder`.
pub fn worst_cases(
    tasks: &[TaskAnalysis],
    better: Better,
    count: usize,
    manifest: &[Entry],
    folder: &Path,
) -> Vec<WorstCase> {
    let worst_of = |task: &TaskAnalysis| {
        let results = &task.results;
        let k = results.algorithms.len() as f64;
        let mean = |case: usize| results.case(case).iter().map(|v| v / k).sum::<f64>();
        let mut cases: Vec<usize> = (0..results.cases.len()).collect();
        cases.sort_by(|&a, &b| match better {
            Better::Larger => mean(a).total_cmp(&mean(b)),
            Better::Smaller => mean(b).total_cmp(&mean(a)),
        });
        cases.truncate(count);
        cases.into_iter().map(|case| worst_case(task, case, mean(case), better, manifest, folder)).collect::<Vec<_>>()
    };
    tasks.iter().flat_map(worst_of).collect()
}

fn worst_case(
    task: &TaskAnalysis,
    case: usize,
    mean: f64,
    better: Better,
    manifest: &[Entry],
    folder: &Path,
) -> WorstCase {
    let (results, values) = (&task.results, task.results.case(case));
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| match better {
        Better::Larger => values[b].total_cmp(&values[a]),
        Better::Smaller => values[a].total_cmp(&values[b]),
    });
    let entry = |a: usize| {
        let is = |e: &&Entry| {
            e.task == results.task && e.case == results.cases[case] && e.algorithm == results.algorithms[a]
        };
        manifest.iter().find(is).filter(|e| e.prediction.is_some())
    };
    let answered: Vec<usize> = order.iter().copied().filter(|&a| entry(a).is_some()).collect();
    let ends: Vec<usize> = match &answered[..] {
        [best, .., worst] => vec![*worst, *best],
        few => few.to_vec(),
    };
    let pictures: Result<Vec<Shown>, String> = ends
        .into_iter()
        .map(|a| {
            let svg = thumbnail(entry(a).expect("answered"), folder)?;
            Ok(Shown { caption: format!("{}: {:.3}", results.algorithms[a], values[a]), svg })
        })
        .collect();
    let (shown, trouble) = match pictures {
        Ok(shown) => (shown, None),
        Err(sentence) => (Vec::new(), Some(sentence)),
    };
    WorstCase {
        task: results.task.clone(),
        case: results.cases[case].clone(),
        mean,
        values: order.into_iter().map(|a| (results.algorithms[a].clone(), json!(values[a]))).collect(),
        shown,
        trouble,
    }
}

/// The part of the slice around both masks where they are largest, on the image if there is one.
fn thumbnail(entry: &Entry, folder: &Path) -> Result<String, String> {
    let labels = |name: &str| read_labels(&folder.join(name)).map_err(|e| e.to_string());
    let reference = labels(&entry.reference)?;
    let prediction = labels(entry.prediction.as_deref().unwrap_or_default())?;
    if reference.grid().shape() != prediction.grid().shape() {
        return Err(format!("{} and its prediction have different extents", entry.reference));
    }
    let shape = reference.grid().shape();
    let image = entry.image.as_ref().map(|name| Background::read(&folder.join(name))).transpose()?;
    if image.as_ref().is_some_and(|image| image.shape() != shape) {
        return Err(format!("the image of {} has other extents than its masks", entry.reference));
    }
    let [nx, ny, nz] = shape;
    let area = |v: &Volume<u16>, z: usize| v.data()[z * nx * ny..][..nx * ny].iter().filter(|&&l| l != 0).count();
    let slice = (0..nz).max_by_key(|&z| area(&reference, z) + area(&prediction, z)).unwrap_or(0);
    let plane =
        |v: &Volume<u16>| -> Vec<bool> { v.data()[slice * nx * ny..][..nx * ny].iter().map(|&l| l != 0).collect() };
    let (reference_plane, prediction_plane) = (plane(&reference), plane(&prediction));
    let either: Vec<bool> = reference_plane.iter().zip(&prediction_plane).map(|(a, b)| a | b).collect();
    let part = around(&either, nx, ny);
    let picture = image.map(|image| image.part(slice, &part));
    Ok(drawn(&reference_plane, &prediction_plane, picture.as_ref(), nx, part, reference.grid().spacing()))
}

/// What contours are drawn on.
enum Background {
    /// Grey values.
    Grey(Volume<f32>),
    /// A colour picture.
    Colour(Image<Rgb>),
}

impl Background {
    fn read(path: &Path) -> Result<Self, String> {
        match read_png_rgb(path).map_err(|e| e.to_string())? {
            // Grey pictures are shown through the window of their values.
            Some(picture) if picture.data().iter().any(|[r, g, b]| r != g || g != b) => Ok(Self::Colour(picture)),
            _ => Ok(Self::Grey(read_volume(path).map_err(|e| e.to_string())?.volume)),
        }
    }

    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Grey(volume) => volume.grid().shape(),
            Self::Colour(picture) => [picture.cols(), picture.rows(), 1],
        }
    }

    /// Columns and rows of a slice.
    fn part(&self, slice: usize, [xs, ys]: &[Range<usize>; 2]) -> Picture {
        let [nx, ny, _] = self.shape();
        let places = || ys.clone().flat_map(|y| xs.clone().map(move |x| (slice * ny + y) * nx + x));
        match self {
            Self::Grey(volume) => {
                let cut = places().map(|at| volume.data()[at]).collect();
                let image = Image::new(ys.len(), xs.len(), cut);
                grey(&image, window(&image), 1)
            }
            Self::Colour(picture) => {
                Picture { rows: ys.len(), cols: xs.len(), rgb: places().map(|at| picture.data()[at]).collect() }
            }
        }
    }
}

/// Columns and rows around what is inside, with a quarter of its size for room, at least 16 pixels; all of an empty one.
fn around(inside: &[bool], nx: usize, ny: usize) -> [Range<usize>; 2] {
    let places = || inside.iter().enumerate().filter(|(_, v)| **v).map(|(i, _)| [i % nx, i / nx]);
    let side = |axis: usize, n: usize| {
        let (Some(low), Some(high)) = (places().map(|p| p[axis]).min(), places().map(|p| p[axis]).max()) else {
            return 0..n;
        };
        let room = ((high - low) / 4).max(8);
        low.saturating_sub(room)..(high + room + 1).min(n)
    };
    [side(0, nx), side(1, ny)]
}

/// The picture, or black, under the two contours.
fn drawn(
    reference: &[bool],
    prediction: &[bool],
    picture: Option<&Picture>,
    nx: usize,
    [xs, ys]: [Range<usize>; 2],
    spacing: [f64; 3],
) -> String {
    let scale = 300.0 / (xs.len() as f64 * spacing[0]).max(ys.len() as f64 * spacing[1]);
    let step = [scale * spacing[0], scale * spacing[1]];
    let size = [xs.len() as f64 * step[0], ys.len() as f64 * step[1]];
    let mut canvas = Canvas::new(size, "contours of reference and prediction");
    canvas.rect([0.0, 0.0, size[0], size[1]], "fill=\"#000\"");
    if let Some(picture) = picture {
        canvas.image([0.0, 0.0, size[0], size[1]], &picture.data_url());
    }
    for (mask, colour, width) in [(reference, REFERENCE, 2.4), (prediction, PREDICTION, 1.6)] {
        let at = |x: usize, y: usize| mask[y * nx + x];
        let edges = contour(&xs, &ys, &at)
            .into_iter()
            .map(|[a, b, c, d]| [a as f64 * step[0], b as f64 * step[1], c as f64 * step[0], d as f64 * step[1]]);
        canvas.strokes(edges, &format!("stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linecap=\"square\""));
    }
    canvas.finish()
}

/// The edges between pixels inside and outside, in pixels from the corner; those in a row are one.
fn contour(xs: &Range<usize>, ys: &Range<usize>, inside: &dyn Fn(usize, usize) -> bool) -> Vec<[usize; 4]> {
    let (w, h) = (xs.len(), ys.len());
    let at = |x: isize, y: isize| {
        x >= 0 && y >= 0 && x < w as isize && y < h as isize && inside(xs.start + x as usize, ys.start + y as usize)
    };
    let mut edges = Vec::new();
    for y in 0..=h as isize {
        let mut start = None;
        for x in 0..=w as isize {
            let differs = x < w as isize && at(x, y) != at(x, y - 1);
            match (differs, start) {
                (true, None) => start = Some(x),
                (false, Some(from)) => {
                    edges.push([from as usize, y as usize, x as usize, y as usize]);
                    start = None;
                }
                _ => {}
            }
        }
    }
    for x in 0..=w as isize {
        let mut start = None;
        for y in 0..=h as isize {
            let differs = y < h as isize && at(x, y) != at(x - 1, y);
            match (differs, start) {
                (true, None) => start = Some(y),
                (false, Some(from)) => {
                    edges.push([x as usize, from as usize, x as usize, y as usize]);
                    start = None;
                }
                _ => {}
            }
        }
    }
    edges
}

/// The case for the page.
pub fn value(case: &WorstCase) -> Value {
    let shown: Vec<Value> = case.shown.iter().map(|s| json!({"caption": s.caption, "svg": s.svg})).collect();
    let values: Vec<Value> = case
        .values
        .iter()
        .map(|(name, v)| json!({"algorithm": name, "value": v.as_f64().map_or("–".to_owned(), |v| format!("{v:.3}"))}))
        .collect();
    json!({
        "task": case.task, "case": case.case, "mean": format!("{:.3}", case.mean), "values": values, "shown": shown,
        "trouble": case.trouble,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contour_of_a_square_is_four_edges() {
        let inside = |x: usize, y: usize| (2..4).contains(&x) && (1..4).contains(&y);
        let mut edges = contour(&(0..6), &(0..6), &inside);
        edges.sort();
        assert_eq!(edges, [[2, 1, 2, 4], [2, 1, 4, 1], [2, 4, 4, 4], [4, 1, 4, 4]]);
        // At the edge of the picture, too, and relative to its corner.
        assert_eq!(contour(&(2..3), &(2..3), &|_, _| true).len(), 4);
    }

    #[test]
    fn colour_pictures_are_shown_in_their_colours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let colours: Vec<Rgb> = (0..12).map(|n| [20 * n, 0, 255]).collect();
        regiscope_image::picture::write_png_rgb(&path, &Image::new(3, 4, colours)).unwrap();
        let image = Background::read(&path).unwrap();
        assert_eq!(image.shape(), [4, 3, 1]);
        let part = image.part(0, &[1..3, 1..3]);
        assert_eq!((part.rows, part.rgb), (2, [5, 6, 9, 10].map(|n| [20 * n, 0, 255]).to_vec()));
        let plane = Image::new(2, 2, vec![0.0, 0.5, 1.0, 1.0]);
        let full = regiscope_image::picture::Window::full(&plane);
        let depth = regiscope_image::picture::Depth::Sixteen;
        regiscope_image::picture::write_png_gray(&path, &plane, full, depth).unwrap();
        assert!(matches!(Background::read(&path), Ok(Background::Grey(_))));
        assert!(Background::read(&folder.path().join("none.png")).is_err());
    }

    #[test]
    fn the_part_shown_has_room_around_the_masks() {
        let mut inside = vec![false; 100 * 60];
        inside[30 * 100 + 50] = true;
        assert_eq!(around(&inside, 100, 60), [42..59, 22..39]);
        assert_eq!(around(&[false; 6], 3, 2), [0..3, 0..2]);
    }
}
