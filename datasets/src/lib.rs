//! Dataset manifests, their fetching, and seeded generators.
//!
//! - [`phantom`] invents lumbar patients from a seed: CT, labels, landmarks.
//! - [`brain`] invents pairs of brain-like images with a known deformation between them.
//! - [`study`] invents studies of algorithms that fail on images, with known effects.
//! - [`labels`] names the structures in label volumes.
//! - [`manifest`] says which public datasets can be fetched, from where, under which licence.
//! - [`cache`] says where they lie and checks them.
//! - [`mod@fetch`] (cargo feature `fetch`, on by default) gets them.

pub mod brain;
pub mod cache;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod labels;
pub mod manifest;
pub mod phantom;
pub mod study;
