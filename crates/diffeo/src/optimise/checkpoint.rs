//! The state of a run between two Newton steps, as bytes.
//!
//! Layout: the magic `RGSCKPT1`, the length of a JSON header as 8 bytes, the header, then the numbers of the unknown (and,
//! while a weight is sought, of the last unknown that was accepted), little-endian as the machine holds them.

use crate::coefficients::Coefficients;
use crate::fft::spectrum_shape;
use crate::real::Real;
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"RGSCKPT1";
/// Longest header that is read.
const LONGEST_HEADER: usize = 1 << 16;

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint<T> {
    /// The place in the schedule.
    pub position: Position,
    /// The unknown.
    pub unknown: Coefficients<T>,
    /// The unknown at the last weight that kept det F within its bound.
    pub accepted: Option<Coefficients<T>>,
}

/// The place in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Which stage, counted from 0.
    pub stage: usize,
    /// Newton steps done in it at this weight.
    pub steps: usize,
    /// By which fraction the last of them lowered the objective.
    pub last_decrease: Option<f64>,
    /// The final weight as far as it is known; stages use multiples of it.
    pub beta: f64,
    /// Largest weight that broke the bound on det F.
    pub refused: Option<f64>,
    /// Smallest weight that kept it.
    pub kept: Option<f64>,
    /// How often the weight was raised on stages after the search.
    pub raised: usize,
    /// The gradient's norm that tolerances are relative to.
    pub reference: Option<f64>,
    /// Least and largest det F at the unknown.
    pub jacobian: [f64; 2],
}

impl Position {
    /// The beginning, at a weight.
    pub fn first(beta: f64) -> Self {
        Self {
            stage: 0,
            steps: 0,
            last_decrease: None,
            beta,
            refused: None,
            kept: None,
            raised: 0,
            reference: None,
            jacobian: [1.0; 2],
        }
    }
}

/// A run between two steps, as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a, T> {
    /// The place in the schedule.
    pub position: &'a Position,
    /// The unknown.
    pub unknown: &'a Coefficients<T>,
    /// The unknown at the last weight that kept det F within its bound.
    pub accepted: Option<&'a Coefficients<T>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    position: Position,
    band: [usize; 3],
    accepted_band: Option<[usize; 3]>,
    bytes_per_number: usize,
}

/// Bytes that are not a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Other bytes.
    #[error("these {0} bytes are not a checkpoint of a registration")]
    NotACheckpoint(usize),
    /// The header cannot be read.
    #[error("the checkpoint's header cannot be read: {0}")]
    Header(#[from] serde_json::Error),
    /// It was written in the other precision.
    #[error("the checkpoint holds numbers of {found} bytes; this run works with {expected}")]
    Precision {
        /// Bytes of a number there.
        found: usize,
        /// Bytes of a number here.
        expected: usize,
    },
    /// It has not the length that its header tells.
    #[error("the checkpoint has {found} bytes of numbers; its header tells of {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// A number is NaN or infinite.
    #[error("the checkpoint holds a number that is not finite")]
    NotFinite,
}

impl<T: Real> Snapshot<'_, T> {
    /// The bytes to store; [`Checkpoint::from_bytes`] reads them.
    pub fn bytes(&self) -> Vec<u8> {
        let header = Header {
            position: *self.position,
            band: self.unknown.band(),
            accepted_band: self.accepted.map(Coefficients::band),
            bytes_per_number: size_of::<T>(),
        };
        let header = serde_json::to_vec(&header).expect("a header is plain data");
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        for component in std::iter::once(self.unknown).chain(self.accepted).flat_map(|c| &c.components) {
            for value in component {
                bytes.extend_from_slice(bytemuck::bytes_of(&value.re));
                bytes.extend_from_slice(bytemuck::bytes_of(&value.im));
            }
        }
        bytes
    }
}

