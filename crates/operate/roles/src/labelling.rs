//! The labelling service's own interface: the original's routes and Label Studio's backend, on a listener of their own.

use std::net::SocketAddr;
use std::sync::Arc;

use sightscan_cities::http::{documented, surroundings};
use sightscan_cities::{Api, Cities};
use sightscan_http::axum::Router;
use sightscan_http::health::{self, Vitals};
use sightscan_http::{AdminGate, ServerOptions, openapi};
use sightscan_label::Step;
use sightscan_label::ml_backend::{self, Bounds, MlBackend};
use sightscan_warehouse::Warehouse;
use tokio::net::TcpListener;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;

use crate::error::Result;
use crate::setup::Setup;
use crate::{Stop, listener};

/// The labeller that is paid, which is of no use here.
const PAID: &str = "vision";

/// The labelling service: where it listens, and who looks at pictures for Label Studio.
pub(crate) struct LabellingService {
    listener: TcpListener,
    backend: Arc<MlBackend>,
}

/// The labelling service, ready to answer.
pub(crate) struct Assembled {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
}

impl LabellingService {
    /// Binds the address, where one is configured, and loads the models that label.
    pub(crate) async fn prepare(setup: &Setup, warehouse: &Warehouse) -> Result<Option<Self>> {
        let Some(address) = setup.config.labelling.listen else { return Ok(None) };
        let listener = listener::bind(address).await?;
        let cities = &setup.config.cities;
        let bounds = Bounds { bytes: cities.max_upload_bytes, pixels: cities.max_upload_pixels };
        let backend = MlBackend::new(warehouse.clone(), models(setup)?, bounds);
        Ok(Some(Self { listener, backend }))
    }

    /// The service as it is seen from outside; callers on this machine need no token.
    pub(crate) fn assemble(
        self,
        setup: &Setup,
        cities: &Arc<Cities>,
        gate: AdminGate,
        vitals: Arc<dyn Vitals>,
    ) -> Result<Assembled> {
        let address = self.listener.local_addr()?;
        let router = routes(cities, &self.backend, gate.open_to_loopback(), vitals);
        let around = surroundings(&setup.config.cities, address, Arc::new(|_| {}))?;
        let options = setup.config.serve.server_options();
        Ok(Assembled { listener: self.listener, address, router: around.around(router), options })
    }
}

impl Assembled {
    /// Answers until `stop`.
    pub(crate) async fn answer(self, stop: Stop) {
        info!(labelling_address = %self.address, "labelling service listens");
        listener::answer(self.listener, self.router, self.options, stop).await;
    }
}

fn routes(
    cities: &Arc<Cities>,
    backend: &Arc<MlBackend>,
    gate: AdminGate,
    vitals: Arc<dyn Vitals>,
) -> Router {
    let about = openapi::about("SightScan's labelling", "Labelling cities, and a backend for Label Studio.");
    let routes = OpenApiRouter::with_openapi(about)
        .merge(ml_backend::router(backend, &gate))
        .merge(sightscan_cities::http::labelling(&Api::new(Arc::clone(cities), gate)))
        .merge(health::routes(vitals));
    documented(routes)
}

/// The models among the labellers that are configured.
fn models(setup: &Setup) -> Result<Vec<Step>> {
    let mut label = setup.config.label.clone();
    label.labellers.retain(|labeller| labeller != PAID);
    Ok(label.steps(|_| None)?)
}
