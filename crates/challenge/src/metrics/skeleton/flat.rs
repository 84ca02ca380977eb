//! Thinning of images of two axes.
//!
//! Zhang and Suen 1984, "A fast parallel algorithm for thinning digital patterns", Communications of the ACM 27: two
//! sub-iterations in turn take away pixels by their eight neighbours, all at once. Which neighbourhoods are removable is
//! a table of scikit-image 0.26 (BSD licence), which departs from the paper in 25 of 256 cases, so that corners of
//! diagonal lines are thinned too.

/// For each neighbourhood: 1 is removed by the first sub-iteration, 2 by the second, 3 by both. Bits are neighbours
/// clockwise from that of least row and column; rows are x, columns y.
const REMOVED_BY: &[u8; 256] = b"\
0001001300311013000000002020303300000000300000000000000020003022\
0000000000000000000000000000000020000000200020003000000030003020\
0031001300000001000000000000000131000000000000002000000000000000\
2313001300000001000000000000000023010001000000003301000022002000";

/// The skeleton of an image with `nx` rows; pixels are x-fastest.
pub fn thinned(inside: &[bool], nx: usize, ny: usize) -> Vec<bool> {
    // A frame of pixels outside saves looking at the edges.
    let at = |x: usize, y: usize| (y + 1) * (nx + 2) + x + 1;
    let mut image = vec![0u8; (nx + 2) * (ny + 2)];
    for (i, &value) in inside.iter().enumerate() {
        image[at(i % nx, i / nx)] = u8::from(value);
    }
    let mut left: Vec<usize> = (0..image.len()).filter(|&i| image[i] == 1).collect();
    let (row, column) = (1isize, (nx + 2) as isize);
    let around = [-row - column, -row, -row + column, column, row + column, row, row - column, -column];
    loop {
        let before = left.len();
        for pass in [1u8, 2] {
            let goes = |&i: &usize| {
                let neighbours = around.iter().enumerate();
                let code =
                    neighbours.map(|(bit, &by)| usize::from(image[i.wrapping_add_signed(by)]) << bit).sum::<usize>();
                (REMOVED_BY[code] - b'0') & pass != 0
            };
            let gone: Vec<usize> = left.iter().copied().filter(goes).collect();
            gone.iter().for_each(|&i| image[i] = 0);
            left.retain(|&i| image[i] == 1);
        }
        if left.len() == before {
            break;
        }
    }
    (0..inside.len()).map(|i| image[at(i % nx, i / nx)] == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `skimage.morphology.skeletonize` 0.26 of a bar of 3 × 7 pixels.
    #[test]
    fn a_bar_becomes_its_middle_line() {
        let (nx, ny) = (5, 9);
        let inside: Vec<bool> = (0..45).map(|i| (1..4).contains(&(i % nx)) && (1..8).contains(&(i / nx))).collect();
        let found = thinned(&inside, nx, ny);
        let line: Vec<usize> = (0..45).filter(|&i| found[i]).collect();
        assert_eq!(line, [7, 12, 17, 22, 27, 31]);
        assert_eq!(thinned(&found, nx, ny), found);
    }
}
