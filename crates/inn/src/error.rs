//! What can be wrong with the settings of a network or with what it is given.

/// A network that cannot be built, or an input that does not fit it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InnError {
    /// A setting outside its range.
    #[error("{field} is {found}; accepted is {accepted}")]
    Setting {
        /// The setting's path, as in `layers[2].subnet.hidden`.
        field: String,
        /// The value that was found.
        found: String,
        /// The values that are accepted.
        accepted: String,
    },
    /// A tensor of a shape that the network does not take.
    #[error("{what} has shape {found:?}; accepted is {accepted}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shapes that are accepted.
        accepted: String,
    },
    /// A condition is missing, or is given to a network that takes none.
    #[error("the network takes a condition of {expected} numbers (0: none) and was given {found}")]
    Condition {
        /// Numbers per condition that the network takes, 0 for none.
        expected: usize,
        /// Numbers per condition that were given, 0 for none.
        found: usize,
    },
}

impl InnError {
    /// A refusal of the setting `field`.
    pub(crate) fn setting(field: impl Into<String>, found: impl ToString, accepted: &str) -> InnError {
        InnError::Setting { field: field.into(), found: found.to_string(), accepted: accepted.into() }
    }
}
