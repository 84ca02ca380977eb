//! How exactly a Newton system is solved.

/// Relative tolerance of the Krylov iteration: min(½, √(‖g‖/‖g₀‖)), which makes the outer iteration converge
/// superlinearly without solving early systems better than they deserve (Eisenstat & Walker 1996, "Choosing the forcing
/// terms in an inexact Newton method", SIAM J. Sci. Comput. 17).
pub fn superlinear(gradient: f64, first_gradient: f64) -> f64 {
    (gradient / first_gradient).sqrt().min(0.5)
}

#[cfg(test)]
mod tests {
    use super::superlinear;

    #[test]
    fn early_systems_are_solved_to_half_and_late_ones_better() {
        assert_eq!(superlinear(1.0, 1.0), 0.5);
        assert_eq!(superlinear(0.01, 1.0), 0.1);
    }
}
