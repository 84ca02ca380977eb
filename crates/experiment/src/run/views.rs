//! Where the views stand.

use super::error::RunError;
use crate::document::tables as typed;
use crate::experiment::{ViewGeometry, ViewSource};
use regiscope_geometry::carm::{Beam, CArm, Positioner};
use regiscope_geometry::{Point, View, camera_file};

/// Places one view; a C-arm without an isocentre turns about `centre` (mm).
pub fn place(source: &ViewSource, centre: &Point) -> Result<View, RunError> {
    match &source.geometry {
        ViewGeometry::Camera(path) => Ok(camera_file::read(path)?),
        ViewGeometry::CArm {
            source_detector_mm,
            source_isocentre_mm,
            shape: [rows, cols],
            pitch_mm,
            primary,
            secondary,
            detector_rotation,
            horizontal_flip,
            beam,
            isocentre_mm,
        } => {
            let arm = CArm {
                isocentre: isocentre_mm.map_or(*centre, Point::from),
                positioner: Positioner { primary: *primary, secondary: *secondary },
                detector_rotation: *detector_rotation,
                horizontal_flip: *horizontal_flip,
                beam: match beam {
                    typed::Beam::Cone => Beam::Cone,
                    typed::Beam::Parallel => Beam::Parallel,
                },
                ..CArm::new(*source_detector_mm, *source_isocentre_mm, *rows, *cols, *pitch_mm)
            };
            arm.view().map_err(|reason| RunError::Unusable(format!("view \"{}\": {reason}", source.name)))
        }
    }
}

/// The point that the true pose turns about: the isocentre of the first view that has one, else `centre`.
pub fn isocentre(sources: &[ViewSource], centre: &Point) -> Point {
    let given = sources.iter().find_map(|source| match source.geometry {
        ViewGeometry::CArm { isocentre_mm, .. } => isocentre_mm.map(Point::from),
        ViewGeometry::Camera(_) => None,
    });
    given.unwrap_or(*centre)
}
