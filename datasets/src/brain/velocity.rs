//! A smooth stationary velocity: a few waves over the periodic field of view.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::Vector;
use std::f64::consts::TAU;

/// A sum of waves v(p) = Σ a cos(2π k·p/L + φ), periodic over a box of edge L.
#[derive(Clone, Debug, PartialEq)]
pub struct Velocity {
    waves: Vec<Wave>,
    edge_mm: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Wave {
    number: Vector,
    phase: f64,
    amplitude: Vector,
}

/// Waves of a velocity.
const COUNT: usize = 7;

impl Velocity {
    /// Draws waves with numbers up to `highest` along each axis, long ones stronger, with a greatest speed of `speed`.
    pub fn draw(seed: u64, highest: u32, speed: f64, edge_mm: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x0076_656c_6f63_6974);
        let highest = highest as i32;
        let mut waves = Vec::with_capacity(COUNT);
        while waves.len() < COUNT {
            let number = Vector::from_fn(|_, _| f64::from(random.random_range(-highest..=highest)));
            let amplitude = Vector::from_fn(|_, _| random.random_range(-1.0..1.0f64));
            let phase = random.random_range(0.0..TAU);
            if number.norm_squared() > 0.5 {
                waves.push(Wave { number, phase, amplitude: amplitude / (1.0 + number.norm_squared()) });
            }
        }
        let mut velocity = Self { waves, edge_mm };
        // The greatest speed on a lattice finer than the shortest wave.
        let lattice = 8 * highest as usize;
        let fastest = (0..lattice.pow(3))
            .map(|n| {
                let index = [n % lattice, n / lattice % lattice, n / lattice / lattice];
                let p = Vector::from(index.map(|i| (i as f64 / lattice as f64 - 0.5) * edge_mm));
                velocity.at(&p).norm()
            })
            .fold(f64::MIN_POSITIVE, f64::max);
        velocity.waves.iter_mut().for_each(|w| w.amplitude *= speed / fastest);
        velocity
    }

    /// The velocity at a point, mm for the unit of time.
    pub fn at(&self, p: &Vector) -> Vector {
        let along = TAU / self.edge_mm;
        self.waves.iter().fold(Vector::zeros(), |v, w| v + w.amplitude * libm::cos(along * w.number.dot(p) + w.phase))
    }
}
