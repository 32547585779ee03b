//! How good a detector is, as COCO defines it (<https://cocodataset.org/#detection-eval>).
//!
//! The same numbers as pycocotools' `COCOeval` gives for boxes of all sizes and at most 100 detections of a class in a
//! picture. [`Labels`](crate::Labels) have no crowds, so what COCO says about those does not arise.

use sightscan_types::RelativeBox;

use crate::dataset::LabelledBox;

/// From how great an intersection over union on a detection is right: 0.5, 0.55 … 0.95.
const THRESHOLDS: usize = 10;
/// Average precision is the mean at so many recalls: 0, 0.01 … 1.
const RECALLS: usize = 101;
/// So many detections of a class count in each picture, the surest ones.
const MOST_DETECTIONS: usize = 100;

/// Compares what a detector finds with what is there, picture by picture.
#[derive(Debug, Clone)]
pub struct Evaluator {
    images: usize,
    classes: Vec<Class>,
}

/// How good a detector is.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Pictures that were looked at.
    pub images: usize,
    /// Objects in them.
    pub instances: usize,
    /// Mean average precision at an intersection over union of 0.5; `None` where no picture has an object.
    pub map50: Option<f64>,
    /// Mean of those at 0.5, 0.55 … 0.95: COCO's main number.
    pub map50_95: Option<f64>,
    /// The confidence at which precision and recall are in the best balance (the greatest mean of the classes' F1): those
    /// of [`ClassEvaluation`] are taken there.
    pub confidence: f64,
    /// In the order of the data set.
    pub classes: Vec<ClassEvaluation>,
}

/// How good a detector is at one class. What is a part of the objects, or of the detections, is `None` where there are
/// none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassEvaluation {
    /// Objects of the class.
    pub instances: usize,
    /// Part of its detections that are right, at an intersection over union of 0.5 and [`Evaluation::confidence`].
    pub precision: Option<f64>,
    /// Part of its objects that are found, there.
    pub recall: Option<f64>,
    /// Average precision at an intersection over union of 0.5.
    pub ap50: Option<f64>,
    /// Mean of those at 0.5, 0.55 … 0.95.
    pub ap50_95: Option<f64>,
}

/// What is known of one class until now.
#[derive(Debug, Clone, Default)]
struct Class {
    instances: usize,
    detections: Vec<Judged>,
}

/// A detection, and at which thresholds it is right.
#[derive(Debug, Clone, Copy)]
struct Judged {
    score: f32,
    is_right: [bool; THRESHOLDS],
}

impl Evaluator {
    /// Of a data set with so many classes, before its first picture.
    pub fn new(classes: usize) -> Self {
        Self { images: 0, classes: vec![Class::default(); classes] }
    }

    /// Takes a picture: what is in it, and what was found. Detections without a score are sure; boxes of classes that the
    /// data set does not have are passed over.
    pub fn add(&mut self, truths: &[LabelledBox], found: &[LabelledBox]) {
        self.images += 1;
        for (number, class) in self.classes.iter_mut().enumerate() {
            let of_class = |labelled: &&LabelledBox| labelled.class == number;
            let truths: Vec<_> = truths.iter().filter(of_class).map(|truth| truth.bounds).collect();
            class.instances += truths.len();
            class.detections.extend(judged(&truths, found.iter().filter(of_class)));
        }
    }

    /// How good it is, by the pictures until now.
    pub fn evaluation(&self) -> Evaluation {
        let confidence = self.best_confidence();
        let classes: Vec<_> = self.classes.iter().map(|class| class.evaluation(confidence)).collect();
        Evaluation {
            images: self.images,
            instances: classes.iter().map(|class| class.instances).sum(),
            map50: mean(classes.iter().filter_map(|class| class.ap50)),
            map50_95: mean(classes.iter().filter_map(|class| class.ap50_95)),
            confidence,
            classes,
        }
    }

    /// For each class the precision at recalls of 0, 0.01 … 1 at an intersection over union of 0.5, each the best at this
    /// recall or a greater one, whose mean is the average precision; `None` where there is no object.
    pub fn precisions(&self) -> Vec<Option<Vec<f64>>> {
        let of_class = |class: &Class| {
            let sorted = class.sorted();
            precisions(class.instances, sorted.iter().map(|found| found.is_right[0]))
        };
        self.classes.iter().map(of_class).collect()
    }

