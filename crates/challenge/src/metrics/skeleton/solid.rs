//! Thinning of volumes.
//!
//! Lee, Kashyap and Chu 1994, "Building skeleton models via 3-D medial surface/axis thinning algorithms", CVGIP 56.
//! From each of six sides in turn the border voxels are collected that are no ends of lines, and whose removal changes
//! neither the Euler characteristic nor the connectedness of the neighbourhood; then they are removed one by one as
//! long as the neighbourhood stays connected.

/// The voxels around one voxel and itself: bit 9 (dx + 1) + 3 (dy + 1) + dz + 1.
type Neighbourhood = u32;

const MIDDLE: Neighbourhood = 1 << 13;

/// The sides in the order of scikit-image 0.26: −y, +y, +z, −z, +x, −x.
const SIDES: [[isize; 3]; 6] = [[0, -1, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0]];

/// The skeleton of a volume; voxels are x-fastest.
pub fn thinned(inside: &[bool], shape: [usize; 3]) -> Vec<bool> {
    let framed = Framed::new(shape);
    let mut image = vec![false; framed.len()];
    for (i, &value) in inside.iter().enumerate() {
        image[framed.at(i, shape)] = value;
    }
    let tables = Tables::new();
    // The first axis runs slowest: framed indices ascend that way.
    let mut left: Vec<usize> = (0..image.len()).filter(|&i| image[i]).collect();
    loop {
        let mut unchanged = 0;
        for side in SIDES {
            let beside = framed.offset(side);
            let candidates: Vec<usize> = left
                .iter()
                .copied()
                .filter(|&i| !image[i.wrapping_add_signed(beside)] && tables.removable(framed.around(&image, i)))
                .collect();
            let before = left.len();
            for i in candidates {
                if tables.is_connected(framed.around(&image, i) & !MIDDLE) {
                    image[i] = false;
                }
            }
            left.retain(|&i| image[i]);
            unchanged += usize::from(left.len() == before);
        }
        if unchanged == SIDES.len() {
            break;
        }
    }
    (0..inside.len()).map(|i| image[framed.at(i, shape)]).collect()
}

/// An array with a frame of one voxel, z-fastest.
struct Framed {
    shape: [usize; 3],
    offsets: [isize; 27],
}

impl Framed {
    fn new(shape: [usize; 3]) -> Self {
        let mut framed = Self { shape: shape.map(|n| n + 2), offsets: [0; 27] };
        framed.offsets = std::array::from_fn(|i| framed.offset(place(i)));
        framed
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// From an index without frame, x-fastest.
    fn at(&self, i: usize, [nx, ny, _]: [usize; 3]) -> usize {
        ((i % nx + 1) * self.shape[1] + i / nx % ny + 1) * self.shape[2] + i / (nx * ny) + 1
    }

    fn offset(&self, [x, y, z]: [isize; 3]) -> isize {
        (x * self.shape[1] as isize + y) * self.shape[2] as isize + z
    }

    fn around(&self, image: &[bool], at: usize) -> Neighbourhood {
        let bits = self.offsets.iter().enumerate();
        bits.map(|(bit, &by)| Neighbourhood::from(image[at.wrapping_add_signed(by)]) << bit).sum()
    }
}

/// Where a bit of a neighbourhood lies.
fn place(bit: usize) -> [isize; 3] {
    [bit / 9, bit / 3 % 3, bit % 3].map(|d| d as isize - 1)
}

/// What the voxel in the middle shares with its neighbours.
struct Tables {
    /// The other voxels at each corner, edge and face of the middle one, and the sign with which it counts in the Euler
    /// characteristic.
    cells: Vec<(Neighbourhood, i32)>,
    /// The neighbours of each bit, itself included, without the middle.
    touching: [Neighbourhood; 27],
}

impl Tables {
    fn new() -> Self {
        // A cell of the middle voxel's boundary lies towards `side`; all voxels whose place agrees with it where they
        // are not in the middle have that cell, too.
        let cell = |side: usize| {
            let towards = place(side);
            let shares = |bit: &usize| (0..3).all(|a| place(*bit)[a] == 0 || place(*bit)[a] == towards[a]);
            let others: Neighbourhood = (0..27).filter(shares).map(|bit| 1 << bit).sum();
            let dimensions = towards.iter().filter(|&&d| d == 0).count();
            (others & !MIDDLE, if dimensions % 2 == 0 { 1 } else { -1 })
        };
        let near = |a: usize, b: usize| (0..3).all(|i| place(a)[i].abs_diff(place(b)[i]) <= 1);
        let touching = |a| (0..27).filter(|&b| b != 13 && near(a, b)).map(|b| 1 << b).sum();
        Self { cells: (0..27).filter(|&s| s != 13).map(cell).collect(), touching: std::array::from_fn(touching) }
    }

    /// Whether the middle voxel may go: no end of a line, Euler invariant, and simple.
    fn removable(&self, around: Neighbourhood) -> bool {
        let others = around & !MIDDLE;
        others.count_ones() != 1 && self.keeps_euler_characteristic(others) && self.is_connected(others)
    }

    /// The cells that go with the middle voxel, and with no other, must count 1 − 1 = 0 with the voxel itself.
    fn keeps_euler_characteristic(&self, others: Neighbourhood) -> bool {
        self.cells.iter().filter(|(shared, _)| shared & others == 0).map(|(_, sign)| sign).sum::<i32>() == 1
    }

    /// Whether the neighbours hang together without the middle.
    fn is_connected(&self, others: Neighbourhood) -> bool {
        let mut reached = others & others.wrapping_neg();
        let mut fresh = reached;
        while fresh != 0 {
            let bit = fresh.trailing_zeros() as usize;
            fresh &= fresh - 1;
            let next = self.touching[bit] & others & !reached;
            reached |= next;
            fresh |= next;
        }
        reached == others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_becomes_a_line_and_a_ring_stays_one() {
        let shape = [5, 5, 11];
        let inside: Vec<bool> = (0..275)
            .map(|i| (1..4).contains(&(i % 5)) && (1..4).contains(&(i / 5 % 5)) && (1..10).contains(&(i / 25)))
            .collect();
        let found = thinned(&inside, shape);
        let left: Vec<usize> = (0..275).filter(|&i| found[i]).collect();
        assert!(left.iter().all(|i| i % 25 == 12), "{left:?}");
        assert!(left.len() >= 3 && left.windows(2).all(|w| w[1] - w[0] == 25), "{left:?}");
        assert_eq!(thinned(&found, shape), found);
        // A square ring of 3 × 3 voxels thickness keeps its hole.
        let shape = [13, 13, 5];
        let thick = |i: usize| {
            let (x, y, z) = (i % 13, i / 13 % 13, i / 169);
            let far = (x as isize - 6).abs().max((y as isize - 6).abs());
            (3..6).contains(&far) && (1..4).contains(&z)
        };
        let ring: Vec<bool> = (0..845).map(thick).collect();
        let found = thinned(&ring, shape);
        let tables = Tables::new();
        let framed = Framed::new(shape);
        let mut image = vec![false; framed.len()];
        (0..845).for_each(|i| image[framed.at(i, shape)] = found[i]);
        let ends = (0..image.len()).filter(|&i| image[i]);
        assert!(ends.clone().count() >= 24);
        assert!(ends.clone().all(|i| (framed.around(&image, i) & !MIDDLE).count_ones() >= 2), "a ring has no ends");
        assert!(!ends.clone().any(|i| tables.removable(framed.around(&image, i))));
    }
}
