//! The public HTTP interface: cities, and detection where there is a model.

use std::io::Write;
use std::sync::Arc;

use sightscan_cities::Cities;
use sightscan_engine::Model;
use sightscan_engine::model::{ModelFolder, Overrides, Reference};
use sightscan_http::health::{self, Vitals as _};
use sightscan_http::{AdminGate, exchange, openapi};
use sightscan_serve::Detection;
use tokio::net::TcpListener;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;

use crate::error::Result;
use crate::setup::Setup;
use crate::vitals::Parts;
use crate::{Stop, listener, token};

/// The name of the folder of models in the data folder.
const MODELS: &str = "models";

/// The public interface, ready to be served.
pub(crate) struct Public {
    listener: TcpListener,
    detection: Option<Arc<Detection>>,
    cities: Arc<Cities>,
    setup: Setup,
}

impl Public {
    /// Binds the address and loads the models of the folder.
    pub(crate) async fn prepare(setup: Setup, cities: Arc<Cities>) -> Result<Self> {
        let listener = listener::bind(setup.config.serve.listen).await?;
        let detection = detection(&setup)?.map(Arc::new);
        Ok(Self { listener, detection, cities, setup })
    }

    /// Answers until `stop`. Lets the administrator in by the token of this installation, which is printed where it is
    /// new.
    pub(crate) async fn serve(self, parts: Parts, stop: Stop) -> Result<()> {
        let given = crate::storage::variable(token::VARIABLE);
        let token = token::obtain(self.cities.database(), given.as_deref()).await?;
        let address = self.listener.local_addr()?;
        greet(address, token.fresh.as_deref())?;
        let api = sightscan_cities::Api::new(Arc::clone(&self.cities), AdminGate::new(token.token));
        let router = self.router(&api, parts)?;
        info!(%address, "server listens");
        // The gazetteer takes a moment to unpack; the first who asks should not wait for it.
        tokio::task::spawn_blocking(sightscan_cities::Places::embedded);
        let Self { listener, detection, setup, .. } = self;
        let options = setup.config.serve.server_options();
        let draining = stop.clone();
        let drain = async {
            draining.cancelled().await;
            if let Some(detection) = &detection {
                detection.drain().await;
            }
        };
        let drained = Stop::new();
        let serving = listener::answer(listener, router, options, drained.clone());
        tokio::join!(serving, async {
            drain.await;
            drained.cancel();
        });
        if let Some(detection) = detection {
            detection.close().await;
        }
        Ok(())
    }

    fn router(&self, api: &sightscan_cities::Api, parts: Parts) -> Result<sightscan_http::axum::Router> {
        let about = openapi::about("SightScan", "Cities, their images and models, and detection.");
        let mut routes = OpenApiRouter::with_openapi(about).merge(sightscan_cities::http::router(api));
        let mut parts = parts;
        if let Some(detection) = &self.detection {
            routes = routes.merge(detection.routes());
            let (ready, measured) = (Arc::clone(detection), Arc::clone(detection));
            parts = parts.with(move || ready.reasons(), move || measured.metrics());
        }
        let routes = routes.merge(health::routes(Arc::new(parts)));
        let observer: exchange::Observer = match self.detection.clone() {
            Some(detection) => Arc::new(move |exchange| detection.count(exchange)),
            None => Arc::new(|_| {}),
        };
        let config = &self.setup.config;
        let surroundings =
            sightscan_cities::http::surroundings(&config.cities, config.serve.listen, observer)?;
        Ok(surroundings.around(sightscan_cities::http::documented(routes)))
    }
}

/// Detection with the models that are configured, or with all that are live in the folder; none without any.
fn detection(setup: &Setup) -> Result<Option<Detection>> {
    let folder = ModelFolder::new(setup.data.join(MODELS));
    let config = &setup.config.serve;
    let references: Vec<String> = if config.models.is_empty() {
        folder.list()?.into_iter().filter(|entry| entry.live).map(|entry| entry.name).collect()
    } else {
        config.models.clone()
    };
    if references.is_empty() {
        info!("detection is off: there is no model in the folder; `sightscan model import FILE` adds one");
        return Ok(None);
    }
    let open = |reference: &String| -> Result<Arc<Model>> {
        let path = folder.resolve(&reference.parse::<Reference>()?)?;
        Ok(Model::open(&path, &Overrides::default(), config.engine)?)
    };
    let models = references.iter().map(open).collect::<Result<Vec<_>>>()?;
    Ok(Some(Detection::start(config.clone(), models)?))
}

/// Says where to look; the token is shown this one time.
fn greet(address: std::net::SocketAddr, token: Option<&str>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "SightScan answers at http://{address}")?;
    writeln!(out, "  API          http://{address}/docs")?;
    writeln!(out, "  cities       http://{address}/v1/cities")?;
    writeln!(out, "  health       http://{address}/readyz   metrics http://{address}/metrics")?;
    if let Some(token) = token {
        writeln!(out, "  admin token  {token}")?;
        writeln!(out, "               (shown only now; keep it, or set {})", token::VARIABLE)?;
    }
    out.flush()?;
    Ok(())
}
