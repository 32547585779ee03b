//! Non-maximum suppression: of boxes that overlap, only the most confident stays.

use sightscan_types::PixelBox;

/// A box that a network proposes, before suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Index of the class.
    pub class: usize,
    /// Confidence, 0 to 1.
    pub confidence: f32,
    /// Where it is, in pixels.
    pub bounds: PixelBox,
}

/// Greedy non-maximum suppression (Felzenszwalb et al., 2010).
///
/// Keeps the most confident candidate, drops all that overlap it by more than `iou`, and goes on until `max`
/// are kept. With `agnostic` a box suppresses boxes of every class, else only those of its own.
/// The result is sorted by falling confidence; equal confidences keep their order.
pub fn suppress(mut candidates: Vec<Candidate>, iou: f32, agnostic: bool, max: usize) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if kept.len() == max {
            break;
        }
        let rivals = kept.iter().filter(|other| agnostic || other.class == candidate.class);
        if rivals.into_iter().all(|other| other.bounds.iou(&candidate.bounds) <= iou) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(class: usize, confidence: f32, left: f32) -> Candidate {
        Candidate { class, confidence, bounds: PixelBox { left, top: 0.0, width: 10.0, height: 10.0 } }
    }

    #[test]
    fn the_more_confident_of_two_overlapping_boxes_stays() {
        let kept = suppress(vec![candidate(0, 0.5, 0.0), candidate(0, 0.9, 1.0)], 0.45, false, 10);
        assert_eq!(kept, [candidate(0, 0.9, 1.0)]);
    }

    #[test]
    fn other_classes_are_suppressed_only_when_agnostic() {
        let both = vec![candidate(0, 0.9, 0.0), candidate(1, 0.5, 1.0)];
        assert_eq!(suppress(both.clone(), 0.45, false, 10).len(), 2);
        assert_eq!(suppress(both, 0.45, true, 10).len(), 1);
    }

    #[test]
    fn no_more_than_the_maximum_is_kept() {
        let far_apart = (0..20).map(|index| candidate(0, 0.5, 100.0 * index as f32)).collect();
        assert_eq!(suppress(far_apart, 0.45, false, 7).len(), 7);
    }

    proptest! {
        #[test]
        fn kept_boxes_are_sorted_disjoint_enough_and_cover_the_dropped(
            raw in prop::collection::vec((0usize..3, 0.01f32..1.0, 0.0f32..100.0), 0..60),
            iou in 0.05f32..0.95, agnostic: bool,
        ) {
            let all: Vec<Candidate> = raw.iter().map(|&(class, confidence, left)| candidate(class, confidence, left)).collect();
            let kept = suppress(all.clone(), iou, agnostic, usize::MAX);
            prop_assert!(kept.windows(2).all(|pair| pair[0].confidence >= pair[1].confidence));
            let rivals = |a: &Candidate, b: &Candidate| agnostic || a.class == b.class;
            for (index, a) in kept.iter().enumerate() {
                for b in &kept[index + 1..] {
                    prop_assert!(!rivals(a, b) || a.bounds.iou(&b.bounds) <= iou);
                }
            }
            for a in &all {
                let covered = kept.iter().any(|b| b == a || (rivals(a, b) && b.bounds.iou(&a.bounds) > iou && b.confidence >= a.confidence));
                prop_assert!(covered);
            }
        }
    }
}
