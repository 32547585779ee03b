//! Families that are told by their metadata and shapes, and models that are refused, with networks that answer constants.

use std::path::PathBuf;

use sightscan_engine::family::Family;
use sightscan_engine::model::Overrides;
use sightscan_engine::onnx::proto::GraphProto;
use sightscan_engine::onnx::{self, build};
use sightscan_engine::{Analysis, Detector, EngineChoice, Model, ModelError, Options, Picture, RuntimeKind};
use sightscan_types::Findings;

use crate::golden::runtimes;

/// A network for pictures of 64x64 pixels that answers `numbers` in this shape, whatever it sees.
fn constant(shape: &[usize], numbers: &[f32], metadata: &[(&str, String)]) -> Vec<u8> {
    let sizes: Vec<build::Size<'_>> = shape.iter().map(|&size| Ok(size)).collect();
    let graph = GraphProto {
        name: Some("constant".into()),
        node: vec![
            build::node("ReduceMean", &["images"], "mean", vec![build::int("keepdims", 0)]),
            build::node("Mul", &["mean", "zero"], "nothing", vec![]),
            build::node("Add", &["numbers", "nothing"], "output0", vec![]),
        ],
        initializer: vec![build::floats("zero", &[], &[0.0]), build::floats("numbers", shape, numbers)],
        input: vec![build::value("images", &[Ok(1), Ok(3), Ok(64), Ok(64)])],
        output: vec![build::value("output0", &sizes)],
        ..Default::default()
    };
    build::model(graph, metadata).to_bytes()
}

struct Stored {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn stored(bytes: &[u8]) -> Stored {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("constant.onnx");
    fs_err::write(&path, bytes).unwrap();
    Stored { path, _folder: folder }
}

fn analyse(model: &Stored, engine: EngineChoice) -> (Family, Analysis) {
    let model = Model::open(&model.path, &Overrides::default(), engine).unwrap();
    let family = model.spec().family;
    let picture = Picture { width: 128, height: 128, rgb: vec![50; 3 * 128 * 128] };
    let mut detector = Detector::new(model, sightscan_engine::runtime::available_threads()).unwrap();
    (family, detector.detect_picture(&picture, &Options::default()).unwrap())
}

fn names(count: usize) -> (&'static str, String) {
    let entries: Vec<String> = (0..count).map(|index| format!("{index}: 'class {index}'")).collect();
    ("names", format!("{{{}}}", entries.join(", ")))
}

/// Columns of 84 cells (a 64x64 input) with one box in column 7.
fn yolov8(classes: usize) -> Vec<f32> {
    let mut rows = vec![0.0; (4 + classes) * 84];
    for (row, number) in [32.0, 16.0, 20.0, 10.0].into_iter().enumerate() {
        rows[row * 84 + 7] = number;
    }
    rows[(4 + 2) * 84 + 7] = 0.75;
    rows
}

#[test]
fn yolov8_is_told_by_its_shape_and_read() {
    let model = stored(&constant(&[1, 9, 84], &yolov8(5), &[names(5)]));
    for engine in runtimes() {
        let (family, analysis) = analyse(&model, engine);
        assert_eq!(family, Family::YoloV8);
        let found = analysis.findings.detections();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].label.as_str(), found[0].confidence), ("class 2", 0.75));
        let bounds = found[0].bounds;
        assert_eq!([bounds.left, bounds.top, bounds.width, bounds.height], [44.0, 22.0, 40.0, 20.0]);
    }
}

#[test]
fn a_classifier_of_logits_answers_probabilities() {
    let model = stored(&constant(&[1, 4], &[0.0, 2.0, 1.0, -1.0], &[names(4), ("task", "classify".into())]));
    for engine in runtimes() {
        let (family, analysis) = analyse(&model, engine);
        assert_eq!(family, Family::Classifier);
        let Findings::Classes(classes) = analysis.findings else { panic!("not a classifier's answer") };
        assert_eq!(classes[0].label, "class 1");
        assert!((classes[0].confidence - 0.6439).abs() < 1e-3, "{classes:?}");
        assert!((classes.iter().map(|class| class.confidence).sum::<f32>() - 1.0).abs() < 1e-4);
    }
}

#[test]
fn a_model_that_is_not_understood_is_refused_with_shapes_and_the_field_to_set() {
    let cases = [
        (constant(&[1, 7, 11], &[0.0; 77], &[]), "[1,7,11]", "--family"),
        (constant(&[1, 9, 84], &yolov8(5), &[]), "[1,9,84]", "--classes"),
        (constant(&[1, 9, 84], &yolov8(5), &[names(3)]), "[1,9,84]", "--family"),
    ];
    for (bytes, shape, field) in cases {
        let model = stored(&bytes);
        let error = Model::open(&model.path, &Overrides::default(), EngineChoice::Rten).unwrap_err();
        assert!(matches!(error, ModelError::Spec { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(shape) && text.contains(field), "{text}");
    }
}

#[test]
fn a_network_that_only_the_built_in_runtime_accepts_falls_back_to_it() {
    let mut network = onnx::parse(&constant(&[1, 9, 84], &yolov8(5), &[names(5)])).unwrap();
    // ONNX Runtime refuses operator sets that it does not know yet; rten looks at the operators only.
    network.opset_import[0].version = Some(999);
    let model = stored(&network.to_bytes());
    let opened = |engine| Model::open(&model.path, &Overrides::default(), engine);
    assert_eq!(opened(EngineChoice::Auto).unwrap().program().runtime(), RuntimeKind::Rten);
    if runtimes().contains(&EngineChoice::OnnxRuntime) {
        assert!(opened(EngineChoice::OnnxRuntime).is_err());
    }
}
