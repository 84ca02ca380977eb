//! Signed distances to the simple solids that the anatomy is joined from: negative inside, mm.
//!
//! Only `+ − × ÷ √` and comparisons are used, which IEEE 754 fixes to the last bit, so a phantom is the same on
//! every machine. Distances to ellipses are the usual first-order estimate `k₀(k₀ − 1)/k₁` with `k₀ = |p/r|` and
//! `k₁ = |p/r²|`: exact on the axes and to first order at the surface, where edges are drawn.

use regiscope_geometry::Vector;

/// Smooth minimum of two distances: blends them over `width` mm (quadratic fillet), plain minimum at 0.
pub fn blend(a: f64, b: f64, width: f64) -> f64 {
    let gap = width - (a - b).abs();
    let plain = if a < b { a } else { b };
    if gap <= 0.0 { plain } else { plain - gap * gap / (4.0 * width) }
}

/// Smooth maximum, the rounded intersection: `−blend(−a, −b)`.
pub fn intersect(a: f64, b: f64, width: f64) -> f64 {
    -blend(-a, -b, width)
}

/// A ball that encloses a solid, for quick rejection.
#[derive(Clone, Copy, Debug)]
pub struct Ball {
    /// Centre, mm.
    pub centre: Vector,
    /// Radius, mm.
    pub radius: f64,
}

impl Ball {
    /// Distance (mm) from a point to the ball, negative inside.
    pub fn distance(&self, p: &Vector) -> f64 {
        (p - self.centre).norm() - self.radius
    }

    /// A ball round both.
    pub fn join(&self, other: &Ball) -> Ball {
        let apart = (other.centre - self.centre).norm();
        if apart + other.radius <= self.radius {
            return *self;
        }
        if apart + self.radius <= other.radius {
            return *other;
        }
        let radius = 0.5 * (apart + self.radius + other.radius);
        Ball { centre: self.centre + (other.centre - self.centre) * ((radius - self.radius) / apart), radius }
    }
}

/// First-order distance to an ellipsoid about the origin with the given semi-axes.
pub fn ellipsoid(p: &Vector, semi_axes: &Vector) -> f64 {
    let q = p.component_div(semi_axes);
    let k1 = q.component_div(semi_axes).norm();
    if k1 < 1e-9 { -semi_axes.min() } else { q.norm() * (q.norm() - 1.0) / k1 }
}

/// First-order distance to an ellipse in the plane.
pub fn ellipse(x: f64, y: f64, a: f64, b: f64) -> f64 {
    let (qx, qy) = (x / a, y / b);
    let k0 = (qx * qx + qy * qy).sqrt();
    let (gx, gy) = (qx / a, qy / b);
    let k1 = (gx * gx + gy * gy).sqrt();
    if k1 < 1e-9 { -a.min(b) } else { k0 * (k0 - 1.0) / k1 }
}

/// A straight rod with an elliptic section that tapers from one end to the other, with rounded ends.
#[derive(Clone, Debug)]
pub struct Rod {
    start: Vector,
    /// Unit vectors: along the rod, and the two section axes.
    axes: [Vector; 3],
    length: f64,
    /// Semi-axes of the section at the start and at the end, mm.
    section: [[f64; 2]; 2],
}

impl Rod {
    /// A rod from `start` to `end`. `up` chooses the first section axis (its part perpendicular to the rod);
    /// `section` gives the semi-axes (along `up`, across) at the start and at the end, mm, all positive.
    pub fn new(start: Vector, end: Vector, up: Vector, section: [[f64; 2]; 2]) -> Self {
        let length = (end - start).norm();
        let along = (end - start) / length;
        let first = (up - along * along.dot(&up)).normalize();
        Self { start, axes: [along, first, along.cross(&first)], length, section }
    }

    /// A round rod with radii at its two ends.
    pub fn round(start: Vector, end: Vector, radii: [f64; 2]) -> Self {
        let along = (end - start).normalize();
        let up = if along.z.abs() < 0.7 { Vector::z() } else { Vector::x() };
        Self::new(start, end, up, radii.map(|r| [r, r]))
    }

    /// Signed distance, mm.
    pub fn distance(&self, p: &Vector) -> f64 {
        let offset = p - self.start;
        let [u, v, w] = [0, 1, 2].map(|a| self.axes[a].dot(&offset));
        let on = u.clamp(0.0, self.length);
        let t = on / self.length;
        let [a, b] = [0, 1].map(|s| self.section[0][s] + t * (self.section[1][s] - self.section[0][s]));
        ellipsoid(&Vector::new(u - on, v, w), &Vector::new(a.min(b), a, b))
    }

