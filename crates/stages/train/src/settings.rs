//! The section `[train]` of the configuration.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sightscan_dataset::Shares;

use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::learn::{Augmentation, Config};

/// The section `[train]`: how the detectors of cities are trained and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Weights that a city's first training starts from: a file (.pt, .onnx, .safetensors), or a model of the model folder;
    /// `none` is weights drawn by chance. Later trainings start from the model that is live.
    pub base: String,
    /// The licence of those weights, where their file does not tell it: models that were trained from them say it.
    pub base_licence: Option<String>,
    /// How a city's labelled images are divided into those for training, validation and testing.
    pub shares: [f64; 3],
    /// When a candidate is good enough.
    pub gate: Gate,
    /// How is trained. `epochs` is that of `[cities]`.
    pub learning: Config,
}

impl Default for Settings {
    fn default() -> Self {
        let Shares { train, validation, test } = Shares::default();
        Self {
            base: Self::NONE.to_owned(),
            base_licence: None,
            shares: [train, validation, test],
            gate: Gate::default(),
            learning: learning(),
        }
    }
}

/// What a few hundred photographs are learnt from best; `bench/README.md` has the figures. The pictures have half the side of the
/// original's: a quarter of the time, and processors are the default.
fn learning() -> Config {
    let augmentation = Augmentation { plain_end: 0.2, ..Augmentation::default() };
    Config { size: 320, pictures_per_update: 16, last_rate: 0.1, augmentation, ..Config::default() }
}

impl Settings {
    /// The word for weights drawn by chance.
    const NONE: &'static str = "none";

    /// The file of the base weights; `resolve` finds a model of the model folder by its name.
    ///
    /// # Errors
    /// When there is no such file or model.
    pub(crate) fn base_file(&self, resolve: impl Fn(&str) -> Result<PathBuf>) -> Result<Option<PathBuf>> {
        let path = Path::new(&self.base);
        if self.base == Self::NONE {
            return Ok(None);
        }
        if path.is_file() {
            return Ok(Some(path.to_owned()));
        }
        resolve(&self.base).map(Some).map_err(|error| Error::Base(self.base.clone(), error.to_string()))
    }

    pub(crate) fn shares(&self) -> Shares {
        let [train, validation, test] = self.shares;
        Shares { train, validation, test }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_may_be_partial_and_refuses_unknown_keys() {
        let settings: Settings = toml::from_str("base = \"x.pt\"\n[learning]\nsize = 640\n").unwrap();
        assert_eq!((settings.base.as_str(), settings.learning.size), ("x.pt", 640));
        assert!(toml::from_str::<Settings>("bas = \"x\"").is_err());
    }

    #[test]
    fn base_weights_are_a_file_a_name_or_none() {
        let named = |base: &str| Settings { base: base.to_owned(), ..Settings::default() };
        let resolve = |name: &str| match name {
            "berlin" => Ok(PathBuf::from("folder/berlin.onnx")),
            _ => Err(Error::NoLabels),
        };
        assert_eq!(named("none").base_file(resolve).unwrap(), None);
        assert_eq!(named("berlin").base_file(resolve).unwrap(), Some(PathBuf::from("folder/berlin.onnx")));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(named(path).base_file(resolve).unwrap().as_deref(), Some(file.path()));
        let error = named("gone.pt").base_file(resolve).unwrap_err().to_string();
        assert!(error.contains("gone.pt") && error.contains("train.base"), "{error}");
    }
}
