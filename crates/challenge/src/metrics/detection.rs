//! Detections: average precision and F1.

/// A detection with its confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Confidence; larger is surer.
    pub confidence: f64,
    /// Whether it hits an object that no surer detection has hit.
    pub hit: bool,
}

/// Average precision: the area under the precision-recall curve with precision made non-increasing (all-point
/// interpolation of Everingham et al. 2010, PASCAL VOC). Detections of equal confidence count together. `None` without
/// objects.
pub fn average_precision(detections: &[Detection], objects: usize) -> Option<f64> {
    if objects == 0 {
        return None;
    }
    let mut sorted = detections.to_vec();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let (mut hits, mut seen) = (0usize, 0usize);
    // (recall, precision) after each level of confidence.
    let mut curve = Vec::new();
    for level in sorted.chunk_by(|a, b| a.confidence == b.confidence) {
        hits += level.iter().filter(|d| d.hit).count();
        seen += level.len();
        curve.push((hits as f64 / objects as f64, hits as f64 / seen as f64));
    }
    let (mut area, mut precision) = (0.0, 0.0_f64);
    for at in (0..curve.len()).rev() {
        precision = precision.max(curve[at].1);
        let before = if at == 0 { 0.0 } else { curve[at - 1].0 };
        area += (curve[at].0 - before) * precision;
    }
    Some(area)
}

/// F1 = 2 TP / (2 TP + FP + FN); `None` where there is neither an object nor a detection.
pub fn f1(true_positive: usize, false_positive: usize, false_negative: usize) -> Option<f64> {
    let whole = 2 * true_positive + false_positive + false_negative;
    (whole > 0).then(|| 2.0 * true_positive as f64 / whole as f64)
}

/// Which detections hit: by falling confidence each takes the free object with which its IoU is largest, if that is at
/// least the threshold. `iou` is row-major, one row for each detection.
pub fn hits(confidence: &[f64], iou: &[f64], objects: usize, threshold: f64) -> Vec<Detection> {
    let mut order: Vec<usize> = (0..confidence.len()).collect();
    order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
    let mut taken = vec![false; objects];
    let mut answer: Vec<Detection> = confidence.iter().map(|&c| Detection { confidence: c, hit: false }).collect();
    for detection in order {
        let row = &iou[detection * objects..][..objects];
        let free = (0..objects).filter(|&o| !taken[o] && row[o] >= threshold);
        if let Some(object) = free.max_by(|&a, &b| row[a].total_cmp(&row[b])) {
            taken[object] = true;
            answer[detection].hit = true;
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_averaged_over_recall() {
        // Hit, miss, hit of three objects: precision 1 up to recall 1/3, 2/3 up to 2/3.
        let iou = [0.9, 0.1, 0.0, 0.8, 0.2, 0.0, 0.0, 0.7, 0.0];
        let found = hits(&[0.9, 0.8, 0.3], &iou, 3, 0.5);
        assert_eq!(found.iter().map(|d| d.hit).collect::<Vec<_>>(), [true, false, true]);
        let ap = average_precision(&found, 3).unwrap();
        assert!((ap - (1.0 / 3.0 + 2.0 / 9.0)).abs() < 1e-15);
        assert_eq!(average_precision(&found, 0), None);
        assert_eq!(average_precision(&[], 2), Some(0.0));
        let together = [0.5; 2].map(|c| Detection { confidence: c, hit: c < 0.6 });
        assert_eq!(average_precision(&together, 2), Some(1.0));
        assert_eq!((f1(2, 1, 1), f1(0, 0, 0)), (Some(4.0 / 6.0), None));
    }
}
