//! Plain projectors in double precision, one ray at a time. They read like their papers and are what the fast
//! forms are compared with.
//!
//! All take the ray's ends in continuous voxel indices and give `∫ μ dα` with its derivative by both ends; see
//! [`RaySample`](crate::jacobian::RaySample).

mod joseph;
mod siddon;
mod trilinear;
mod weights;

pub use joseph::joseph;
pub(crate) use joseph::{add_slab, dominant_axis};
pub use siddon::{siddon, siddon_of};
pub use trilinear::{March, support, trilinear};
pub use weights::visit_weights;

/// A volume as the plain projectors see it: x-fastest values and their extents.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Values, x-fastest.
    pub data: &'a [f32],
    /// Extents `[x, y, z]`.
    pub shape: [usize; 3],
}

impl Field<'_> {
    /// Value of a voxel, zero outside.
    pub fn at(&self, index: [i64; 3]) -> f64 {
        let inside = (0..3).all(|a| index[a] >= 0 && (index[a] as usize) < self.shape[a]);
        if !inside {
            return 0.0;
        }
        let [i, j, k] = index.map(|v| v as usize);
        f64::from(self.data[i + self.shape[0] * (j + self.shape[1] * k)])
    }
}
