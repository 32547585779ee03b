//! Parameters by name, and from files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};
use safetensors::SafeTensors;
use safetensors::tensor::{TensorView, View};

use crate::architecture::{ANCHORS, Anchors, Architecture};
use crate::error::{Error, Result};

/// Ultralytics saves the whole training state: the network that was best is under the first of these keys that is there,
/// averaged over the steps where that was done.
const KEYS: [&str; 2] = ["ema", "model"];

/// Named parameters, with the names that Ultralytics gives them: `model.0.conv.weight`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Values>,
}

/// The numbers of a tensor, the last dimension side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f32>,
}

impl Weights {
    /// Reads a checkpoint of PyTorch. Nothing in it is executed; halves are widened.
    ///
    /// # Errors
    /// When it is no checkpoint, or holds no network.
    pub fn read_pt(path: &Path) -> Result<Self> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let read = |key| PytorchReader::with_top_level_key(path, key);
        let readers = KEYS.iter().map(|key| read(key)).chain([PytorchReader::new(path)]);
        let mut last = "it holds no tensors".to_owned();
        for reader in readers {
            match reader {
                Ok(reader) if !reader.is_empty() => return Self::of(&reader).map_err(fail),
                Ok(_) => {}
                Err(error) => last = error.to_string(),
            }
        }
        Err(fail(last))
    }

    fn of(reader: &PytorchReader) -> std::result::Result<Self, String> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in reader.tensors() {
            let Some(widen) = widening(tensor.dtype()) else { continue };
            let bytes = tensor.read().map_err(|error| format!("{name}: {error}"))?;
            tensors.insert(name.clone(), Values { shape: tensor.shape().to_vec(), values: widen(&bytes) });
        }
        Ok(Self { tensors })
    }

    /// Reads the tensors of a safetensors file (<https://huggingface.co/docs/safetensors>). Halves are widened.
    ///
    /// # Errors
    /// When it is not such a file.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes)?;
        let mut weights = Self::default();
        for (name, view) in file.iter() {
            let Some(values) = numbers(&view) else { continue };
            weights.insert(name.to_owned(), Values { shape: view.shape().to_vec(), values });
        }
        Ok(weights)
    }

    /// The metadata of a safetensors file.
    ///
    /// # Errors
    /// When it is not such a file.
    pub fn metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        Ok(header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// The bytes of a safetensors file, with these entries in its metadata.
    ///
    /// # Errors
    /// When there are more bytes than such a file may have.
    pub fn to_safetensors(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let metadata = metadata.clone().into_iter().collect();
        Ok(safetensors::serialize(self.iter(), Some(metadata))?)
    }

    /// Adds a tensor, in the place of one of this name.
    pub fn insert(&mut self, name: String, values: Values) {
        self.tensors.insert(name, values);
    }

    /// Adds anchors, as checkpoints have them.
    pub fn insert_anchors(&mut self, anchors: &Anchors) {
        let cells = anchors.iter().zip(Architecture::STRIDES);
        let sides = cells.flat_map(|(anchors, stride)| {
            anchors.as_flattened().iter().map(move |side| side / stride as f32)
        });
        self.insert(ANCHORS.to_owned(), Values { shape: vec![3, 3, 2], values: sides.collect() });
    }

    /// A tensor by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<&Values> {
        self.tensors.get(name).ok_or_else(|| Error::Missing(name.to_owned()))
    }

    /// All tensors by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.tensors.iter().map(|(name, values)| (name.as_str(), values))
    }

    /// All tensors by name, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Values)> {
        self.tensors.iter_mut().map(|(name, values)| (name.as_str(), values))
    }

    /// The tensors whose name begins so, without that beginning.
    pub(crate) fn part(&self, prefix: &str) -> Self {
        let of =
            |(name, values): (&str, &Values)| Some((name.strip_prefix(prefix)?.to_owned(), values.clone()));
        Self { tensors: self.iter().filter_map(of).collect() }
    }

    /// A parameter by its name.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    pub(crate) fn tensor<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>> {
        let values = self.values(name, &shape)?.to_vec();
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    /// The shape of a parameter, where there is one of this name.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|values| values.shape.as_slice())
    }

    /// The numbers of a parameter.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    pub(crate) fn values(&self, name: &str, wanted: &[usize]) -> Result<&[f32]> {
        let found = self.get(name)?;
        if found.shape == wanted {
            return Ok(&found.values);
        }
        let (found, wanted) = (found.shape.clone(), wanted.to_vec());
        Err(Error::Shape { name: name.to_owned(), found, wanted })
    }
}

