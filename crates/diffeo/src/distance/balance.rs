//! What makes a weight of the regularisation mean the same for every distance.

use super::{Distance, Pair, sums};
use crate::real::Real;
use crate::stencil::{Difference, gradient};

/// The factor that makes the curvature of a distance that of the sum of squared differences: Σ |∇m|² over Σ c |∇m|² with
/// the diagonal c of the distance's curvature at the images as they are, which is how steeply either rises with a
/// displacement. 1 for the sum of squared differences, and for images without contrast.
pub fn balance<R: Real>(distance: &Distance, pair: Pair<R>) -> f64 {
    if *distance == Distance::SumOfSquares {
        return 1.0;
    }
    let mut diagonal = vec![R::one(); pair.warped.len()];
    distance.compare(pair).curvature.scale_by_diagonal(pair, &mut diagonal);
    let slopes = slopes(&pair, pair.warped);
    let [plain, curved] = sums(pair.warped.len(), |i| {
        let square = square(&slopes, i);
        [pair.weight(i) * square, diagonal[i].wide() * square]
    });
    if plain > 0.0 && curved > 0.0 { plain / curved } else { 1.0 }
}

/// An edge η for the normalised gradient field: the mean length of the gradients of both images where they count, in
/// intensity per mm (Haber & Modersitzki 2006). Positive for images with contrast.
pub fn usual_edge<R: Real>(pair: Pair<R>) -> f64 {
    let of = |image: &[R]| {
        let slopes = slopes(&pair, image);
        let [sum, weight] = sums(image.len(), |i| [pair.weight(i) * square(&slopes, i).sqrt(), pair.weight(i)]);
        sum / weight
    };
    0.5 * (of(pair.warped) + of(pair.fixed))
}

fn slopes<R: Real>(pair: &Pair<R>, image: &[R]) -> [Vec<R>; 3] {
    gradient(image, pair.grid.shape, Difference::Second, pair.grid.spacing_mm.map(|h| 1.0 / h))
}

fn square<R: Real>(slopes: &[Vec<R>; 3], i: usize) -> f64 {
    slopes.iter().map(|s| s[i].wide().powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::window::Window;
    use crate::grid::Grid;

    #[test]
    fn the_factor_turns_the_curvature_into_that_of_squares() {
        let shape = [16, 12, 10];
        let grid = Grid::new(shape, [1.0, 2.0, 1.5]);
        let image = |shift: f64| -> Vec<f64> {
            let place = |i: usize| [i % 16, i / 16 % 12, i / 192].map(|i| i as f64);
            let value = |[x, y, z]: [f64; 3]| (0.4 * x + shift).sin() * (0.5 * y).cos() + 0.3 * (0.6 * z - shift).sin();
            (0..grid.len()).map(|i| value(place(i))).collect()
        };
        let (fixed, warped) = (image(0.0), image(0.3));
        let pair = Pair { grid: &grid, warped: &warped, fixed: &fixed, mask: None };
        assert_eq!(balance(&Distance::SumOfSquares, pair), 1.0);
        // The curvature of the correlation is one number: the inverse of the variance.
        let mean = warped.iter().sum::<f64>() / warped.len() as f64;
        let variance = warped.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / warped.len() as f64;
        assert!((balance(&Distance::CrossCorrelation, pair) / variance - 1.0).abs() < 1e-9);
        let edge = usual_edge(pair);
        assert!(edge > 0.05 && edge < 0.5, "{edge}");
        for distance in [
            Distance::LocalCrossCorrelation { window: Window::Box { radius: 2 }, floor: 1e-4 },
            Distance::NormalisedGradient { edge },
        ] {
            // Ten times the contrast: the squares see a hundredfold curvature, the others hardly any other.
            let bright: Vec<f64> = warped.iter().map(|m| 10.0 * m).collect();
            let factor = balance(&distance, Pair { warped: &bright, ..pair }) / balance(&distance, pair);
            assert!(factor > 30.0 && factor < 130.0, "{distance:?}: {factor}");
        }
    }
}
