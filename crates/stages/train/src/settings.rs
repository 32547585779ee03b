//! The section `[train]` of the configuration.

use serde::{Deserialize, Serialize};
use sightscan_dataset::Shares;
use sightscan_engine::model::shipped;

use crate::gate::Gate;
use crate::learn::{Augmentation, Config, Processor};

/// The section `[train]`: how the detectors of cities are trained and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Weights that a city's first training starts from: a file (.pt, .onnx, .safetensors), a model of the model folder, or
    /// `landmarks`, which comes with the program; `none` is weights drawn by chance. Later trainings start from the model that
    /// is live.
    pub base: String,
    /// The licence of those weights, where their file does not tell it: models that were trained from them say it.
    pub base_licence: Option<String>,
    /// How a city's labelled images are divided into those for training, validation and testing.
    pub shares: [f64; 3],
    /// When a candidate is good enough.
    pub gate: Gate,
    /// What computes.
    pub device: Processor,
    /// How is trained. `epochs` is that of `[cities]`.
    pub learning: Config,
}

impl Default for Settings {
    fn default() -> Self {
        let Shares { train, validation, test } = Shares::default();
        Self {
            base: shipped::NAME.to_owned(),
            base_licence: None,
            shares: [train, validation, test],
            gate: Gate::default(),
            device: Processor::default(),
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
}
