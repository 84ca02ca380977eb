//! Truncated Taylor series of third order in a few variables: derivatives by arithmetic.
//!
//! A [`Jet`] holds the coefficients of all monomials up to degree three of a function of V = 1, 2 or 3 variables
//! (4, 10 or 20 of them). Sums and products of jets, and functions of one variable whose first three derivatives are
//! known, give the jet of any formula exactly (Griewank & Walther 2008, "Evaluating Derivatives", chapter 13).

use std::ops::{Add, Mul, Neg, Sub};

/// The coefficients, by degree; see [`Variables`] for their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jet<const N: usize>(pub [f64; N]);

/// A function's value and first three derivatives at a point.
pub type Derivatives = [f64; 4];

/// Order of the monomials: 1; x, y, z; x², xy, xz, y², yz, z²; x³, x²y, … with as many variables as there are.
pub trait Variables {
    /// Pairs of monomials and their product.
    const PRODUCTS: &'static [(u8, u8, u8)];
}

impl Variables for Jet<4> {
    const PRODUCTS: &'static [(u8, u8, u8)] = &products::<10>(1);
}

impl Variables for Jet<10> {
    const PRODUCTS: &'static [(u8, u8, u8)] = &products::<35>(2);
}

impl Variables for Jet<20> {
    const PRODUCTS: &'static [(u8, u8, u8)] = &products::<84>(3);
}

/// Exponents of the monomials of `variables` variables up to degree 3.
const fn exponents(variables: usize) -> ([[u8; 3]; 20], usize) {
    let mut all = [[0u8; 3]; 20];
    let mut count = 0;
    let mut degree = 0;
    while degree <= 3 {
        let mut a = degree;
        while a >= 0 {
            let mut b = degree - a;
            while b >= 0 {
                let c = degree - a - b;
                if (variables > 1 || b == 0) && (variables > 2 || c == 0) {
                    all[count] = [a as u8, b as u8, c as u8];
                    count += 1;
                }
                b -= 1;
            }
            a -= 1;
        }
        degree += 1;
    }
    (all, count)
}

const fn products<const M: usize>(variables: usize) -> [(u8, u8, u8); M] {
    let (all, count) = exponents(variables);
    let mut table = [(0u8, 0u8, 0u8); M];
    let mut next = 0;
    let mut i = 0;
    while i < count {
        let mut j = 0;
        while j < count {
            let mut k = 0;
            while k < count {
                if all[i][0] + all[j][0] == all[k][0]
                    && all[i][1] + all[j][1] == all[k][1]
                    && all[i][2] + all[j][2] == all[k][2]
                {
                    table[next] = (i as u8, j as u8, k as u8);
                    next += 1;
                }
                k += 1;
            }
            j += 1;
        }
        i += 1;
    }
    assert!(next == M);
    table
}

impl<const N: usize> Jet<N>
where
    Self: Variables,
{
    /// A constant.
    pub fn constant(value: f64) -> Self {
        let mut jet = [0.0; N];
        jet[0] = value;
        Jet(jet)
    }

    /// Variable `index` at `value`.
    pub fn variable(value: f64, index: usize) -> Self {
        let mut jet = Self::constant(value);
        jet.0[1 + index] = 1.0;
        jet
    }

    /// The value.
    pub fn value(&self) -> f64 {
        self.0[0]
    }

    /// f of this jet, from f and its derivatives at the value.
    pub fn compose(&self, f: Derivatives) -> Self {
        let mut d = *self;
        d.0[0] = 0.0;
        // Horner's scheme: f0 + d (f1 + d (f2/2 + d f3/6)).
        let mut sum = d.scale(f[3] / 6.0);
        sum.0[0] += f[2] / 2.0;
        sum = sum * d;
        sum.0[0] += f[1];
        sum = sum * d;
        sum.0[0] += f[0];
        sum
    }

    /// Times a number.
    pub fn scale(&self, factor: f64) -> Self {
        Jet(self.0.map(|v| v * factor))
    }

    /// Plus a number.
    pub fn plus(mut self, value: f64) -> Self {
        self.0[0] += value;
        self
    }

    /// exp.
    pub fn exp(&self) -> Self {
        let e = self.value().exp();
        self.compose([e; 4])
    }
}

impl<const N: usize> Add for Jet<N> {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a += b);
        self
    }
}

impl<const N: usize> Sub for Jet<N> {
    type Output = Self;
    fn sub(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a -= b);
        self
    }
}

impl<const N: usize> Neg for Jet<N> {
    type Output = Self;
    fn neg(self) -> Self {
        Jet(self.0.map(|v| -v))
    }
}

impl<const N: usize> Mul for Jet<N>
where
    Self: Variables,
{
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let mut product = [0.0; N];
        for &(i, j, k) in Self::PRODUCTS {
            product[k as usize] += self.0[i as usize] * other.0[j as usize];
        }
        Jet(product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jets_of_a_polynomial_and_an_exponential_are_its_taylor_coefficients() {
        // f = x² y + exp(x z) at (2, 3, 0.5), by hand.
        let (x, y, z) = (Jet::<20>::variable(2.0, 0), Jet::<20>::variable(3.0, 1), Jet::<20>::variable(0.5, 2));
        let f = x * x * y + (x * z).exp();
        let e = 1f64.exp();
        // Order: 1; x y z; xx xy xz yy yz zz; xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz.
        let expected = [
            12.0 + e,
            12.0 + 0.5 * e,
            4.0,
            2.0 * e,
            3.0 + 0.125 * e,
            4.0,
            e * (1.0 + 1.0),
            0.0,
            0.0,
            2.0 * e,
            e * 0.125 / 6.0,
            1.0,
            e * (0.5 + 0.25),
            0.0,
            0.0,
            e * (2.0 + 1.0),
            0.0,
            0.0,
            0.0,
            e * 8.0 / 6.0,
        ];
        for (k, (a, b)) in f.0.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 1e-12, "{k}: {a} {b}");
        }
        let one = Jet::<4>::variable(0.3, 0).exp();
        assert!((one.0[3] - 0.3f64.exp() / 6.0).abs() < 1e-15);
    }
}
