//! Detection that runs: the worker threads, those who look after them, and the routes in front of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sightscan_engine::Model;
use sightscan_http::health::Vitals;
use sightscan_http::{Budget, Exchange};
use tokio::task::JoinHandle;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;

use crate::admission::Admission;
use crate::config::Config;
use crate::error::{PutError, StartError};
use crate::health::{self, Drain};
use crate::http::{self, App, GREATEST_DEADLINE};
use crate::metrics::Metrics;
use crate::models::{Models, Served, engine_factory};
use crate::pool::{Factory, Pool, Size, lock};

/// The workers are idle when they are told to end, so they do so at once.
const JOIN_LIMIT: Duration = Duration::from_secs(1);
/// How often is looked whether workers have loaded a model, or have let it go.
const LOOK: Duration = Duration::from_millis(5);

/// Detection that runs, to be mounted by a server: [`crate::start`] is one with nothing else.
#[derive(Debug)]
pub struct Detection {
    app: Arc<App>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
    /// One change of the models at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Detection {
    /// Starts the workers for these models; the first model is the one that is meant where none is named. There may be none
    /// yet.
    ///
    /// # Errors
    /// When two models have one name, or the system refuses threads.
    pub fn start(config: Config, models: Vec<Arc<Model>>) -> Result<Self, StartError> {
        let models = Arc::new(Models::new(models)?);
        let factory = engine_factory(&models, config.threads().per_instance, config.max_pixels);
        Self::launch(config, models, factory)
    }

    /// As [`Detection::start`], with workers of another make, such as tests need.
    ///
    /// # Errors
    /// As [`Detection::start`].
    pub fn start_with(config: Config, models: Vec<Arc<Model>>, factory: Factory) -> Result<Self, StartError> {
        Self::launch(config, Arc::new(Models::new(models)?), factory)
    }

    fn launch(config: Config, models: Arc<Models>, factory: Factory) -> Result<Self, StartError> {
        let threads_each = config.threads().per_instance;
        let app = Arc::new(build(config, models, factory)?);
        let keepers = vec![tokio::spawn(health::keep_workers(Arc::clone(&app)))];
        let this = Self { app, keepers: Mutex::new(keepers), changing: tokio::sync::Mutex::default() };
        this.app.models.all().iter().for_each(|model| this.keep_proving(model));
        let app = &this.app;
        info!(workers = app.workers, threads_each, models = app.models.all().len(), "detection starts");
        Ok(this)
    }

    /// Serves this model from now on: in the place of the one of the same name, or beside the others. Requests that have begun
    /// are answered by the model that they began with; then its memory is given back.
    ///
    /// # Errors
    /// When the workers cannot load it, or it does not answer a test picture. Then nothing changes.
    pub async fn put(&self, model: Arc<Model>) -> Result<(), PutError> {
        let _alone = self.changing.lock().await;
        let served = Served::new(model);
        if let Err(error) = self.load(&served).await {
            self.app.models.abandon();
            self.app.pool.renew(self.app.models.let_go());
            return Err(error);
        }
        let old = self.app.models.settle();
        self.keep_proving(&served);
        self.let_go(old);
        Ok(())
    }

