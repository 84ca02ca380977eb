//! Arrays with a place in the world.

use regiscope_geometry::Grid;

/// A scalar volume on a grid; `data` is x-fastest and has `grid.len()` elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    grid: Grid,
    data: Vec<T>,
}

impl<T> Volume<T> {
    /// Joins a grid and its values.
    ///
    /// # Panics
    /// If `data` does not have one element for each voxel of `grid`.
    pub fn new(grid: Grid, data: Vec<T>) -> Self {
        assert_eq!(grid.len(), data.len(), "a volume has one value for each voxel");
        Self { grid, data }
    }

    /// Where the voxels lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The values, x-fastest.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The values, x-fastest, to write to.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Gives grid and values back.
    pub fn into_parts(self) -> (Grid, Vec<T>) {
        (self.grid, self.data)
    }

    /// A volume on the same grid with every value mapped.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Volume<U> {
        Volume { grid: self.grid.clone(), data: self.data.iter().map(f).collect() }
    }
}

impl<T: Copy> Volume<T> {
    /// Value of voxel `[i, j, k]`, `None` outside.
    pub fn get(&self, index: [usize; 3]) -> Option<T> {
        let shape = self.grid.shape();
        (0..3).all(|a| index[a] < shape[a]).then(|| self.data[self.grid.offset(index)])
    }
}

/// A two-dimensional image, row-major: element `row · cols + col`.
#[derive(Clone, Debug, PartialEq)]
pub struct Image<T> {
    rows: usize,
    cols: usize,
    data: Vec<T>,
}

impl<T> Image<T> {
    /// Joins a shape and its values.
    ///
    /// # Panics
    /// If `data` does not have `rows × cols` elements.
    pub fn new(rows: usize, cols: usize, data: Vec<T>) -> Self {
        assert_eq!(rows.checked_mul(cols), Some(data.len()), "an image has one value for each pixel");
        Self { rows, cols, data }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// The values, row-major.
    pub fn data(&self) -> &[T] {
        &self.data
    }
    /// The values, row-major, to write to.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
    /// Gives the values back.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }
    /// An image of the same shape with every value mapped.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Image<U> {
        Image { rows: self.rows, cols: self.cols, data: self.data.iter().map(f).collect() }
    }
}
