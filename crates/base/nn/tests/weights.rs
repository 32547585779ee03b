//! Published weights in our network, against the same network as an ONNX file.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use sightscan_engine::model::Overrides;
use sightscan_engine::prepare::Preparer;
use sightscan_engine::runtime::TensorView;
use sightscan_engine::{EngineChoice, Limits, Model, decode};
use sightscan_nn::{Architecture, Device, Error, Weights, Yolov5};
use sightscan_testkit::data;

/// A network of an ONNX file, and a picture as it wants it.
struct Reference {
    model: Arc<Model>,
    shape: [usize; 4],
    input: Vec<f32>,
}

impl Reference {
    fn new(onnx: &Path, picture: &Path) -> Self {
        let model = Model::open(onnx, &Overrides::default(), EngineChoice::Rten).unwrap();
        let picture = decode::decode(&fs_err::read(picture).unwrap(), &Limits::default()).unwrap();
        let mut input = Vec::new();
        Preparer::new(model.spec().input).prepare(&picture, &mut input).unwrap();
        Self { shape: model.spec().input.shape(), model, input }
    }

    fn output(&self) -> Vec<f32> {
        let mut network = self.model.program().instance(NonZeroUsize::new(2).unwrap()).unwrap();
        let (mut output, input) = (Vec::new(), TensorView { shape: &self.shape, data: &self.input });
        network.run(input, &mut |outputs| output = outputs[0].data.to_vec()).unwrap();
        output
    }

    fn ours(&self, network: &Yolov5) -> Vec<f32> {
        let input = TensorData::new(self.input.clone(), self.shape);
        network.detect(Tensor::from_data(input, &Device::flex())).into_data().try_to_vec().unwrap()
    }
}

/// The greatest difference of a box's numbers, relative to its size where they are pixels, and of probabilities.
fn difference(ours: &[f32], theirs: &[f32], outputs: usize) -> (f32, f32) {
    assert_eq!(ours.len(), theirs.len());
    let (mut pixels, mut probabilities) = (0.0_f32, 0.0_f32);
    for (ours, theirs) in ours.chunks(outputs).zip(theirs.chunks(outputs)) {
        let size = theirs[2].max(theirs[3]).max(1.0);
        for (at, (one, other)) in ours.iter().zip(theirs).enumerate() {
            let difference = (one - other).abs();
            if at < 4 {
                pixels = pixels.max(difference / size)
            } else {
                probabilities = probabilities.max(difference)
            }
        }
    }
    (pixels, probabilities)
}

#[test]
fn coco_weights_predict_what_the_onnx_file_does() {
    let (Some(pt), Some(onnx)) = (data("models/yolov5n.pt"), data("models/yolov5n.onnx")) else { return };
    let network = Yolov5::of(&Weights::read_pt(&pt).unwrap(), &Device::flex()).unwrap();
    for picture in ["bus", "dog", "zidane"] {
        let reference = Reference::new(&onnx, &data(&format!("pictures/{picture}.jpg")).unwrap());
        let (pixels, probabilities) = difference(&reference.ours(&network), &reference.output(), 85);
        assert!(pixels < 1e-3 && probabilities < 1e-3, "{picture}: {pixels} {probabilities}");
    }
}

#[test]
fn yolov5n_has_as_many_parameters_as_the_published_one() {
    let network = Yolov5::new(&Architecture::nano(80), &Device::flex());
    // 1,872,157 are learnt; besides there are a mean and a variance of each of 4,752 channels.
    assert_eq!(network.num_params(), 1_872_157 + 2 * 4_752);
}

#[test]
fn weights_of_another_network_are_refused() {
    let Some(pt) = data("models/yolov5n.pt") else { return };
    let weights = Weights::read_pt(&pt).unwrap();
    let mut small = Yolov5::new(&Architecture::small(80), &Device::flex());
    let error = small.load(&weights).unwrap_err().to_string();
    assert!(error.contains("model.0.conv.weight") && error.contains("another size"), "{error}");
    let mut few = Yolov5::new(&Architecture::nano(5), &Device::flex());
    assert!(matches!(few.load(&weights), Err(Error::Shape { .. })));
    assert!(matches!(Yolov5::of(&Weights::default(), &Device::flex()), Err(Error::Missing(_))));
}

#[test]
fn what_is_no_checkpoint_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pt");
    assert!(Weights::read_pt(&path).unwrap_err().to_string().contains("weights.pt"));
    for content in [&b""[..], b"no checkpoint", b"PK\x03\x04 no archive"] {
        fs_err::write(&path, content).unwrap();
        assert!(matches!(Weights::read_pt(&path), Err(Error::Checkpoint { .. })), "{content:?}");
    }
}
