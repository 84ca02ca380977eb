//! Sums that do not depend on the order of their terms.
//!
//! Two algorithms with the same values on different cases must tie, so that means are summed in double-double arithmetic
//! (Knuth's two-sum) and rounded once; the error is below 2⁻¹⁰⁰ of the sum of magnitudes.

/// A running sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// Adds a term.
    #[inline]
    pub fn add(&mut self, term: f64) {
        let high = self.high + term;
        let virtual_term = high - self.high;
        self.low += (self.high - (high - virtual_term)) + (term - virtual_term);
        self.high = high;
    }

    /// The sum, rounded.
    pub fn value(self) -> f64 {
        self.high + self.low
    }

    /// The sum divided by `n`, rounded once.
    pub fn divided_by(self, n: f64) -> f64 {
        let quotient = (self.high + self.low) / n;
        let remainder = libm::fma(-quotient, n, self.high) + self.low;
        quotient + remainder / n
    }
}

/// The mean of at least one value.
pub fn mean(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|&v| sum.add(v));
    sum.divided_by(values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_does_not_depend_on_the_order() {
        let values: Vec<f64> = (0..50).map(|i| [0.8, 0.85, 0.9, 0.95, 1.0][i % 5]).collect();
        assert_eq!(mean(&values), 0.9);
        for turn in 1..50 {
            let mut turned = values.clone();
            turned.rotate_left(turn);
            turned.swap(0, turn);
            assert_eq!(mean(&turned), 0.9);
        }
        assert_eq!(mean(&[1e16, 1.0, -1e16]), 1.0 / 3.0);
    }
}
