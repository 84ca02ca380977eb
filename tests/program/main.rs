//! The program from outside: its output, its files, its refusals and its exit statuses.

mod challenge;
mod challenge_inputs;
mod challenge_report;
mod check;
mod completions;
mod data;
mod diffeo;
mod drr;
mod energy;
mod glmm;
mod info;
#[cfg(feature = "networks")]
mod posterior;
mod register;
mod run;
mod support;
