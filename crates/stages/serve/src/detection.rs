//! Detection that runs: the worker threads, and those who look after them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sightscan_engine::runtime::heap::give_back_freed_memory;
use sightscan_engine::{Model, Options};
use sightscan_http::health::Vitals;
use sightscan_http::{Hold, Problem, Slug};
use sightscan_queue::Wanted;
use sightscan_types::PictureReport;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::info;

use crate::config::{Config, GREATEST_DEADLINE};
use crate::error::{PutError, StartError};
use crate::health;
use crate::metrics::Metrics;
use crate::models::{Drawing, Models, Served, engine_factory};
use crate::pool::{Done, Factory, Pool, Reply, Size, Work, lock};
use crate::wanted;

/// The workers are idle when they are told to end, so they do so at once.
const JOIN_LIMIT: Duration = Duration::from_secs(1);
/// How often is looked whether workers have loaded a model, or have let it go.
const LOOK: Duration = Duration::from_millis(5);

/// Detection that runs. A [`Front`](crate::Front) puts HTTP before it, a [`QueueWorker`](crate::QueueWorker) a queue.
#[derive(Debug)]
pub struct Detection {
    core: Arc<Core>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
    /// One change of the models at a time.
    changing: tokio::sync::Mutex<()>,
}

/// What the workers and those who look after them share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) workers: usize,
    pub(crate) models: Arc<Models>,
    pub(crate) pool: Pool,
    pub(crate) metrics: Arc<Metrics>,
}

/// A model and what is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    model: Arc<Served>,
    options: Options,
    drawing: Option<Drawing>,
}

/// A picture that was looked at.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) report: PictureReport,
    /// The picture with its boxes, as a file, where it was asked for.
    pub(crate) drawn: Option<Bytes>,
    pub(crate) queued: Duration,
}

impl Detection {
    /// Starts the workers for these models; the first model is the one that is meant where none is named. There may be none
    /// yet.
    ///
    /// # Errors
    /// When two models have one name, or the system refuses threads.
    pub fn start(config: Config, models: Vec<Arc<Model>>) -> Result<Self, StartError> {
        let models = Arc::new(Models::new(models)?);
        let factory = engine_factory(&models, config.threads().per_instance, config.max_pixels);
        Self::launch(config, models, factory)
    }

    /// As [`Detection::start`], with workers of another make, such as tests need.
    ///
    /// # Errors
    /// As [`Detection::start`].
    pub fn start_with(config: Config, models: Vec<Arc<Model>>, factory: Factory) -> Result<Self, StartError> {
        Self::launch(config, Arc::new(Models::new(models)?), factory)
    }

    fn launch(config: Config, models: Arc<Models>, factory: Factory) -> Result<Self, StartError> {
        let threads_each = config.threads().per_instance;
        let core = Arc::new(build(config, models, factory)?);
        let keepers = vec![tokio::spawn(health::keep_workers(Arc::clone(&core)))];
        let this = Self { core, keepers: Mutex::new(keepers), changing: tokio::sync::Mutex::default() };
        this.core.models.all().iter().for_each(|model| this.keep_proving(model));
        let core = &this.core;
        info!(workers = core.workers, threads_each, models = core.models.all().len(), "detection starts");
        Ok(this)
    }

    /// The model that is meant, with what is asked of it.
    pub(crate) fn target(&self, wanted: &Wanted) -> Result<Target, Problem> {
        let model = self.core.models.find(wanted.model.as_deref())?;
        let options = wanted::options(wanted, model.spec())?;
        Ok(Target { options, drawing: wanted::drawing(wanted)?, model })
    }

    /// Has a picture looked at; who drops the answer is not worked for.
    pub(crate) fn submit(
        &self,
        target: Target,
        picture: Bytes,
        deadline: Instant,
        hold: Arc<Hold>,
    ) -> Result<Submitted, Problem> {
        let Target { model, options, drawing } = target;
        let spec = model.spec();
        let (name, version) = (spec.name.clone(), spec.version.clone());
        let work = Work { model, picture, options, drawing };
        Ok(Submitted { reply: self.core.pool.submit(work, deadline, hold)?, name, version })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Pictures that are worked on at once.
    pub fn workers(&self) -> usize {
        self.core.workers
    }

    /// Serves this model from now on: in the place of the one of the same name, or beside the others. Requests that have begun
    /// are answered by the model that they began with; then its memory is given back.
    ///
    /// # Errors
    /// When the workers cannot load it, or it does not answer a test picture. Then nothing changes.
    pub async fn put(&self, model: Arc<Model>) -> Result<(), PutError> {
        let _alone = self.changing.lock().await;
        let served = Served::new(model);
        if let Err(error) = self.load(&served).await {
            self.core.models.abandon();
            self.core.pool.renew(self.core.models.let_go());
            return Err(error);
        }
        let old = self.core.models.settle();
        self.keep_proving(&served);
        self.let_go(old);
        Ok(())
    }

    /// The versions of the models that are served, by name; none of those that have no version.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let all = self.core.models.all();
        let version = |model: &Arc<Served>| Some((model.spec().name.clone(), model.spec().version.clone()?));
        all.iter().filter_map(version).collect()
    }

    /// Whether a model of this name is served.
    pub(crate) fn serves(&self, name: &str) -> bool {
        self.core.models.all().iter().any(|model| model.spec().name == name)
    }

    /// Serves no model of this name any more, once the requests that have begun with it are answered.
    pub async fn remove(&self, name: &str) {
        let _alone = self.changing.lock().await;
        self.let_go(self.core.models.remove(name));
    }

