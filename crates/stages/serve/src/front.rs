//! HTTP before detection: the routes, who gets a place, and whether requests are wanted.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use sightscan_http::health::Vitals;
use sightscan_http::{Budget, Exchange};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

use crate::admission::Admission;
use crate::config::Config;
use crate::detection::Detection;
use crate::elastic::Post;
use crate::error::StartError;
use crate::follow::Choice;
use crate::health::Drain;
use crate::http::{self, App, Backend};
use crate::metrics::Metrics;

/// How long cameras may take to be told that the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// HTTP before detection, to be mounted by a server: [`crate::start`] is one with nothing else.
#[derive(Debug)]
pub struct Front {
    app: Arc<App>,
}

impl Front {
    /// Before the workers of this process.
    pub fn here(detection: Arc<Detection>) -> Self {
        let core = detection.core();
        let (config, metrics) = (core.config.clone(), Arc::clone(&core.metrics));
        let admission = Admission::new(config.threads().instances, config.queue_depth);
        Self::new(config, metrics, admission, Backend::Here(detection))
    }

    /// Before workers behind a queue.
    ///
    /// # Errors
    /// When the metrics cannot be set up.
    pub fn elsewhere(config: Config, post: Arc<Post>) -> Result<Self, StartError> {
        let admission = Admission::new(NonZeroUsize::MIN, post.config().greatest_waiting);
        let metrics = Arc::clone(post.metrics());
        Ok(Self::new(config, metrics, admission, Backend::Elsewhere(post)))
    }

    fn new(config: Config, metrics: Arc<Metrics>, admission: Admission, backend: Backend) -> Self {
        let budget = Budget::new(config.max_body_bytes, config.body_budget_bytes);
        let (drain, streams) =
            (Drain::default(), Arc::new(Semaphore::new(config.max_streams.min(Semaphore::MAX_PERMITS))));
        Self { app: Arc::new(App { config, backend, admission, budget, metrics, drain, streams }) }
    }

    /// The configuration that it was started with.
    pub fn config(&self) -> &Config {
        &self.app.config
    }

    /// The routes that detect and that tell about models.
    pub fn routes(&self) -> OpenApiRouter {
        http::routes(&self.app)
    }

    /// Serves from now on what becomes live of a choice of models; workers elsewhere do so by themselves.
    pub(crate) fn follow(&self, choice: Choice) {
        if let Backend::Here(detection) = &self.app.backend {
            detection.follow(choice);
        }
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

    /// Ends what is behind it, once no request is under way; says whether all ended.
    pub async fn close(&self) -> bool {
        // Cameras hear that the server stops; their connections are not among those of requests.
        let all = self.app.config.max_streams.try_into().unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(FAREWELL, self.app.streams.acquire_many(all)).await;
        match &self.app.backend {
            Backend::Here(detection) => detection.close().await,
            Backend::Elsewhere(post) => post.close().await,
        }
    }

    fn behind(&self) -> &dyn Vitals {
        match &self.app.backend {
            Backend::Here(detection) => &**detection,
            Backend::Elsewhere(post) => &**post,
        }
    }
}

impl Vitals for Front {
    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self.app.drain.reason().into_iter().collect();
        reasons.extend(self.behind().reasons());
        self.app.metrics.ready.set(if reasons.is_empty() { 1.0 } else { 0.0 });
        reasons
    }

    fn metrics(&self) -> String {
        self.app.metrics.in_flight.set(self.app.admission.in_flight() as f64);
        self.reasons();
        self.behind().metrics()
    }
}
