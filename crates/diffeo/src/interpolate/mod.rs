//! Interpolation on the periodic grid at points anywhere: values, exact derivatives of the interpolant, transposes.
//!
//! Points are given as displacements of the grid's own points, in voxels. They stay close to where they start, so
//! rows of points read rows of samples that are still in the cache.

pub(crate) mod block;
pub mod buffer;
pub(crate) mod fetch;
pub mod four;
pub mod image;
pub mod kernel;
pub mod padded;
pub mod prefilter;
pub mod reference;

pub use block::Quad;
pub use buffer::Buffer;
pub use image::Image;
pub use kernel::Kernel;
pub use padded::Padded;
