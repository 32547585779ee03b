//! The same network answers the same numbers on both runtimes.

use std::sync::Arc;

use sightscan_engine::model::{Overrides, Source};
use sightscan_engine::prepare::{Colour, Fit, Input, Layout, Preparer};
use sightscan_engine::runtime::{self, TensorView, available_threads};
use sightscan_engine::{EngineChoice, Limits, decode};
use sightscan_testkit::data;

use crate::golden::runtimes;

/// The greatest difference between two numbers, for each unit of the greater one, and for those near zero.
const TOLERANCE: f32 = 5e-4;

/// A square input of RGB values from 0 to `greatest`.
fn input(side: usize, greatest: f32) -> Input {
    let (fit, colour, layout) = (Fit::Stretch, Colour::Rgb, Layout::Nchw);
    Input {
        width: side,
        height: side,
        fit,
        pad: 0,
        colour,
        scale: greatest / 255.0,
        mean: [0.0; 3],
        layout,
        antialias: false,
    }
}

/// Shape and numbers of an output.
type Output = (Vec<usize>, Vec<f32>);

/// All outputs of a network for a real picture.
fn outputs(model: &str, input: Input, engine: EngineChoice) -> Option<Vec<Output>> {
    let picture =
        decode::decode(&fs_err::read(data("pictures/dog.jpg")?).unwrap(), &Limits::default()).unwrap();
    let mut tensor = Vec::new();
    Preparer::new(input).prepare(&picture, &mut tensor).unwrap();
    let source = Source::read(&data(&format!("models/{model}"))?, &Overrides::default()).unwrap();
    let program = runtime::compile(engine, Arc::clone(&source.onnx)).unwrap();
    let mut network = program.instance(available_threads()).unwrap();
    let mut found = Vec::new();
    let view = TensorView { shape: &input.shape(), data: &tensor };
    let mut keep = |outputs: &[TensorView<'_>]| {
        found = outputs.iter().map(|output| (output.shape.to_vec(), output.data.to_vec())).collect();
    };
    network.run(view, &mut keep).unwrap();
    Some(found)
}

fn assert_parity(model: &str, input: Input) {
    if !runtimes().contains(&EngineChoice::OnnxRuntime) {
        return;
    }
    let Some(ours) = outputs(model, input, EngineChoice::Rten) else { return };
    let theirs = outputs(model, input, EngineChoice::OnnxRuntime).unwrap();
    assert_eq!(ours.len(), theirs.len());
    for ((shape, ours), (other_shape, theirs)) in ours.iter().zip(&theirs) {
        assert_eq!(shape, other_shape);
        assert!(ours.iter().any(|number| *number != ours[0]), "{model} answers nothing of interest");
        let difference = |(a, b): (&f32, &f32)| (a - b).abs() / a.abs().max(b.abs()).max(1.0);
        let greatest = ours.iter().zip(theirs).map(difference).fold(0.0, f32::max);
        assert!(greatest <= TOLERANCE, "{model}: the outputs differ by up to {greatest}");
    }
}

#[test]
fn network_yolov5n_answers_the_same_on_both_runtimes() {
    assert_parity("yolov5n.onnx", input(640, 1.0));
}

#[test]
fn network_yolov5n_answers_the_same_at_another_size() {
    assert_parity("yolov5n.onnx", Input { width: 416, ..input(320, 1.0) });
}

#[test]
fn network_yolox_nano_answers_the_same_on_both_runtimes() {
    assert_parity("yolox_nano.onnx", input(416, 255.0));
}

#[test]
fn network_squeezenet_answers_the_same_on_both_runtimes() {
    assert_parity("squeezenet_fp16.onnx", Input { mean: [124.0, 117.0, 104.0], ..input(224, 255.0) });
}
