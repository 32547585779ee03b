//! Our detections against those of other implementations, on both runtimes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use sightscan_engine::model::{InputOverrides, Overrides, source};
use sightscan_engine::prepare::Colour;
use sightscan_engine::runtime::{available_threads, onnxruntime};
use sightscan_engine::{Detector, EngineChoice, Limits, Model, Options};
use sightscan_testkit::data;
use sightscan_types::{Detection, Findings, PixelBox};

/// Boxes below this confidence come and go with the resizer; they are not compared.
const COMPARED_CONFIDENCE: f32 = 0.35;

#[derive(Debug, Deserialize)]
struct ReferenceBox {
    label: String,
    confidence: f32,
    #[serde(flatten)]
    bounds: PixelBox,
}

type Reference = BTreeMap<String, Vec<ReferenceBox>>;

/// The runtimes that can be tested here; in CI that must be both.
pub(crate) fn runtimes() -> Vec<EngineChoice> {
    match onnxruntime::library() {
        Ok(_) => vec![EngineChoice::Rten, EngineChoice::OnnxRuntime],
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped on ONNX Runtime: {error}");
            vec![EngineChoice::Rten]
        }
    }
}

fn detector(model: &str, overrides: Overrides, engine: EngineChoice) -> Option<Detector> {
    let model = Model::open(&data(&format!("models/{model}"))?, &overrides, engine).unwrap();
    Some(Detector::new(Arc::clone(&model), available_threads()).unwrap())
}

fn coco_names() -> Option<Vec<String>> {
    Some(source::read_names(&data("models/coco.names")?).unwrap())
}

/// A course picture by its number, or one of the well-known pictures by its name.
fn picture(name: &str) -> Vec<u8> {
    let folder = if name.starts_with("000000") { "iweblens" } else { "pictures" };
    fs_err::read(data(&format!("{folder}/{name}")).unwrap()).unwrap()
}

fn matches(ours: &Detection, theirs: &ReferenceBox) -> bool {
    ours.label == theirs.label
        && ours.bounds.iou(&theirs.bounds) >= 0.85
        && (ours.confidence - theirs.confidence).abs() <= 0.05
}

/// How many boxes were compared and how many of them have no counterpart.
#[derive(Debug, Default)]
struct Tally {
    reference: usize,
    missed: usize,
    ours: usize,
    invented: usize,
}

impl Tally {
    fn add(&mut self, ours: &[Detection], theirs: &[ReferenceBox]) {
        for reference in theirs.iter().filter(|reference| reference.confidence >= COMPARED_CONFIDENCE) {
            self.reference += 1;
            self.missed += usize::from(!ours.iter().any(|found| matches(found, reference)));
        }
        for found in ours.iter().filter(|found| found.confidence > COMPARED_CONFIDENCE) {
            self.ours += 1;
            self.invented += usize::from(!theirs.iter().any(|reference| matches(found, reference)));
        }
    }

    fn assert_within(&self, missed: f64, invented: f64) {
        assert!(self.reference > 100, "nothing was compared: {self:?}");
        assert!(self.missed as f64 <= missed * self.reference as f64, "{self:?}");
        assert!(self.invented as f64 <= invented * self.ours as f64, "{self:?}");
    }
}

fn compare(detector: &mut Detector, reference: &str, options: &Options) -> Option<Tally> {
    let text = fs_err::read_to_string(data(&format!("references/{reference}"))?).unwrap();
    let reference: Reference = serde_json::from_str(&text).unwrap();
    let mut tally = Tally::default();
    for (name, boxes) in &reference {
        let analysis = detector.detect(&picture(name), &Limits::default(), options).unwrap();
        tally.add(analysis.findings.detections(), boxes);
    }
    Some(tally)
}

#[test]
fn golden_yolov5n_equals_onnx_runtime_with_opencv() {
    for engine in runtimes() {
        let overrides = Overrides { classes: coco_names(), ..Overrides::default() };
        let Some(mut detector) = detector("yolov5n.onnx", overrides, engine) else { return };
        let reference = "yolov5n_letterbox640_conf0.25_iou0.45.json";
        let tally = compare(&mut detector, reference, &Options::default()).unwrap();
        eprintln!("yolov5n on {engine}: {tally:?}");
        tally.assert_within(0.02, 0.02);
    }
}

#[test]
fn golden_yolo_fastest_equals_opencv() {
    for (model, engine) in ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"]
        .iter()
        .flat_map(|m| runtimes().into_iter().map(move |e| (m, e)))
    {
        let Some(mut detector) = detector(&format!("{model}.cfg"), Overrides::default(), engine) else {
            return;
        };
        let options = Options { confidence: 0.3, ..Options::default() };
        let tally =
            compare(&mut detector, &format!("{model}_stretch320_conf0.3_iou0.45.json"), &options).unwrap();
        eprintln!("{model} on {engine}: {tally:?}");
        tally.assert_within(0.03, 0.03);
    }
}

