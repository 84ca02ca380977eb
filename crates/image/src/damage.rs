//! Damage done to files on purpose: what every reader must survive.

use crate::raw::RawImage;
use crate::{ReadError, Samples};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Feeds a reader every truncation of a small file, then seeded byte mutations of it; whatever comes back is
/// accepted as long as the reader returns and errors make one sentence.
pub(crate) fn survives<T>(seed: u64, mutations: usize, file: &[u8], read: impl Fn(Vec<u8>) -> Result<T, ReadError>) {
    let check = |bytes: Vec<u8>| {
        if let Err(e) = read(bytes) {
            let sentence = e.to_string();
            assert!(!sentence.contains('\n') && sentence.len() < 2000, "{sentence}");
        }
    };
    let step = (file.len() / 2000).max(1);
    (0..file.len()).step_by(step).for_each(|n| check(file[..n].to_vec()));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..mutations {
        let mut bytes = file.to_vec();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..5) {
                0 => bytes[at] = rng.random(),
                1 => bytes[at] ^= 1 << rng.random_range(0..8),
                2 => bytes[at] = *b"0123456789-.eNn \n=:(%\xff\x00".get(rng.random_range(0..23usize)).unwrap_or(&0),
                3 => {
                    let end = (at + rng.random_range(1..9)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => {
                    bytes.remove(at);
                    if bytes.is_empty() {
                        bytes.push(0);
                    }
                }
            }
        }
        check(bytes);
    }
    let mut garbage = vec![0u8; 4096];
    rng.fill(&mut garbage[..]);
    check(garbage);
}

/// All values of an image as f64.
pub(crate) fn values(image: &RawImage) -> Vec<f64> {
    let samples: &Samples = image.samples();
    (0..samples.len()).map(|n| samples.get(n)).collect()
}
