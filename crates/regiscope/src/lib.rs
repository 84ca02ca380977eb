//! Regiscope: a toolkit for registration research. This library names its parts; the program of the same name
//! runs them.

pub use regiscope_datasets as datasets;
pub use regiscope_drr as drr;
pub use regiscope_experiment as experiment;
pub use regiscope_geometry as geometry;
pub use regiscope_image as image;
pub use regiscope_pose as pose;
