//! A network as an ONNX file, in each runtime, against the network itself.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use sightscan_engine::model::{Overrides, Source};
use sightscan_engine::runtime::TensorView;
use sightscan_engine::{EngineChoice, Model};
use sightscan_nn::{
    Architecture, Batch, Beginning, Device, LossWeights, Optimiser, Schedule, Settings, Trainer, Weights,
    Yolov5,
};
use sightscan_testkit::data;
use sightscan_train::{About, Precision, onnx, read_weights};

const CLASSES: [&str; 3] = ["Arch", "It's", "Zoo"];

/// Pictures of chance, higher than wide.
fn pictures() -> Batch {
    let mut chance = fastrand::Rng::with_seed(5);
    Batch {
        pixels: (0..2 * 3 * 96 * 64).map(|_| chance.f32()).collect(),
        size: [96, 64],
        targets: Vec::new(),
    }
}

/// A network that has learnt a little, so that its normalisation is not the first one.
fn learnt() -> (Architecture, Weights) {
    let architecture = Architecture { width: 0.125, ..Architecture::nano(3) };
    let mut trainer = Trainer::new(architecture.clone(), None, settings(), 3, &Device::flex()).unwrap();
    for _ in 0..5 {
        trainer.learn(pictures()).unwrap();
    }
    let mut weights = trainer.average().clone();
    weights.insert_anchors(&architecture.anchors);
    (architecture, weights)
}

fn settings() -> Settings {
    Settings {
        optimiser: Optimiser::AdamW,
        schedule: Schedule { rate: 0.01, last: 1.0, warm_up: 0, steps: 5 },
        weight_decay: 0.0,
        accumulate: 1,
        clip: None,
        loss: LossWeights::default(),
        is_backbone_frozen: false,
    }
}

fn model(architecture: &Architecture, weights: &Weights, precision: Precision) -> Vec<u8> {
    let classes = CLASSES.map(str::to_owned);
    let about = About { architecture, classes: &classes, size: 96, metadata: &[("dataset", "d1".into())] };
    onnx(weights, &about, precision).unwrap()
}

fn loaded(bytes: &[u8], engine: EngineChoice) -> Arc<Model> {
    let source = Source::of_onnx(Path::new("squares.onnx"), bytes.to_vec(), Overrides::default()).unwrap();
    Model::from_source(source, engine).unwrap()
}

fn output(model: &Model, batch: &Batch) -> Vec<f32> {
    let mut network = model.program().instance(NonZeroUsize::new(2).unwrap()).unwrap();
    let shape = [batch.pictures(), 3, batch.size[0], batch.size[1]];
    let (mut output, input) = (Vec::new(), TensorView { shape: &shape, data: &batch.pixels });
    network.run(input, &mut |outputs| output = outputs[0].data.to_vec()).unwrap();
    output
}

/// The greatest difference; sizes count in parts of the greatest.
fn difference(one: &[f32], other: &[f32], outputs: usize) -> f32 {
    assert_eq!(one.len(), other.len());
    let scale = |at: usize| if at % outputs < 4 { 100.0 } else { 1.0 };
    let pairs = one.iter().zip(other).enumerate();
    pairs.map(|(at, (one, other))| (one - other).abs() / scale(at)).fold(0.0, f32::max)
}

/// The runtimes that are here.
fn engines() -> Vec<EngineChoice> {
    let has_ort = std::env::var_os("ORT_DYLIB_PATH").is_some();
    [Some(EngineChoice::Rten), has_ort.then_some(EngineChoice::OnnxRuntime)].into_iter().flatten().collect()
}

#[test]
fn every_runtime_computes_what_the_network_does() {
    let (architecture, weights) = learnt();
    let network = Yolov5::of(&weights, &Device::flex()).unwrap();
    let wanted = network.numbers(&pictures(), &Device::flex());
    for engine in engines() {
        let model = loaded(&model(&architecture, &weights, Precision::Single), engine);
        let apart = difference(&output(&model, &pictures()), &wanted, 8);
        assert!(apart < 1e-3, "{engine:?}: {apart}");
        assert_eq!(model.spec().classes, ["Arch", "It's", "Zoo"]);
        assert_eq!((model.spec().input.width, model.spec().input.height), (96, 96));
    }
}

#[test]
fn half_precision_is_half_as_large_and_nearly_the_same() {
    let (architecture, weights) = learnt();
    let (whole, half) =
        (model(&architecture, &weights, Precision::Single), model(&architecture, &weights, Precision::Half));
    assert!(half.len() * 10 < whole.len() * 6, "{} of {}", half.len(), whole.len());
    for engine in engines() {
        let [whole, half] = [&whole, &half].map(|bytes| output(&loaded(bytes, engine), &pictures()));
        assert!(difference(&half, &whole, 8) < 0.02);
    }
}

#[test]
fn a_training_can_start_from_an_exported_file() {
    let (architecture, weights) = learnt();
    let folder = tempfile::tempdir().unwrap();
    let wanted = Yolov5::of(&weights, &Device::flex()).unwrap().numbers(&pictures(), &Device::flex());
    for (precision, limit) in [(Precision::Single, 1e-3), (Precision::Half, 0.02)] {
        let path = folder.path().join("model.onnx");
        fs_err::write(&path, model(&architecture, &weights, precision)).unwrap();
        let again = read_weights(&path).unwrap();
        assert_eq!(again.classes, CLASSES);
        let network = Yolov5::of(&again.weights, &Device::flex()).unwrap();
        assert!(difference(&network.numbers(&pictures(), &Device::flex()), &wanted, 8) < limit);
    }
}

/// Normalisation by the batch, as it is while a network learns, would undo what was folded into convolutions.
#[test]
fn a_training_that_starts_from_an_exported_file_begins_as_one_from_the_weights() {
    let (architecture, weights) = learnt();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs_err::write(&path, model(&architecture, &weights, Precision::Single)).unwrap();
    let exported = read_weights(&path).unwrap().weights;
    let known: Vec<_> = (0..CLASSES.len()).map(Some).collect();
    let [wanted, found] = [&weights, &exported].map(|weights| {
        let beginning = Beginning { weights, classes: &known };
        let network = Trainer::new(architecture.clone(), Some(beginning), settings(), 3, &Device::flex());
        network.unwrap().learn(pictures()).unwrap().total()
    });
    assert!((wanted - found).abs() < 0.01 * wanted, "{wanted} and {found}");
}

#[test]
fn ultralytics_files_of_both_kinds_are_the_same_network() {
    let (Some(pt), Some(onnx)) = (data("models/yolov5n.pt"), data("models/yolov5n.onnx")) else { return };
    let [one, other] = [pt, onnx].map(|path| {
        let network = Yolov5::of(&read_weights(&path).unwrap().weights, &Device::flex()).unwrap();
        network.numbers(&pictures(), &Device::flex())
    });
    assert!(difference(&one, &other, 85) < 1e-3);
}

#[test]
fn what_are_no_weights_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (name, told) in [
        ("a.txt", "no weights that are known"),
        ("a.onnx", "a.onnx"),
        ("a.safetensors", "weights"),
        ("a.pt", "a.pt"),
    ] {
        let path = folder.path().join(name);
        fs_err::write(&path, b"nothing of the kind").unwrap();
        let error = read_weights(&path).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
