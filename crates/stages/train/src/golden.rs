//! Golden detections: what a network finds while it is still in the hands of its trainer.
//!
//! The model that is published has been exported, rounded to 16 bits and loaded into another engine. What it finds in the
//! same pictures must be the same, or something was lost on the way.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use sightscan_dataset::{Item, Picture};
use sightscan_engine::runtime::{Network, RuntimeError, TensorView};
use sightscan_engine::{DetectError, Detector, Limits, Model, Options};
use sightscan_nn::{Batch, Device, Weights, Yolov5};
use sightscan_types::Detection;

use crate::error::Result;

/// So many pictures are compared.
const PICTURES: usize = 8;
/// Detections that the trainer's network is less sure of are not golden.
const SURE: f32 = 0.25;
/// Less sure ones may answer for a golden one: rounding moves a confidence a little.
const NEARLY_SURE: f32 = 0.15;
/// A box that overlaps the golden one by so much (intersection over union) is the same.
const SAME: f32 = 0.75;
/// A confidence may move so far.
const DRIFT: f32 = 0.08;

/// The network as its trainer has it.
struct Trainers {
    network: Yolov5,
    /// Numbers of a box: its place, the probability of an object and of each class.
    columns: usize,
}

impl Network for Trainers {
    fn run(
        &mut self,
        input: TensorView<'_>,
        read: &mut dyn FnMut(&[TensorView<'_>]),
    ) -> std::result::Result<(), RuntimeError> {
        let &[pictures, _, height, width] = input.shape else { return Ok(()) };
        let batch = Batch { pixels: input.data.to_vec(), size: [height, width], targets: Vec::new() };
        let numbers = self.network.numbers(&batch, &Device::flex());
        let shape = [pictures, numbers.len() / (pictures * self.columns).max(1), self.columns];
        read(&[TensorView { shape: &shape, data: &numbers }]);
        Ok(())
    }
}

/// Why a model does not find what its network found; `None` where it does.
///
/// # Errors
/// When the weights are not those of a network, or a runtime fails.
pub(crate) fn differs<'a>(
    model: &Arc<Model>,
    weights: &Weights,
    items: impl Iterator<Item = &'a Item>,
    threads: NonZeroUsize,
) -> Result<Option<String>> {
    let network = Yolov5::of(weights, &Device::flex())?;
    let network = Box::new(Trainers { network, columns: 5 + model.spec().classes.len() });
    let mut trainers = Detector::with(Arc::clone(model), network);
    let mut engines = Detector::new(Arc::clone(model), threads)?;
    let mut golden = 0;
    for item in items.filter(|item| !item.is_negative()).take(PICTURES) {
        let Some(bytes) = bytes(item)? else { continue };
        let (Some(expected), Some(found)) =
            (found(&mut trainers, &bytes, &sure())?, found(&mut engines, &bytes, &candidates())?)
        else {
            continue;
        };
        golden += expected.len();
        if let Some(lost) = expected.iter().find(|lost| !found.iter().any(|other| is_same(lost, other))) {
            let Detection { label, confidence, .. } = lost;
            let what = format!("{}: {label} ({confidence:.2}) is not found any more", item.name);
            return Ok(Some(what));
        }
    }
    Ok((golden == 0).then(|| "its network is sure of nothing in the pictures that it should know".to_owned()))
}

/// The bytes of a picture; `None` where they are lost or damaged for good.
fn bytes(item: &Item) -> Result<Option<Vec<u8>>> {
    match item.picture.as_ref().map(Picture::read) {
        None => Ok(None),
        Some(Ok(bytes)) => Ok(Some(bytes)),
        Some(Err(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
            Ok(None)
        }
        Some(Err(error)) => Err(error.into()),
    }
}

/// What is golden.
fn sure() -> Options {
    Options { confidence: SURE, ..Options::default() }
}

/// What may answer for a golden detection. None suppresses another: of two boxes that are as sure as each other, rounding
/// decides which one is kept.
fn candidates() -> Options {
    Options { confidence: NEARLY_SURE, iou: 1.0, max: usize::MAX, ..Options::default() }
}

/// What is found in a picture; `None` where it is no picture that can be read.
fn found(detector: &mut Detector, bytes: &[u8], options: &Options) -> Result<Option<Vec<Detection>>> {
    match detector.detect(bytes, &Limits::default(), options) {
        Ok(analysis) => Ok(Some(analysis.findings.detections().to_vec())),
        Err(DetectError::Decode(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_same(golden: &Detection, other: &Detection) -> bool {
    golden.label == other.label
        && golden.bounds.iou(&other.bounds) >= SAME
        && (golden.confidence - other.confidence).abs() <= DRIFT
}
