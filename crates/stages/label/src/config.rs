//! The section `[label]` of the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sightscan_engine::model::Overrides;
use sightscan_engine::runtime::available_threads;
use sightscan_engine::{EngineChoice, Limits, Model};

use crate::demo::DemoLabeller;
use crate::model::ModelLabeller;
use crate::vision::{Credentials, CredentialsError, Vision, VisionConfig, VisionError};
use crate::work::Step;

/// Where the key of a service account is looked for, as the original does.
const ACCOUNT: &str = "./auth.json";

/// The section `[label]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who labels, in order: each sees what those before it have left. `vision`, `demo` (for pictures of the invented city), or
    /// the file of a model.
    pub labellers: Vec<String>,
    /// Boxes that their labeller is less sure of are left out, 0 to 1; 0 keeps all.
    pub min_score: f64,
    /// Where Google Vision is, if not at its usual address.
    pub vision_url: Option<String>,
    /// Where access tokens come from, if not from where the service account says.
    pub token_url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { labellers: vec!["vision".to_owned()], min_score: 0.0, vision_url: None, token_url: None }
    }
}

/// A configuration that no labelling can have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A labeller is not known.
    #[error("`{0}` is no labeller: give vision, demo, or the file of a model")]
    UnknownLabeller(String),
    /// The invented city cannot be drawn.
    #[error(transparent)]
    Demo(#[from] sightscan_dataset::NotScenes),
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] sightscan_engine::ModelError),
    /// A model's runtime cannot be set up.
    #[error(transparent)]
    Runtime(#[from] sightscan_engine::runtime::RuntimeError),
    /// Nobody pays for Vision.
    #[error(
        "Google Vision needs credentials: set VISION_KEY, or GOOGLE_APPLICATION_CREDENTIALS to the key of a service \
         account ({} does not exist)",
        .0.display()
    )]
    NoCredentials(PathBuf),
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Vision cannot be set up.
    #[error(transparent)]
    Vision(#[from] VisionError),
}

impl Config {
    /// Who labels. Credentials are read from the environment through `variable`.
    ///
    /// # Errors
    /// When a labeller is not known, or its credentials are missing.
    pub fn steps(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<Step>, ConfigError> {
        let step = |name: &String| match name.as_str() {
            "vision" => self.vision(&variable),
            "demo" => self.demo(),
            path if Path::new(path).exists() => self.model(Path::new(path)),
            _ => Err(ConfigError::UnknownLabeller(name.clone())),
        };
        self.labellers.iter().map(step).collect()
    }

    fn vision(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Step, ConfigError> {
        let usual = VisionConfig::default();
        let config = VisionConfig {
            base_url: self.vision_url.clone().unwrap_or(usual.base_url),
            token_url: self.token_url.clone(),
            ..VisionConfig::default()
        };
        let labeller = Arc::new(Vision::new(config, credentials(variable)?)?);
        Ok(Step { labeller, is_paid: true, min_score: self.min_score })
    }

    fn demo(&self) -> Result<Step, ConfigError> {
        let labeller = Arc::new(DemoLabeller::new()?);
        Ok(Step { labeller, is_paid: false, min_score: self.min_score })
    }

    fn model(&self, path: &Path) -> Result<Step, ConfigError> {
        let model = Model::open(path, &Overrides::default(), EngineChoice::Auto)?;
        let name = model.spec().name.clone();
        let labeller = Arc::new(ModelLabeller::new(model, name, available_threads(), Limits::default())?);
        Ok(Step { labeller, is_paid: false, min_score: self.min_score })
    }
}

fn credentials(variable: impl Fn(&str) -> Option<String>) -> Result<Credentials, ConfigError> {
    if let Some(key) = variable("VISION_KEY").filter(|key| !key.is_empty()) {
        return Ok(Credentials::api_key(&key)?);
    }
    let named = variable("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty());
    let path = PathBuf::from(named.unwrap_or_else(|| ACCOUNT.to_owned()));
    if !Path::new(&path).exists() {
        return Err(ConfigError::NoCredentials(path));
    }
    Ok(Credentials::service_account(&path)?)
}
