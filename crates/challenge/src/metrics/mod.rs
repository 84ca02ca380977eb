//! Metrics of segmentations, detections, probabilities and landmarks.
pub mod boundary;
pub mod distance;
pub mod mask;
pub mod overlap;
pub mod surface;
pub mod surfels;