    /// Has every worker load a model and one of them answer with it, while the others go on.
    async fn load(&self, served: &Arc<Served>) -> Result<(), PutError> {
        let generation = self.core.models.announce(served);
        self.core.pool.renew(generation);
        let loaded = async {
            while !self.core.pool.has_renewed(generation) {
                if self.core.pool.has_refused(generation) {
                    return Err(PutError::Refused);
                }
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        // One worker after the other.
        let patience = self.core.config.stuck_after() * u32::try_from(self.core.workers).unwrap_or(u32::MAX);
        let in_time = tokio::time::timeout(patience, loaded).await;
        in_time.unwrap_or(Err(PutError::NotLoaded(patience)))?;
        let proof = health::prove(&self.core, served).await;
        proof.map_err(|problem| PutError::NoAnswer(problem.cause().unwrap_or(problem.detail()).to_owned()))
    }

    /// Has the workers let go of a model when nobody waits for an answer of it any more.
    fn let_go(&self, old: Option<Arc<Served>>) {
        let Some(old) = old else { return };
        let core = Arc::clone(&self.core);
        self.keep(tokio::spawn(async move {
            let began = Instant::now();
            // No request takes longer; only a worker that is stuck for good may still have it then.
            while Arc::strong_count(&old) > 1 && began.elapsed() < GREATEST_DEADLINE {
                tokio::time::sleep(LOOK).await;
            }
            drop(old);
            let generation = core.models.let_go();
            core.pool.renew(generation);
            while !core.pool.has_renewed(generation) && began.elapsed() < GREATEST_DEADLINE {
                tokio::time::sleep(LOOK).await;
            }
            // Whether somebody waits for this makes no difference.
            drop(tokio::task::spawn_blocking(give_back_freed_memory));
        }));
    }

    fn keep_proving(&self, model: &Arc<Served>) {
        self.keep(tokio::spawn(health::keep_proving(Arc::clone(&self.core), Arc::downgrade(model))));
    }

    /// Remembers a task that ends with the detection.
    pub(crate) fn keep(&self, task: JoinHandle<()>) {
        let mut keepers = lock(&self.keepers);
        keepers.retain(|keeper| !keeper.is_finished());
        keepers.push(task);
    }

    /// The configuration that it was started with.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Ends the workers, once no request is under way; says whether all ended.
    pub async fn close(&self) -> bool {
        let keepers = std::mem::take(&mut *lock(&self.keepers));
        keepers.into_iter().for_each(|keeper| keeper.abort());
        self.core.pool.close();
        let core = Arc::clone(&self.core);
        tokio::task::spawn_blocking(move || core.pool.join(JOIN_LIMIT)).await.unwrap_or(false)
    }
}

impl Vitals for Detection {
    fn reasons(&self) -> Vec<String> {
        health::reasons(&self.core)
    }

    fn metrics(&self) -> String {
        self.core.metrics.queue_depth.set(self.core.pool.waiting() as f64);
        self.core.metrics.render()
    }
}

/// A picture that waits for a worker or is worked on.
#[derive(Debug)]
pub(crate) struct Submitted {
    reply: oneshot::Receiver<Reply>,
    name: String,
    version: Option<String>,
}

impl Submitted {
    /// Waits for what is found; `image` is what the request calls the picture.
    pub(crate) async fn seen(self, image: String) -> Result<Seen, Problem> {
        let dropped = |_| Problem::new(Slug::Unavailable, "the picture was dropped");
        let Done { answer, queued } = self.reply.await.map_err(dropped)??;
        let analysis = answer.analysis;
        let report = PictureReport {
            image,
            width: analysis.width,
            height: analysis.height,
            model: self.name,
            model_version: self.version,
            findings: analysis.findings,
            timing_ms: analysis.times,
        };
        Ok(Seen { report, drawn: answer.drawn.map(Bytes::from), queued })
    }
}

fn build(config: Config, models: Arc<Models>, factory: Factory) -> Result<Core, StartError> {
    let workers = config.threads().instances;
    let metrics = Arc::new(Metrics::new()?);
    let size = Size {
        workers,
        queue_depth: config.queue_depth.saturating_add(workers.get()),
        stuck_after: config.stuck_after(),
    };
    let pool = Pool::start(factory, size, Arc::clone(&metrics))?;
    Ok(Core { workers: workers.get(), models, pool, metrics, config })
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use sightscan_engine::EngineChoice;
    use sightscan_engine::model::Overrides;
    use sightscan_testkit::tiny;

    use super::*;

    fn model() -> Arc<Model> {
        let folder = tempfile::tempdir().unwrap();
        let path = tiny::write_colour_box(folder.path());
        Model::open(&path, &Overrides::default(), EngineChoice::Rten).unwrap()
    }

    /// Waits until nobody holds a model but so many others.
    async fn only_held_by(others: usize, model: &Weak<Model>) {
        let wait = async {
            while model.strong_count() > others {
                tokio::time::sleep(LOOK).await;
            }
        };
        let count = || model.strong_count();
        assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "{} hold it", count());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_that_was_replaced_or_removed_is_given_back() {
        let first = model();
        let old = Arc::downgrade(&first);
        let detection = Detection::start(Config::default(), vec![first]).unwrap();
        let second = model();
        // A leak on purpose must be seen.
        let (next, leak) = (Arc::downgrade(&second), Arc::clone(&second));
        detection.put(second).await.unwrap();
        only_held_by(0, &old).await;
        assert!(next.strong_count() > 1, "it is served");
        detection.remove("colour_box").await;
        only_held_by(1, &next).await;
        assert!(next.upgrade().is_some(), "somebody has kept it");
        drop(leak);
        only_held_by(0, &next).await;
        assert!(detection.close().await);
    }
}
