//! A server from its start to its end.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sightscan_engine::Model;
use sightscan_engine::model::{Mirror, Refreshed, data_folder};
use sightscan_http::axum::Router;
use sightscan_http::axum::http::{HeaderName, HeaderValue};
use sightscan_http::health::Vitals;
use sightscan_http::{Stopped, openapi, serve, surround};
use sightscan_web::Features;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::{info, warn};
use utoipa_axum::router::OpenApiRouter;

use crate::config::Config;
use crate::detection::Detection;
use crate::error::StartError;
use crate::follow::Choice;
use crate::front::Front;
use crate::pool::Factory;
use crate::{tls, upstream};

/// The header by which an answer says which server it comes from.
const INSTANCE: HeaderName = HeaderName::from_static("x-sightscan-instance");

/// How often another server is asked what is live there.
const MIRROR_PAUSE: Duration = Duration::from_secs(15);

/// A server that runs.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    front: Arc<Front>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Stopped>,
    /// Where a browser finds it.
    url: String,
    /// For those who open it on a phone.
    invitation: Option<String>,
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
    if let Some(invitation) = &handle.invitation {
        writeln!(std::io::stdout(), "{invitation}")?;
    }
    let mirroring = handle.mirror(&choice)?;
    handle.follow(choice);
    if handle.front.config().open {
        open_browser(&handle.url);
    }
    shutdown.await;
    drop(mirroring);
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
    let options = front.config().public_options(&data_folder())?;
    let invitation = front.config().invitation(address, options.tls.as_ref());
    let url = tls::address(address, options.tls.as_ref());
    let serving = tokio::spawn(serve(listener, router, shutdown, options));
    info!(%address, "server listens");
    Ok(Handle { address, front, stop, serving, url, invitation })
}

/// Brings what is live on another server, again and again. What is here is served while that one is away.
async fn keep_mirrored(mut mirror: Mirror) {
    let mut told = Vec::new();
    loop {
        let problems = match mirror.refresh().await {
            Ok(Refreshed { new, problems }) => {
                new.iter().for_each(|model| info!(model, "model was brought"));
                problems
            }
            Err(problem) => vec![problem],
        };
        // What has not changed is not told again.
        let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
        why.iter().filter(|why| !told.contains(*why)).for_each(|why| warn!(why, "what is here stays"));
        told = why;
        tokio::time::sleep(MIRROR_PAUSE).await;
    }
}

/// Opens a page in this machine's browser, where it has one.
fn open_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    if let Err(error) = std::process::Command::new(opener).arg(url).spawn() {
        warn!(%error, url, "no browser can be opened; open the address yourself");
    }
}

/// All routes in their surroundings.
fn router(front: &Arc<Front>) -> Result<Router, StartError> {
    let name = front.config().instance_name();
    let instance = HeaderValue::try_from(&name).map_err(|_| StartError::Instance(name))?;
    let about = openapi::about("SightScan detection", "Pictures in, boxes out.");
    let vitals: Arc<dyn Vitals> = Arc::<Front>::clone(front);
    let features = Features { cities: front.config().from.is_some(), rooms: false };
    let routes = OpenApiRouter::with_openapi(about)
        .merge(front.routes())
        .merge(OpenApiRouter::from(sightscan_web::routes(features)))
        .merge(OpenApiRouter::from(upstream::routes(front.config())?))
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

    /// Follows the server whose models are served here, where one is configured, until the answer is dropped.
    ///
    /// # Errors
    /// When its address is none.
    fn mirror(&self, choice: &Choice) -> Result<Option<JoinSet<()>>, StartError> {
        let from = self.front.config().from.as_ref().filter(|_| choice.references.is_empty());
        let Some(server) = from else { return Ok(None) };
        let mirror = Mirror::new(server, choice.folder.clone(), choice.engine)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_mirrored(mirror));
        Ok(Some(tasks))
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
