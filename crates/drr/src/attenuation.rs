//! From Hounsfield units to linear attenuation at the energy of the X-ray.
//!
//! The Hounsfield scale of a CT scanner with effective energy `E₀` is `HU = 1000 (μ − μ_w)/(μ_w − μ_a)`. A voxel is
//! read as a mixture of air and water (below 0 HU) or of water and cortical bone (above 0 HU, continued beyond bone),
//! so its attenuation at another energy `E` follows a line through `μ_a(E)` at −1000 HU, `μ_w(E)` at 0 HU and
//! `μ_b(E)` at the Hounsfield number that cortical bone has at `E₀`.
//!
//! Source of the coefficients: J. H. Hubbell and S. M. Seltzer, "Tables of X-Ray Mass Attenuation Coefficients",
//! NISTIR 5632 (1995), table 4: dry air, liquid water, cortical bone (ICRU-44), with their densities of table 2.

use rayon::prelude::*;
use regiscope_image::Volume;
use thiserror::Error;

/// Energies of the table, keV.
const ENERGIES: [f64; 10] = [10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0];

/// Accepted photon energies, keV.
pub const ENERGY_RANGE_KEV: [f64; 2] = [ENERGIES[0], ENERGIES[9]];

/// A material of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Material {
    /// Dry air near sea level, 1.205e-3 g/cm³.
    Air,
    /// Liquid water, 1 g/cm³.
    Water,
    /// Cortical bone (ICRU-44), 1.92 g/cm³.
    CorticalBone,
}

impl Material {
    /// Density (g/cm³) and mass attenuation coefficients (cm²/g) at the energies of the table.
    fn table(self) -> (f64, [f64; 10]) {
        match self {
            Self::Air => (1.205e-3, [5.120, 1.614, 0.7779, 0.3538, 0.2485, 0.2080, 0.1875, 0.1662, 0.1541, 0.1356]),
            Self::Water => (1.0, [5.329, 1.673, 0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505]),
            Self::CorticalBone => (1.92, [28.51, 9.032, 4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480]),
        }
    }

    /// Linear attenuation (1/mm) at a photon energy, interpolated between the table's energies on logarithmic axes;
    /// `None` outside [`ENERGY_RANGE_KEV`].
    pub fn linear_attenuation(self, energy_kev: f64) -> Option<f64> {
        if !(ENERGY_RANGE_KEV[0]..=ENERGY_RANGE_KEV[1]).contains(&energy_kev) {
            return None;
        }
        let (density, mass) = self.table();
        let above = ENERGIES.iter().position(|&e| e >= energy_kev)?.max(1);
        let (e0, e1) = (ENERGIES[above - 1], ENERGIES[above]);
        let t = (energy_kev / e0).ln() / (e1 / e0).ln();
        let per_cm = density * (mass[above - 1].ln() * (1.0 - t) + mass[above].ln() * t).exp();
        Some(0.1 * per_cm)
    }
}

/// The shape of the mapping from Hounsfield units to attenuation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    /// Piecewise linear through air, water and cortical bone.
    #[default]
    AirWaterBone,
    /// One line through air and water, continued above: bone as if it were dense water.
    AirWater,
}

/// How Hounsfield units become linear attenuation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attenuation {
    /// Photon energy of the X-ray, keV, in [`ENERGY_RANGE_KEV`].
    pub energy_kev: f64,
    /// Effective energy of the CT scanner, keV, in [`ENERGY_RANGE_KEV`].
    pub ct_energy_kev: f64,
    /// The shape of the mapping.
    pub mapping: Mapping,
    /// Voxels below this (HU) are air and attenuate nothing: X-ray images are calibrated against air. Empty voxels
    /// also cost no time.
    pub air_below_hu: f64,
    /// Voxels from this value (HU) on are bone to `bone_scale` and `soft_tissue`.
    pub bone_above_hu: f64,
    /// Factor on the attenuation of bone.
    pub bone_scale: f64,
    /// Whether voxels that are not bone are shown.
    pub soft_tissue: bool,
}

