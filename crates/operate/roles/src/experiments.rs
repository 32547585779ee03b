//! Experiments that the administrator starts: each is `sightscan experiment`, as a process of its own, in a folder of its own.
//!
//! | file | what |
//! |---|---|
//! | `begun.json` | what was asked for, and when |
//! | `pictures/` | what is sent, as long as it is measured: some are donated and may be withdrawn |
//! | `ended.json` | how it ended |
//! | all others | see `sightscan experiment run --help` |

mod folder;
pub(crate) mod http;
mod order;
mod place;
mod process;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use serde::Serialize;
use sightscan_engine::model::ModelFolder;
use sightscan_types::{Review, Slug};
use sightscan_warehouse::cities::{self, City};
use sightscan_warehouse::images::{self, Filter};
use sightscan_warehouse::{Warehouse, models};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use utoipa::ToSchema;

use crate::live;
use folder::{Begun, Ended, Folder, State};
use order::Order;
use place::Place;
use process::Measurement;

/// The folder of experiments in the data folder.
const FOLDER: &str = "experiments";

/// Why an experiment is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The numbers cannot be meant.
    #[error("{0}")]
    Order(String),
    /// Nobody has asked for the city.
    #[error("there is no city {0:?} here; GET /v1/cities lists all")]
    UnknownCity(Slug),
    /// There is nothing to send.
    #[error("{0} has no picture yet that could be sent; crawl it first")]
    NoPictures(Slug),
    /// There is nobody to send it to.
    #[error("{0} has no model yet that could look at pictures; train it first")]
    NoModel(Slug),
    /// The model is not where workers take it from.
    #[error(transparent)]
    Folder(#[from] crate::Error),
    /// One experiment would disturb the other.
    #[error("the experiment {0} is being measured; stop it, or wait for its end")]
    Runs(Slug),
    /// So does one of another server.
    #[error(
        "another server of this data folder is measuring an experiment; stop it there, or wait for its end"
    )]
    RunsElsewhere,
    /// Results are not written over.
    #[error("there is an experiment {0} already; choose another name")]
    Taken(String),
    /// There is no such experiment, or it has no such file.
    #[error("there is no {0}; GET /v1/experiments lists all")]
    Unknown(String),
    /// The warehouse.
    #[error(transparent)]
    Warehouse(#[from] sightscan_warehouse::Error),
    /// A picture.
    #[error(transparent)]
    Blobs(#[from] sightscan_blobs::BlobError),
    /// A file.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// What a file holds.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

type Result<T, E = Error> = std::result::Result<T, E>;

/// An experiment. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
struct ExperimentItem {
    /// Its name.
    name: Slug,
    /// The city whose pictures are sent and whose model looks at them.
    city: Slug,
    /// Where it is.
    state: State,
    /// Cells that are measured.
    have: usize,
    /// Cells of its matrix.
    want: usize,
    /// Numbers of workers.
    workers: Vec<usize>,
    /// Numbers of client threads.
    threads: Vec<usize>,
    /// How often each cell is measured.
    repeats: usize,
    /// What it told last, or why it has failed.
    message: Option<String>,
    /// When it was begun.
    begun_at: i64,
    /// What can be had at `…/files/{file}`.
    files: Vec<&'static str>,
}

/// The experiment that is being measured.
#[derive(Debug)]
struct Running {
    name: Slug,
    told: Arc<Mutex<Option<String>>>,
    stop: CancellationToken,
    measuring: Option<JoinHandle<()>>,
    /// Held as long as it is measured.
    _place: Place,
}

/// The experiments of this installation.
#[derive(Debug)]
pub(crate) struct Experiments {
    data: PathBuf,
    models: ModelFolder,
    warehouse: Warehouse,
    running: Mutex<Option<Running>>,
    /// Ends every measurement.
    stop: CancellationToken,
}

impl Experiments {
    pub(crate) fn new(setup: &crate::Setup, warehouse: &Warehouse) -> Self {
        // Its processes have other working folders.
        let data = std::path::absolute(&setup.data).unwrap_or_else(|_| setup.data.clone());
        let (models, warehouse) = (crate::public::models(setup), warehouse.clone());
        Self { data, models, warehouse, running: Mutex::default(), stop: CancellationToken::new() }
    }

    /// Begins to end the one that is being measured; what it has is kept.
    pub(crate) fn end(&self) {
        self.stop.cancel();
    }

    /// Waits until none is being measured any more.
    pub(crate) async fn close(&self) {
        self.end();
        let measuring = lock(&self.running).as_mut().and_then(|running| running.measuring.take());
        if let Some(measuring) = measuring {
            // It writes down how it went; nobody waits for more.
            let _ = measuring.await;
        }
    }

    fn all(&self) -> PathBuf {
        self.data.join(FOLDER)
    }

    fn folder(&self, name: &Slug) -> Folder {
        Folder::at(self.all().join(name.as_str()))
    }

    /// All of them, the newest first.
    fn list(&self) -> Result<Vec<ExperimentItem>> {
        let mut items = Vec::new();
        for name in self.names()? {
            items.extend(self.find(&name)?);
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.begun_at));
        Ok(items)
    }

    /// Of whatever lies there like an experiment.
    fn names(&self) -> Result<Vec<Slug>> {
        if !self.all().exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(self.all())? {
            names.extend(entry?.file_name().to_string_lossy().parse::<Slug>());
        }
        Ok(names)
    }

    fn show(&self, name: &Slug) -> Result<ExperimentItem> {
        self.find(name)?.ok_or_else(|| Error::Unknown(format!("experiment {name}")))
    }

    fn find(&self, name: &Slug) -> Result<Option<ExperimentItem>> {
        let folder = self.folder(name);
        let Some(Begun { at, order }) = folder.begun()? else { return Ok(None) };
        let Ended { state, message } = self.state(name, &folder)?;
        Ok(Some(ExperimentItem {
            name: name.clone(),
            state,
            have: folder.measured()?,
            want: order.cells(),
            message,
            begun_at: at,
            files: folder.files(),
            city: order.city,
            workers: order.workers,
            threads: order.threads,
            repeats: order.repeats,
        }))
    }

    fn state(&self, name: &Slug, folder: &Folder) -> Result<Ended> {
        if let Some(running) = lock(&self.running).as_ref().filter(|running| running.name == *name) {
            return Ok(Ended { state: State::Running, message: lock(&running.told).clone() });
        }
        if let Some(ended) = folder.ended()? {
            return Ok(ended);
        }
        if Place::is_held(&self.all(), name)? {
            return Ok(Ended { state: State::Running, message: None });
        }
        let gone = "the server ended before it; start it again under another name";
        Ok(Ended { state: State::Stopped, message: Some(gone.to_owned()) })
    }

    /// Begins to measure; it goes on also where nobody waits for the answer any more.
    async fn start(self: &Arc<Self>, order: Order) -> Result<ExperimentItem> {
        let order = order.checked()?;
        let name = self.name(&order)?;
        let measurement = self.take_place(&name, order)?;
        let (prepared, is_prepared) = oneshot::channel();
        let experiments = Arc::clone(self);
        let measuring = tokio::spawn(async move { experiments.measure(measurement, prepared).await });
        if let Some(running) = lock(&self.running).as_mut() {
            running.measuring = Some(measuring);
        }
        is_prepared.await.map_err(std::io::Error::other)??;
        self.show(&name)
    }

    /// The name that is wished for, or one that is free.
    fn name(&self, order: &Order) -> Result<Slug> {
        if let Some(name) = &order.name {
            return Ok(name.clone());
        }
        let mut names = (1..).filter_map(|number| format!("{}-{number}", order.city).parse::<Slug>().ok());
        let free = names.find(|name| !self.folder(name).path().exists());
        free.ok_or_else(|| Error::Order("give the experiment a `name`".to_owned()))
    }

    fn take_place(&self, name: &Slug, order: Order) -> Result<Measurement> {
        let mut running = lock(&self.running);
        if let Some(other) = running.as_ref() {
            return Err(Error::Runs(other.name.clone()));
        }
        fs::create_dir_all(self.all())?;
        let place = Place::take(&self.all(), name)?;
        // Those that a server has left behind which was killed.
        self.names()?.iter().try_for_each(|name| self.folder(name).forget_pictures())?;
        let (stop, told) = (self.stop.child_token(), Arc::default());
        let measurement = Measurement {
            data: self.data.clone(),
            folder: self.folder(name),
            order,
            told: Arc::clone(&told),
            stop: stop.clone(),
        };
        *running = Some(Running { name: name.clone(), told, stop, measuring: None, _place: place });
        Ok(measurement)
    }

    /// Prepares and measures, and gives the place free.
    async fn measure(&self, measurement: Measurement, prepared: oneshot::Sender<Result<()>>) {
        let folder = &measurement.folder;
        let done = self.prepare(&measurement).await;
        let is_prepared = done.is_ok();
        if !is_prepared {
            *lock(&self.running) = None;
        }
        // Whoever asked may be gone.
        let _ = prepared.send(done);
        if !is_prepared {
            return;
        }
        let ended = measurement.run().await;
        info!(?ended, "an experiment has ended");
        if let Err(error) = folder.end(&ended).and(folder.forget_pictures()) {
            warn!(%error, "an experiment is not put away");
        }
        *lock(&self.running) = None;
    }

    /// Makes the folder, and waits until workers find the model.
    async fn prepare(&self, Measurement { folder, order, stop, .. }: &Measurement) -> Result<()> {
        let database = &self.warehouse.database;
        let city = cities::by_slug(database, &order.city).await?;
        let city = city.ok_or_else(|| Error::UnknownCity(order.city.clone()))?;
        if models::current(database, &city.slug).await?.is_none() {
            return Err(Error::NoModel(city.slug));
        }
        live::arrives(&self.models, &city.slug, stop).await?;
        if !folder.create()? {
            return Err(Error::Taken(folder.name()));
        }
        let filled = self.fill(folder, &city, order).await;
        if filled.is_err() {
            folder.remove()?;
        }
        filled
    }

    /// Writes down what is asked for, and the pictures that are sent.
    async fn fill(&self, folder: &Folder, city: &City, order: &Order) -> Result<()> {
        let database = &self.warehouse.database;
        let accepted = Filter { review: Some(Review::Accepted), ..Filter::default() };
        let most = u32::try_from(order.pictures).unwrap_or(u32::MAX);
        let pictures = images::list(database, city.id, &accepted, None, most).await?;
        if pictures.is_empty() {
            return Err(Error::NoPictures(city.slug.clone()));
        }
        for (number, picture) in pictures.iter().enumerate() {
            let bytes = self.warehouse.blobs.get(&picture.sha256).await?;
            let ending = picture.media_type.rsplit('/').next().unwrap_or("jpeg");
            fs::write(folder.pictures().join(format!("{number:04}.{ending}")), bytes)?;
        }
        folder.begin(&Begun { at: database.now(), order: order.clone() })
    }

    /// Ends a measurement; what it has is kept.
    fn stop(&self, name: &Slug) -> Result<ExperimentItem> {
        if let Some(running) = lock(&self.running).as_ref().filter(|running| running.name == *name) {
            running.stop.cancel();
        }
        self.show(name)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
