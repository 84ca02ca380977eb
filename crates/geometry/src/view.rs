//! One X-ray view: where the source is and where every detector pixel is.

use crate::{Grid, GridError, Point, Rigid, Vector};
use nalgebra::Matrix3;
use thiserror::Error;

/// Where the rays of a view begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// A point source (cone beam), mm.
    Point(Point),
    /// Parallel rays (orthographic case): every ray begins at its pixel minus this vector (mm), so the vector
    /// gives the direction of travel and the length of the beam.
    Parallel(Vector),
}

/// The geometry of one X-ray image in the LPS world (mm): the source and the detector's pixel centres.
///
/// The pixel in row `r`, column `c` has its centre at `pixel0 + c · col_step + r · row_step`. Images of a view
/// are row-major: element `r · cols + c`.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    source: Source,
    pixel0: Point,
    col_step: Vector,
    row_step: Vector,
    rows: usize,
    cols: usize,
}

/// Why a view was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ViewError {
    /// No pixels, or more than [`View::MAX_PIXELS`].
    #[error("a detector of {rows} × {cols} pixels is not accepted: both must be at least 1 and their product at most {max}", max = View::MAX_PIXELS)]
    Size {
        /// Detector rows.
        rows: usize,
        /// Detector columns.
        cols: usize,
    },
    /// NaN or infinity among the coordinates.
    #[error("the view contains a coordinate that is not finite")]
    NotFinite,
    /// Pixel steps that are zero or parallel.
    #[error("the detector's column and row steps are zero or parallel")]
    DegenerateDetector,
    /// The source (or parallel direction) lies in the detector plane.
    #[error("the source lies in the plane of the detector")]
    SourceInDetectorPlane,
}

impl View {
    /// Largest accepted number of detector pixels (2^28, a gigabyte of f32).
    pub const MAX_PIXELS: usize = 1 << 28;

    /// Builds a view; see the type for the meaning of the arguments.
    pub fn new(
        source: Source,
        pixel0: Point,
        col_step: Vector,
        row_step: Vector,
        rows: usize,
        cols: usize,
    ) -> Result<Self, ViewError> {
        if rows == 0 || cols == 0 || rows.checked_mul(cols).is_none_or(|n| n > Self::MAX_PIXELS) {
            return Err(ViewError::Size { rows, cols });
        }
        let (Source::Point(Point { coords: s }) | Source::Parallel(s)) = source;
        if ![s, pixel0.coords, col_step, row_step].iter().all(|v| v.iter().all(|x| x.is_finite())) {
            return Err(ViewError::NotFinite);
        }
        let normal = col_step.cross(&row_step);
        let area = col_step.norm() * row_step.norm();
        if area.is_nan() || area <= 0.0 || normal.norm() < 1e-9 * area {
            return Err(ViewError::DegenerateDetector);
        }
        let view = Self { source, pixel0, col_step, row_step, rows, cols };
        let beam = view.beam(&view.centre());
        let distance = beam.dot(&normal.normalize()).abs();
        if distance.is_nan() || distance <= 1e-9 * beam.norm() {
            return Err(ViewError::SourceInDetectorPlane);
        }
        Ok(view)
    }

    /// Where the rays begin.
    pub fn source(&self) -> Source {
        self.source
    }
    /// Centre of the pixel in row 0, column 0, mm.
    pub fn pixel0(&self) -> Point {
        self.pixel0
    }
    /// Step from one column to the next, mm.
    pub fn col_step(&self) -> Vector {
        self.col_step
    }
    /// Step from one row to the next, mm.
    pub fn row_step(&self) -> Vector {
        self.row_step
    }
    /// Detector rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Detector columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Number of pixels, `rows × cols`.
    pub fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    /// World position (mm) of a continuous detector position (row, column).
    pub fn pixel(&self, row: f64, col: f64) -> Point {
        self.pixel0 + self.col_step * col + self.row_step * row
    }

    /// World position of the middle of the detector, mm.
    pub fn centre(&self) -> Point {
        self.pixel(0.5 * (self.rows as f64 - 1.0), 0.5 * (self.cols as f64 - 1.0))
    }

    /// The detector as a slice of the world, one voxel of 1 mm thick: x runs along columns and y along rows, so that
    /// an image of this view is a volume on it. Refused where the steps are too skew for a grid.
    pub fn detector_grid(&self) -> Result<Grid, GridError> {
        let normal = self.col_step.cross(&self.row_step).normalize();
        let axes = Matrix3::from_columns(&[self.col_step, self.row_step, normal]);
        Grid::new([self.cols, self.rows, 1], self.pixel0, axes)
    }

    /// Vector (mm) from the beginning of the ray through `pixel` to `pixel`.
    fn beam(&self, pixel: &Point) -> Vector {
        match self.source {
            Source::Point(source) => pixel - source,
            Source::Parallel(beam) => beam,
        }
    }