impl<T: Real> Checkpoint<T> {
    /// The checkpoint that was stored.
    ///
    /// # Errors
    /// If the bytes are not those of a checkpoint in this precision.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let not_one = CheckpointError::NotACheckpoint(bytes.len());
        let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(not_one) };
        let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Err(not_one) };
        let length = u64::from_le_bytes(*length) as usize;
        if length > LONGEST_HEADER.min(rest.len()) {
            return Err(not_one);
        }
        let (header, numbers) = rest.split_at(length);
        let header: Header = serde_json::from_slice(header)?;
        if header.bytes_per_number != size_of::<T>() {
            return Err(CheckpointError::Precision { found: header.bytes_per_number, expected: size_of::<T>() });
        }
        let size = |band: [usize; 3]| {
            let entries = spectrum_shape(band).iter().try_fold(6 * size_of::<T>(), |all, &n| all.checked_mul(n));
            entries.unwrap_or(usize::MAX)
        };
        let expected = size(header.band).saturating_add(header.accepted_band.map_or(0, size));
        if numbers.len() != expected || header.band.contains(&0) || header.accepted_band.is_some_and(|b| b.contains(&0))
        {
            return Err(CheckpointError::Length { found: numbers.len(), expected });
        }
        let (first, second) = numbers.split_at(size(header.band));
        let unknown = read(header.band, first)?;
        let accepted = header.accepted_band.map(|band| read(band, second)).transpose()?;
        Ok(Self { position: header.position, unknown, accepted })
    }
}

fn read<T: Real>(band: [usize; 3], bytes: &[u8]) -> Result<Coefficients<T>, CheckpointError> {
    let mut out = Coefficients::zeros(band);
    let number = |bytes: &[u8]| bytemuck::pod_read_unaligned::<T>(bytes);
    for (value, bytes) in out.components.iter_mut().flatten().zip(bytes.chunks_exact(2 * size_of::<T>())) {
        let (re, im) = bytes.split_at(size_of::<T>());
        *value = Complex::new(number(re), number(im));
    }
    if out.is_finite() { Ok(out) } else { Err(CheckpointError::NotFinite) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Checkpoint<f32> {
        let mut unknown = Coefficients::zeros([4, 6, 5]);
        unknown.components[2][7] = Complex::new(1.0e-7, -3.0);
        let position = Position {
            stage: 2,
            steps: 3,
            last_decrease: Some(0.25),
            beta: 1e-3 / 3.0,
            refused: None,
            kept: Some(0.1),
            raised: 0,
            reference: Some(0.7),
            jacobian: [0.5, 2.0],
        };
        let accepted = Some(Coefficients::zeros([2, 3, 4]));
        Checkpoint { position, unknown, accepted }
    }

    fn bytes_of(checkpoint: &Checkpoint<f32>) -> Vec<u8> {
        let Checkpoint { position, unknown, accepted } = checkpoint;
        Snapshot { position, unknown, accepted: accepted.as_ref() }.bytes()
    }

    #[test]
    fn bytes_give_the_checkpoint_back() {
        let found = Checkpoint::from_bytes(&bytes_of(&example())).expect("these are its bytes");
        assert_eq!(found, example());
    }

    #[test]
    fn other_bytes_are_refused_in_words() {
        let bytes = bytes_of(&example());
        let says = |bytes: &[u8]| Checkpoint::<f32>::from_bytes(bytes).expect_err("not a checkpoint").to_string();
        assert!(says(b"hello").contains("5 bytes are not a checkpoint"));
        assert!(says(&bytes[..bytes.len() - 3]).contains("its header tells of"));
        let mut huge = bytes.clone();
        huge[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(says(&huge).contains("not a checkpoint"));
        let mut broken = bytes.clone();
        let last = broken.len() - 4;
        broken[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(says(&broken).contains("not finite"));
        let wide = Checkpoint::<f64>::from_bytes(&bytes).expect_err("it is single").to_string();
        assert!(wide.contains("numbers of 4 bytes"));
    }
}
