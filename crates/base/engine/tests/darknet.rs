//! Darknet networks on our runtimes against OpenCV's DNN module.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sightscan_engine::prepare::{Colour, Fit, Input, Layout, Preparer};
use sightscan_engine::runtime::{self, TensorView};
use sightscan_engine::{EngineChoice, Limits, Model, darknet, decode};
use sightscan_testkit::{data, python};

use crate::golden::runtimes;

/// The greatest difference between our raw outputs and OpenCV's: ten times what rounding explains.
const TOLERANCE: f32 = 1e-4;

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly distributed numbers between these two.
    fn between(&mut self, least: f32, greatest: f32, count: usize) -> Vec<f32> {
        let unit = |number: u64| (number >> 40) as f32 / (1u64 << 24) as f32;
        (0..count).map(|_| least + (greatest - least) * unit(self.next())).collect()
    }
}

/// A convolution of a configuration, as its weights see it.
struct Convolution {
    filters: usize,
    /// Channels that one filter sees.
    channels: usize,
    size: usize,
    batch_normalize: bool,
}

const fn normalized(filters: usize, channels: usize, size: usize) -> Convolution {
    Convolution { filters, channels, size, batch_normalize: true }
}

const fn plain(filters: usize, channels: usize) -> Convolution {
    Convolution { filters, channels, size: 1, batch_normalize: false }
}

/// A weights file with random numbers that keep the size of activations from layer to layer.
fn weights(convolutions: &[Convolution]) -> Vec<u8> {
    let mut random = SplitMix(20);
    let mut numbers = Vec::new();
    for Convolution { filters, channels, size, batch_normalize } in convolutions {
        numbers.extend(random.between(-0.5, 0.5, *filters));
        if *batch_normalize {
            numbers.extend(random.between(0.5, 1.5, *filters));
            numbers.extend(random.between(-0.5, 0.5, *filters));
            numbers.extend(random.between(0.5, 1.5, *filters));
        }
        let kernel = channels * size * size;
        // He et al., "Delving deep into rectifiers" (2015). The layers without batch normalisation are the last ones:
        // smaller numbers keep exp(w) to boxes that fit into a picture.
        let bound = (6.0 / kernel as f32).sqrt() * if *batch_normalize { 1.0 } else { 0.3 };
        numbers.extend(random.between(-bound, bound, filters * kernel));
    }
    let header = [0i32, 2, 5, 0, 0].into_iter().flat_map(i32::to_le_bytes);
    header.chain(numbers.into_iter().flat_map(f32::to_le_bytes)).collect()
}

/// A network and an input for it.
struct Case {
    cfg: String,
    weights: Vec<u8>,
    input: Vec<f32>,
}

impl Case {
    fn random(cfg: String, convolutions: &[Convolution]) -> Self {
        let weights = weights(convolutions);
        let network = darknet::parse(&cfg, &weights).unwrap();
        let input = SplitMix(7).between(0.0, 1.0, 3 * network.width() * network.height());
        Self { cfg, weights, input }
    }

    /// A network of the real data with its own weights, on a real picture.
    fn real(name: &str) -> Option<Self> {
        let cfg = fs_err::read_to_string(data(&format!("models/{name}.cfg"))?).unwrap();
        let weights = fs_err::read(data(&format!("models/{name}.weights"))?).unwrap();
        let network = darknet::parse(&cfg, &weights).unwrap();
        let picture = fs_err::read(data("pictures/dog.jpg")?).unwrap();
        let input = stretched(&picture, network.width(), network.height());
        Some(Self { cfg, weights, input })
    }
}

fn stretched(picture: &[u8], width: usize, height: usize) -> Vec<f32> {
    let picture = decode::decode(picture, &Limits::default()).unwrap();
    let input = Input {
        width,
        height,
        fit: Fit::Stretch,
        pad: 0,
        colour: Colour::Rgb,
        scale: 1.0 / 255.0,
        mean: [0.0; 3],
        layout: Layout::Nchw,
        antialias: false,
    };
    let mut tensor = Vec::new();
    Preparer::new(input).prepare(&picture, &mut tensor).unwrap();
    tensor
}

/// Names that are hard to write down.
fn names(count: usize) -> Vec<String> {
    let awkward = ["St. Paul's", "\"quoted\"", "back\\slash", "東京タワー"].map(str::to_owned);
    awkward.into_iter().chain((4..).map(|index| format!("class {index}"))).take(count).collect()
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// OpenCV's output and the class names that Python reads from our file.
fn opencv(
    python: &Path,
    folder: &Path,
    case: &Case,
    onnx: &[u8],
    size: (usize, usize),
) -> (Vec<f32>, Vec<String>) {
    let files =
        ["network.cfg", "network.weights", "network.onnx", "input", "output"].map(|name| folder.join(name));
    let [cfg, weights, exported, input, output] = &files;
    fs_err::write(cfg, &case.cfg).unwrap();
    fs_err::write(weights, &case.weights).unwrap();
    fs_err::write(exported, onnx).unwrap();
    fs_err::write(input, bytes(&case.input)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opencv_darknet.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([cfg, weights, exported, input])
        .args([size.0.to_string(), size.1.to_string()])
        .arg(output);
    let said = command.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let names = String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect();
    (numbers(&fs_err::read(output).unwrap()), names)
}

/// The output of our graph.
fn ours(engine: EngineChoice, onnx: &[u8], batch: usize, input: &[f32], size: (usize, usize)) -> Vec<f32> {
    let program = runtime::compile(engine, Arc::from(onnx)).unwrap();
    let mut network = program.instance(runtime::available_threads()).unwrap();
    let mut answer = Vec::new();
    let input = TensorView { shape: &[batch, 3, size.1, size.0], data: input };
    network.run(input, &mut |outputs| answer = outputs[0].data.to_vec()).unwrap();
    answer
}

/// Our rows in OpenCV's units.
fn relative(rows: &[f32], columns: usize, (width, height): (usize, usize)) -> Vec<f32> {
    let (width, height) = (width as f32, height as f32);
    let row = |row: &[f32]| {
        let [x, y, w, h, objectness] =
            [row[0] / width, row[1] / height, row[2] / width, row[3] / height, row[4]];
        let classes = row[5..].iter().map(move |probability| probability * objectness);
        [x, y, w, h, objectness].into_iter().chain(classes).collect::<Vec<f32>>()
    };
    rows.chunks_exact(columns).flat_map(row).collect()
}

fn greatest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    // A number that is not one must not look like no difference.
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, next| if next <= most { most } else { next })
}

