//! The whole product on an invented city: it is asked for, crawled, labelled, trained, judged, published and used.
//!
//! Nothing of it is special: the roles are those of [`crate::up`], the city is one among others, and only its sights and
//! pictures are drawn instead of found. A demo that was ended anywhere goes on there when it is begun again.

mod flags;
mod proof;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sightscan_cities::{Action, Decision};
use sightscan_engine::model::{Overrides, Reference};
use sightscan_engine::{EngineChoice, Model, ModelError};
use sightscan_train::http::LedgerItem;
use sightscan_train::{Augmentation, Config as Learning, OptimiserKind};
use sightscan_types::names::CityName;
use sightscan_types::{CityState, Slug};
use sightscan_warehouse::cities::{self, City, Event};
use sightscan_warehouse::{Database, Warehouse};

pub use flags::Flags;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::public::models;
use crate::storage::Places;
use crate::{ACTOR, Setup, Stop, live, up};

/// The invented city.
pub const CITY: &str = "Landmark City";
/// How often is looked what has happened.
const PAUSE: Duration = Duration::from_millis(200);
/// The folder of the data folder with what the detector finds in pictures that no training has seen.
const UNSEEN: &str = "unseen";
/// Events that are read at once.
const BATCH: u32 = 100;
/// Pictures that are learnt from in a second on each core, about: with all layers, and without those that look at pixels.
const PICTURES_PER_CORE: [f64; 2] = [16.0, 28.0];

/// How the demo is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the detector is trained from weights drawn by chance instead of those that come with the program.
    pub from_scratch: bool,
    /// Pictures of each sight.
    pub pictures: u32,
    /// Passes over the pictures.
    pub epochs: u32,
}

impl Options {
    /// What is enough for the detector to learn two more sights, or all of them.
    pub const fn usual(from_scratch: bool) -> Self {
        let (pictures, epochs) = if from_scratch { (150, 100) } else { (140, 26) };
        Self { from_scratch, pictures, epochs }
    }

    /// How long the training takes on so many cores, about.
    pub fn training_time(&self, cores: usize) -> Duration {
        // Four fifths are learnt from; some pictures show several sights.
        let pictures = f64::from(self.pictures) * f64::from(self.epochs) * 8.0 * 0.6;
        let [all, some] = PICTURES_PER_CORE;
        let speed = if self.from_scratch { all } else { some };
        Duration::from_secs_f64(pictures / (speed * cores.max(1) as f64))
    }
}

/// What happens in a demo.
#[derive(Debug)]
pub enum News<'a> {
    /// The city is in this state now.
    State(CityState),
    /// So much of so much is done in the stage that runs.
    Progress(usize, usize, &'a str),
    /// Something is worth a line.
    Line(String),
}

