//! The families: log-densities of the observations with their derivatives in the linear predictors and the shape.

pub mod density;
pub mod jet;
pub mod likelihood;
pub mod links;
pub mod moments;
pub mod special;
pub mod vectorised;
