//! Detection that runs: the worker threads, those who look after them, and the routes in front of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sightscan_engine::Model;
use sightscan_http::health::Vitals;
use sightscan_http::{Budget, Exchange};
use tokio::task::JoinHandle;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;

use crate::admission::Admission;
use crate::config::Config;
use crate::error::StartError;
use crate::health::{self, Drain};
use crate::http::{self, App};
use crate::metrics::Metrics;
use crate::models::{Models, engine_factory};
use crate::pool::{Factory, Pool, Size};

/// The workers are idle when they are told to end, so they do so at once.
const JOIN_LIMIT: Duration = Duration::from_secs(1);

/// Detection that runs, to be mounted by a server: [`crate::start`] is one with nothing else.
#[derive(Debug)]
pub struct Detection {
    app: Arc<App>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

impl Detection {
    /// Starts the workers for these models; the first model is the one that is meant where none is named.
    ///
    /// # Errors
    /// When there is no model, two have one name, or the system refuses threads.
    pub fn start(config: Config, models: Vec<Arc<Model>>) -> Result<Self, StartError> {
        let models = Models::new(models)?;
        let factory = engine_factory(&models, config.threads().per_instance, config.max_pixels);
        Self::launch(config, models, factory)
    }

    /// As [`Detection::start`], with workers of another make, such as tests need.
    ///
    /// # Errors
    /// As [`Detection::start`].
    pub fn start_with(config: Config, models: Vec<Arc<Model>>, factory: Factory) -> Result<Self, StartError> {
        Self::launch(config, Models::new(models)?, factory)
    }

    fn launch(config: Config, models: Models, factory: Factory) -> Result<Self, StartError> {
        let threads_each = config.threads().per_instance;
        let app = Arc::new(build(config, models, factory)?);
        let keepers = Mutex::new(keepers(&app));
        info!(workers = app.workers, threads_each, models = app.models.all().len(), "detection starts");
        Ok(Self { app, keepers })
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
        let keepers = std::mem::take(&mut *self.keepers.lock().unwrap_or_else(PoisonError::into_inner));
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

fn build(config: Config, models: Models, factory: Factory) -> Result<App, StartError> {
    let workers = config.threads().instances;
    let metrics = Arc::new(Metrics::new()?);
    let size = Size {
        workers,
        models: models.all().len(),
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

fn keepers(app: &Arc<App>) -> Vec<JoinHandle<()>> {
    let prove = |model| tokio::spawn(health::keep_proving(Arc::clone(app), model));
    let mut keepers: Vec<JoinHandle<()>> = (0..app.models.all().len()).map(prove).collect();
    keepers.push(tokio::spawn(health::keep_workers(Arc::clone(app))));
    keepers
}
