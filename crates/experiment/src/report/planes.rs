//! Planes through volumes, as a radiologist looks at them: axial from the feet, coronal from the front, sagittal with
//! the nose to the left.

use super::picture::Picture;
use regiscope_geometry::{Grid, Point, Vector};
use regiscope_image::resample::linear;
use regiscope_image::{Image, Volume};

/// A plane through a grid, sampled in square pixels.
#[derive(Clone, Debug)]
pub struct Plane {
    /// `axial`, `coronal` or `sagittal`: the nearest to the voxel layers.
    pub name: &'static str,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Continuous index of the first pixel.
    first: Vector,
    /// Index steps to the next column and to the next row.
    steps: [Vector; 2],
    /// Unit directions in the world of columns and rows.
    directions: [Vector; 2],
    /// Edge of a pixel, mm.
    pub pixel_mm: f64,
}

/// Longest side of a plane, pixels.
const LONGEST: f64 = 300.0;

/// The three planes through a point of the world.
pub fn planes(grid: &Grid, through: &Point) -> Vec<Plane> {
    let (axes, spacing) = (grid.direction(), grid.spacing());
    // For each world axis the index axis nearest to it that is not taken yet.
    let mut index_of = [0usize; 3];
    let mut free = vec![0, 1, 2];
    for world in [2, 1, 0] {
        let best =
            (0..free.len()).max_by(|&a, &b| axes[(world, free[a])].abs().total_cmp(&axes[(world, free[b])].abs()));
        index_of[world] = free.remove(best.unwrap_or(0));
    }
    let sign = |world: usize| if axes[(world, index_of[world])] < 0.0 { -1.0 } else { 1.0 };
    let longest = (0..3).map(|a| grid.shape()[a] as f64 * spacing[a]).fold(0.0, f64::max);
    let pixel_mm = longest / LONGEST;
    let middle = grid.index_from_world(through);
    // Normal, columns and rows as world axes; rows of upright planes run down.
    let views =
        [("axial", 2, (0, 1.0), (1, 1.0)), ("coronal", 1, (0, 1.0), (2, -1.0)), ("sagittal", 0, (1, 1.0), (2, -1.0))];
    let plane = |(name, normal, column, row): (&'static str, usize, (usize, f64), (usize, f64))| {
        let mut first = Vector::zeros();
        let n = index_of[normal];
        first[n] = middle[n].round().clamp(0.0, (grid.shape()[n] - 1) as f64);
        let mut side = |(world, down): (usize, f64)| {
            let a = index_of[world];
            let along = down * sign(world);
            let step = Vector::ith(a, along * pixel_mm / spacing[a]);
            let length = grid.shape()[a] as f64;
            first[a] = if along > 0.0 { -0.5 + 0.5 * step[a] } else { length - 0.5 + 0.5 * step[a] };
            let pixels = ((length * spacing[a] / pixel_mm).round() as usize).max(1);
            (pixels, step, axes.column(a) * along)
        };
        let (cols, column_step, column_direction) = side(column);
        let (rows, row_step, row_direction) = side(row);
        Plane {
            name,
            shape: [rows, cols],
            first,
            steps: [column_step, row_step],
            directions: [column_direction, row_direction],
            pixel_mm,
        }
    };
    views.into_iter().map(plane).collect()
}

impl Plane {
    /// Continuous index of a pixel.
    pub fn index(&self, row: usize, col: usize) -> Point {
        Point::from(self.first + self.steps[0] * col as f64 + self.steps[1] * row as f64)
    }

    /// A volume on the plane.
    pub fn of(&self, volume: &Volume<f32>) -> Image<f32> {
        self.map(|index| linear(volume, &index).unwrap_or(0.0))
    }

