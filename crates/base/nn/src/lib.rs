//! The network that is trained: YOLOv5 (release 6 and newer) as tensors.
//!
//! [`Yolov5`] is built from an [`Architecture`]: a backbone of cross-stage partial blocks, a neck that passes features up
//! and down, and a head that predicts boxes from anchors at three strides. [`Weights`] reads the parameters that
//! Ultralytics publishes. Written from the published architecture (<https://github.com/ultralytics/yolov5>, `models/`
//! `yolov5n.yaml`, and its description at <https://docs.ultralytics.com/yolov5/tutorials/architecture_description/>).
//!
//! Tensors are `[batch, channels, height, width]`, pictures RGB from 0 to 1, boxes in pixels of the network's input with
//! the origin at the top left.
#![deny(unsafe_code)]

mod anchors;
mod architecture;
mod assign;
mod average;
mod blocks;
mod checkpoint;
mod conv_block;
mod device;
mod error;
mod head;
mod loss;
mod schedule;
mod trainer;
mod walk;
mod weights;
mod yolov5;

pub use architecture::{Anchors, Architecture};
pub use assign::Target;
pub use burn::tensor::Device;
pub use device::gpu;
pub use error::{Error, Result};
pub use loss::{LossWeights, Losses};
pub use schedule::Schedule;
pub use trainer::{Batch, Beginning, Optimiser, Settings, Trainer};
pub use weights::{Values, Weights};
pub use yolov5::Yolov5;