    /// The versions of the models that are served, by name; none of those that have no version.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let all = self.app.models.all();
        let version = |model: &Arc<Served>| Some((model.spec().name.clone(), model.spec().version.clone()?));
        all.iter().filter_map(version).collect()
    }

    /// Whether a model of this name is served.
    pub(crate) fn serves(&self, name: &str) -> bool {
        self.app.models.all().iter().any(|model| model.spec().name == name)
    }

    /// Serves no model of this name any more, once the requests that have begun with it are answered.
    pub async fn remove(&self, name: &str) {
        let _alone = self.changing.lock().await;
        self.let_go(self.app.models.remove(name));
    }

    /// Has every worker load a model and one of them answer with it, while the others go on.
    async fn load(&self, served: &Arc<Served>) -> Result<(), PutError> {
        let generation = self.app.models.announce(served);
        self.app.pool.renew(generation);
        let loaded = async {
            while !self.app.pool.has_renewed(generation) {
                if self.app.pool.has_refused(generation) {
                    return Err(PutError::Refused);
                }
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        // One worker after the other.
        let patience = self.app.config.stuck_after() * u32::try_from(self.app.workers).unwrap_or(u32::MAX);
        let in_time = tokio::time::timeout(patience, loaded).await;
        in_time.unwrap_or(Err(PutError::NotLoaded(patience)))?;
        let proof = health::prove(&self.app, served).await;
        proof.map_err(|problem| PutError::NoAnswer(problem.cause().unwrap_or(problem.detail()).to_owned()))
    }

    /// Has the workers let go of a model when nobody waits for an answer of it any more.
    fn let_go(&self, old: Option<Arc<Served>>) {
        let Some(old) = old else { return };
        let app = Arc::clone(&self.app);
        self.keep(tokio::spawn(async move {
            let began = Instant::now();
            // No request takes longer; only a worker that is stuck for good may still have it then.
            while Arc::strong_count(&old) > 1 && began.elapsed() < GREATEST_DEADLINE {
                tokio::time::sleep(LOOK).await;
            }
            app.pool.renew(app.models.let_go());
        }));
    }

    fn keep_proving(&self, model: &Arc<Served>) {
        self.keep(tokio::spawn(health::keep_proving(Arc::clone(&self.app), Arc::downgrade(model))));
    }

    /// Remembers a task that ends with the detection.
    pub(crate) fn keep(&self, task: JoinHandle<()>) {
        let mut keepers = lock(&self.keepers);
        keepers.retain(|keeper| !keeper.is_finished());
        keepers.push(task);
    }

    /// The configuration that it was started with.
    pub fn config(&self) -> &Config {
        &self.app.config
    }

    /// The routes that detect and that tell about models.
    pub fn routes(&self) -> OpenApiRouter {
        http::routes(&self.app)
    }

    /// Counts a request and its time.
    pub fn count(&self, exchange: &Exchange) {
        self.app.metrics.count(exchange);
    }

    /// Is not ready from now on; returns when load balancers have had time to notice.
    pub async fn drain(&self) {
        self.app.drain.begin();
        tokio::time::sleep(self.app.config.drain_delay()).await;
    }

    /// Ends the workers, once no request is under way; says whether all ended.
    pub async fn close(&self) -> bool {
        let keepers = std::mem::take(&mut *lock(&self.keepers));
        keepers.into_iter().for_each(|keeper| keeper.abort());
        self.app.pool.close();
        let app = Arc::clone(&self.app);
        tokio::task::spawn_blocking(move || app.pool.join(JOIN_LIMIT)).await.unwrap_or(false)
    }
}

impl Vitals for Detection {
    fn reasons(&self) -> Vec<String> {
        health::reasons(&self.app)
    }

    fn metrics(&self) -> String {
        let app = &self.app;
        app.metrics.queue_depth.set(app.pool.waiting() as f64);
        app.metrics.in_flight.set(app.admission.in_flight() as f64);
        health::reasons(app);
        app.metrics.render()
    }
}

fn build(config: Config, models: Arc<Models>, factory: Factory) -> Result<App, StartError> {
    let workers = config.threads().instances;
    let metrics = Arc::new(Metrics::new()?);
    let size = Size {
        workers,
        queue_depth: config.queue_depth.saturating_add(workers.get()),
        stuck_after: config.stuck_after(),
    };
    Ok(App {
        workers: workers.get(),
        models,
        pool: Pool::start(factory, size, Arc::clone(&metrics))?,
        admission: Admission::new(workers, config.queue_depth),
        budget: Budget::new(config.max_body_bytes, config.body_budget_bytes),
        metrics,
        drain: Drain::default(),
        config,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use sightscan_engine::EngineChoice;
    use sightscan_engine::model::Overrides;
    use sightscan_testkit::tiny;

    use super::*;

    fn model() -> Arc<Model> {
        let folder = tempfile::tempdir().unwrap();
        let path = tiny::write_colour_box(folder.path());
        Model::open(&path, &Overrides::default(), EngineChoice::Rten).unwrap()
    }

    /// Waits until nobody holds a model but so many others.
    async fn only_held_by(others: usize, model: &Weak<Model>) {
        let wait = async {
            while model.strong_count() > others {
                tokio::time::sleep(LOOK).await;
            }
        };
        let count = || model.strong_count();
        assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "{} hold it", count());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_that_was_replaced_or_removed_is_given_back() {
        let first = model();
        let old = Arc::downgrade(&first);
        let detection = Detection::start(Config::default(), vec![first]).unwrap();
        let second = model();
        // A leak on purpose must be seen.
        let (next, leak) = (Arc::downgrade(&second), Arc::clone(&second));
        detection.put(second).await.unwrap();
        only_held_by(0, &old).await;
        assert!(next.strong_count() > 1, "it is served");
        detection.remove("colour_box").await;
        only_held_by(1, &next).await;
        assert!(next.upgrade().is_some(), "somebody has kept it");
        drop(leak);
        only_held_by(0, &next).await;
        assert!(detection.close().await);
    }
}