    /// In-plane displacements of a field along columns and rows, pixels.
    pub fn displacements(&self, field: &Volume<[f32; 3]>) -> Image<[f32; 2]> {
        let grid = field.grid();
        let [rows, cols] = self.shape;
        let at = |p: usize| {
            let index = self.index(p / cols, p % cols);
            let voxel = [0, 1, 2].map(|a| (index[a].round().max(0.0) as usize).min(grid.shape()[a] - 1));
            // Linear between voxels, so that lines are smooth.
            let mut sum = Vector::zeros();
            let low = [0, 1, 2].map(|a| (index[a].floor().max(0.0) as usize).min(grid.shape()[a] - 1));
            let mut total = 0.0;
            for n in 0..8usize {
                let corner = [0, 1, 2].map(|a| (low[a] + (n >> a & 1)).min(grid.shape()[a] - 1));
                let weight: f64 = (0..3)
                    .map(|a| {
                        let t = (index[a] - low[a] as f64).clamp(0.0, 1.0);
                        if n >> a & 1 == 1 { t } else { 1.0 - t }
                    })
                    .product();
                total += weight;
                sum += Vector::from(field.data()[grid.offset(corner)].map(f64::from)) * weight;
            }
            let u = if total > 0.0 { sum } else { Vector::from(field.data()[grid.offset(voxel)].map(f64::from)) };
            self.directions.map(|d| (d.dot(&u) / self.pixel_mm) as f32)
        };
        Image::new(rows, cols, (0..rows * cols).map(at).collect())
    }

    fn map(&self, f: impl Fn(Point) -> f32) -> Image<f32> {
        let [rows, cols] = self.shape;
        Image::new(rows, cols, (0..rows * cols).map(|p| f(self.index(p / cols, p % cols))).collect())
    }
}

fn level(value: f32, [low, high]: [f32; 2]) -> f32 {
    let v = (value - low) / (high - low);
    if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 }
}

fn picture(image: &Image<f32>, colour: impl Fn(usize) -> [u8; 3]) -> Picture {
    let (rows, cols) = (image.rows(), image.cols());
    Picture { rows, cols, rgb: (0..rows * cols).map(colour).collect() }
}

fn byte(v: f32) -> u8 {
    (255.0 * v.clamp(0.0, 1.0)).round() as u8
}

/// Squares of a side of `square` pixels, from one image and the other in turn.
pub fn checkerboard(a: &Image<f32>, b: &Image<f32>, window: [f32; 2], square: usize) -> Picture {
    let cols = a.cols();
    picture(a, |p| {
        let first = (p / cols / square + p % cols / square).is_multiple_of(2);
        let v = level(if first { a.data()[p] } else { b.data()[p] }, window);
        // The second image's squares are a little warmer, so that one sees which is which.
        if first { [byte(v); 3] } else { [byte(v), byte(0.95 * v), byte(0.82 * v)] }
    })
}

/// The fixed image in green and the moving one in magenta: where they agree, grey.
pub fn overlay(fixed: &Image<f32>, moving: &Image<f32>, window: [f32; 2]) -> Picture {
    picture(fixed, |p| {
        let (f, m) = (byte(level(fixed.data()[p], window)), byte(level(moving.data()[p], window)));
        [m, f, m]
    })
}

/// A grid of lines `every` pixels apart, carried as the warped image is, over that image.
pub fn deformed_grid(image: &Image<f32>, displacements: &Image<[f32; 2]>, window: [f32; 2], every: f32) -> Picture {
    let (rows, cols) = (image.rows(), image.cols());
    let place = |r: usize, c: usize| {
        let [u, v] = displacements.data()[r * cols + c];
        [(c as f32 + u) / every, (r as f32 + v) / every]
    };
    picture(image, |p| {
        let (r, c) = (p / cols, p % cols);
        let here = place(r, c);
        let (right, below) = (place(r, (c + 1).min(cols - 1)), place((r + 1).min(rows - 1), c));
        let mut line = 0f32;
        for n in 0..2 {
            // Distance to the nearest line in pixels, by the slope of the coordinate.
            let slope = (right[n] - here[n]).hypot(below[n] - here[n]).max(1e-6);
            let distance = (here[n] - here[n].round()).abs() / slope;
            line = line.max((1.3 - distance).clamp(0.0, 1.0));
        }
        let v = 0.75 * level(image.data()[p], window);
        let mix = |ink: f32| byte(v + (ink - v) * line * 0.9);
        [mix(0.34), mix(0.71), mix(0.91)]
    })
}

