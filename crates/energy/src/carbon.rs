//! Carbon and cost of an energy, from stated figures.

use crate::energy::Energy;
use crate::provenance::Provenance;
use serde::Serialize;

/// Joules in a kilowatt hour.
pub const J_PER_KWH: f64 = 3.6e6;

/// Carbon intensity of a grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grid {
    /// Name in the table: ISO 3166-1 alpha-2, or `world`.
    pub name: String,
    /// Greenhouse gas for electricity generated, g CO₂-equivalent per kWh.
    pub g_per_kwh: f64,
    /// The year it holds for.
    pub year: u16,
    /// Where it is published.
    pub source: String,
}

/// Source of the table.
const EMBER: &str = "Ember, Yearly Electricity Data, by Our World in Data (carbon-intensity-electricity)";

/// Yearly means over each grid; an hour can be far from them.
const TABLE: [(&str, f64); 17] = [
    ("world", 481.0),
    ("at", 111.0),
    ("au", 549.0),
    ("be", 138.0),
    ("br", 98.0),
    ("ca", 170.0),
    ("cn", 582.0),
    ("cz", 450.0),
    ("de", 381.0),
    ("dk", 152.0),
    ("fi", 79.0),
    ("fr", 56.0),
    ("gr", 337.0),
    ("hu", 204.0),
    ("ie", 291.0),
    ("in", 713.0),
    ("no", 30.0),
];

/// The grids of the table, all for 2023.
pub fn grids() -> Vec<Grid> {
    let grid = |&(name, g_per_kwh): &(&str, f64)| Grid {
        name: name.to_owned(),
        g_per_kwh,
        year: 2023,
        source: EMBER.to_owned(),
    };
    TABLE.iter().map(grid).collect()
}

/// A grid by its name, in any case.
pub fn grid(name: &str) -> Option<Grid> {
    grids().into_iter().find(|g| g.name.eq_ignore_ascii_case(name))
}

/// Carbon and cost, with the figures they rest on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Footprint {
    /// Energy of the computers, kWh.
    pub kwh: Option<f64>,
    /// Energy of the building for them: times the power usage effectiveness, kWh.
    pub building_kwh: Option<f64>,
    /// Power usage effectiveness.
    pub pue: f64,
    /// Greenhouse gas, g CO₂-equivalent.
    pub carbon_g: Option<f64>,
    /// Its bounds from those of the energy, g; the intensity's own error is not in them.
    pub carbon_interval_g: Option<[f64; 2]>,
    /// Provenance: derived at best, since the intensity is a yearly mean.
    pub provenance: Provenance,
    /// The grid.
    pub grid: Grid,
    /// Price of a kWh and of all, in the currency of the price.
    pub cost: Option<Cost>,
}

/// Price and cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Price of a kWh.
    pub price_per_kwh: f64,
    /// Cost of the energy; `None` where it is unmeasured.
    pub cost: Option<f64>,
}

/// Carbon and cost of an energy; unmeasured stays unmeasured.
pub fn footprint(energy: &Energy, grid: Grid, pue: f64, price_per_kwh: Option<f64>) -> Footprint {
    let building = energy.times(pue / J_PER_KWH);
    let carbon = building.times(grid.g_per_kwh);
    Footprint {
        kwh: energy.joules.map(|j| j / J_PER_KWH),
        building_kwh: building.joules,
        pue,
        carbon_g: carbon.joules,
        carbon_interval_g: carbon.interval,
        provenance: carbon.provenance,
        cost: price_per_kwh.map(|price| Cost { price_per_kwh: price, cost: building.joules.map(|kwh| kwh * price) }),
        grid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kwh_in_germany() {
        let energy = Energy::new(J_PER_KWH, 0.9 * J_PER_KWH, 1.1 * J_PER_KWH, Provenance::Measured);
        let found = footprint(&energy, grid("DE").unwrap(), 1.5, Some(0.4));
        assert!((found.carbon_g.unwrap() - 571.5).abs() < 1e-9);
        assert!((found.carbon_interval_g.unwrap()[0] - 514.35).abs() < 1e-9);
        assert!((found.cost.unwrap().cost.unwrap() - 0.6).abs() < 1e-12);
        assert_eq!((found.provenance, found.grid.year), (Provenance::Derived, 2023));
        let nothing = footprint(&Energy::UNMEASURED, grid("world").unwrap(), 1.0, Some(0.4));
        assert_eq!((nothing.carbon_g, nothing.cost.unwrap().cost), (None, None));
        assert_eq!(grid("atlantis"), None);
    }
}