impl Default for Attenuation {
    fn default() -> Self {
        Self {
            energy_kev: 70.0,
            ct_energy_kev: 70.0,
            mapping: Mapping::default(),
            air_below_hu: -900.0,
            bone_above_hu: 350.0,
            bone_scale: 1.0,
            soft_tissue: true,
        }
    }
}

/// Why Hounsfield units cannot be mapped.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AttenuationError {
    /// An energy outside the table.
    #[error(
        "a photon energy of {0} keV is not accepted: the table goes from {low} to {high} keV",
        low = ENERGY_RANGE_KEV[0], high = ENERGY_RANGE_KEV[1]
    )]
    Energy(f64),
    /// A bone factor that is negative or not finite.
    #[error("a bone scale of {0} is not accepted: a finite number of at least 0 is needed")]
    BoneScale(f64),
    /// Thresholds that are not finite or out of order.
    #[error(
        "air below {air} HU and bone above {bone} HU are not accepted: two finite numbers in this order are needed"
    )]
    Thresholds {
        /// `air_below_hu`.
        air: f64,
        /// `bone_above_hu`.
        bone: f64,
    },
    /// The volume contains NaN or infinity.
    #[error("the volume contains {count} voxels that are not finite numbers, the first at index {first:?}")]
    NotFinite {
        /// How many.
        count: usize,
        /// Where the first one is.
        first: [usize; 3],
    },
}

impl Attenuation {
    /// The mapping as a function of one value: Hounsfield units to 1/mm. Values below −1000 (padding of scanners is
    /// often −1024 or −2048) count as −1000.
    pub fn curve(&self) -> Result<impl Fn(f32) -> f32 + Sync + use<>, AttenuationError> {
        let at = |material: Material, energy: f64| {
            material.linear_attenuation(energy).ok_or(AttenuationError::Energy(energy))
        };
        let (air, water) = (at(Material::Air, self.energy_kev)?, at(Material::Water, self.energy_kev)?);
        let bone = at(Material::CorticalBone, self.energy_kev)?;
        let (ct_air, ct_water) = (at(Material::Air, self.ct_energy_kev)?, at(Material::Water, self.ct_energy_kev)?);
        let ct_bone = at(Material::CorticalBone, self.ct_energy_kev)?;
        if !(self.bone_scale.is_finite() && self.bone_scale >= 0.0) {
            return Err(AttenuationError::BoneScale(self.bone_scale));
        }
        let thresholds = [self.air_below_hu, self.bone_above_hu];
        if !(thresholds.iter().all(|t| t.is_finite()) && thresholds[0] < thresholds[1]) {
            return Err(AttenuationError::Thresholds { air: thresholds[0], bone: thresholds[1] });
        }
        let bone_hu = 1000.0 * (ct_bone - ct_water) / (ct_water - ct_air);
        let below = (water - air) / 1000.0;
        let above = match self.mapping {
            Mapping::AirWaterBone => (bone - water) / bone_hu,
            Mapping::AirWater => below,
        };
        let Self { air_below_hu, bone_above_hu, bone_scale, soft_tissue, .. } = *self;
        Ok(move |hu: f32| {
            let hu = f64::from(hu).max(-1000.0);
            let mu = water + hu * if hu < 0.0 { below } else { above };
            let shown = if hu >= bone_above_hu {
                bone_scale * mu
            } else if hu < air_below_hu || !soft_tissue {
                0.0
            } else {
                mu
            };
            shown as f32
        })
    }
}

