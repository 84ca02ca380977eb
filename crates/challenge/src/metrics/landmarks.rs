//! Landmarks: target registration error.

/// Distances of corresponding points and their mean, median and largest.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RegistrationError {
    /// Distance of each pair, mm.
    pub distances_mm: Vec<f64>,
    /// Mean, mm.
    pub mean_mm: f64,
    /// Median, mm.
    pub median_mm: f64,
    /// Largest, mm.
    pub largest_mm: f64,
}

/// Target registration error of points in mm, pair by pair; `None` without points.
///
/// # Panics
/// If there are not equally many points.
pub fn registration_error(reference_mm: &[[f64; 3]], found_mm: &[[f64; 3]]) -> Option<RegistrationError> {
    use crate::ranking::Aggregate;
    use crate::ranking::plain::aggregated;
    assert_eq!(reference_mm.len(), found_mm.len(), "points come in pairs");
    let distance = |(a, b): (&[f64; 3], &[f64; 3])| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
    let distances_mm: Vec<f64> = reference_mm.iter().zip(found_mm).map(distance).collect();
    (!distances_mm.is_empty()).then(|| RegistrationError {
        mean_mm: aggregated(&distances_mm, Aggregate::Mean),
        median_mm: aggregated(&distances_mm, Aggregate::Median),
        largest_mm: distances_mm.iter().copied().fold(0.0, f64::max),
        distances_mm,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_distances() {
        let error = registration_error(&[[0.0; 3], [1.0; 3]], &[[3.0, 4.0, 0.0], [1.0, 1.0, 2.0]]).unwrap();
        assert_eq!((error.mean_mm, error.median_mm, error.largest_mm), (3.0, 3.0, 5.0));
        assert_eq!(registration_error(&[], &[]), None);
    }
}