    /// A ball round the rod.
    pub fn ball(&self) -> Ball {
        let reach = self.section.iter().flatten().fold(0.0f64, |m, &r| m.max(r));
        Ball { centre: self.start + self.axes[0] * (0.5 * self.length), radius: 0.5 * self.length + reach }
    }
}

/// Rods joined with fillets of `width` mm; a rod too far to matter is skipped by its ball.
#[derive(Clone, Debug)]
pub struct Rods {
    rods: Vec<(Ball, Rod)>,
    width: f64,
}

impl Rods {
    /// Joins rods; there must be at least one.
    pub fn new(rods: Vec<Rod>, width: f64) -> Self {
        assert!(!rods.is_empty(), "a union has at least one rod");
        Self { rods: rods.into_iter().map(|rod| (rod.ball(), rod)).collect(), width }
    }

    /// Signed distance, mm.
    pub fn distance(&self, p: &Vector) -> f64 {
        let mut best = f64::INFINITY;
        for (ball, rod) in &self.rods {
            if ball.distance(p) < best + self.width {
                best = blend(best, rod.distance(p), self.width);
            }
        }
        best
    }

    /// A ball round all rods.
    pub fn ball(&self) -> Ball {
        let mut balls = self.rods.iter().map(|(ball, _)| *ball);
        let first = balls.next().expect("a union has at least one rod");
        balls.fold(first, |all, ball| all.join(&ball))
    }
}

/// Marches from a point inside along a unit direction to the surface (bisection to 1e-6 mm); `reach` bounds it.
pub fn surface_from(distance: impl Fn(&Vector) -> f64, inside: &Vector, direction: &Vector, reach: f64) -> Vector {
    const STEPS: usize = 64;
    let at = |t: f64| inside + direction * t;
    let mut low = 0.0;
    let mut high = reach;
    for n in 1..=STEPS {
        let t = reach * n as f64 / STEPS as f64;
        if distance(&at(t)) > 0.0 {
            high = t;
            break;
        }
        low = t;
    }
    while high - low > 1e-6 {
        let middle = 0.5 * (low + high);
        if distance(&at(middle)) > 0.0 { high = middle } else { low = middle }
    }
    at(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_rod_is_a_capsule() {
        let rod = Rod::round(Vector::new(0.0, 0.0, 0.0), Vector::new(10.0, 0.0, 0.0), [2.0, 2.0]);
        for (p, expected) in [([5.0, 3.0, 0.0], 1.0), ([5.0, 0.0, 1.0], -1.0), ([14.0, 0.0, 0.0], 2.0)] {
            assert!((rod.distance(&Vector::from(p)) - expected).abs() < 1e-12, "{p:?}");
        }
    }

    #[test]
    fn estimates_vanish_on_the_surface_with_unit_slope() {
        let semi = Vector::new(9.0, 4.0, 6.0);
        for n in 0..50 {
            let direction = Vector::new(1.0 + n as f64, 20.0 - n as f64, (n * n % 7) as f64 - 3.0);
            let p = direction / direction.component_div(&semi).norm();
            assert!(ellipsoid(&p, &semi).abs() < 1e-12);
            let normal = p.component_div(&semi).component_div(&semi).normalize();
            let slope = (ellipsoid(&(p + normal * 1e-4), &semi) - ellipsoid(&(p - normal * 1e-4), &semi)) / 2e-4;
            assert!((slope - 1.0).abs() < 1e-4, "{slope}");
        }
    }

    #[test]
    fn skipping_by_ball_changes_nothing() {
        let rods: Vec<Rod> = (0..6)
            .map(|n| {
                let a = Vector::new(n as f64 * 7.0, (n % 3) as f64 * 5.0, 1.0);
                Rod::round(a, a + Vector::new(3.0, 9.0, n as f64), [2.0, 1.0 + 0.3 * n as f64])
            })
            .collect();
        let union = Rods::new(rods.clone(), 2.5);
        for n in 0..2000 {
            let p = Vector::new((n % 41) as f64, (n % 17) as f64 - 2.0, (n % 13) as f64 - 3.0);
            let plain = rods.iter().fold(f64::INFINITY, |d, rod| blend(d, rod.distance(&p), 2.5));
            assert_eq!(union.distance(&p), plain);
            assert!(union.ball().distance(&p) <= plain + 2.5);
        }
    }

    #[test]
    fn the_march_ends_on_the_surface() {
        let semi = Vector::new(9.0, 4.0, 6.0);
        let hit = surface_from(|p| ellipsoid(p, &semi), &Vector::zeros(), &Vector::new(0.0, 1.0, 0.0), 50.0);
        assert!((hit - Vector::new(0.0, 4.0, 0.0)).norm() < 1e-5);
    }
}
