//! Small inverse problems whose posteriors are known, on which invertible networks are compared.

pub mod kinematics;
pub mod modes;
pub mod study;

/// A generator whose numbers follow from `seed`.
pub fn seeded(seed: u64) -> rand_chacha::ChaCha8Rng {
    rand::SeedableRng::seed_from_u64(seed)
}
