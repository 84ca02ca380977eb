//! What raters say about the characteristics of images.

use super::StudySettings;
use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

/// One label: image, rater and characteristic by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The image.
    pub image: usize,
    /// The characteristic.
    pub characteristic: usize,
    /// The rater.
    pub rater: usize,
    /// The value that the rater saw.
    pub value: u8,
}

/// How often raters err: the most careful one, and how much more often the least careful one does.
const ERROR: [f64; 2] = [0.02, 0.08];

/// Labels image by image. Each image has raters of its own; a rater who errs names a neighbouring value.
pub(super) fn labels(settings: &StudySettings, values: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<Label> {
    let cells = settings.images * values.len();
    let mut left_out = vec![false; cells];
    for cell in index::sample(random, cells, cells - settings.annotated_cells()) {
        left_out[cell] = true;
    }
    let error: Vec<f64> =
        (0..settings.raters * values.len()).map(|_| ERROR[0] + ERROR[1] * random.random::<f64>()).collect();
    let mut all = Vec::with_capacity(settings.annotated_cells() * settings.raters_per_image);
    for image in 0..settings.images {
        let mut raters = index::sample(random, settings.raters, settings.raters_per_image).into_vec();
        raters.sort_unstable();
        for (characteristic, values) in values.iter().enumerate() {
            if left_out[image * settings.characteristics.len() + characteristic] {
                continue;
            }
            let most = settings.characteristics[characteristic].shares.len() as u8 - 1;
            for &rater in &raters {
                let errs = random.random::<f64>() < error[rater * settings.characteristics.len() + characteristic];
                let up = random.random::<bool>();
                let value = match (values[image], errs) {
                    (value, false) => value,
                    (0, true) => 1,
                    (value, true) if value == most || !up => value - 1,
                    (value, true) => value + 1,
                };
                all.push(Label { image, characteristic, rater, value });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::study::{StudySettings, generate};

    #[test]
    fn raters_are_mostly_right_and_never_out_of_range() {
        let study = generate(&StudySettings { images: 400, ..StudySettings::default() }).unwrap();
        let wrong = study.labels.iter().filter(|l| l.value != study.values[l.characteristic][l.image]).count();
        let share = wrong as f64 / study.labels.len() as f64;
        assert!((0.04..0.08).contains(&share), "{share}");
        let within = |l: &super::Label| usize::from(l.value) < study.characteristics[l.characteristic].shares.len();
        assert!(study.labels.iter().all(within));
        let mut cells: Vec<_> = study.labels.iter().map(|l| (l.image, l.characteristic, l.rater)).collect();
        let count = cells.len();
        cells.dedup();
        assert_eq!(cells.len(), count);
    }
}
