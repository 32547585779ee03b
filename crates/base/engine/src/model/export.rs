//! Writing a model as one `.onnx` file that explains itself.

use std::path::{Path, PathBuf};

use super::{Model, ModelError, Overrides, Source, Spec, folder};
use crate::family::Family;
use crate::files;
use crate::onnx::{self, metadata::with_metadata, ultralytics};
use crate::runtime::EngineChoice;

/// The metadata key of SightScan's own description, in the form of `model.toml`: Ultralytics' keys cannot say
/// how pictures are fitted, nor which colours a network wants.
pub(super) const DESCRIPTION_KEY: &str = "sightscan";

/// A file that was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Writes the network of a model as an `.onnx` file, for a Darknet network the graph that it was turned into.
///
/// The metadata holds class names, stride, input size and task as Ultralytics' exporter writes them, and the whole
/// description for SightScan; so neither needs a `model.toml`. 16-bit floats are widened to 32 bits.
///
/// # Errors
/// When the model cannot be understood, or the file exists and is not to be overwritten, or cannot be written.
pub fn export(
    source: Source,
    path: &Path,
    overwrite: bool,
    engine: EngineChoice,
) -> Result<Exported, ModelError> {
    if !overwrite && path.exists() {
        return Err(ModelError::Exists { path: path.to_path_buf() });
    }
    let (onnx, from) = (source.onnx.clone(), source.path.clone());
    let model = Model::from_source(source, engine)?;
    let metadata = metadata(model.spec())?;
    let bytes = described(&onnx, metadata).map_err(|source| ModelError::Format { path: from, source })?;
    files::replace(path, &bytes)?;
    Ok(Exported { path: path.to_path_buf(), bytes: bytes.len(), sha256: files::sha256(&[&bytes]) })
}

/// The keys and values that everybody's loader and ours need.
fn metadata(spec: &Spec) -> Result<Vec<(&'static str, String)>, ModelError> {
    // What holds wherever the file goes: not the version in some folder, nor a hash, which cannot hold itself.
    let description = Overrides { version: None, sha256: None, ..Overrides::from(spec) };
    let (task, stride) = match spec.family {
        Family::Classifier => ("classify", "1"),
        Family::YoloV5 | Family::YoloV8 | Family::YoloX => ("detect", "32"),
    };
    Ok(vec![
        ("names", ultralytics::names_literal(&spec.classes)),
        ("imgsz", ultralytics::size_literal(spec.input.height, spec.input.width)),
        (DESCRIPTION_KEY, folder::to_toml(&description)?),
        ("task", task.to_owned()),
        ("stride", stride.to_owned()),
    ])
}

/// The file with this metadata. What it says itself about task and stride stays, as we know less about it.
fn described(onnx: &[u8], mut metadata: Vec<(&str, String)>) -> Result<Vec<u8>, onnx::FormatError> {
    let proto = onnx::parse(onnx)?;
    metadata.retain(|(key, _)| !["task", "stride"].contains(key) || proto.metadata(key).is_none());
    with_metadata(onnx, &metadata)
}
