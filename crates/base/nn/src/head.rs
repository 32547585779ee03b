//! Where boxes are predicted.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::architecture::{Anchors, Architecture};
use crate::error::Result;
use crate::walk::Walk;

/// Boxes that a cell predicts at each stride.
const ANCHORS: usize = 3;

/// A convolution for each stride, the smallest stride first.
#[derive(Module, Debug)]
pub(crate) struct Head {
    fine: Conv2d,
    middle: Conv2d,
    coarse: Conv2d,
}

impl Head {
    pub(crate) fn new(architecture: &Architecture, channels: [usize; 3], device: &Device) -> Self {
        let outputs = ANCHORS * architecture.outputs();
        let [fine, middle, coarse] = std::array::from_fn(|level| {
            let mut conv = Conv2dConfig::new([channels[level], outputs], [1, 1]).init(device);
            let expected = expected(architecture, Architecture::STRIDES[level]);
            conv.bias =
                conv.bias.map(|bias| bias.map(|bias| bias + Tensor::from_data(expected.as_slice(), device)));
            conv
        });
        Self { fine, middle, coarse }
    }

    /// What is predicted at each stride, not yet as boxes: `[batch, anchors, height, width, 5 + classes]`.
    pub(crate) fn forward(&self, [fine, middle, coarse]: [Tensor<4>; 3]) -> [Tensor<5>; 3] {
        [(&self.fine, fine), (&self.middle, middle), (&self.coarse, coarse)]
            .map(|(level, features)| by_cell(level.forward(features)))
    }

    pub(crate) fn walk(&mut self, walk: &mut impl Walk, name: &str) -> Result<()> {
        for (number, level) in [&mut self.fine, &mut self.middle, &mut self.coarse].into_iter().enumerate() {
            walk.param(&format!("{name}.m.{number}.weight"), &mut level.weight)?;
            if let Some(bias) = &mut level.bias {
                walk.param(&format!("{name}.m.{number}.bias"), bias)?;
            }
        }
        Ok(())
    }
}

/// What a network that knows nothing should expect, before its sigmoid: eight objects in a picture of 640x640, each class as
/// likely as the others. As in YOLOv5; without it the first steps are spent on learning that most cells are empty.
fn expected(architecture: &Architecture, stride: usize) -> Vec<f32> {
    let cells = (640.0 / stride as f32).powi(2);
    let classes = architecture.classes;
    let class = (0.6 / (classes as f32 - 0.999_99)).ln();
    let anchor = [&[0.0; 4][..], &[(8.0 / cells).ln()], &vec![class; classes]].concat();
    anchor.repeat(ANCHORS)
}

/// `[batch, anchors * outputs, height, width]` to `[batch, anchors, height, width, outputs]`.
fn by_cell(predicted: Tensor<4>) -> Tensor<5> {
    let [batch, channels, height, width] = predicted.dims();
    predicted.reshape([batch, ANCHORS, channels / ANCHORS, height, width]).permute([0, 1, 3, 4, 2])
}

/// The boxes of all cells: `[batch, boxes, 5 + classes]`, each its centre and size in pixels of the input, and
/// probabilities: whether there is an object, and of each class if there is. The order is that of YOLOv5's own exports.
pub(crate) fn boxes(predicted: [Tensor<5>; 3], anchors: &Anchors) -> Tensor<3> {
    let levels = predicted.into_iter().zip(anchors).zip(Architecture::STRIDES);
    Tensor::cat(
        levels.map(|((predicted, anchors), stride)| of_level(predicted, anchors, stride)).collect(),
        1,
    )
}

fn of_level(predicted: Tensor<5>, anchors: &[[f32; 2]; ANCHORS], stride: usize) -> Tensor<3> {
    let device = predicted.device();
    let [batch, _, height, width, outputs] = predicted.dims();
    let predicted = sigmoid(predicted);
    let part = |from, to| predicted.clone().slice([0..batch, 0..ANCHORS, 0..height, 0..width, from..to]);
    let centre = (part(0, 2) * 2.0 - 0.5 + cells(height, width, &device)) * stride as f64;
    let size = (part(2, 4) * 2.0).powi_scalar(2) * sizes(anchors, &device);
    let boxes = Tensor::cat(vec![centre, size, part(4, outputs)], 4);
    boxes.reshape([batch, ANCHORS * height * width, outputs])
}

/// Column and row of each cell: `[1, 1, height, width, 2]`.
fn cells(height: usize, width: usize, device: &Device) -> Tensor<5> {
    let line = |count: usize| Tensor::<1, Int>::arange(0..count as i64, device).float();
    let columns = line(width).reshape([1, 1, 1, width, 1]).expand([1, 1, height, width, 1]);
    let rows = line(height).reshape([1, 1, height, 1, 1]).expand([1, 1, height, width, 1]);
    Tensor::cat(vec![columns, rows], 4)
}

/// `[1, anchors, 1, 1, 2]`.
fn sizes(anchors: &[[f32; 2]; ANCHORS], device: &Device) -> Tensor<5> {
    Tensor::from_data(TensorData::new(anchors.concat(), [1, ANCHORS, 1, 1, 2]), device)
}