impl View for &Values {
    fn dtype(&self) -> safetensors::Dtype {
        safetensors::Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values.as_slice())
    }
}

/// The numbers of a tensor of a safetensors file, where they are floating-point numbers.
fn numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    Some(match view.dtype() {
        safetensors::Dtype::F32 => each(view.data(), f32::from_le_bytes),
        safetensors::Dtype::F16 => each(view.data(), |number| f16::from_le_bytes(number).to_f32()),
        safetensors::Dtype::BF16 => each(view.data(), |number| bf16::from_le_bytes(number).to_f32()),
        _ => return None,
    })
}

type Widen = fn(&[u8]) -> Vec<f32>;

/// How numbers of this type become ours; integers are counters and the like. The reader gives them in the order of this
/// machine's bytes.
fn widening(dtype: DType) -> Option<Widen> {
    Some(match dtype {
        DType::F64 => |bytes| each(bytes, |number| f64::from_ne_bytes(number) as f32),
        DType::F32 => |bytes| each(bytes, f32::from_ne_bytes),
        DType::F16 => |bytes| each(bytes, |number| f16::from_ne_bytes(number).to_f32()),
        DType::BF16 => |bytes| each(bytes, |number| bf16::from_ne_bytes(number).to_f32()),
        _ => return None,
    })
}

fn each<const SIZE: usize>(bytes: &[u8], read: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<SIZE>().0.iter().map(|number| read(*number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;

    fn of(tensors: &[(&str, &[usize])]) -> Weights {
        let values =
            |shape: &[usize]| Values { shape: shape.to_vec(), values: vec![0.5; shape.iter().product()] };
        Weights { tensors: tensors.iter().map(|(name, shape)| ((*name).to_owned(), values(shape))).collect() }
    }

    #[test]
    fn all_widths_of_numbers_are_read() {
        let read = |dtype, bytes: &[u8]| widening(dtype).map(|widen| widen(bytes));
        assert_eq!(read(DType::F64, &0.5_f64.to_ne_bytes()), Some(vec![0.5]));
        assert_eq!(read(DType::F32, &0.5_f32.to_ne_bytes()), Some(vec![0.5]));
        assert_eq!(read(DType::F16, &f16::from_f32(0.5).to_ne_bytes()), Some(vec![0.5]));
        assert_eq!(read(DType::BF16, &bf16::from_f32(0.5).to_ne_bytes()), Some(vec![0.5]));
        assert_eq!(read(DType::I64, &[0; 8]), None);
    }

    #[test]
    fn sizes_that_no_network_has_are_refused() {
        let (stem, bias, anchors) = ("model.0.conv.weight", "model.24.m.0.bias", "model.24.anchors");
        let right = of(&[(stem, &[16, 3, 6, 6]), (bias, &[255]), (anchors, &[3, 3, 2])]);
        assert_eq!(Architecture::of(&right).unwrap().classes, 80);
        for wrong in [
            [(stem, &[0, 3, 6, 6][..]), (bias, &[255][..]), (anchors, &[3, 3, 2][..])],
            [(stem, &[16, 3, 6, 6]), (bias, &[15]), (anchors, &[3, 3, 2])],
            [(stem, &[16, 3, 6, 6]), (bias, &[256]), (anchors, &[3, 3, 2])],
            [(stem, &[16, 3, 6, 6]), (bias, &[255]), (anchors, &[2, 3, 2])],
            [(stem, &[]), (bias, &[255]), (anchors, &[3, 3, 2])],
        ] {
            assert!(Architecture::of(&of(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