/// Determinants in colour: blue shrinks, white keeps, red grows, on a logarithmic scale up to a factor of `most`.
pub fn determinants(image: &Image<f32>, most: f64) -> Picture {
    picture(image, |p| diverging(f64::from(image.data()[p]).ln() / most.ln()))
}

/// Differences in colour: blue where the moving image is darker, red where it is brighter.
pub fn residual(fixed: &Image<f32>, moving: &Image<f32>, most: f64) -> Picture {
    picture(fixed, |p| diverging(f64::from(moving.data()[p] - fixed.data()[p]) / most))
}

/// Blue over white to red for −1 to 1 (the ends of ColorBrewer's RdBu, C. Brewer, Apache 2.0); grey where undefined.
pub fn diverging(value: f64) -> [u8; 3] {
    const BLUE: [f64; 3] = [33.0, 102.0, 172.0];
    const WHITE: [f64; 3] = [247.0, 247.0, 247.0];
    const RED: [f64; 3] = [178.0, 24.0, 43.0];
    if !value.is_finite() {
        return [128; 3];
    }
    let end = if value < 0.0 { BLUE } else { RED };
    let part = value.abs().min(1.0);
    std::array::from_fn(|c| (WHITE[c] + (end[c] - WHITE[c]) * part).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::nalgebra::Matrix3;

    /// x in the world is left, y posterior, z superior, whatever the storage.
    #[test]
    fn planes_look_alike_for_every_storage() {
        let shape = [20, 30, 10];
        for axes in [
            Matrix3::from_diagonal(&Vector::new(2.0, 2.0, 4.0)),
            Matrix3::from_diagonal(&Vector::new(-2.0, 2.0, -4.0)),
            Matrix3::new(0.0, 0.0, -3.0, 2.0, 0.0, 0.0, 0.0, -1.0, 0.0),
        ] {
            let grid = Grid::new(shape, Point::origin(), axes).unwrap();
            let value = |o: usize, w: usize| {
                let index = Point::new((o % 20) as f64, (o / 20 % 30) as f64, (o / 600) as f64);
                grid.world_from_index(&index)[w] as f32
            };
            let volume = |w: usize| Volume::new(grid.clone(), (0..grid.len()).map(|o| value(o, w)).collect());
            let all = planes(&grid, &grid.centre());
            assert_eq!(all.iter().map(|p| p.name).collect::<Vec<_>>(), ["axial", "coronal", "sagittal"]);
            for (plane, column, row, down) in [(&all[0], 0, 1, true), (&all[1], 0, 2, false), (&all[2], 1, 2, false)] {
                let [rows, cols] = plane.shape;
                let (along, across) = (plane.of(&volume(column)), plane.of(&volume(row)));
                assert!(along.data()[cols - 1] > along.data()[0], "columns of {}", plane.name);
                assert_eq!(across.data()[(rows - 1) * cols] > across.data()[0], down, "rows of {}", plane.name);
            }
        }
    }

    #[test]
    fn pictures_show_what_they_say() {
        let image = |v: f32| Image::new(4, 4, vec![v; 16]);
        let board = checkerboard(&image(1.0), &image(0.0), [0.0, 1.0], 2);
        assert_eq!((board.rgb[0], board.rgb[2]), ([255; 3], [0; 3]));
        assert_eq!(overlay(&image(1.0), &image(1.0), [0.0, 1.0]).rgb[5], [255; 3]);
        assert_eq!(determinants(&image(1.0), 3.0).rgb[0], [247; 3]);
        assert_eq!(determinants(&image(9.0), 3.0).rgb[0], [178, 24, 43]);
        assert_eq!(determinants(&image(-1.0), 3.0).rgb[0], [128; 3]);
        assert_eq!(residual(&image(1.0), &image(0.0), 0.5).rgb[0], [33, 102, 172]);
        let still = Image::new(4, 4, vec![[0f32; 2]; 16]);
        let lines = deformed_grid(&image(0.0), &still, [0.0, 1.0], 2.0);
        assert!(lines.rgb[0][2] > 150);
    }
}
