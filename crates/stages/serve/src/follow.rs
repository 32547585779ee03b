//! The models of a folder, and what becomes live there while they are served.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use sightscan_engine::model::{ModelFolder, Overrides, Reference, shipped};
use sightscan_engine::{EngineChoice, Model, ModelError};
use tracing::{error, info};

use crate::Detection;

/// A version that could not be served is tried again after so long.
const AGAIN: Duration = Duration::from_secs(30);

/// Which models are served.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Where models are that are meant by their names.
    pub folder: ModelFolder,
    /// The models, the first one being meant where a request names none. Without a reference all that are live in the folder;
    /// while none is, the one that comes with the program.
    pub references: Vec<Reference>,
    /// What is said about all of them.
    pub overrides: Overrides,
    /// The runtime that they are loaded into.
    pub engine: EngineChoice,
}

/// The live versions of a folder, by name.
type Versions = BTreeMap<String, String>;

impl Choice {
    /// Loads the models.
    ///
    /// # Errors
    /// When one cannot be found or used.
    pub fn open(&self) -> Result<Vec<Arc<Model>>, ModelError> {
        self.meant()?.iter().map(|reference| self.load(reference)).collect()
    }

    /// The references that hold now.
    fn meant(&self) -> Result<Vec<Reference>, ModelError> {
        if !self.references.is_empty() {
            return Ok(self.references.clone());
        }
        let live = self.folder.live_versions()?;
        let names: Vec<Reference> = live.keys().map(|name| named(name)).collect();
        // Whoever tries it out has something to detect with before the first model is live.
        Ok(if names.is_empty() { vec![shipped::reference()] } else { names })
    }

    fn load(&self, reference: &Reference) -> Result<Arc<Model>, ModelError> {
        Model::from_source(self.folder.source(reference, &self.overrides)?, self.engine)
    }

    /// Whether the bare name of a model is followed to whatever version is live.
    fn follows(&self, name: &str) -> bool {
        let is_it = |reference: &Reference| matches!(reference, Reference::Named { name: other, version: None } if other == name);
        self.references.is_empty() || self.references.iter().any(is_it)
    }
}

fn named(name: &str) -> Reference {
    Reference::Named { name: name.to_owned(), version: None }
}

impl Detection {
    /// Serves from now on whatever version is live of the models of this choice that are meant by their bare names.
    pub fn follow(self: &Arc<Self>, choice: Choice) {
        let pause = self.config().follow_pause();
        let following = Following {
            served: self.versions(),
            refused: BTreeMap::new(),
            detection: Arc::downgrade(self),
            choice,
        };
        self.keep(tokio::spawn(following.run(pause)));
    }
}

/// What follows a folder.
struct Following {
    detection: Weak<Detection>,
    choice: Choice,
    /// What was served when it was last looked.
    served: Versions,
    /// Versions that could not be served, by name, and when that was.
    refused: BTreeMap<String, (String, Instant)>,
}

impl Following {
    async fn run(mut self, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            let Some(detection) = self.detection.upgrade() else { return };
            self.look(&detection).await;
        }
    }

    async fn look(&mut self, detection: &Detection) {
        let folder = self.choice.folder.clone();
        let live = tokio::task::spawn_blocking(move || folder.live_versions()).await;
        let live = match live {
            Ok(Ok(live)) => live,
            Ok(Err(error)) => return error!(%error, "the model folder cannot be read"),
            Err(_) => return,
        };
        for (name, version) in &live {
            let is_new = self.choice.follows(name) && self.served.get(name) != Some(version);
            if is_new && !self.is_refused(name, version) {
                self.change(detection, name, version).await;
            }
        }
        self.relieve(detection).await;
        let gone: Vec<String> =
            self.served.keys().filter(|name| !live.contains_key(*name)).cloned().collect();
        for name in gone.into_iter().filter(|_| self.choice.references.is_empty()) {
            info!(model = name, "model is not live any more");
            detection.remove(&name).await;
            self.served.remove(&name);
        }
    }

    /// Lets the model go that comes with the program, once another one is live.
    async fn relieve(&self, detection: &Detection) {
        let stands_in = self.choice.references.is_empty()
            && !self.served.contains_key(shipped::NAME)
            && detection.serves(shipped::NAME);
        if stands_in && !self.served.is_empty() {
            detection.remove(shipped::NAME).await;
        }
    }

    async fn change(&mut self, detection: &Detection, name: &str, version: &str) {
        match self.serve(detection, name, version).await {
            Ok(()) => {
                self.refused.remove(name);
                info!(model = name, version, "model is served from now on");
                self.served.insert(name.to_owned(), version.to_owned());
            }
            Err(why) => {
                error!(model = name, version, why, "the live version cannot be served; the one before stays");
                self.refused.insert(name.to_owned(), (version.to_owned(), Instant::now()));
            }
        }
    }

    /// Whether this version could not be served a moment ago.
    fn is_refused(&self, name: &str, version: &str) -> bool {
        self.refused.get(name).is_some_and(|(refused, at)| refused == version && at.elapsed() < AGAIN)
    }

    async fn serve(&self, detection: &Detection, name: &str, version: &str) -> Result<(), String> {
        let choice = self.choice.clone();
        let reference = Reference::Named { name: name.to_owned(), version: Some(version.to_owned()) };
        let model = tokio::task::spawn_blocking(move || choice.load(&reference)).await;
        let model = model.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        detection.put(model).await.map_err(|error| error.to_string())
    }
}
