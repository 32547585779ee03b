//! The public HTTP interface: cities, and detection where there is a model. The labelling service listens beside it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use sightscan_cities::{Api, Cities};
use sightscan_engine::model::{ModelFolder, Overrides, Reference};
use sightscan_http::axum::Router;
use sightscan_http::exchange::Observer;
use sightscan_http::health::{self, Vitals};
use sightscan_http::{AdminGate, ServerOptions, openapi};
use sightscan_serve::{Choice, Front, StartError};
use sightscan_warehouse::Warehouse;
use sightscan_web::Features;
use tokio::net::TcpListener;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;

use crate::error::Result;
use crate::experiments::Experiments;
use crate::fleet::Fleet;
use crate::labelling::LabellingService;
use crate::setup::Setup;
use crate::vitals::Parts;
use crate::{Stop, elastic, listener, live, token};

/// The name of the folder of models in the data folder.
const MODELS: &str = "models";

/// The public interface, ready to be served.
pub(crate) struct Public {
    listener: TcpListener,
    front: Arc<Front>,
    labelling: Option<LabellingService>,
    cities: Arc<Cities>,
    warehouse: Warehouse,
    fleet: Arc<Fleet>,
    experiments: Arc<Experiments>,
    setup: Setup,
}

impl Public {
    /// Binds the addresses and loads the models of the folder.
    pub(crate) async fn prepare(setup: Setup, warehouse: &Warehouse, cities: Arc<Cities>) -> Result<Self> {
        let listener = listener::bind(setup.config.serve.listen).await?;
        let labelling = LabellingService::prepare(&setup, warehouse).await?;
        let front = elastic::front(&setup, warehouse).await?;
        let fleet = Arc::new(Fleet::of(&setup, warehouse).await?);
        let experiments = Arc::new(Experiments::new(&setup, warehouse));
        Ok(Self {
            listener,
            front,
            labelling,
            cities,
            warehouse: warehouse.clone(),
            fleet,
            experiments,
            setup,
        })
    }

    /// Answers until `stop`. Lets the administrator in by the token of this installation, which is printed where it is
    /// new.
    pub(crate) async fn serve(self, parts: Parts, stop: Stop) -> Result<()> {
        let (front, experiments) = (Arc::clone(&self.front), Arc::clone(&self.experiments));
        let (ending, stopped) = (Arc::clone(&experiments), stop.clone());
        // While requests are finished.
        tokio::spawn(async move {
            stopped.cancelled().await;
            ending.end();
        });
        let served = self.open_to_all(parts, stop).await;
        experiments.close().await;
        // Also where it did not begin: a process must not end while its threads load a network.
        front.close().await;
        served
    }

