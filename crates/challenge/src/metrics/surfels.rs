//! Areas of the surface inside a 2 × 2 × 2 neighbourhood of voxels, and lengths of the contour inside 2 × 2 pixels.
//!
//! A neighbourhood has one of 256 patterns of voxels inside and outside. Marching cubes puts up to four triangles
//! between them, with corners midway between voxels; the components of a triangle's area vector are eighths of a voxel's
//! faces. Patterns that turn into each other share their triangles up to signs, so that `KINDS` has 27 entries. Source
//! of the triangulation: package `surface-distance` 0.1 of Google DeepMind (Apache-2.0), after Lorensen and Cline 1987;
//! MONAI 1.6.1 uses the same.

/// For each kind of pattern its triangles: magnitudes of the components of the area vector, in eighths of the faces of
/// a voxel that are perpendicular to x, y and z.
const KINDS: [&[[u8; 3]]; 27] = [
    &[],
    &[[1, 1, 1]],
    &[[2, 2, 0], [2, 2, 0]],
    &[[2, 0, 2], [2, 0, 2]],
    &[[1, 1, 1], [1, 1, 1]],
    &[[1, 1, 1], [2, 2, 2], [4, 0, 0]],
    &[[4, 0, 0], [4, 0, 0]],
    &[[0, 2, 2], [0, 2, 2]],
    &[[0, 4, 0], [1, 1, 1], [2, 2, 2]],
    &[[0, 0, 4], [1, 1, 1], [2, 2, 2]],
    &[[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    &[[1, 1, 1], [1, 1, 1], [2, 2, 2], [2, 2, 2]],
    &[[0, 2, 2], [0, 2, 2], [1, 1, 1]],
    &[[1, 1, 1], [2, 0, 2], [2, 0, 2]],
    &[[0, 2, 2], [1, 1, 1], [2, 0, 2], [3, 3, 3]],
    &[[1, 1, 1], [2, 2, 0], [2, 2, 0]],
    &[[0, 2, 2], [1, 1, 1], [2, 2, 0], [3, 3, 3]],
    &[[1, 1, 1], [1, 1, 1], [2, 2, 2], [4, 0, 0]],
    &[[0, 4, 0], [0, 4, 0]],
    &[[1, 1, 1], [2, 0, 2], [2, 2, 0], [3, 3, 3]],
    &[[0, 4, 0], [1, 1, 1], [1, 1, 1], [2, 2, 2]],
    &[[2, 2, 0], [2, 2, 0], [2, 2, 0], [2, 2, 0]],
    &[[0, 0, 4], [0, 0, 4]],
    &[[0, 0, 4], [1, 1, 1], [1, 1, 1], [2, 2, 2]],
    &[[2, 0, 2], [2, 0, 2], [2, 0, 2], [2, 0, 2]],
    &[[0, 2, 2], [0, 2, 2], [0, 2, 2], [0, 2, 2]],
    &[[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]],
];

/// The kind of each pattern: 'a' is the first, 'A' the last.
const KIND_OF: &[u8; 256] = b"\
abbcbdefbedfcffgbheiejklemnopqrfbehienmoekjlprqfciisptuiputivppc\
beephjmqeknrilofdjntjwxjnxyntjndekmumxzmkAxkukmefloiqjmhrknepeeb\
beepenkrhmjqiolfemkukxAkmzxmumkednjtnyxnjxwjtnjdfolirnkeqmjhpeeb\
cppvitupiutpsiicfqrpljkeomneihebfrqponmelkjeiehbgffcfdebfedbcbba";

/// Area of the surface (mm²) in each of the 256 patterns. Bit 7 stands for the voxel of least indices, then z runs
/// fastest, so that bit 0 is the voxel of greatest indices.
pub fn areas(spacing_mm: [f64; 3]) -> Vec<f64> {
    let [x, y, z] = spacing_mm;
    let faces = [y * z, x * z, x * y];
    let area = |v: &[u8; 3]| (0..3).map(|a| (f64::from(v[a]) / 8.0 * faces[a]).powi(2)).sum::<f64>().sqrt();
    let by_kind: Vec<f64> = KINDS.iter().map(|triangles| triangles.iter().map(area).sum()).collect();
    KIND_OF.iter().map(|&letter| by_kind[if letter == b'A' { 26 } else { usize::from(letter - b'a') }]).collect()
}

/// Length of the contour (mm) in each of the 16 patterns of 2 × 2 pixels. Bit 3 stands for the pixel of least indices,
/// then y runs fastest.
pub fn lengths(spacing_mm: [f64; 2]) -> Vec<f64> {
    let [x, y] = spacing_mm;
    let diagonal = 0.5 * (x * x + y * y).sqrt();
    (0u8..16)
        .map(|pattern| match pattern {
            0 | 15 => 0.0,
            0b0011 | 0b1100 => y,
            0b0101 | 0b1010 => x,
            0b0110 | 0b1001 => 2.0 * diagonal,
            _ => diagonal,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_their_complements_and_mirror_images_have_the_same_area() {
        let table = areas([1.0, 1.0, 1.0]);
        for pattern in 0..256usize {
            assert_eq!(table[pattern], table[255 - pattern]);
            // Turning the order of all voxels mirrors through the middle.
            let mirrored = usize::from((pattern as u8).reverse_bits());
            assert!((table[pattern] - table[mirrored]).abs() < 1e-15, "{pattern}");
        }
        assert_eq!((table[0], table[255]), (0.0, 0.0));
        // One voxel cuts a corner off; a half space is cut by one face of a voxel.
        assert!((table[1] - 3.0f64.sqrt() / 8.0).abs() < 1e-15);
        let faces = areas([2.0, 3.0, 5.0]);
        assert_eq!([faces[0b0000_1111], faces[0b0011_0011], faces[0b0101_0101]], [15.0, 10.0, 6.0]);
        assert_eq!(lengths([2.0, 3.0])[0b0011], 3.0);
    }
}
