//! Metrics of segmentations, instances, detections, probabilities and landmarks.
//!
//! [`request`] asks for metrics by name; [`segmentation::evaluate`] computes metrics of one structure under a named convention; [`instances`] those of several
//! structures of a kind. Distances are in mm, masks carry their spacing. Target registration errors of rigid poses and
//! their success rates are in `regiscope-pose`.

pub mod assignment;
pub mod boundary;
pub mod boxes;
pub mod detection;
pub mod distance;
pub mod instances;
pub mod landmarks;
pub mod mask;
pub mod nearest;
pub mod overlap;
pub mod probabilities;
pub mod request;
pub mod segmentation;
pub mod skeleton;
pub mod surface;
pub mod surfels;