/// Maps a volume of Hounsfield units to linear attenuation (1/mm), in its own memory.
pub fn attenuation(mut hounsfield: Volume<f32>, model: &Attenuation) -> Result<Volume<f32>, AttenuationError> {
    let curve = model.curve()?;
    if let Some(at) = hounsfield.data().par_iter().position_first(|v| !v.is_finite()) {
        let [nx, ny, _] = hounsfield.grid().shape();
        let count = hounsfield.data().par_iter().filter(|v| !v.is_finite()).count();
        return Err(AttenuationError::NotFinite { count, first: [at % nx, at / nx % ny, at / nx / ny] });
    }
    hounsfield.data_mut().par_iter_mut().for_each(|v| *v = curve(*v));
    Ok(hounsfield)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;

    #[test]
    fn materials_have_their_published_attenuation() {
        let water = Material::Water.linear_attenuation(60.0).unwrap();
        let bone = Material::CorticalBone.linear_attenuation(80.0).unwrap();
        assert!((water - 0.02059).abs() < 1e-12 && (bone - 0.1 * 1.92 * 0.2229).abs() < 1e-12);
        // Between the table's energies: XCOM gives 0.1929 cm²/g for water at 70 keV.
        assert!((Material::Water.linear_attenuation(70.0).unwrap() - 0.01929).abs() < 1e-4);
        for e in ENERGIES {
            assert!(Material::Air.linear_attenuation(e).is_some());
        }
        assert_eq!(Material::Water.linear_attenuation(9.9), None);
        assert_eq!(Material::Water.linear_attenuation(f64::NAN), None);
    }

    #[test]
    fn curve_passes_through_air_water_and_bone() {
        let model = Attenuation { energy_kev: 50.0, ct_energy_kev: 75.0, air_below_hu: -2000.0, ..Default::default() };
        let curve = model.curve().unwrap();
        let mu = |m: Material, e: f64| m.linear_attenuation(e).unwrap();
        let bone_hu = 1000.0 * (mu(Material::CorticalBone, 75.0) - mu(Material::Water, 75.0))
            / (mu(Material::Water, 75.0) - mu(Material::Air, 75.0));
        for (hu, expected) in [
            (-1000.0, mu(Material::Air, 50.0)),
            (-3024.0, mu(Material::Air, 50.0)),
            (0.0, mu(Material::Water, 50.0)),
            (bone_hu, mu(Material::CorticalBone, 50.0)),
        ] {
            assert!((f64::from(curve(hu as f32)) - expected).abs() < 1e-7, "{hu}");
        }
        // At the scanner's own energy the scale is inverted exactly: one line.
        let same = Attenuation { ct_energy_kev: 50.0, energy_kev: 50.0, ..Default::default() }.curve().unwrap();
        let line = Attenuation { mapping: Mapping::AirWater, energy_kev: 50.0, ..Default::default() }.curve().unwrap();
        assert!((same(1500.0) - line(1500.0)).abs() < 1e-7 && (curve(1500.0) - line(1500.0)) > 1e-3);
    }

    #[test]
    fn options_select_tissue() {
        let bone_only = Attenuation { soft_tissue: false, bone_scale: 2.0, ..Default::default() }.curve().unwrap();
        let all = Attenuation::default().curve().unwrap();
        assert_eq!((bone_only(40.0), all(-950.0)), (0.0, 0.0));
        assert!((bone_only(700.0) - 2.0 * all(700.0)).abs() < 1e-9 && all(40.0) > 0.0);
    }

    #[test]
    fn broken_input_is_refused() {
        let grid = Grid::centred([2, 2, 1], [1.0; 3]).unwrap();
        let volume = Volume::new(grid, vec![0.0, 1.0, f32::NAN, f32::INFINITY]);
        let refused = attenuation(volume, &Attenuation::default());
        assert_eq!(refused, Err(AttenuationError::NotFinite { count: 2, first: [0, 1, 0] }));
        let curve = |model: Attenuation| model.curve().err();
        let base = Attenuation::default();
        assert_eq!(curve(Attenuation { energy_kev: 151.0, ..base }), Some(AttenuationError::Energy(151.0)));
        assert_eq!(curve(Attenuation { bone_scale: -1.0, ..base }), Some(AttenuationError::BoneScale(-1.0)));
        assert!(matches!(
            curve(Attenuation { air_below_hu: 400.0, ..base }),
            Some(AttenuationError::Thresholds { .. })
        ));
    }
}
