//! The families: log-densities of the observations with their derivatives in the linear predictors and the shape.

mod canonical;
pub mod density;
mod expected;
pub mod jet;
pub mod likelihood;
pub mod links;
pub mod moments;
mod rows;
pub mod special;
pub mod vectorised;
