//! A city's detector, from its labelled images to a candidate that has been judged.
//!
//! What is needed to go on after a crash is in a folder of the city: which data set it learns from, and the checkpoint of the
//! last epoch. The same job goes on there; another one begins anew.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sightscan_dataset::{Dataset, Split};
use sightscan_engine::model::{ModelFolder, Overrides};
use sightscan_engine::runtime::available_threads;
use sightscan_nn::{Architecture, Weights};
use sightscan_types::{DatasetId, ModelId, TrainCity};
use sightscan_warehouse::cities::{self, City};
use sightscan_warehouse::models::{self, By, Details, Model, NewModel};
use sightscan_warehouse::{Error as WarehouseError, Warehouse};

use crate::city_set::{CitySet, Order, choose, open};
use crate::error::{Error, Result};
use crate::export::Precision;
use crate::gate::{Candidate, Live, Seen, Verdict, load};
use crate::learn::{Config, Event, FitOrder, Items, Processor, Start, Trained, fit};
use crate::settings::Settings;
use crate::sheet;
use crate::start::{Base, of_onnx};

/// How often is looked whether another training has let go of the folder.
const PAUSE: Duration = Duration::from_millis(300);
/// After so many pauses it is told that somebody else has it.
const NEWS: u32 = 10;
/// Says what a training in the folder is.
const BEGUN: &str = "training.json";
/// The entry of the model's metadata that says how it came to be, as JSON.
const TRAINING: &str = "training";

/// Hears what happens; may end the training with [`ControlFlow::Break`].
pub type Tell = Arc<dyn Fn(&Event<'_>) -> ControlFlow<()> + Send + Sync>;

/// What trains the detectors of cities.
#[derive(Debug, Clone)]
pub struct Training {
    /// Where the images are, and the models go.
    pub warehouse: Warehouse,
    /// How.
    pub settings: Settings,
    /// Where trainings are kept while they run.
    pub folder: PathBuf,
    /// Where a base model is looked for by its name.
    pub models: ModelFolder,
}

/// A candidate that was judged; it is not live yet.
#[derive(Debug)]
pub struct Judged {
    /// The candidate.
    pub model: Model,
    /// What the gate says.
    pub verdict: Verdict,
    /// The model that was live when the gate was asked: the verdict is about no other one.
    pub live: Option<ModelId>,
    /// Where the training was.
    folder: PathBuf,
}

impl Judged {
    /// The verdict was acted upon: the training is over, and its folder holds results only.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn close(&self) -> Result<()> {
        match fs_err::remove_file(self.folder.join(BEGUN)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Whose training it is.
#[derive(Debug, Clone, Copy)]
pub struct Begun<'a> {
    /// The folder of the city's folder that it is in: `job` or `shell`.
    pub place: &'a str,
    /// Who trains.
    pub key: &'a str,
    /// Whether a training that was begun under this key goes on.
    pub goes_on: GoOn,
}

/// Whether a training goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoOn {
    /// It begins anew.
    Never,
    /// It goes on where there is one with the same settings.
    IfThere,
    /// There must be one with the same settings.
    Must,
}

/// What the training in a folder is.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct InFolder {
    /// Whose it is.
    key: String,
    learning: Config,
    dataset: DatasetId,
    /// The version whose weights it started from.
    parent: Option<i64>,
}

/// All that the computing needs.
struct Work {
    config: Config,
    gate: crate::gate::Gate,
    set: CitySet,
    base: Base,
    parent: Option<ModelId>,
    live: Option<Live>,
    city: City,
    out: PathBuf,
    threads: NonZeroUsize,
    processor: Processor,
    tell: Tell,
}

/// What was computed.
struct Made {
    onnx: Vec<u8>,
    model: NewModel,
    verdict: Verdict,
}

impl Training {
    /// Trains a detector of a city and stores it as a candidate with what the gate says about it.
    ///
    /// The work is done on threads of its own; dropping the future ends it within a step.
    ///
    /// # Errors
    /// When the city has too few labelled images, base weights cannot be read, [`Error::Ended`] when `tell` has ended it, or
    /// when the warehouse does not answer.
    pub async fn train(&self, order: &TrainCity, begun: Begun<'_>, tell: Tell) -> Result<Judged> {
        let database = &self.warehouse.database;
        let city = cities::by_id(database, order.city).await?.ok_or(Error::NoCity(order.city))?;
        let folder = self.folder.join(city.slug.as_str()).join(begun.place);
        let lock = lock(&folder, &tell).await?;
        let key = begun.key;
        let (begun, set) = self.begin(order, begun, &city, &folder).await?;
        let live = models::current(database, &city.slug).await?;
        let parent = self.parent(&city, begun.parent).await?;
        let stop = Stop::default();
        let work = Work {
            base: self.base(parent.as_ref().map(|(model, read)| (model, read.onnx.as_slice())))?,
            live: match &live {
                Some(live) => Some(self.read(live).await?),
                None => None,
            },
            parent: parent.map(|(model, _)| model.id),
            config: begun.learning,
            gate: self.settings.gate,
            set,
            city,
            out: folder.clone(),
            threads: available_threads(),
            processor: self.settings.device,
            tell: stop.listening(tell),
        };
        let made = work.on_a_thread(lock).await?;
        let by = By { actor: key, why: "it was trained" };
        let model = models::register(&self.warehouse, made.onnx.into(), &made.model, by).await?;
        Ok(Judged { model, verdict: made.verdict, live: live.map(|live| live.id), folder })
    }

