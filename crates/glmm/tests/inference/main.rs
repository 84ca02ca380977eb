//! Inference compared with published programs, on small tables that both make from the same formulas.

mod comparison;
mod data;
mod fixed_effects;
mod intervals;
