//! Where boxes are predicted.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::architecture::{Anchors, Architecture};
use crate::blocks::convolution;
use crate::error::{Error, Result};
use crate::walk::Walk;
use crate::weights::Values;

/// Boxes that a cell predicts at each stride.
const ANCHORS: usize = 3;
/// Numbers of a box that are of no class: its place, and whether there is an object.
const BOX: usize = 5;

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
            .map(|(level, features)| by_cell(convolution(level, features)))
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

/// A tensor of a layer that predicts boxes, where its classes are others than those that it has learnt: each of them is a
/// known one, or its numbers stay those of `own`. Where none is known all of them stay: boxes of other things have other
/// sizes and places.
///
/// # Errors
/// When it was learnt by a network of another size, or there are not as many classes as `own` has.
pub(crate) fn adapted(
    name: &str,
    learnt: &Values,
    own: &Values,
    classes: &[Option<usize>],
) -> Result<Values> {
    let rows = |values: &Values| values.shape.first().copied().unwrap_or_default();
    let (outputs, own_outputs) = (rows(learnt) / ANCHORS, BOX + classes.len());
    let is_fit = learnt.shape.get(1..) == own.shape.get(1..)
        && rows(learnt) == ANCHORS * outputs
        && rows(own) == ANCHORS * own_outputs;
    let length = own.values.len() / (ANCHORS * own_outputs);
    if !is_fit || !classes.iter().flatten().all(|class| BOX + class < outputs) {
        let (found, wanted) = (learnt.shape.clone(), own.shape.clone());
        return Err(Error::Shape { name: name.to_owned(), found, wanted });
    }
    let mut adapted = own.clone();
    if classes.iter().all(Option::is_none) {
        return Ok(adapted);
    }
    let sources = (0..BOX).map(Some).chain(classes.iter().map(|class| class.map(|class| BOX + class)));
    let sources: Vec<Option<usize>> = sources.collect();
    for (anchor, rows) in adapted.values.chunks_exact_mut(length * sources.len()).enumerate() {
        for (row, source) in rows.chunks_exact_mut(length).zip(&sources) {
            if let Some(source) = source {
                let from = (anchor * outputs + source) * length;
                row.copy_from_slice(&learnt.values[from..from + length]);
            }
        }
    }
    Ok(adapted)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of two channels whose every number tells anchor, row and channel.
    fn layer(classes: usize, begin: f32) -> Values {
        let rows = ANCHORS * (BOX + classes);
        let values = (0..rows * 2).map(|place| begin + place as f32).collect();
        Values { shape: vec![rows, 2, 1, 1], values }
    }

    #[test]
    fn known_classes_are_taken_over_and_others_are_not() {
        let (learnt, own) = (layer(2, 0.0), layer(3, 1000.0));
        let adapted = adapted("head", &learnt, &own, &[Some(1), None, Some(0)]).unwrap();
        assert_eq!(adapted.shape, own.shape);
        let row = |values: &Values, row: usize| values.values[2 * row..2 * row + 2].to_vec();
        for anchor in 0..ANCHORS {
            let (from, to) = (anchor * 7, anchor * 8);
            for (wanted, found) in [(0, 0), (4, 4), (6, 5), (5, 7)] {
                assert_eq!(row(&adapted, to + found), row(&learnt, from + wanted), "{anchor} {found}");
            }
            assert_eq!(row(&adapted, to + 6), row(&own, to + 6));
        }
    }

    #[test]
    fn where_no_class_is_known_nothing_is_taken_over_and_other_sizes_are_refused() {
        let own = layer(2, 1000.0);
        assert_eq!(adapted("head", &layer(80, 0.0), &own, &[None, None]).unwrap(), own);
        let wider = Values { shape: vec![18, 3, 1, 1], values: vec![0.0; 54] };
        assert!(adapted("head", &wider, &layer(1, 0.0), &[Some(3)]).is_err());
        assert!(adapted("head", &own, &own, &[Some(0)]).is_err(), "it has two classes");
        let odd = Values { shape: vec![7, 1, 1, 1], values: vec![0.0; 7] };
        assert!(adapted("head", &odd, &own, &[Some(0), None]).is_err());
    }
}