/// Whether a column takes many values: a comparison of constants would show nothing.
fn varies(rows: &[f32], columns: usize, column: usize) -> bool {
    let values = rows.iter().skip(column).step_by(columns);
    let (least, most) =
        values.fold((f32::MAX, f32::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    most - least > 0.1
}

/// Runs a network on every runtime and in OpenCV, at its own size or another one, and compares all numbers.
fn assert_equal_to_opencv(label: &str, case: &Case, size: Option<(usize, usize)>) {
    let network = darknet::parse(&case.cfg, &case.weights).unwrap();
    let (columns, names) = (5 + network.classes(), names(network.classes()));
    let size = size.unwrap_or((network.width(), network.height()));
    let onnx = network.to_onnx(size.0, size.1, &names).unwrap().to_bytes();
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (theirs, read) = opencv(&python, folder.path(), case, &onnx, size);
    assert_eq!(read, names);
    assert!(
        (0..5).all(|column| varies(&theirs, columns, column)),
        "{label}: the network answers the same everywhere"
    );
    for engine in runtimes() {
        let rows = ours(engine, &onnx, 1, &case.input, size);
        let difference = greatest_difference(&relative(&rows, columns, size), &theirs);
        eprintln!("{label} on {engine}: {} numbers, greatest difference {difference:e}", theirs.len());
        assert!(difference <= TOLERANCE, "{label} on {engine}: {difference}");
    }
}

const YOLOV3_TINY: [Convolution; 13] = [
    normalized(16, 3, 3),
    normalized(32, 16, 3),
    normalized(64, 32, 3),
    normalized(128, 64, 3),
    normalized(256, 128, 3),
    normalized(512, 256, 3),
    normalized(1024, 512, 3),
    normalized(256, 1024, 1),
    normalized(512, 256, 3),
    plain(255, 512),
    normalized(128, 256, 1),
    normalized(256, 384, 3),
    plain(255, 256),
];

#[test]
fn yolov3_tiny_with_random_weights_answers_as_in_opencv() {
    let Some(path) = data("models/yolov3-tiny.cfg") else { return };
    let case = Case::random(fs_err::read_to_string(path).unwrap(), &YOLOV3_TINY);
    assert_equal_to_opencv("yolov3-tiny", &case, None);
}

#[test]
fn real_weights_answer_as_in_opencv() {
    for name in ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"] {
        let Some(case) = Case::real(name) else { return };
        assert_equal_to_opencv(name, &case, None);
    }
}

#[test]
fn another_input_size_than_the_configuration_names_answers_as_in_opencv() {
    let Some(mut case) = Case::real("yolo-fastest-1.1") else { return };
    let picture = fs_err::read(data("pictures/dog.jpg").unwrap()).unwrap();
    case.input = stretched(&picture, 416, 224);
    assert_equal_to_opencv("yolo-fastest-1.1 at 416x224", &case, Some((416, 224)));
}

/// Every layer and option that the two networks above do not have.
const UNUSUAL: &str = include_str!("unusual.cfg");

const UNUSUAL_CONVOLUTIONS: [Convolution; 7] = [
    normalized(8, 3, 3),
    normalized(8, 2, 3),
    normalized(4, 4, 1),
    normalized(16, 24, 5),
    plain(24, 16),
    normalized(8, 16, 1),
    plain(16, 16),
];

#[test]
fn unusual_layers_answer_as_in_opencv() {
    let case = Case::random(UNUSUAL.to_owned(), &UNUSUAL_CONVOLUTIONS);
    assert_equal_to_opencv("unusual layers", &case, None);
}

#[test]
fn pictures_of_a_batch_do_not_mix() {
    let Some(case) = Case::real("yolo-fastest-1.1") else { return };
    let network = darknet::parse(&case.cfg, &case.weights).unwrap();
    let size = (network.width(), network.height());
    let onnx = network.to_onnx(size.0, size.1, &[]).unwrap().to_bytes();
    let other = SplitMix(3).between(0.0, 1.0, case.input.len());
    for engine in runtimes() {
        let apart = [&case.input, &other].map(|input| ours(engine, &onnx, 1, input, size)).concat();
        let together = ours(engine, &onnx, 2, &[case.input.as_slice(), &other].concat(), size);
        assert!(greatest_difference(&together, &apart) <= TOLERANCE, "{engine}");
    }
}

#[test]
fn an_exported_file_tells_all_about_itself() {
    let Some(case) = Case::real("yolo-fastest-1.1") else { return };
    let names = names(80);
    let network = darknet::parse(&case.cfg, &case.weights).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exported.onnx");
    fs_err::write(&file, network.to_onnx(320, 256, &names).unwrap().to_bytes()).unwrap();
    let model = Model::open(&file, &Default::default(), EngineChoice::Rten).unwrap();
    let spec = model.spec();
    assert_eq!(spec.classes, names);
    assert_eq!((spec.input.width, spec.input.height), (320, 256));
    assert_eq!(spec.family.name(), "yolov5");
}
