//! Anatomical landmarks on the bones' surfaces.

use super::Landmark;
use super::anatomy::{Anatomy, VERTEBRAE, VertebraDimensions};
use super::bones::{SACRUM_INDEX, vertebra_index};
use super::distance::surface_from;
use super::scene::Scene;
use super::vertebra::pedicle_z;
use regiscope_geometry::{Point, Vector};

/// A landmark of a vertebra: its name, a point inside the bone and the direction in which to leave it
/// (`None`: the point itself).
type Probe = (&'static str, Vector, Option<Vector>);

/// Landmarks of all vertebrae and of the sacrum; `first_bone` is the index of the skeleton's first part.
pub fn landmarks(anatomy: &Anatomy, scene: &Scene, first_bone: usize) -> Vec<Landmark> {
    let mut found = Vec::new();
    for (level, name) in VERTEBRAE.iter().enumerate() {
        let index = first_bone + vertebra_index(level);
        found.extend(place(scene, index, name, vertebra_probes(&anatomy.vertebrae[level])));
    }
    found.extend(place(scene, first_bone + SACRUM_INDEX, "S1", sacrum_probes(anatomy.size)));
    found
}

fn place(scene: &Scene, index: usize, prefix: &str, probes: Vec<Probe>) -> Vec<Landmark> {
    let part = &scene.parts()[index];
    probes
        .into_iter()
        .map(|(name, inside, direction)| {
            let start = part.frame.world_from_local(&inside);
            let position = direction.map_or(start, |direction| {
                let direction = (part.frame.axes * direction).normalize();
                surface_from(|p| scene.distance(index, p), &start, &direction, 60.0)
            });
            Landmark { name: format!("{prefix}_{name}"), label: part.label, position: Point::from(position) }
        })
        .collect()
}

fn vertebra_probes(d: &VertebraDimensions) -> Vec<Probe> {
    let (half, wall, pz) = (0.5 * d.height(), 0.5 * d.depth(), pedicle_z(d));
    let v = Vector::new;
    let body = Vector::zeros();
    let corner = |x: f64, y: f64, z: f64| Some(v(x, y, z));
    let pedicle_x = 0.5 * (d.canal_width + d.pedicle_width);
    let process = v(0.5 * d.transverse_span - 4.0, wall + 15.0, pz + 1.0);
    vec![
        ("body_centre", body, None),
        ("superior_endplate_centre", body, corner(0.0, 0.0, 1.0)),
        ("superior_endplate_anterior", body, corner(0.0, -wall, 0.5 * d.anterior_height)),
        ("superior_endplate_posterior", body, corner(0.0, wall, 0.5 * d.posterior_height)),
        ("superior_endplate_left", body, corner(0.5 * d.upper_width, 0.0, half)),
        ("superior_endplate_right", body, corner(-0.5 * d.upper_width, 0.0, half)),
        ("inferior_endplate_centre", body, corner(0.0, 0.0, -1.0)),
        ("inferior_endplate_anterior", body, corner(0.0, -wall, -0.5 * d.anterior_height)),
        ("inferior_endplate_posterior", body, corner(0.0, wall, -0.5 * d.posterior_height)),
        ("inferior_endplate_left", body, corner(0.5 * d.lower_width, 0.0, -half)),
        ("inferior_endplate_right", body, corner(-0.5 * d.lower_width, 0.0, -half)),
        ("pedicle_left", v(pedicle_x, wall + 2.0, pz), None),
        ("pedicle_right", v(-pedicle_x, wall + 2.0, pz), None),
        (
            "spinous_process_tip",
            v(0.0, wall + d.spinous_length - 6.0, -0.4 * d.posterior_height),
            corner(0.0, 1.0, 0.0),
        ),
        ("transverse_process_tip_left", process, corner(1.0, 0.0, 0.0)),
        ("transverse_process_tip_right", v(-process.x, process.y, process.z), corner(-1.0, 0.0, 0.0)),
    ]
}

fn sacrum_probes(size: f64) -> Vec<Probe> {
    let inside = Vector::new(0.0, 0.0, -12.0) * size;
    let to = |x: f64, y: f64, z: f64| Some(Vector::new(x, y, z));
    vec![
        ("superior_endplate_centre", inside, to(0.0, 0.0, 1.0)),
        ("superior_endplate_anterior", inside, to(0.0, -16.5, 12.0)),
        ("superior_endplate_posterior", inside, to(0.0, 16.5, 12.0)),
        ("ala_left", Vector::new(38.0, 10.0, -12.0) * size, to(1.0, 0.0, 0.0)),
        ("ala_right", Vector::new(-38.0, 10.0, -12.0) * size, to(-1.0, 0.0, 0.0)),
    ]
}
