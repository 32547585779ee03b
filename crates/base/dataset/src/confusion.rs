//! What is taken for what.

use crate::dataset::LabelledBox;
use crate::evaluation::iou;

/// How often a detector takes objects of one class for another, or for none, and sees some where there are none.
///
/// Of detections that are sure enough each takes the object that it lies on best, whatever their classes; the pairs that
/// lie on each other best come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row after row: what is there; columns: what was found. The last of both is nothing.
    counts: Vec<u32>,
}

impl Confusion {
    /// A detection that lies on no object so well is of none.
    pub const LEAST_OVERLAP: f64 = 0.45;

    /// Of so many classes, before the first picture.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; (classes + 1) * (classes + 1)] }
    }

    /// How often `truth` was taken for `found`; the number of classes stands for nothing.
    pub fn count(&self, truth: usize, found: usize) -> u32 {
        self.counts[truth * (self.classes + 1) + found]
    }

    /// Takes a picture: what is in it, and what was found that is sure enough. Classes that there are not are passed over.
    pub fn add(&mut self, truths: &[LabelledBox], found: &[LabelledBox]) {
        let known = |all: &[LabelledBox]| -> Vec<LabelledBox> {
            all.iter().copied().filter(|labelled| labelled.class < self.classes).collect()
        };
        let (mut truths, mut found) = (known(truths), known(found));
        while let Some((truth, detection)) = nearest(&truths, &found) {
            let (truth, detection) = (truths.swap_remove(truth), found.swap_remove(detection));
            self.note(truth.class, detection.class);
        }
        truths.iter().for_each(|truth| self.note(truth.class, self.classes));
        found.iter().for_each(|found| self.note(self.classes, found.class));
    }

    fn note(&mut self, truth: usize, found: usize) {
        self.counts[truth * (self.classes + 1) + found] += 1;
    }
}

/// The pair that lies on each other best, where one does well enough.
fn nearest(truths: &[LabelledBox], found: &[LabelledBox]) -> Option<(usize, usize)> {
    let pairs = (0..truths.len()).flat_map(|truth| (0..found.len()).map(move |found| (truth, found)));
    let overlaps = pairs.map(|(truth, at)| (iou(truths[truth].bounds, found[at].bounds), (truth, at)));
    let near = overlaps.filter(|(overlap, _)| *overlap >= Confusion::LEAST_OVERLAP);
    near.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, pair)| pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_types::RelativeBox;

    fn at(class: usize, x: f64) -> LabelledBox {
        LabelledBox { class, bounds: RelativeBox { x, y: 0.2, w: 0.2, h: 0.2 }, score: None }
    }

    #[test]
    fn right_wrong_missed_and_invented() {
        let mut confusion = Confusion::new(2);
        confusion.add(&[at(0, 0.1), at(1, 0.4), at(1, 0.7)], &[at(0, 0.12), at(0, 0.41), at(1, 0.0)]);
        let counts: Vec<u32> = (0..3)
            .flat_map(|truth| (0..3).map(move |found| (truth, found)))
            .map(|(t, f)| confusion.count(t, f))
            .collect();
        assert_eq!(counts, [1, 0, 0, 1, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn an_object_is_found_once_by_what_lies_on_it_best() {
        let mut confusion = Confusion::new(2);
        confusion.add(&[at(0, 0.1)], &[at(1, 0.13), at(0, 0.11), at(5, 0.1)]);
        assert_eq!((confusion.count(0, 0), confusion.count(0, 1), confusion.count(2, 1)), (1, 0, 1));
    }
}
