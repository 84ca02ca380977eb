//! Rigid motions, X-ray views and voxel grids: the frames everything else is written in.
//!
//! # Conventions, stated once
//! Lengths are millimetres and angles radians. The world frame is LPS (x to the patient's Left, y to
//! Posterior, z to Superior) as in ITK and DICOM; NIfTI's RAS is converted at the border. Voxel centres
//! sit at integer indices, arrays are stored x-fastest and shapes are written `[x, y, z]`. A transform is
//! named `target_from_source`, so a product reads as a chain: `a_from_c = a_from_b * b_from_c`.
//! A twist is `[ρ; φ]`: translation part (mm) first, rotation part (rad) second.

pub mod affine_map;
pub mod calibration_file;
pub mod camera;
pub mod camera_file;
pub mod carm;
pub mod distance;
pub mod euler;
pub mod file;
pub mod grid;
pub mod itk_kind;
pub mod itk_transform;
pub mod itk_transform_file;
mod json;
pub mod mean;
pub mod opencv_yaml;
pub mod points_file;
pub mod projection_file;
pub mod rotation;
pub mod se3;
pub mod view;

pub use affine_map::AffineMap;
pub use camera::{Camera, CameraError};
pub use carm::{Beam, CArm, CArmError, Positioner};
pub use grid::{Grid, GridError};
pub use nalgebra;
pub use view::{Source, View, ViewError};

/// A rigid motion (proper rotation and translation in mm) in double precision.
pub type Rigid = nalgebra::Isometry3<f64>;
/// A point in mm.
pub type Point = nalgebra::Point3<f64>;
/// A vector in mm.
pub type Vector = nalgebra::Vector3<f64>;
/// A twist `[ρ; φ]` in se(3): mm first, rad second.
pub type Twist = nalgebra::Vector6<f64>;
