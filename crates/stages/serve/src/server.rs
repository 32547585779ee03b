//! A server from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;

use sightscan_engine::Model;
use sightscan_http::axum::Router;
use sightscan_http::axum::http::{HeaderName, HeaderValue};
use sightscan_http::health::Vitals;
use sightscan_http::{Stopped, openapi, serve, surround};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::{info, warn};
use utoipa_axum::router::OpenApiRouter;

use crate::config::Config;
use crate::detection::Detection;
use crate::error::StartError;
use crate::follow::Choice;
use crate::front::Front;
use crate::pool::Factory;

/// The header by which an answer says which server it comes from.
const INSTANCE: HeaderName = HeaderName::from_static("x-sightscan-instance");

/// A server that runs.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    front: Arc<Front>,
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
    if models.is_empty() {
        return Err(StartError::NoModel);
    }
    start_front(Front::here(Arc::new(Detection::start(config, models)?)), listener)
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
    start_front(Front::here(Arc::new(Detection::start_with(config, models, factory)?)), listener)
}

/// Runs a server for a choice of models, and what becomes live of them, until `shutdown` is done and every request that was
/// taken is answered.
///
/// # Errors
/// As [`start`], and when a model cannot be opened.
pub async fn run(
    config: Config,
    choice: Choice,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<Stopped, StartError> {
    let handle = start(config, choice.open()?, listener)?;
    handle.follow(choice);
    shutdown.await;
    Ok(handle.stop().await)
}

/// Starts a server for detection here or elsewhere.
///
/// # Errors
/// When the listener has no address, or this server's name cannot be a header.
pub fn start_front(front: Front, listener: TcpListener) -> Result<Handle, StartError> {
    let address = listener.local_addr()?;
    let front = Arc::new(front);
    let router = router(&front)?;
    let (stop, mut stopping) = watch::channel(false);
    let shutdown = async move {
        // The sender lives in the handle; without a handle nobody can stop the server.
        if stopping.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let serving = tokio::spawn(serve(listener, router, shutdown, front.config().server_options()));
    info!(%address, "server listens");
    Ok(Handle { address, front, stop, serving })
}

/// All routes in their surroundings.
fn router(front: &Arc<Front>) -> Result<Router, StartError> {
    let name = front.config().instance_name();
    let instance = HeaderValue::try_from(&name).map_err(|_| StartError::Instance(name))?;
    let about = openapi::about("SightScan detection", "Pictures in, boxes out.");
    let vitals: Arc<dyn Vitals> = Arc::<Front>::clone(front);
    let routes = OpenApiRouter::with_openapi(about)
        .merge(front.routes())
        .merge(sightscan_http::health::routes(vitals));
    let observed = Arc::clone(front);
    let router = surround(openapi::documented(routes), Arc::new(move |exchange| observed.count(exchange)));
    Ok(router.layer(SetResponseHeaderLayer::overriding(INSTANCE, instance)))
}

impl Handle {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why no requests are wanted now; empty when the server is ready.
    pub fn reasons(&self) -> Vec<String> {
        self.front.reasons()
    }

    /// Serves from now on what becomes live of a choice of models.
    pub fn follow(&self, choice: Choice) {
        self.front.follow(choice);
    }

    /// Stops: is not ready at once, answers every request that was taken, and ends within the configured limit.
    pub async fn stop(self) -> Stopped {
        self.front.drain().await;
        self.stop.send_replace(true);
        let stopped = self.serving.await.unwrap_or(Stopped { cut_off: 0 });
        let ended = self.front.close().await;
        match (stopped.cut_off, ended) {
            (0, true) => info!("server stopped"),
            (cut_off, _) => warn!(cut_off, "server stopped before all work was done"),
        }
        stopped
    }
}
