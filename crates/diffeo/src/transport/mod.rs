//! Transport by a stationary velocity: maps, their tangents and transposes.

pub mod between;
pub mod flow;
pub mod map;
pub(crate) mod scatter;
pub mod squaring;

pub use between::Between;
pub use flow::Flow;
pub use squaring::{MapKernel, Vectors};
