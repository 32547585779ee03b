//! What is told about models that only workers have loaded.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sightscan_engine::ModelError;

use crate::follow::Choice;
use crate::models::ModelInfo;
use crate::pool::lock;

/// The models that workers are expected to have: those of the folder here.
#[derive(Debug)]
pub(super) struct Catalogue {
    choice: Choice,
    known: Mutex<Option<Known>>,
}

/// What was found when these versions were live.
#[derive(Debug)]
struct Known {
    live: BTreeMap<String, String>,
    models: Vec<ModelInfo>,
}

impl Catalogue {
    pub(super) fn new(choice: Choice) -> Self {
        Self { choice, known: Mutex::default() }
    }

    /// All of them. Some are known only once a runtime has them, which takes a moment: so they are looked at again only when
    /// other versions are live.
    pub(super) fn models(&self) -> Result<Vec<ModelInfo>, ModelError> {
        let live = self.choice.folder.live_versions()?;
        let mut known = lock(&self.known);
        if let Some(known) = known.as_ref().filter(|known| known.live == live) {
            return Ok(known.models.clone());
        }
        let models: Vec<ModelInfo> =
            self.choice.open()?.iter().map(|model| ModelInfo::elsewhere(model)).collect();
        *known = Some(Known { live, models: models.clone() });
        Ok(models)
    }
}
