//! How good a detector is, as `pycocotools` sees it.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};
use sightscan_dataset::{Evaluation, Evaluator, LabelledBox};
use sightscan_testkit::{python, reference};
use sightscan_types::RelativeBox;

const SIZE: (f64, f64) = (640.0, 480.0);

/// What another implementation says.
#[derive(Debug, Deserialize)]
struct Reference {
    map50: Option<f64>,
    map50_95: Option<f64>,
    classes: Vec<Average>,
    confidence: f64,
    best_f1: f64,
    /// Right detections, all detections and objects of each class at the best confidence.
    at_best: Vec<[usize; 3]>,
}

#[derive(Debug, Deserialize)]
struct Average {
    ap50: Option<f64>,
    ap50_95: Option<f64>,
}

/// What is in a picture, and what was found.
#[derive(Debug, Clone, Default)]
struct Seen {
    truths: Vec<LabelledBox>,
    found: Vec<LabelledBox>,
}

fn pixels(bounds: RelativeBox) -> [f64; 4] {
    [bounds.x * SIZE.0, bounds.y * SIZE.1, bounds.w * SIZE.0, bounds.h * SIZE.1]
}

fn theirs(python: &Path, pictures: &[Seen], classes: usize) -> Reference {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<Value> =
        (1..=pictures.len()).map(|id| json!({"id": id, "width": SIZE.0, "height": SIZE.1})).collect();
    let categories: Vec<Value> =
        (0..classes).map(|class| json!({"id": class, "name": class.to_string()})).collect();
    let all = |boxes: fn(&Seen) -> &[LabelledBox]| {
        (1..).zip(pictures).flat_map(move |(image, seen)| boxes(seen).iter().map(move |found| (image, found)))
    };
    let annotations: Vec<Value> = all(|seen| &seen.truths)
        .enumerate()
        .map(|(id, (image, truth))| {
            let [x, y, w, h] = pixels(truth.bounds);
            json!({"id": id + 1, "image_id": image, "category_id": truth.class, "bbox": [x, y, w, h],
                   "area": w * h, "iscrowd": 0})
        })
        .collect();
    let found: Vec<Value> = all(|seen| &seen.found)
        .map(|(image, found)| {
            json!({"image_id": image, "category_id": found.class, "bbox": pixels(found.bounds),
                   "score": found.score})
        })
        .collect();
    let [truth, detections] = ["truth.json", "detections.json"].map(|name| folder.path().join(name));
    let document =
        json!({"info": {}, "images": images, "categories": categories, "annotations": annotations});
    fs_err::write(&truth, document.to_string()).unwrap();
    fs_err::write(&detections, Value::from(found).to_string()).unwrap();
    let script = reference("pycocotools_evaluation.py");
    let output = Command::new(python).arg(script).args([&truth, &detections]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ours(pictures: &[Seen], classes: usize) -> Evaluation {
    let mut evaluator = Evaluator::new(classes);
    pictures.iter().for_each(|seen| evaluator.add(&seen.truths, &seen.found));
    evaluator.evaluation()
}

fn is_near(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-6,
        (one, other) => one == other,
    }
}

fn assert_same(ours: &Evaluation, reference: &Reference) {
    assert!(is_near(ours.map50, reference.map50), "{ours:?} {reference:?}");
    assert!(is_near(ours.map50_95, reference.map50_95), "{ours:?} {reference:?}");
    for (ours, reference) in ours.classes.iter().zip(&reference.classes) {
        assert!(is_near(ours.ap50, reference.ap50), "{ours:?} {reference:?}");
        assert!(is_near(ours.ap50_95, reference.ap50_95), "{ours:?} {reference:?}");
    }
    assert!((ours.confidence - reference.confidence).abs() < 1e-6 || reference.best_f1 == 0.0);
    for (ours, [right, taken, instances]) in ours.classes.iter().zip(&reference.at_best) {
        let part = |whole: usize| (whole > 0).then(|| *right as f64 / whole as f64);
        assert_eq!(ours.instances, *instances);
        assert!(is_near(ours.precision, part(*taken)) && is_near(ours.recall, part(*instances)), "{ours:?}");
    }
}

/// Pictures of a detector that is right now and then: some objects are found twice, askew, or as something else.
fn pictures(seed: u64, classes: usize, decimals: i32) -> Vec<Seen> {
    let mut random = fastrand::Rng::with_seed(seed);
    let bounds = |random: &mut fastrand::Rng| {
        let (w, h) = (0.05 + 0.3 * random.f64(), 0.05 + 0.3 * random.f64());
        RelativeBox { x: (1.0 - w) * random.f64(), y: (1.0 - h) * random.f64(), w, h }
    };
    let score = |random: &mut fastrand::Rng| {
        let scale = 10_f32.powi(decimals);
        Some((random.f32() * scale).round() / scale)
    };
    let mut pictures = vec![Seen::default(); 25];
    for seen in &mut pictures {
        for _ in 0..random.usize(0..6) {
            // The last class is never there, though it is found.
            let truth =
                LabelledBox { class: random.usize(0..classes - 1), bounds: bounds(&mut random), score: None };
            seen.truths.push(truth);
            for _ in 0..random.usize(0..3) {
                let mut askew = || 0.06 * (random.f64() - 0.5);
                let RelativeBox { x, y, w, h } = truth.bounds;
                let bounds = RelativeBox { x: x + askew(), y: y + askew(), w: w + askew(), h: h + askew() };
                let class = if random.u8(..) < 40 { random.usize(0..classes) } else { truth.class };
                seen.found.push(LabelledBox { class, bounds, score: score(&mut random) });
            }
        }
        for _ in 0..random.usize(0..4) {
            let class = random.usize(0..classes);
            let bounds = bounds(&mut random);
            seen.found.push(LabelledBox { class, bounds, score: score(&mut random) });
        }
    }
    pictures
}

#[test]
fn average_precision_is_that_of_pycocotools() {
    let Some(python) = python() else { return };
    // With few decimals many detections are equally sure.
    for (seed, decimals) in [(1, 6), (2, 6), (3, 1)] {
        let pictures = pictures(seed, 5, decimals);
        assert_same(&ours(&pictures, 5), &theirs(&python, &pictures, 5));
    }
}

#[test]
fn a_hundred_detections_of_a_class_count_in_a_picture() {
    let Some(python) = python() else { return };
    let mut pictures = pictures(4, 3, 6);
    let truth = pictures.iter().find_map(|seen| seen.truths.first()).copied().unwrap();
    let many = (0..150_u8).map(|number| LabelledBox { score: Some(f32::from(number) / 200.0), ..truth });
    // The right one is the hundredth, then the hundred and first.
    for (score, is_counted) in [(0.2525, true), (0.2475, false)] {
        let mut seen = Seen { truths: vec![truth], found: Vec::new() };
        let away = RelativeBox { x: 0.0, y: 0.0, w: 0.01, h: 0.01 };
        seen.found.extend(many.clone().map(|found| LabelledBox { bounds: away, ..found }));
        seen.found.push(LabelledBox { score: Some(score), ..truth });
        let alone = ours(&[seen.clone()], 3);
        assert_eq!(alone.classes[truth.class].ap50.unwrap() > 0.0, is_counted);
        pictures.push(seen);
    }
    assert_same(&ours(&pictures, 3), &theirs(&python, &pictures, 3));
}
