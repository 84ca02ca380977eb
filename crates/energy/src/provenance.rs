//! Where a number of joules comes from.

/// How a number was obtained; the order is from the surest to none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// Read from a sensor over the whole of the region.
    Measured,
    /// Computed from measured numbers, such as a share of a domain or the integral of sampled power.
    Derived,
    /// Predicted by a declared model without a sensor.
    Modelled,
    /// No number at all.
    Unmeasured,
}

impl Provenance {
    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Derived => "derived",
            Self::Modelled => "modelled",
            Self::Unmeasured => "unmeasured",
        }
    }
}