    /// Where the mean F1 of the classes is greatest; 0 where nothing was found.
    fn best_confidence(&self) -> f64 {
        let mut detections: Vec<(f32, usize, bool)> = Vec::new();
        for (number, class) in self.classes.iter().enumerate().filter(|(_, class)| class.instances > 0) {
            detections.extend(class.detections.iter().map(|found| (found.score, number, found.is_right[0])));
        }
        detections.sort_by(|one, other| other.0.total_cmp(&one.0));
        let (mut right, mut taken) = (vec![0_usize; self.classes.len()], vec![0_usize; self.classes.len()]);
        let (mut sum, mut best) = (0.0, (0.0, 0.0));
        for (at, &(score, number, is_right)) in detections.iter().enumerate() {
            let f1 = |right: usize, taken: usize| {
                2.0 * right as f64 / (taken + self.classes[number].instances) as f64
            };
            sum -= f1(right[number], taken[number]);
            taken[number] += 1;
            right[number] += usize::from(is_right);
            sum += f1(right[number], taken[number]);
            // Detections of one confidence are taken together.
            if sum > best.0 && detections.get(at + 1).is_none_or(|next| next.0 < score) {
                best = (sum, f64::from(score));
            }
        }
        best.1
    }
}

impl Class {
    /// The surest detections first.
    fn sorted(&self) -> Vec<Judged> {
        let mut sorted = self.detections.clone();
        // Stable, as in the reference: the detections of the picture that came first stay first.
        sorted.sort_by(|one, other| other.score.total_cmp(&one.score));
        sorted
    }

    fn evaluation(&self, confidence: f64) -> ClassEvaluation {
        let sorted = self.sorted();
        let right = |threshold: usize| sorted.iter().map(move |found| found.is_right[threshold]);
        let of_all = (0..THRESHOLDS).filter_map(|threshold| precisions(self.instances, right(threshold)));
        let averages: Vec<f64> = of_all.filter_map(|precisions| mean(precisions.into_iter())).collect();
        let taken = sorted.iter().take_while(|found| f64::from(found.score) >= confidence);
        let (taken, right) =
            taken.fold((0, 0), |(taken, right), found| (taken + 1, right + usize::from(found.is_right[0])));
        let part = |whole: usize| (whole > 0).then(|| right as f64 / whole as f64);
        ClassEvaluation {
            instances: self.instances,
            precision: part(taken),
            recall: part(self.instances),
            ap50: averages.first().copied(),
            ap50_95: mean(averages.into_iter()),
        }
    }
}

/// Which detections of one class in one picture are right: each object is found once, by the surest detection that lies on
/// it well enough; a detection takes the object that it lies on best.
fn judged<'a>(truths: &[RelativeBox], found: impl Iterator<Item = &'a LabelledBox>) -> Vec<Judged> {
    let mut found: Vec<_> = found.map(|found| (found.score.unwrap_or(1.0), found.bounds)).collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.truncate(MOST_DETECTIONS);
    let mut is_taken = vec![[false; THRESHOLDS]; truths.len()];
    let judge = |(score, bounds): (f32, RelativeBox)| {
        let overlaps: Vec<f64> = truths.iter().map(|truth| iou(bounds, *truth)).collect();
        let is_right = std::array::from_fn(|threshold| {
            let free = (0..truths.len()).filter(|&truth| !is_taken[truth][threshold]);
            // Of equal ones the last, as in the reference.
            let best = free.max_by(|&one, &other| overlaps[one].total_cmp(&overlaps[other]));
            let best = best.filter(|&truth| overlaps[truth] >= least_overlap(threshold));
            best.inspect(|&truth| is_taken[truth][threshold] = true).is_some()
        });
        Judged { score, is_right }
    };
    found.into_iter().map(judge).collect()
}

fn least_overlap(threshold: usize) -> f64 {
    0.5 + 0.05 * threshold as f64
}

