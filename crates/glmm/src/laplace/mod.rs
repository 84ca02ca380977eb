//! Laplace's approximation of the marginal likelihood of a generalised linear mixed model, its gradient and Hessian.
//!
//! With ψ the fixed effects γ (in a [basis](crate::basis)), θ and the shape parameters, and u ~ N(0, I),
//!
//! f(u; ψ) = −Σ ℓ_i(η_i) + ½ ‖u‖²,  η = Qγ + ZΛ(θ)u + offset,
//!
//! the approximation is −log L ≈ f(û) + ½ log |H|, H = ΛᵀZᵀWZΛ + I, at the mode û, with W = −∂²ℓ/∂η² (a 2×2 matrix for
//! each row where there are two predictors). The mode is found by Newton's method, and everything else follows from it by
//! implicit differentiation: dû/dψ = −H⁻¹ ∂²f/∂u∂ψ (Skaug & Fournier 2006, Comput. Stat. Data Anal. 51).

pub mod gradient;
pub mod hessian;

pub mod leverage;
pub mod mode;
pub mod model;
pub mod quadrature;
