//! Volumes and images: the arrays the engines work on, and the files they come from and go to.

pub mod volume;

pub use volume::{Image, Volume};