/// Label, confidence, and the corners of the box.
type Documented = (&'static str, f32, [f32; 4]);

#[test]
fn golden_yolox_nano_finds_the_documented_boxes() {
    let box_of = |[x1, y1, x2, y2]: [f32; 4]| PixelBox::from_corners(x1, y1, x2, y2);
    let cases: [(&str, &[Documented]); 3] = [
        (
            "dog.jpg",
            &[
                ("dog", 0.83, [133.0, 206.0, 324.0, 542.0]),
                ("car", 0.81, [466.0, 78.0, 691.0, 171.0]),
                ("bicycle", 0.81, [45.0, 131.0, 571.0, 430.0]),
            ],
        ),
        (
            "bus.jpg",
            &[
                ("bus", 0.91, [7.0, 229.0, 805.0, 733.0]),
                ("person", 0.85, [55.0, 388.0, 211.0, 900.0]),
                ("person", 0.82, [218.0, 403.0, 349.0, 855.0]),
                ("person", 0.68, [682.0, 447.0, 810.0, 876.0]),
            ],
        ),
        (
            "zidane.jpg",
            &[
                ("person", 0.84, [149.0, 199.0, 681.0, 712.0]),
                ("person", 0.82, [703.0, 39.0, 1151.0, 706.0]),
                ("tie", 0.51, [431.0, 438.0, 498.0, 692.0]),
            ],
        ),
    ];
    for engine in runtimes() {
        let overrides = Overrides { classes: coco_names(), ..Overrides::default() };
        let Some(mut detector) = detector("yolox_nano.onnx", overrides, engine) else { return };
        let options = Options { confidence: 0.4, ..Options::default() };
        for (name, expected) in cases {
            let analysis = detector.detect(&picture(name), &Limits::default(), &options).unwrap();
            let found = analysis.findings.detections();
            assert_eq!(found.len(), expected.len(), "{name} on {engine}: {found:?}");
            for &(label, confidence, corners) in expected {
                let reference = ReferenceBox { label: label.into(), confidence, bounds: box_of(corners) };
                assert!(
                    found.iter().any(|ours| matches(ours, &reference)),
                    "{name} on {engine}: {reference:?} in {found:?}"
                );
            }
        }
    }
}

#[test]
fn golden_squeezenet_in_half_precision_names_the_animals() {
    let input = InputOverrides {
        colour: Some(Colour::Bgr),
        mean: Some([104.0, 117.0, 124.0]),
        scale: Some(1.0),
        ..InputOverrides::default()
    };
    let cases: [(&str, &[usize], Option<f32>); 4] = [
        ("kitten.png", &[281], Some(0.94)),
        ("pelican.jpeg", &[144], Some(0.90)),
        ("bald_eagle.jpeg", &[22], Some(0.92)),
        ("fish.png", &[389, 0], None),
    ];
    for engine in runtimes() {
        let Some(names) = data("models/imagenet_labels.json") else { return };
        let labels = source::read_names(&names).unwrap();
        let overrides = Overrides { classes: Some(labels.clone()), input, ..Overrides::default() };
        let mut detector = detector("squeezenet_fp16.onnx", overrides, engine).unwrap();
        for (name, best, probability) in cases {
            let analysis = detector.detect(&picture(name), &Limits::default(), &Options::default()).unwrap();
            let Findings::Classes(classes) = analysis.findings else {
                panic!("{name}: not a classifier's answer")
            };
            let top: std::collections::BTreeSet<&str> =
                classes.iter().take(best.len()).map(|class| class.label.as_str()).collect();
            assert_eq!(top, best.iter().map(|&index| labels[index].as_str()).collect(), "{name} on {engine}");
            if let Some(probability) = probability {
                assert!(
                    (classes[0].confidence - probability).abs() <= 0.05,
                    "{name} on {engine}: {classes:?}"
                );
            }
        }
    }
}

#[test]
fn a_network_that_a_runtime_lacks_an_operator_for_is_refused_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = sightscan_engine::onnx::parse(&crate::tiny::classifier(&["a", "b", "c"])).unwrap();
    network.graph.as_mut().unwrap().node[0].op_type = Some("NoSuchOperator".into());
    let path = folder.path().join("odd.onnx");
    fs_err::write(&path, network.to_bytes()).unwrap();
    for engine in runtimes() {
        let error = Model::open(&path, &Overrides::default(), engine).unwrap_err().to_string();
        assert!(error.contains("odd.onnx") && error.contains("NoSuchOperator"), "{engine}: {error}");
    }
}