    /// The training that goes on in the folder, or a new one.
    async fn begin(
        &self,
        order: &TrainCity,
        Begun { key, goes_on, .. }: Begun<'_>,
        city: &City,
        folder: &Path,
    ) -> Result<(InFolder, CitySet)> {
        let learning = Config { epochs: order.epochs as usize, ..self.settings.learning.clone() };
        learning.check()?;
        let is_same = |begun: &InFolder| begun.key == key && begun.learning == learning;
        let begun = read_begun(folder).filter(is_same);
        if goes_on == GoOn::Must && begun.is_none() {
            return Err(Error::NothingToGoOn(folder.to_owned()));
        }
        if let Some(begun) = begun.filter(|_| goes_on != GoOn::Never) {
            let set = open(&self.warehouse, begun.dataset).await?;
            return Ok((begun, set));
        }
        let chosen = Order {
            city: order.city,
            min_images_per_label: order.min_images_per_label,
            shares: self.settings.shares(),
            seed: learning.seed,
        };
        let set = choose(&self.warehouse, &chosen).await?;
        let live = models::current(&self.warehouse.database, &city.slug).await?;
        let parent = live.map(|model| model.version);
        let begun = InFolder { key: key.to_owned(), learning, dataset: set.id, parent };
        if folder.exists() {
            fs_err::remove_dir_all(folder)?;
        }
        fs_err::create_dir_all(folder)?;
        fs_err::write(folder.join(BEGUN), serde_json::to_vec_pretty(&begun)?)?;
        Ok((begun, set))
    }

    /// The model whose weights are gone on with, where it is one of a network that can be trained.
    async fn parent(&self, city: &City, version: Option<i64>) -> Result<Option<(Model, Live)>> {
        let Some(version) = version else { return Ok(None) };
        let Some(model) = models::get(&self.warehouse.database, city.id, version).await? else {
            return Ok(None);
        };
        let live = self.read(&model).await?;
        let is_usable = of_onnx(Path::new("parent.onnx"), &live.onnx)
            .is_ok_and(|learnt| Architecture::of(&learnt.weights).is_ok());
        Ok(is_usable.then_some((model, live)))
    }

    async fn read(&self, model: &Model) -> Result<Live> {
        let onnx = self.warehouse.blobs.get(&model.sha256).await.map_err(WarehouseError::from)?;
        let (version, specification) = (model.version, model.specification.clone());
        Ok(Live { version, onnx: onnx.to_vec(), specification })
    }

    /// What is started from: the parent's weights, else those of the settings, else chance.
    fn base(&self, parent: Option<(&Model, &[u8])>) -> Result<Base> {
        if let Some((model, bytes)) = parent {
            let name = format!("version {}", model.version);
            let learnt = of_onnx(Path::new(&name), bytes)?;
            let licence = training_of(&model.metrics).and_then(|training| training.base_licence);
            return Ok(Base { start: Start::From(learnt), name, licence });
        }
        let base = Base::find(&self.settings.base, &self.models)
            .map_err(|error| Error::Base(self.settings.base.clone(), error.to_string()))?;
        let licence = self.settings.base_licence.clone().or(base.licence);
        Ok(Base { licence, ..base })
    }
}

/// How a model came to be: in its metadata and in the registry.
#[derive(Debug, Serialize, Deserialize)]
struct Story {
    dataset: DatasetId,
    epochs: usize,
    seed: u64,
    size: usize,
    base: String,
    base_licence: Option<String>,
}

fn training_of(metrics: &str) -> Option<Story> {
    let metrics: serde_json::Value = serde_json::from_str(metrics).ok()?;
    serde_json::from_value(metrics.get(TRAINING)?.clone()).ok()
}

impl Work {
    /// Does the work on a thread of its own, which keeps the lock until it is done.
    async fn on_a_thread(self, lock: fs_err::File) -> Result<Made> {
        let made = tokio::task::spawn_blocking(move || {
            let made = self.run();
            drop(lock);
            made
        });
        made.await?
    }

    fn run(mut self) -> Result<Made> {
        let test = part(&self.set.dataset, Split::Test);
        let story = self.story();
        self.note();
        let trained = self.fit(&story)?;
        let weights = Weights::from_safetensors(&fs_err::read(self.out.join("weights.safetensors"))?)?;
        let onnx = fs_err::read(&trained.model)?;
        self.say("its best epoch is judged by the test pictures".to_owned());
        let candidate = Candidate { onnx: &onnx, weights: &weights };
        let seen = self.gate.judge(&candidate, self.live.as_ref(), &test, self.threads)?;
        let details = self.details(&seen, &trained, &onnx, &test)?;
        let model = NewModel {
            city: self.city.id,
            specification: self.specification(&onnx)?,
            dataset: Some(self.set.id),
            parent: self.parent,
            considered_images: i64::try_from(self.set.labelled).unwrap_or(i64::MAX),
            metrics: metrics(&seen, &trained, &story, self.live.as_ref(), &details)?,
        };
        Ok(Made { onnx, model, verdict: seen.verdict })
    }

