//! Inference compared with published programs, on small tables that both make from the same formulas.

mod data;
mod fixed_effects;
