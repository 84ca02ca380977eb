//! Dataset manifests, their fetching, and seeded generators.
//!
//! [`phantom`] invents lumbar patients from a seed; [`labels`] names the structures in label volumes.

pub mod labels;
pub mod phantom;
