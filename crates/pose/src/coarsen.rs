//! Coarser forms of volumes and X-ray images by averages over blocks.

use rayon::prelude::*;
use regiscope_geometry::{Grid, Point, Vector};
use regiscope_image::{Image, Volume};

/// Blocks, in voxels, that make voxels of about `voxel_mm`; at least one voxel and no more than there are.
pub fn blocks(grid: &Grid, voxel_mm: f64) -> [usize; 3] {
    [0, 1, 2].map(|a| ((voxel_mm / grid.spacing()[a]).round() as usize).clamp(1, grid.shape()[a]))
}

/// Averages over blocks of voxels. Blocks that reach over the end count what is missing as zero, so that the sum
/// of attenuation stays.
pub fn volume(fine: &Volume<f32>, blocks: [usize; 3]) -> Volume<f32> {
    let grid = fine.grid();
    let shape = grid.shape();
    let coarse = [0, 1, 2].map(|a| shape[a].div_ceil(blocks[a]));
    let middle = Point::from(Vector::from_fn(|a, _| 0.5 * (blocks[a] as f64 - 1.0)));
    let axes = grid.axes()
        * regiscope_geometry::nalgebra::Matrix3::from_fn(|r, c| if r == c { blocks[r] as f64 } else { 0.0 });
    let coarse_grid = Grid::new(coarse, grid.world_from_index(&middle), axes)
        .expect("a valid grid stays valid when its voxels are joined");
    let share = 1.0 / blocks.iter().product::<usize>() as f32;
    let mut data = vec![0.0f32; coarse_grid.len()];
    data.par_chunks_mut(coarse[0] * coarse[1]).enumerate().for_each(|(k, slice)| {
        for z in k * blocks[2]..((k + 1) * blocks[2]).min(shape[2]) {
            for y in 0..shape[1] {
                let row = &fine.data()[shape[0] * (y + shape[1] * z)..][..shape[0]];
                let into = &mut slice[y / blocks[1] * coarse[0]..][..coarse[0]];
                for (sum, block) in into.iter_mut().zip(row.chunks(blocks[0])) {
                    *sum += block.iter().sum::<f32>();
                }
            }
        }
        slice.iter_mut().for_each(|v| *v *= share);
    });
    Volume::new(coarse_grid, data)
}

/// Averages over `factor × factor` pixels and the mask of blocks all of whose pixels count, sized as
/// [`regiscope_geometry::View::coarsened`].
pub fn image(fine: &Image<f32>, mask: Option<&Image<bool>>, factor: usize) -> (Image<f32>, Option<Image<bool>>) {
    let factor = factor.clamp(1, fine.rows().min(fine.cols()));
    let (rows, cols) = (fine.rows() / factor, fine.cols() / factor);
    let pixels = |p: usize| {
        let (r, c) = (p / cols * factor, p % cols * factor);
        (r..r + factor).flat_map(move |r| (c..c + factor).map(move |c| r * fine.cols() + c))
    };
    let counts = |p: usize| mask.is_none_or(|m| pixels(p).all(|q| m.data()[q]));
    let mean = |p: usize| {
        let sum: f64 = pixels(p).map(|q| f64::from(fine.data()[q])).sum();
        if counts(p) { (sum / (factor * factor) as f64) as f32 } else { 0.0 }
    };
    let coarse = Image::new(rows, cols, (0..rows * cols).map(mean).collect());
    (coarse, mask.map(|_| Image::new(rows, cols, (0..rows * cols).map(counts).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_and_middle_stay() {
        let grid = Grid::centred([7, 5, 6], [1.0, 2.0, 3.0]).unwrap();
        let fine = Volume::new(grid, (0..210).map(|v| (v * 37 % 101) as f32).collect());
        let coarse = volume(&fine, [2, 2, 3]);
        assert_eq!(coarse.grid().shape(), [4, 3, 2]);
        let moment = |v: &Volume<f32>| {
            let [nx, ny, _] = v.grid().shape();
            let cell: f64 = v.grid().spacing().iter().product();
            v.data().iter().enumerate().fold((0.0, Vector::zeros()), |(mass, sum), (n, &value)| {
                let index = Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64);
                let weight = f64::from(value) * cell;
                (mass + weight, sum + v.grid().world_from_index(&index).coords * weight)
            })
        };
        let ((m0, s0), (m1, s1)) = (moment(&fine), moment(&coarse));
        assert!((m0 - m1).abs() < 1e-4 * m0);
        // Within a block the values are spread out, so the first moment moves by less than half a block.
        assert!((s0 / m0 - s1 / m1).norm() < 1.0);
        let constant = volume(&fine.map(|_| 3.0), [2, 5, 3]);
        assert!((constant.get([0, 0, 0]).unwrap() - 3.0).abs() < 1e-6);
    }

    #[test]
    fn masked_pixels_do_not_leak() {
        let mut data: Vec<f32> = (0..36).map(|v| v as f32).collect();
        data[0] = f32::NAN;
        let mask = Image::new(6, 6, (0..36).map(|p| p != 0).collect());
        let (coarse, mask) = image(&Image::new(6, 6, data), Some(&mask), 2);
        assert_eq!(mask.unwrap().data(), [false, true, true, true, true, true, true, true, true]);
        assert_eq!(coarse.data()[1], 5.5);
        assert!(coarse.data().iter().all(|v| v.is_finite()));
    }
}
