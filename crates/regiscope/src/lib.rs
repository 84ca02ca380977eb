//! Regiscope: a toolkit for registration research. This library names its parts; the program of the same name
//! runs them.
//!
//! # From a CT to a registered view
//! ```
//! use regiscope::datasets::phantom::{PhantomSettings, generate};
//! use regiscope::drr::attenuation::{Attenuation, attenuation};
//! use regiscope::drr::{Renderer, Settings as Rendering};
//! use regiscope::geometry::{CArm, Positioner, Rigid, Twist, se3};
//! use regiscope::pose::{FixedImage, Prepared, Problem, Pyramid, Settings, register};
//! use std::ops::ControlFlow::Continue;
//!
//! // A small seeded patient stands in for `regiscope::image::read_volume("ct.nii.gz".as_ref())?.volume`.
//! let patient = PhantomSettings { spacing_mm: [8.0; 3], extent_mm: [160.0, 160.0, 160.0], ..Default::default() };
//! let volume = attenuation(generate(&patient)?.hu, &Attenuation::default())?;
//!
//! // A C-arm: 1020 mm from source to detector, isocentre at 620 mm, 48 × 48 pixels of 6 mm, LAO 20°.
//! let view = CArm::new(1020.0, 620.0, 48, 48, 6.0).at(Positioner::from_deg(20.0, 0.0)).view()?;
//! let xray = Renderer::new(volume.clone(), Rendering::default())?.render(&view, &Rigid::identity());
//!
//! // Begin 4 mm and 0.05 rad beside the truth.
//! let start = se3::exp(&Twist::new(3.0, 1.0, -2.0, 0.02, -0.03, 0.03));
//! let problem = Problem::new(vec![FixedImage { view, image: xray, mask: None }], volume)?;
//! let pyramid = Pyramid::automatic(&problem);
//! let found = register(&Prepared::new(problem, &pyramid)?, &Settings::default(), &start, &mut |_| Continue(()));
//! assert!(found.world_from_volume.translation.vector.norm() < 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`experiment`] does the same from a document, and more: many starts, errors, a run folder and a report.
//!
//! # Cargo features
//! `tables` (on by default) lets the program describe CSV and Parquet tables; it brings Polars and with it most of the
//! build. The library is the same without it.

pub use regiscope_challenge as challenge;
pub use regiscope_datasets as datasets;
pub use regiscope_diffeo as diffeo;
pub use regiscope_drr as drr;
pub use regiscope_energy as energy;
pub use regiscope_experiment as experiment;
pub use regiscope_geometry as geometry;
pub use regiscope_glmm as glmm;
pub use regiscope_image as image;
pub use regiscope_pose as pose;
