//! Small inverse problems whose posteriors are known, on which invertible networks are compared.

pub mod kinematics;
pub mod modes;
