//! Parameters from files.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use pytorch_reader::{DType, PytorchReader};

use crate::error::{Error, Result};

/// Ultralytics saves the whole training state: the network that was best is under the first of these keys that is there,
/// averaged over the steps where that was done.
const KEYS: [&str; 2] = ["ema", "model"];

/// Named parameters, with the names that Ultralytics gives them: `model.0.conv.weight`.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    tensors: HashMap<String, Values>,
}

#[derive(Debug, Clone)]
struct Values {
    shape: Vec<usize>,
    values: Vec<f32>,
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
        let mut tensors = HashMap::new();
        for (name, tensor) in reader.tensors() {
            let bytes = || tensor.read().map_err(|error| format!("{name}: {error}"));
            let values = match tensor.dtype() {
                DType::F32 => floats(&bytes()?),
                DType::F16 => halves(&bytes()?),
                // Counters and the like.
                _ => continue,
            };
            tensors.insert(name.clone(), Values { shape: tensor.shape().to_vec(), values });
        }
        Ok(Self { tensors })
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
        let found = self.tensors.get(name).ok_or_else(|| Error::Missing(name.to_owned()))?;
        if found.shape != shape {
            let (found, wanted) = (found.shape.clone(), shape.to_vec());
            return Err(Error::Shape { name: name.to_owned(), found, wanted });
        }
        Ok(Tensor::from_data(TensorData::new(found.values.clone(), shape), device))
    }

    /// The shape of a parameter, where there is one of this name.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|values| values.shape.as_slice())
    }

    /// The numbers of a parameter, where there is one of this name.
    pub(crate) fn values(&self, name: &str) -> Option<&[f32]> {
        self.tensors.get(name).map(|values| values.values.as_slice())
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn halves(bytes: &[u8]) -> Vec<f32> {
    let widen = |bytes: &[u8; 2]| half::f16::from_le_bytes(*bytes).to_f32();
    bytes.as_chunks::<2>().0.iter().map(widen).collect()
}
