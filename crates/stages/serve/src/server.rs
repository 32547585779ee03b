//! A server from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sightscan_engine::Model;
use sightscan_http::axum::http::HeaderValue;
use sightscan_http::{Budget, Stopped, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

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

/// A server that runs.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Stopped>,
}

/// Starts a server for these models on this listener; the first model is the one that is meant where none is named.
///
/// The listener answers at once; `/readyz` says so when every worker has its models loaded and each model has
/// answered a test picture.
///
/// # Errors
/// When there is no model, two have one name, or the system refuses threads.
pub fn start(config: Config, models: Vec<Arc<Model>>, listener: TcpListener) -> Result<Handle, StartError> {
    let models = Models::new(models)?;
    let factory = engine_factory(&models, config.threads().per_instance, config.max_pixels);
    launch(config, models, factory, listener)
}

/// As [`start`], with workers of another make, such as tests need.
///
/// # Errors
/// As [`start`].
pub fn start_with(
    config: Config,
    models: Vec<Arc<Model>>,
    factory: Factory,
    listener: TcpListener,
) -> Result<Handle, StartError> {
    launch(config, Models::new(models)?, factory, listener)
}

/// Runs a server until `shutdown` is done and every request that was taken is answered.
///
/// # Errors
/// As [`start`].
pub async fn run(
    config: Config,
    models: Vec<Arc<Model>>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<Stopped, StartError> {
    let handle = start(config, models, listener)?;
    shutdown.await;
    Ok(handle.stop().await)
}

fn launch(
    config: Config,
    models: Models,
    factory: Factory,
    listener: TcpListener,
) -> Result<Handle, StartError> {
    let address = listener.local_addr()?;
    let name = config.instance_name();
    let instance = HeaderValue::try_from(&name).map_err(|_| StartError::Instance(name))?;
    let app = Arc::new(build(config, models, factory)?);
    let (stop, mut stopping) = watch::channel(false);
    let router = http::router(&app, instance);
    let options = app.config.server_options();
    let shutdown = async move {
        // The sender lives in the handle; without a handle nobody can stop the server.
        if stopping.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let threads_each = app.config.threads().per_instance;
    let keepers = keepers(&app);
    let serving = tokio::spawn(async move {
        let stopped = serve(listener, router, shutdown, options).await;
        keepers.into_iter().for_each(|keeper| keeper.abort());
        stopped
    });
    info!(%address, workers = app.workers, threads_each, models = app.models.all().len(), "server listens");
    Ok(Handle { address, app, stop, serving })
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

impl Handle {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why no requests are wanted now; empty when the server is ready.
    pub fn reasons(&self) -> Vec<String> {
        health::reasons(&self.app)
    }

    /// Stops: is not ready at once, answers every request that was taken, and ends within the configured limit.
    pub async fn stop(self) -> Stopped {
        self.app.drain.begin();
        tokio::time::sleep(self.app.config.drain_delay()).await;
        self.stop.send_replace(true);
        let stopped = self.serving.await.unwrap_or(Stopped { cut_off: 0 });
        self.app.pool.close();
        let app = Arc::clone(&self.app);
        let joined = tokio::task::spawn_blocking(move || app.pool.join(JOIN_LIMIT)).await;
        match (stopped.cut_off, joined) {
            (0, Ok(true)) => info!("server stopped"),
            (cut_off, _) => warn!(cut_off, "server stopped before all work was done"),
        }
        stopped
    }
}
