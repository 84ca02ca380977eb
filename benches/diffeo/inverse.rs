//! How well the maps that are written undo each other.

use crate::pair::Pair;
use crate::report::{Row, digits};
use crate::tables::Named;
use crate::trial::{Wanted, timed};
use regiscope_diffeo::deformation::{Deformation, flow_consistency, inverse_consistency};
use regiscope_diffeo::frame::Frame;
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::regularisation::Model;
use regiscope_geometry::AffineMap;
use serde_json::json;

/// Greatest and mean distance, in voxels, of every voxel from its way there by the displacements that are written and back
/// along the flow; from its way there and back, and back and there, by files alone, which are continued linearly between
/// their voxels.
pub fn inverse(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    let of = |preset: Preset| {
        let settings = presets::settings(preset, Model::H1Div, pair.grid.shape);
        let velocity = timed(&pair, &settings, Wanted::default()).solution.velocity;
        let frame = Frame::around(&pair.world, [0; 3]);
        let found = Deformation { frame, velocity, affine: AffineMap::IDENTITY };
        let maps = found.maps(&pair.world);
        if let Some(path) = named.get("displacement") {
            let path = format!("{path}_{}.nii.gz", preset.name());
            regiscope_image::write_nifti_displacements(path.as_ref(), &maps.displacement).expect("it can be written");
        }
        let flow = found.flow_map().expect("the identity has an inverse").inverse();
        let [along, there, back] = [
            flow_consistency(&maps.displacement, &flow, 1),
            inverse_consistency(&maps.displacement, &maps.inverse_displacement, 1),
            inverse_consistency(&maps.inverse_displacement, &maps.displacement, 1),
        ]
        .map(|figures| figures.unwrap_or([f64::NAN; 2]));
        vec![
            ("preset", json!(preset.name())),
            ("back_along_the_flow_max", digits(along[0], 4)),
            ("back_along_the_flow_mean", digits(along[1], 5)),
            ("there_and_back_max", digits(there[0], 4)),
            ("there_and_back_mean", digits(there[1], 5)),
            ("back_and_there_max", digits(back[0], 4)),
            ("back_and_there_mean", digits(back[1], 5)),
        ]
    };
    Preset::ALL.map(of).into()
}