    /// Beginning and end (mm) of the ray to a continuous detector position.
    pub fn ray(&self, row: f64, col: f64) -> (Point, Point) {
        let pixel = self.pixel(row, col);
        (pixel - self.beam(&pixel), pixel)
    }

    /// Where a world point falls on the detector, as continuous (row, column); `None` for a point that no ray
    /// from the source through it reaches the detector (beside or behind the source).
    pub fn project(&self, point: &Point) -> Option<(f64, f64)> {
        let normal = self.col_step.cross(&self.row_step);
        let direction = match self.source {
            Source::Point(source) => point - source,
            Source::Parallel(beam) => beam,
        };
        let along = direction.dot(&normal);
        let lambda = match self.source {
            Source::Point(source) => (self.pixel0 - source).dot(&normal) / along,
            Source::Parallel(_) => (self.pixel0 - point).dot(&normal) / along,
        };
        if !lambda.is_finite() || (matches!(self.source, Source::Point(_)) && lambda <= 0.0) {
            return None;
        }
        let hit = match self.source {
            Source::Point(source) => source + direction * lambda,
            Source::Parallel(_) => point + direction * lambda,
        };
        let in_plane = hit - self.pixel0;
        // Coordinates in the (possibly skew) basis of the two steps, by Cramer's rule in the plane.
        let n2 = normal.norm_squared();
        let col = in_plane.cross(&self.row_step).dot(&normal) / n2;
        let row = self.col_step.cross(&in_plane).dot(&normal) / n2;
        Some((row, col))
    }

    /// The same view seen from a moved world: `b_from_a` carries the present frame `a` into frame `b`.
    pub fn transformed(&self, b_from_a: &Rigid) -> Self {
        Self {
            source: match self.source {
                Source::Point(p) => Source::Point(b_from_a * p),
                Source::Parallel(v) => Source::Parallel(b_from_a * v),
            },
            pixel0: b_from_a * self.pixel0,
            col_step: b_from_a * self.col_step,
            row_step: b_from_a * self.row_step,
            ..self.clone()
        }
    }

    /// The same detector area divided into `factor × factor` pixel blocks (the last partial block is dropped;
    /// at least one pixel stays). Pixel centres move to the middle of each block, so that block averages of an
    /// image of this view are an image of the coarse one.
    pub fn coarsened(&self, factor: usize) -> Self {
        let factor = factor.clamp(1, self.rows.min(self.cols));
        let middle = 0.5 * (factor as f64 - 1.0);
        Self {
            pixel0: self.pixel(middle, middle),
            col_step: self.col_step * factor as f64,
            row_step: self.row_step * factor as f64,
            rows: self.rows / factor,
            cols: self.cols / factor,
            source: self.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(source: Source) -> View {
        View::new(
            source,
            Point::new(-50.0, 500.0, 60.0),
            Vector::new(1.0, 0.1, 0.0),
            Vector::new(0.0, 0.05, -1.5),
            80,
            100,
        )
        .unwrap()
    }

    #[test]
    fn projection_inverts_rays() {
        for source in [Source::Point(Point::new(3.0, -520.0, 7.0)), Source::Parallel(Vector::new(10.0, 900.0, 5.0))] {
            let view = view(source);
            let (start, end) = view.ray(12.25, 70.5);
            for s in [0.1, 0.5, 0.9, 1.0] {
                let (row, col) = view.project(&(start + (end - start) * s)).unwrap();
                assert!((row - 12.25).abs() < 1e-9 && (col - 70.5).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn detector_grid_has_its_voxels_at_the_pixels() {
        let view = view(Source::Parallel(Vector::new(10.0, 900.0, 5.0)));
        let grid = view.detector_grid().unwrap();
        assert_eq!(grid.shape(), [100, 80, 1]);
        let voxel = grid.world_from_index(&Point::new(70.0, 12.0, 0.0));
        assert!((voxel - view.pixel(12.0, 70.0)).norm() < 1e-12);
    }

    #[test]
    fn points_behind_the_source_have_no_image() {
        let view = view(Source::Point(Point::new(0.0, -520.0, 0.0)));
        assert_eq!(view.project(&Point::new(0.0, -600.0, 0.0)), None);
    }

    #[test]
    fn broken_views_are_refused() {
        let (p, u, v) = (Point::origin(), Vector::x(), Vector::y());
        let source = Source::Point(Point::new(0.0, 0.0, -100.0));
        assert!(matches!(View::new(source, p, u, v, 0, 4), Err(ViewError::Size { .. })));
        assert!(matches!(View::new(source, p, u, v, usize::MAX, 4), Err(ViewError::Size { .. })));
        assert_eq!(View::new(source, p, u, u * 2.0, 4, 4), Err(ViewError::DegenerateDetector));
        let inside = Source::Point(Point::new(-5.0, 3.0, 0.0));
        assert_eq!(View::new(inside, p, u, v, 4, 4), Err(ViewError::SourceInDetectorPlane));
    }
}