/// Hears what happens.
pub type Tell<'a> = &'a mut (dyn FnMut(News<'_>) + Send);

/// The settings of a demo: those of `up` with the invented city, everything in a folder of its own.
fn setup(options: &Options, data: PathBuf) -> Result<Setup> {
    let config = config(options);
    // Whatever database the environment names is not for demos.
    let places = Places::find(&config.storage, &data, |_| None)?;
    Ok(Setup { config, data, places })
}

fn config(options: &Options) -> Config {
    let mut config = Config::for_up();
    let often = 1;
    config.crawl.sights = vec!["demo".to_owned()];
    config.crawl.sources = vec!["demo".to_owned()];
    config.label.labellers = vec!["demo".to_owned()];
    config.cities.max_images_per_sight = options.pictures;
    config.cities.min_labelled_images = options.pictures * 4;
    config.cities.min_images_per_label = options.pictures / 4;
    config.cities.epochs = options.epochs;
    config.cities.plan_labelling_seconds = often;
    config.cities.plan_training_seconds = often;
    // A demo that was killed soon goes on.
    config.worker.lease_seconds = 6;
    config.train.learning = learning(options.from_scratch);
    if options.from_scratch {
        config.train.base = "none".to_owned();
    }
    config
}

/// How landmarks are learnt. A few more in a few hundred steps, without the others being forgotten: the layers that look at
/// pixels stay as they are, and pictures stay whole. All of them from nothing: as the model that comes with the program.
fn learning(from_scratch: bool) -> Learning {
    let usual = Augmentation::default();
    let augmentation = if from_scratch {
        Augmentation { mosaic: 0.25, plain_end: 0.1, ..usual }
    } else {
        Augmentation { mosaic: 0.0, scale: 0.3, ..usual }
    };
    Learning {
        size: proof::SIDE as usize,
        optimiser: OptimiserKind::AdamW,
        rate: 0.0012,
        last_rate: 0.05,
        warm_up: 1.0,
        pictures_per_update: 16,
        // Eight classes of the 80 that it is meant for would hardly count.
        class_loss: 3.0,
        freeze_backbone: !from_scratch,
        augmentation,
        ..Learning::default()
    }
}

/// Runs all roles, has them make a detector of the invented city, and proves what it has learnt; then it is served until
/// `stop`, or not at all if it is only to be proved.
///
/// # Errors
/// When a role does not start, or the city fails.
pub async fn run(setup: Setup, is_served: bool, tell: Tell<'_>, stop: Stop) -> Result<()> {
    let serving = async {
        let served = Box::pin(up(setup.clone(), stop.clone())).await;
        // Nothing will happen any more.
        stop.cancel();
        served
    };
    let showing = async {
        let shown = show(&setup, tell, &stop).await;
        if shown.is_err() || !is_served {
            stop.cancel();
        }
        shown
    };
    let (served, shown) = tokio::join!(serving, showing);
    served.and(shown)
}

/// What is to be seen.
async fn show(setup: &Setup, tell: Tell<'_>, stop: &Stop) -> Result<()> {
    let warehouse = setup.open().await?;
    let city = ask(setup, &warehouse).await?;
    let is_live = follow(&warehouse.database, &city, tell, stop).await?;
    let Some(taught) = published(setup, &city.slug, stop).await?.filter(|_| is_live) else { return Ok(()) };
    let history = sightscan_warehouse::models::history(&warehouse.database, city.id, None, 1).await?;
    warehouse.database.close().await;
    let verdict = history.into_iter().map(|entry| LedgerItem::from(entry).to_string());
    verdict.for_each(|line| tell(News::Line(line)));
    tell(News::Line("Looking at pictures that no training has seen …".to_owned()));
    let folder = setup.data.join(UNSEEN);
    let proof = tokio::task::spawn_blocking(move || proof::prove(taught, &folder)).await;
    proof.map_err(std::io::Error::from)??.lines().into_iter().for_each(|line| tell(News::Line(line)));
    Ok(())
}

/// The city, on its way: made and approved where nobody has asked for it, and gone on with where it failed.
async fn ask(setup: &Setup, warehouse: &Warehouse) -> Result<City> {
    let cities = setup.cities(warehouse).await?;
    let mut transaction = warehouse.database.begin().await?;
    let name = CityName::parse(CITY)?;
    let (city, _) = cities::find_or_create(&mut transaction, &name, None, warehouse.database.now()).await?;
    transaction.commit().await?;
    let action = match city.state {
        CityState::Requested => Action::Approve,
        CityState::Failed => Action::Retry,
        _ => return Ok(city),
    };
    let decision = Decision { actor: ACTOR, why: Some("the demo wants it"), request_id: None };
    Ok(cities.decide(city.id, &action, decision).await?)
}

/// Tells what happens to the city until it is live; whether it is, when it was stopped.
async fn follow(database: &Database, city: &City, tell: Tell<'_>, stop: &Stop) -> Result<bool> {
    let mut last = city.last_event;
    tell(News::State(city.state));
    loop {
        for event in cities::events(database, city.id, last, BATCH).await? {
            last = event.number;
            tell_event(&event, tell);
        }
        let now = cities::by_id(database, city.id).await?;
        match now.map(|city| (city.state, city.reason)) {
            Some((CityState::Live, _)) => return Ok(true),
            Some((CityState::Failed | CityState::Paused | CityState::Rejected, reason)) => {
                return Err(Error::DemoFailed(reason.unwrap_or_default()));
            }
            _ if stop.is_cancelled() => return Ok(false),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn tell_event(event: &Event, tell: Tell<'_>) {
    let message = event.message.as_deref().unwrap_or_default();
    match event.kind.as_str() {
        "state" => {
            let state = event.state.as_deref().and_then(|state| state.parse().ok());
            state.into_iter().for_each(|state| tell(News::State(state)));
        }
        "progress" => {
            let count =
                |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
            tell(News::Progress(count(event.done), count(event.total), message));
        }
        // Its numbers are for plots; how far the training is comes as progress.
        "epoch" => {}
        _ => tell(News::Line(message.to_owned())),
    }
}

/// The city's model, once it is in the model folder; `None` when it was stopped before.
///
/// # Errors
/// When it does not get there; the log says why.
async fn published(setup: &Setup, city: &Slug, stop: &Stop) -> Result<Option<Arc<Model>>> {
    let folder = models(setup);
    if !live::arrives(&folder, city, stop).await? {
        return Ok(None);
    }
    let reference: Reference = city.as_str().parse().map_err(ModelError::from)?;
    let source = folder.source(&reference, &Overrides::default())?;
    Ok(Some(Model::from_source(source, EngineChoice::default())?))
}
