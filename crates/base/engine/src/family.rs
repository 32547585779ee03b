//! Model families: how the numbers that a network answers become boxes or classes.
//!
//! Darknet networks have no file here: [`crate::darknet`] turns them into a graph whose output has YOLOv5's layout.

pub mod classifier;
pub mod yolov5;
pub mod yolov8;
pub mod yolox;

use serde::{Deserialize, Serialize};
use sightscan_types::PixelBox;

use crate::nms::Candidate;
use crate::onnx::Dimension;
use crate::runtime::TensorView;

/// The layout of a network's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `[batch, boxes, 5 + classes]`: centre, size, objectness, class probabilities.
    YoloV5,
    /// `[batch, 4 + classes, boxes]`: YOLOv8 and YOLO11.
    YoloV8,
    /// `[batch, cells, 5 + classes]` on the raw grid.
    YoloX,
    /// `[batch, classes]`: probabilities or logits of the whole picture.
    Classifier,
}

impl Family {
    /// All families, in the order in which help texts name them.
    pub const ALL: [Self; 4] = [Self::YoloV5, Self::YoloV8, Self::YoloX, Self::Classifier];

    /// The name in `model.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::YoloV5 => "yolov5",
            Self::YoloV8 => "yolov8",
            Self::YoloX => "yolox",
            Self::Classifier => "classifier",
        }
    }

    /// The number of classes that an output of this shape has, or `None` when the shape is not of this family.
    pub fn classes(self, shape: &[Dimension]) -> Option<usize> {
        let fixed = |index: usize| match shape.get(index) {
            Some(Dimension::Fixed(size)) => Some(*size),
            _ => None,
        };
        match self {
            Self::YoloV5 | Self::YoloX if shape.len() == 3 => fixed(2)?.checked_sub(5),
            Self::YoloV8 if shape.len() == 3 => fixed(1)?.checked_sub(4),
            Self::Classifier => classifier::classes(shape),
            _ => None,
        }
        .filter(|classes| *classes > 0)
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|family| family.name() == text);
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|family| family.name()).collect();
            format!("`{text}` is no model family; choose one of {}", known.join(", "))
        })
    }
}

/// The output of a network has another shape than its family has.
#[derive(Debug, thiserror::Error)]
#[error(
    "the network answered a tensor of shape {shape:?}, which is not {family}'s; set `family` in model.toml or --family"
)]
pub struct OutputError {
    family: Family,
    shape: Vec<usize>,
}

impl OutputError {
    fn new(family: Family, output: &TensorView<'_>) -> Self {
        Self { family, shape: output.shape.to_vec() }
    }

    /// The network answered nothing at all.
    pub(crate) fn missing(family: Family) -> Self {
        Self { family, shape: Vec::new() }
    }
}

/// The strides of the three grids of YOLO networks, in pixels.
const STRIDES: [usize; 3] = [8, 16, 32];

/// The number of grid cells of a YOLO network for an input of this size.
pub fn cells(width: usize, height: usize) -> usize {
    STRIDES.iter().map(|stride| (width / stride) * (height / stride)).sum()
}

/// The index and value of the greatest number; `None` for no numbers.
fn greatest(numbers: impl IntoIterator<Item = f32>) -> Option<(usize, f32)> {
    numbers.into_iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// A candidate from its centre and size in the network's pixels.
fn centred(class: usize, confidence: f32, [x, y, width, height]: [f32; 4]) -> Candidate {
    let bounds = PixelBox { left: x - width / 2.0, top: y - height / 2.0, width, height };
    Candidate { class, confidence, bounds }
}

/// Whether a candidate is made of ordinary numbers; a broken network may answer others.
fn is_sound(candidate: &Candidate) -> bool {
    let PixelBox { left, top, width, height } = candidate.bounds;
    [left, top, width, height, candidate.confidence].iter().all(|number| number.is_finite())
        && width >= 0.0
        && height >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_found_by_its_name() {
        for family in Family::ALL {
            assert_eq!(family.name().parse::<Family>().unwrap(), family);
        }
        assert!("yolov99".parse::<Family>().unwrap_err().contains("yolov8"));
    }

    #[test]
    fn classes_follow_from_the_shape() {
        use Dimension::{Dynamic, Fixed};
        let cases = [
            (Family::YoloV5, vec![Fixed(1), Fixed(25200), Fixed(85)], Some(80)),
            (Family::YoloV5, vec![Dynamic, Dynamic, Dynamic], None),
            (Family::YoloV8, vec![Dynamic, Fixed(84), Fixed(8400)], Some(80)),
            (Family::YoloX, vec![Fixed(1), Fixed(3549), Fixed(5)], None),
            (Family::Classifier, vec![Fixed(1), Fixed(1000), Fixed(1), Fixed(1)], Some(1000)),
        ];
        for (family, shape, classes) in cases {
            assert_eq!(family.classes(&shape), classes, "{family} {shape:?}");
        }
    }

    #[test]
    fn yolo_at_640_has_8400_cells() {
        assert_eq!(cells(640, 640), 8400);
        assert_eq!(cells(416, 416), 3549);
    }
}
