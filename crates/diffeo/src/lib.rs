//! Large-deformation diffeomorphic registration of volumes.
//!
//! A stationary velocity v carries the moving image m₀ along ∂ₜm + v·∇m = 0, t in [0, 1]; v minimises
//!
//! J(v) = D(m(1), m_R) + β · reg(v),
//!
//! on a periodic box, with spectral derivatives, semi-Lagrangian transport and an inexact Gauss-Newton-Krylov method
//! (Mang, Gholami & Biros 2016, "Distributed-memory large deformation diffeomorphic 3D image registration", SC16;
//! Brunn, Himthani, Biros, Mehl & Mang 2021, "CLAIRE", J. Open Source Softw.).

pub mod affine;
pub mod coefficients;
pub mod compare;
pub mod deformation;
pub mod distance;
pub mod fault;
pub mod fft;
pub mod field;
pub mod frame;
pub mod grid;
pub mod intensity;
pub mod interpolate;
pub mod objective;
pub mod optimise;
pub mod prepare;
pub mod real;
pub mod regularisation;
pub mod spectral;
pub mod stencil;
pub mod transport;
pub mod volumes;
pub mod warp;