    /// How the training went, and what its model finds in some of the test pictures.
    fn details(&self, seen: &Seen, trained: &Trained, onnx: &[u8], test: &Dataset) -> Result<Details> {
        let history = trained.history.iter().map(serde_json::to_value).collect::<serde_json::Result<_>>()?;
        let sheet = match load(onnx, Overrides::default()) {
            Ok(model) if seen.report.is_some() => sheet::seen(&model, test, self.threads)?,
            _ => Vec::new(),
        };
        Ok(Details { history, sheet })
    }

    /// The `model.toml`; none of what the gate could not load, which is kept, too.
    fn specification(&self, onnx: &[u8]) -> Result<String> {
        let named = Overrides { name: Some(self.city.slug.to_string()), ..Overrides::default() };
        let Ok(model) = load(onnx, named) else { return Ok(String::new()) };
        toml::to_string(&Overrides::from(model.spec())).map_err(|error| Error::Config(error.to_string()))
    }

    fn story(&self) -> Story {
        let Config { epochs, seed, size, .. } = self.config;
        let Base { name, licence, .. } = &self.base;
        Story { dataset: self.set.id, epochs, seed, size, base: name.clone(), base_licence: licence.clone() }
    }

    /// Says what is begun, and what was left out.
    fn note(&self) {
        let count = |split| self.set.dataset.items.iter().filter(|item| item.split == Some(split)).count();
        self.say(format!(
            "{} sights; {} pictures to learn from, {} to validate, {} to test; it starts from {}",
            self.set.dataset.classes.len(),
            count(Split::Train),
            count(Split::Validation),
            count(Split::Test),
            self.base
        ));
        for (sight, images) in &self.set.sparse {
            self.say(format!("{sight} is left out: it has {images} images"));
        }
        let problems = self.set.problems.to_string();
        problems.lines().for_each(|problem| self.say(problem.to_owned()));
    }

    fn say(&self, what: String) {
        // Who wants to end it can say so at the next step.
        let _ = (self.tell)(&Event::Note(what));
    }

    fn fit(&mut self, story: &Story) -> Result<Trained> {
        let examples = Items::new(part(&self.set.dataset, Split::Train).items);
        let validation = part(&self.set.dataset, Split::Validation);
        let start = std::mem::replace(&mut self.base.start, Start::Nothing(Architecture::nano(1)));
        let order = FitOrder {
            config: &self.config,
            classes: &self.set.dataset.classes,
            examples: &examples,
            validation: &validation,
            start,
            out: &self.out,
            is_resumed: true,
            threads: self.threads,
            processor: self.processor,
            // As it is published, and judged by the gate.
            precision: Precision::Half,
            metadata: &[(TRAINING, serde_json::to_string(story)?)],
        };
        fit(&order, &mut |event| (self.tell)(&event))
    }
}

fn metrics(
    seen: &Seen,
    trained: &Trained,
    story: &Story,
    live: Option<&Live>,
    details: &Details,
) -> Result<String> {
    let mut metrics = match &seen.report {
        Some(report) => serde_json::to_value(report)?,
        None => serde_json::json!({}),
    };
    metrics[TRAINING] = serde_json::to_value(story)?;
    models::with_details(&mut metrics, details)?;
    metrics["best_epoch"] = trained.best.into();
    metrics["verdict"] = seen.verdict.to_string().into();
    if let (Some(live), Some(report)) = (live, &seen.live) {
        metrics["live"] =
            serde_json::json!({"version": live.version, "map50": report.map50, "map50_95": report.map50_95});
    }
    Ok(metrics.to_string())
}

/// The pictures of a data set that are for one purpose.
fn part(dataset: &Dataset, split: Split) -> Dataset {
    let items = dataset.items.iter().filter(|item| item.split == Some(split)).cloned().collect();
    Dataset { classes: dataset.classes.clone(), items }
}

fn read_begun(folder: &Path) -> Option<InFolder> {
    serde_json::from_slice(&fs_err::read(folder.join(BEGUN)).ok()?).ok()
}

/// The right to train in a folder, until it is dropped; waits while another training has it.
async fn lock(folder: &Path, tell: &Tell) -> Result<fs_err::File> {
    if let Some(parent) = folder.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let file = fs_err::File::create(folder.with_extension("lock"))?;
    let mut pauses = 0_u32;
    while file.file().try_lock().is_err() {
        pauses += 1;
        // One that was just ended needs a step to let go; that is no news.
        let note = Event::Note(format!("{}: another training runs here; this one waits", folder.display()));
        if pauses == NEWS && tell(&note).is_break() {
            return Err(Error::Ended);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(file)
}

/// Ends the computing when nobody waits for it any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn listening(&self, tell: Tell) -> Tell {
        let is_over = Arc::clone(&self.0);
        Arc::new(
            move |event| if is_over.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { tell(event) },
        )
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
