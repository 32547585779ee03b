//! The model that comes with the program: a detector of six landmarks of an invented city.
//!
//! It was trained by this program from weights drawn by chance, on drawn scenes only; `models/README.md` of this crate says
//! how. So there is something to detect with before anything was imported or trained, and trainings without other weights
//! need not begin with nothing.

use std::path::Path;

use super::reference::Reference;
use super::{ModelError, Overrides, Source};

/// What it is called where models have names. A model of this name in the model folder comes first.
pub const NAME: &str = "landmarks";

/// The licence of its weights.
pub const LICENCE: &str = "MIT OR Apache-2.0";

/// The bytes of its ONNX file.
pub const ONNX: &[u8] = include_bytes!("../../models/landmarks.onnx");

/// Its files, with what is said about them.
///
/// # Errors
/// When what is said names another hash.
pub fn source(overrides: Overrides) -> Result<Source, ModelError> {
    let named = Overrides { name: overrides.name.clone().or(Some(NAME.to_owned())), ..overrides };
    Source::of_onnx(Path::new("landmarks.onnx"), ONNX.to_vec(), named)
}

/// A reference to it.
pub fn reference() -> Reference {
    Reference::Named { name: NAME.to_owned(), version: None }
}
