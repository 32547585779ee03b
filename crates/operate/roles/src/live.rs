//! The live models of cities, written from the warehouse into the model folder, from which they are served.
//!
//! The warehouse is the truth; detection looks at the folder only, so that it goes on while the warehouse is down.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use sightscan_engine::EngineChoice;
use sightscan_engine::model::{ModelFolder, Overrides, Source};
use sightscan_types::{ModelId, Slug};
use sightscan_warehouse::marts::{self, CurrentModel};
use sightscan_warehouse::{Warehouse, models};
use tracing::{debug, info, warn};

use crate::Stop;
use crate::error::{Error, Result};

/// How often the warehouse is asked what is live.
const PAUSE: Duration = Duration::from_secs(1);
/// What is live is written within so long, or not at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes what becomes live, until `stop`.
pub(crate) async fn keep_written(warehouse: Warehouse, folder: ModelFolder, stop: Stop) {
    let mut writing = Writing { warehouse, folder, written: HashMap::new(), told: HashMap::new() };
    while !stop.is_cancelled() {
        let looked = stop.run_until_cancelled(writing.look()).await;
        if let Some(Err(error)) = looked {
            // Whether the database answers is watched elsewhere.
            debug!(%error, "what is live cannot be asked now");
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Waits until a model of a city is in the folder, into which what is live is written soon; `false` when it was stopped before.
///
/// # Errors
/// When none comes, or the folder cannot be read.
pub(crate) async fn arrives(folder: &ModelFolder, city: &Slug, stop: &Stop) -> Result<bool> {
    let since = Instant::now();
    while !folder.live_versions()?.contains_key(city.as_str()) {
        if stop.is_cancelled() {
            return Ok(false);
        }
        if since.elapsed() > PATIENCE {
            return Err(Error::NoModelCame { city: city.clone(), folder: folder.root().to_owned() });
        }
        tokio::time::sleep(PAUSE / 5).await;
    }
    Ok(true)
}

struct Writing {
    warehouse: Warehouse,
    folder: ModelFolder,
    /// What was live when it was last looked.
    written: HashMap<Slug, ModelId>,
    /// Why what is live could not be written, so that it is told once.
    told: HashMap<Slug, String>,
}

impl Writing {
    async fn look(&mut self) -> Result<()> {
        for current in marts::current_models(&self.warehouse.database).await? {
            if self.written.get(&current.slug) == Some(&current.model) {
                continue;
            }
            let written = self.write(&current).await;
            self.note(current, written);
        }
        Ok(())
    }

    /// What could not be written is tried again, except for a model that no engine takes.
    fn note(&mut self, current: CurrentModel, written: Result<()>) {
        let (city, version) = (current.slug, current.version);
        let is_over = matches!(written, Ok(()) | Err(Error::Model(_)));
        match written {
            Ok(()) => {
                info!(%city, version, "model is in the folder");
                self.told.remove(&city);
            }
            Err(error) => {
                let why = format!("version {version}: {error}");
                if self.told.insert(city.clone(), why.clone()).as_ref() != Some(&why) {
                    warn!(%city, version, %error, "model cannot be written to the folder");
                }
            }
        }
        if is_over {
            self.written.insert(city, current.model);
        }
    }

    async fn write(&self, current: &CurrentModel) -> Result<()> {
        let (name, version) = (current.slug.to_string(), current.version.to_string());
        let found = self.folder.find(&name, Some(&version)).ok();
        if found.is_some_and(|entry| entry.description.sha256.as_deref() == Some(&current.sha256.to_string()))
        {
            return Ok(self.folder.set_live(&name, &version)?);
        }
        let bytes = self.warehouse.blobs.get(&current.sha256).await?;
        let described = models::by_id(&self.warehouse.database, current.model).await?;
        let said: Overrides = toml::from_str(&described.map(|model| model.specification).unwrap_or_default())
            .unwrap_or_default();
        let overrides = Overrides { name: Some(name), version: Some(version), sha256: None, ..said };
        let folder = self.folder.clone();
        let imported = tokio::task::spawn_blocking(move || {
            let source = Source::of_onnx(Path::new("model.onnx"), bytes.to_vec(), overrides)?;
            folder.import(source, EngineChoice::default())
        });
        imported.await.map_err(std::io::Error::from)??;
        Ok(())
    }
}
