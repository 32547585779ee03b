//! How much the labellings of machines leave open. People are asked about the most doubtful images first.

use sightscan_types::RelativeBox;

/// Boxes that overlap by less show different things; the usual measure of detection (PASCAL VOC).
const SAME_PLACE: f64 = 0.5;
/// The doubt of who says nothing about it: of a box without a score, and where a machine found nothing but may have
/// missed something.
const UNKNOWN: f64 = 0.5;

/// A box as it is compared: what is there, where, and how sure its producer is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) label: String,
    pub(crate) area: RelativeBox,
    pub(crate) score: Option<f64>,
}

/// The doubt about an image that machines have looked at, each giving its boxes: the greater one of how unsure the most
/// unsure of them is, and how much two of them disagree. `None` where none has looked.
pub(crate) fn doubt(labellings: &[Vec<Seen>]) -> Option<f64> {
    let unsure = labellings.iter().map(|boxes| uncertainty(boxes));
    let pairs = labellings
        .iter()
        .enumerate()
        .flat_map(|(at, one)| labellings[at + 1..].iter().map(move |other| disagreement(one, other)));
    unsure.chain(pairs).reduce(f64::max)
}

/// One minus the least score.
fn uncertainty(boxes: &[Seen]) -> f64 {
    let unsure = boxes.iter().map(|seen| seen.score.map_or(UNKNOWN, |score| 1.0 - score.clamp(0.0, 1.0)));
    unsure.reduce(f64::max).unwrap_or(UNKNOWN)
}

/// One minus the F1 score of one labelling against the other: 0 where every box has its like, 1 where none has.
fn disagreement(one: &[Seen], other: &[Seen]) -> f64 {
    let boxes = one.len() + other.len();
    if boxes == 0 {
        return 0.0;
    }
    let mut free: Vec<&Seen> = other.iter().collect();
    let mut matched = 0;
    for seen in one {
        let like = free.iter().position(|candidate| {
            candidate.label == seen.label && overlap(candidate.area, seen.area) >= SAME_PLACE
        });
        if let Some(like) = like {
            free.swap_remove(like);
            matched += 1;
        }
    }
    1.0 - f64::from(2 * matched) / boxes as f64
}

/// Intersection over union.
fn overlap(one: RelativeBox, other: RelativeBox) -> f64 {
    let shared = |from: f64, size: f64, other_from: f64, other_size: f64| {
        ((from + size).min(other_from + other_size) - from.max(other_from)).max(0.0)
    };
    let both = shared(one.x, one.w, other.x, other.w) * shared(one.y, one.h, other.y, other.h);
    let union = one.w * one.h + other.w * other.h - both;
    if union > 0.0 { both / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(label: &str, x: f64, score: Option<f64>) -> Seen {
        Seen { label: label.to_owned(), area: RelativeBox { x, y: 0.0, w: 0.5, h: 0.5 }, score }
    }

    #[test]
    fn who_is_unsure_leaves_doubt() {
        assert_eq!(doubt(&[]), None);
        assert_eq!(doubt(&[vec![]]), Some(0.5), "something may have been missed");
        assert_eq!(doubt(&[vec![seen("Gate", 0.0, Some(0.75)), seen("Tower", 0.5, Some(1.0))]]), Some(0.25));
        assert_eq!(doubt(&[vec![seen("Gate", 0.0, None)]]), Some(0.5));
    }

    #[test]
    fn those_who_disagree_leave_more_doubt_than_those_who_agree() {
        let sure = |label, x| seen(label, x, Some(1.0));
        assert_eq!(doubt(&[vec![sure("Gate", 0.0)], vec![sure("Gate", 0.1)]]), Some(0.0));
        assert_eq!(doubt(&[vec![sure("Gate", 0.0)], vec![sure("Tower", 0.0)]]), Some(1.0));
        assert_eq!(doubt(&[vec![sure("Gate", 0.0)], vec![sure("Gate", 0.5)]]), Some(1.0), "elsewhere");
        let half = doubt(&[vec![sure("Gate", 0.0)], vec![sure("Gate", 0.0), sure("Tower", 0.5)]]).unwrap();
        assert!((half - 1.0 / 3.0).abs() < 1e-9, "{half}");
        assert_eq!(doubt(&[vec![sure("Gate", 0.0)], vec![]]), Some(1.0));
    }

    #[test]
    fn a_box_is_matched_once() {
        let gate = || seen("Gate", 0.0, Some(1.0));
        let doubled = doubt(&[vec![gate(), gate()], vec![gate()]]).unwrap();
        assert!((doubled - 1.0 / 3.0).abs() < 1e-9, "{doubled}");
    }
}
