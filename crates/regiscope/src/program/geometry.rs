//! Where source and detector stand, from the command line.

use crate::program::args::GeometryArgs;
use crate::program::failure::Failure;
use regiscope_geometry::{CArm, Point, Positioner, View, camera_file};

/// The view; a C-arm without an isocentre turns about `centre` (mm, LPS).
pub fn view(arguments: &GeometryArgs, centre: &Point) -> Result<View, Failure> {
    if let Some(camera) = &arguments.camera {
        return camera_file::read(camera).map_err(|e| Failure::file(camera, e));
    }
    let (rows, cols) = (arguments.rows as usize, arguments.cols as usize);
    let arm = CArm {
        isocentre: arguments.isocentre_mm.map_or(*centre, Point::from),
        positioner: Positioner::from_deg(arguments.primary_deg.unwrap_or_default(), arguments.secondary_deg),
        ..CArm::new(arguments.source_detector_mm, arguments.source_isocentre_mm, rows, cols, arguments.pitch_mm)
    };
    arm.view().map_err(|e| Failure::Input(format!("the C-arm's geometry: {e}")))
}