/// The precisions at recalls of 0, 0.01 … 1, each the best at this recall or a greater one; `None` where there is no object.
fn precisions(instances: usize, is_right: impl Iterator<Item = bool>) -> Option<Vec<f64>> {
    if instances == 0 {
        return None;
    }
    let mut right = 0;
    let mut points: Vec<(f64, f64)> = is_right
        .zip(1..)
        .map(|(is_right, taken)| {
            right += usize::from(is_right);
            (right as f64 / instances as f64, right as f64 / f64::from(taken))
        })
        .collect();
    for at in (1..points.len()).rev() {
        points[at - 1].1 = points[at - 1].1.max(points[at].1);
    }
    let precision_at = |recall: f64| {
        let first = points.partition_point(|point| point.0 < recall);
        points.get(first).map_or(0.0, |point| point.1)
    };
    Some((0..RECALLS).map(|step| precision_at(step as f64 * 0.01)).collect())
}

/// Intersection over union; also of parts of a picture, since both axes cancel out.
pub(crate) fn iou(one: RelativeBox, other: RelativeBox) -> f64 {
    let shared = |start: f64, size: f64, other_start: f64, other_size: f64| {
        ((start + size).min(other_start + other_size) - start.max(other_start)).max(0.0)
    };
    let intersection = shared(one.x, one.w, other.x, other.w) * shared(one.y, one.h, other.y, other.h);
    let union = one.w * one.h + other.w * other.h - intersection;
    if union > 0.0 { intersection / union } else { 0.0 }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(class: usize, x: f64, score: Option<f32>) -> LabelledBox {
        LabelledBox { class, bounds: RelativeBox { x, y: 0.25, w: 0.25, h: 0.5 }, score }
    }

    fn evaluated(pictures: &[(&[LabelledBox], &[LabelledBox])], classes: usize) -> Evaluation {
        let mut evaluator = Evaluator::new(classes);
        pictures.iter().for_each(|(truths, found)| evaluator.add(truths, found));
        evaluator.evaluation()
    }

    #[test]
    fn what_is_found_as_it_is_is_perfect() {
        let truths = [boxed(0, 0.0, None), boxed(1, 0.5, None)];
        let evaluation = evaluated(&[(&truths, &truths)], 2);
        assert_eq!((evaluation.images, evaluation.instances), (1, 2));
        assert_eq!((evaluation.map50, evaluation.map50_95), (Some(1.0), Some(1.0)));
        assert_eq!((evaluation.classes[0].precision, evaluation.classes[0].recall), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn an_object_is_found_once() {
        let truth = [boxed(0, 0.0, None)];
        let twice = [boxed(0, 0.0, Some(0.8)), boxed(0, 0.0, Some(0.9))];
        let class = evaluated(&[(&truth, &twice)], 1).classes[0];
        // The second one lowers nothing: what counts is the precision when the object is found.
        assert_eq!((class.ap50, class.precision), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn false_alarms_lower_precision_and_misses_lower_recall() {
        let truths = [boxed(0, 0.0, None), boxed(0, 0.5, None)];
        let found = [boxed(0, 0.25, Some(0.9)), boxed(0, 0.5, Some(0.6))];
        let class = evaluated(&[(&truths, &found)], 1).classes[0];
        assert_eq!((class.precision, class.recall), (Some(0.5), Some(0.5)));
        // Half of all recalls, 0 to 0.5, are reached, with a precision of one half.
        assert!((class.ap50.unwrap() - 0.5 * 51.0 / 101.0).abs() < 1e-9);
    }

    #[test]
    fn how_well_a_box_must_fit_grows() {
        let truth = [boxed(0, 0.0, None)];
        // It shares two thirds of its width: 0.5 of the union.
        let beside = [boxed(0, 0.25 / 3.0, Some(0.9))];
        let class = evaluated(&[(&truth, &beside)], 1).classes[0];
        assert_eq!(class.ap50, Some(1.0));
        assert!((class.ap50_95.unwrap() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        let found = [boxed(0, 0.0, Some(0.9))];
        let evaluation = evaluated(&[(&[], &found), (&[boxed(1, 0.0, None)], &[])], 2);
        let [never_there, never_found] = evaluation.classes[..] else { panic!("two classes") };
        assert_eq!((never_there.ap50, never_there.recall), (None, None));
        assert_eq!((never_found.ap50, never_found.precision), (Some(0.0), None));
        assert_eq!(evaluation.map50, Some(0.0));
        assert_eq!(evaluated(&[], 2).map50_95, None);
        assert_eq!(evaluated(&[(&[], &[])], 1).confidence, 0.0);
    }
}
