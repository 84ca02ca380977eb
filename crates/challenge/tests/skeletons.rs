//! Skeletons beside those of scikit-image.

use regiscope_challenge::metrics::mask::Mask;
use regiscope_challenge::metrics::skeleton::skeleton;

#[test]
fn skeletons_are_those_of_scikit_image() {
    let lines: Vec<&str> = include_str!("skeletons.txt").lines().skip(1).collect();
    assert_eq!(lines.len(), 12);
    for case in lines.chunks(3) {
        let extents: Vec<usize> = case[0].split(' ').map(|n| n.parse().unwrap()).collect();
        let shape = [extents[0], extents[1], extents.get(2).copied().unwrap_or(1)];
        let bits = |line: &str| -> Vec<bool> { line.bytes().map(|b| b == b'1').collect() };
        let mask = Mask::new(shape, [1.0; 3], bits(case[1])).unwrap();
        let found = skeleton(&mask);
        let apart = found.inside().iter().zip(bits(case[2])).filter(|(a, b)| **a != *b).count();
        assert_eq!(apart, 0, "{shape:?}");
    }
}