    async fn open_to_all(self, parts: Parts, stop: Stop) -> Result<()> {
        // Whatever may fail comes before the token, which is shown only once.
        let options = self.setup.config.serve.public_options(&self.setup.data).map_err(StartError::from)?;
        let given = crate::storage::variable(token::VARIABLE);
        let token = token::obtain(self.cities.database(), given.as_deref()).await?;
        let gate = AdminGate::new(token.token);
        let vitals: Arc<dyn Vitals> = Arc::new(self.vitals(parts));
        let router = self.router(&gate, Arc::clone(&vitals))?;
        let address = self.listener.local_addr()?;
        let Self { listener, front, labelling, cities, warehouse, setup, .. } = self;
        let labelling =
            labelling.map(|service| service.assemble(&setup, &cities, gate, vitals)).transpose()?;
        let invitation = setup.config.serve.invitation(address, options.tls.as_ref());
        let url = sightscan_serve::tls::address(address, options.tls.as_ref());
        greet(&url, labelling.as_ref().map(|service| service.address), token.fresh.as_deref())?;
        invitation.map(|invitation| writeln!(std::io::stdout(), "{invitation}")).transpose()?;
        let labelling = labelling.map(|service| tokio::spawn(service.answer(stop.clone())));
        info!(%address, "server listens");
        // The gazetteer takes a moment to unpack; the first who asks should not wait for it.
        tokio::task::spawn_blocking(sightscan_cities::Places::embedded);
        let writing = tokio::spawn(live::keep_written(warehouse, models(&setup), stop.clone()));
        answer(listener, router, options, &front, stop).await;
        writing.await.map_err(std::io::Error::from)?;
        if let Some(labelling) = labelling {
            labelling.await.map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    /// How the process is, with detection.
    fn vitals(&self, parts: Parts) -> Parts {
        let (ready, measured) = (Arc::clone(&self.front), Arc::clone(&self.front));
        parts.with(move || ready.reasons(), move || measured.metrics())
    }

    /// The routes of cities, of what people say about labels, of data sets, and of which model answers.
    fn stages(&self, gate: &AdminGate) -> OpenApiRouter {
        let labels = sightscan_label::http::Api::new(self.warehouse.database.clone(), gate.clone());
        let models = sightscan_train::http::Api::new(self.warehouse.clone(), gate.clone());
        let data_sets = crate::exchange::api(&self.setup, &self.warehouse, gate.clone());
        sightscan_cities::http::router(&Api::new(Arc::clone(&self.cities), gate.clone()))
            .merge(sightscan_label::http::router(&labels))
            .merge(sightscan_label::exchange::http::router(&data_sets))
            .merge(sightscan_train::http::router(&models))
    }

    fn router(&self, gate: &AdminGate, vitals: Arc<dyn Vitals>) -> Result<Router> {
        let about = openapi::about("SightScan", "Cities, their images, labels and models, and detection.");
        let routes = OpenApiRouter::with_openapi(about)
            .merge(self.stages(gate))
            .merge(self.front.routes())
            .merge(OpenApiRouter::from(sightscan_web::routes(Features { cities: true, rooms: true })))
            .merge(crate::fleet::http::router(Arc::clone(&self.fleet), gate))
            .merge(crate::experiments::http::router(Arc::clone(&self.experiments), gate))
            .merge(health::routes(vitals));
        let front = Arc::clone(&self.front);
        let observer: Observer = Arc::new(move |exchange| front.count(exchange));
        let config = &self.setup.config;
        let surroundings =
            sightscan_cities::http::surroundings(&config.cities, config.serve.listen, observer)?;
        Ok(surroundings.around(sightscan_cities::http::documented(routes)))
    }
}

/// Answers until `stop`; what was taken by then is detected first.
async fn answer(listener: TcpListener, router: Router, options: ServerOptions, front: &Front, stop: Stop) {
    let drained = Stop::new();
    let serving = listener::answer(listener, router, options, drained.clone());
    let draining = async {
        stop.cancelled().await;
        front.drain().await;
        drained.cancel();
    };
    tokio::join!(serving, draining);
}

/// The models that are configured, or all that are live in the folder, now and later.
pub(crate) fn choice(setup: &Setup) -> Result<Choice> {
    let config = &setup.config.serve;
    let references = config.models.iter().map(|reference| reference.parse::<Reference>());
    Ok(Choice {
        folder: models(setup),
        references: references.collect::<std::result::Result<_, _>>()?,
        overrides: Overrides::default(),
        engine: config.engine,
    })
}

/// The folder of models.
pub(crate) fn models(setup: &Setup) -> ModelFolder {
    ModelFolder::new(setup.data.join(MODELS))
}

/// Says where to look; the token is shown this one time.
fn greet(url: &str, labelling: Option<SocketAddr>, token: Option<&str>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "SightScan answers at {url}")?;
    writeln!(out, "  API          {url}/docs")?;
    writeln!(out, "  cities       {url}/v1/cities")?;
    writeln!(out, "  health       {url}/readyz   metrics {url}/metrics")?;
    if let Some(labelling) = labelling {
        writeln!(out, "  labelling    http://{labelling}/docs")?;
    }
    if let Some(token) = token {
        writeln!(out, "  admin token  {token}")?;
        writeln!(out, "               (shown only now; keep it, or set {})", token::VARIABLE)?;
    }
    out.flush()?;
    Ok(())
}
