//! Weights that a training starts from.

use std::path::Path;

use half::f16;
use sightscan_engine::onnx::proto::{TensorProto, data_type};
use sightscan_engine::onnx::{self, ModelProto};
use sightscan_nn::{Anchors, Architecture, Values, Weights};

use crate::error::{Error, Result};

/// What YOLOv5 adds to a variance before it divides by its root.
const EPSILON: f32 = 1e-3;

/// Reads weights of a YOLOv5 network: a checkpoint of Ultralytics (`.pt`), an ONNX file that Ultralytics or we have
/// exported, or `weights.safetensors` of a training.
///
/// # Errors
/// When the file is of another kind, is damaged, or holds another network.
pub fn read_weights(path: &Path) -> Result<Weights> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("pt" | "pth") => Ok(Weights::read_pt(path)?),
        Some("safetensors") => Ok(Weights::from_safetensors(&fs_err::read(path)?)?),
        Some("onnx") => of_onnx(path, &fs_err::read(path)?),
        _ => Err(Error::NoWeights(path.to_owned())),
    }
}

/// The weights of a network whose normalisation was folded into its convolutions: they are given one that changes
/// nothing but adds the bias.
pub(crate) fn of_onnx(path: &Path, bytes: &[u8]) -> Result<Weights> {
    let wrong = |reason: String| Error::Onnx { path: path.to_owned(), reason };
    let model = onnx::parse(bytes).map_err(|error| wrong(error.to_string()))?;
    let mut weights = Weights::default();
    for tensor in model.graph.iter().flat_map(|graph| &graph.initializer) {
        let name = tensor.name().trim_end_matches(".half");
        if let Some(values) = numbers(tensor) {
            add(&mut weights, name, values);
        }
    }
    let anchors = anchors(&model).map_err(|error| wrong(format!("its anchors cannot be read: {error}")))?;
    weights.insert_anchors(&anchors);
    Ok(weights)
}

fn add(weights: &mut Weights, name: &str, values: Values) {
    // The last layer has no normalisation; we call it a convolution, as all others.
    let (head, last) = (name.starts_with("model.24.m."), name.replace(".conv.", "."));
    match name.strip_suffix(".conv.bias") {
        _ if head => weights.insert(last, values),
        Some(block) => {
            let same =
                |value: f32| Values { shape: values.shape.clone(), values: vec![value; values.values.len()] };
            weights.insert(format!("{block}.bn.weight"), same(1.0));
            weights.insert(format!("{block}.bn.running_mean"), same(0.0));
            weights.insert(format!("{block}.bn.running_var"), same(1.0 - EPSILON));
            weights.insert(format!("{block}.bn.bias"), values);
        }
        None => weights.insert(name.to_owned(), values),
    }
}

/// Ours say their anchors; exports of Ultralytics have those of COCO unless they say something else.
fn anchors(model: &ModelProto) -> serde_json::Result<Anchors> {
    let said = model.metadata(crate::export::ANCHORS).map(serde_json::from_str);
    said.unwrap_or(Ok(Architecture::COCO_ANCHORS))
}

/// The numbers of a constant of floating-point numbers.
fn numbers(tensor: &TensorProto) -> Option<Values> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    let values: Vec<f32> = match tensor.data_type() {
        data_type::FLOAT if !raw.is_empty() => {
            raw.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        data_type::FLOAT => tensor.float_data.clone(),
        data_type::FLOAT16 => {
            raw.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()
        }
        _ => return None,
    };
    let shape: Vec<usize> =
        tensor.dims.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<_>>()?;
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    (count == Some(values.len())).then_some(Values { shape, values })
}
