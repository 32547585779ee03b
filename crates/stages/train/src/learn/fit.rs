//! Epoch after epoch.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sightscan_dataset::{Dataset, Item};
use sightscan_engine::model::{Overrides, Source};
use sightscan_engine::{EngineChoice, Model};
use sightscan_nn::{Architecture, Batch, Beginning, Device, Losses, Trainer, Weights};

use super::config::Config;
use super::example::Examples;
use super::history::{self, Epoch};
use super::loader::{self, Plan};
use super::processor::Processor;
use crate::error::{Error, Result};
use crate::evaluation::{Classes, Judgement, Report, evaluate, judge};
use crate::export::{About, Precision, onnx};
use crate::plots;
use crate::sheet::sheet;
use crate::start::{self, Learnt};

/// What is trained, from what, and where it goes.
pub struct Order<'a> {
    /// How.
    pub config: &'a Config,
    /// The names of the classes.
    pub classes: &'a [String],
    /// What is learnt from.
    pub examples: &'a dyn Examples,
    /// What the detector is judged by after each epoch; may be empty.
    pub validation: &'a Dataset,
    /// What it starts from.
    pub start: Start,
    /// The folder that everything is written to.
    pub out: &'a Path,
    /// Whether a training that was begun in that folder goes on.
    pub is_resumed: bool,
    /// Threads that look at pictures for validation.
    pub threads: NonZeroUsize,
    /// What computes.
    pub processor: Processor,
    /// How the weights of the model are stored at the end.
    pub precision: Precision,
    /// Entries of the model's metadata.
    pub metadata: &'a [(&'a str, String)],
}

/// What a training starts from.
#[derive(Debug, Clone)]
pub enum Start {
    /// Weights that have learnt something.
    From(Learnt),
    /// Weights drawn by chance, of a network of this size; its classes are those of the order.
    Nothing(Architecture),
}

/// What happens while a detector is trained.
#[derive(Debug)]
pub enum Event<'a> {
    /// A batch was learnt from.
    Step(Step),
    /// An epoch has ended.
    Epoch(&'a Epoch),
    /// A picture could not be used, and why.
    Problem(String),
    /// What is being done.
    Note(String),
}

/// Where a training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The number of the epoch, the first one being 1.
    pub epoch: usize,
    /// All epochs.
    pub epochs: usize,
    /// The number of the step in its epoch, the first one being 1.
    pub step: usize,
    /// All steps of an epoch.
    pub steps: usize,
    /// The mean loss of this epoch so far.
    pub losses: Losses,
    /// Pictures that were learnt from in a second.
    pub images_per_second: f64,
    /// How long it will take until the end.
    pub left: Duration,
}

impl Step {
    /// Steps that are done.
    pub const fn done(&self) -> usize {
        (self.epoch - 1) * self.steps + self.step
    }

    /// All steps.
    pub const fn total(&self) -> usize {
        self.epochs * self.steps
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.left.as_secs() / 60, self.left.as_secs() % 60);
        write!(
            formatter,
            "epoch {}/{}, loss {:.4}, {:.1} images/s, {minutes}:{seconds:02} left",
            self.epoch,
            self.epochs,
            self.losses.total(),
            self.images_per_second
        )
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => step.fmt(formatter),
            Self::Epoch(epoch) => epoch.fmt(formatter),
            Self::Problem(text) | Self::Note(text) => formatter.write_str(text),
        }
    }
}

/// What came out.
#[derive(Debug)]
pub struct Trained {
    /// What happened in each epoch.
    pub history: Vec<Epoch>,
    /// The number of the epoch whose weights were kept.
    pub best: usize,
    /// How good the detector is on the pictures for validation, where there are some.
    pub report: Option<Report>,
    /// The model.
    pub model: PathBuf,
}

/// What a checkpoint says beside the weights.
#[derive(Serialize, Deserialize)]
struct Note {
    classes: Vec<String>,
    history: Vec<Epoch>,
}

const MODEL: &str = "model.onnx";
const WEIGHTS: &str = "weights.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Trains a detector. `tell` hears what happens and may end it with [`ControlFlow::Break`]; all epochs that have ended
/// are kept, so that it can go on.
///
/// In the folder are then `model.onnx` and `weights.safetensors` of the best epoch, `config.toml`, `history.json`,
/// `metrics.json`, and the checkpoint of the last epoch; at the end also `curves.svg`, `precision_recall.svg`,
/// `confusion.svg` and a sheet of pictures, `validation.jpg`.
///
/// # Errors
/// When the settings make no sense, there is nothing to learn from, a training was begun in the folder and is not to go
/// on, the weights do not fit, there is no such processor, or a file cannot be written. [`Error::Ended`] when `tell` has ended it.
pub fn fit(order: &Order<'_>, tell: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>) -> Result<Trained> {
    order.config.check()?;
    if order.examples.count() == 0 {
        return Err(Error::NoExamples);
    }
    if is_judged(order.validation) {
        // Not after hours.
        Classes::new(order.classes, order.validation)?;
    }
    let (device, name) = order.processor.open()?;
    if let Some(name) = name {
        going_on(tell(Event::Note(format!("{name} computes"))))?;
    }
    let mut run = Run::new(order, &device)?;
    while run.history.len() < order.config.epochs && !run.is_over() {
        run.epoch(tell)?;
    }
    run.finish()
}

struct Run<'a> {
    order: &'a Order<'a>,
    trainer: Trainer,
    history: Vec<Epoch>,
    steps: usize,
    /// Problems that were told.
    told: HashSet<String>,
}

impl<'a> Run<'a> {
    fn new(order: &'a Order<'a>, device: &Device) -> Result<Self> {
        let checkpoint = order.out.join(CHECKPOINT);
        if checkpoint.exists() && !order.is_resumed {
            return Err(Error::Begun(order.out.to_owned()));
        }
        let steps = order.examples.count().div_ceil(order.config.batch);
        let trainer = trainer(order, steps, device)?;
        let mut run = Self { order, trainer, history: Vec::new(), steps, told: HashSet::new() };
        if checkpoint.exists() {
            run.resume(&fs_err::read(checkpoint)?)?;
        }
        let config =
            toml::to_string_pretty(order.config).map_err(|error| Error::Config(error.to_string()))?;
        fs_err::create_dir_all(order.out)?;
        fs_err::write(order.out.join("config.toml"), config)?;
        Ok(run)
    }

    fn resume(&mut self, checkpoint: &[u8]) -> Result<()> {
        let note: Note = serde_json::from_str(&self.trainer.resume(checkpoint)?)?;
        if note.classes != self.order.classes {
            return Err(Error::OtherClasses(note.classes.join(", ")));
        }
        self.history = note.history;
        Ok(())
    }

    /// Whether nothing got better for too long.
    fn is_over(&self) -> bool {
        let since = history::best(&self.history).map_or(0, |best| self.history.len() - best.epoch);
        self.order.config.patience > 0 && since >= self.order.config.patience
    }

    fn epoch(&mut self, tell: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>) -> Result<()> {
        let begun = Instant::now();
        let number = self.history.len();
        let config = self.order.config;
        let plan = Plan {
            side: config.size,
            batch: config.batch,
            augmentation: config.augmentation(number),
            seed: config.seed,
        };
        let (problems, heard) = std::sync::mpsc::channel();
        let mut sums = Sums::default();
        let learnt: Result<()> = std::thread::scope(|scope| {
            let report = move |why| drop(problems.send(why));
            let batches = loader::batches(scope, self.order.examples, plan, number, report);
            for batch in batches {
                sums.add(self.learn(batch)?, begun.elapsed());
                self.tell_problems(heard.try_iter(), tell)?;
                going_on(tell(Event::Step(self.step(number, &sums))))?;
            }
            Ok(())
        });
        // Those of the last pictures, and of an epoch in which not one could be read.
        self.tell_problems(heard.try_iter(), tell)?;
        learnt?;
        if sums.steps == 0 {
            return Err(Error::NoPictures(self.told.iter().next().cloned().unwrap_or_default()));
        }
        self.trainer.update()?;
        self.close(number, &sums, tell)?;
        let Some(epoch) = self.history.last() else { return Ok(()) };
        going_on(tell(Event::Epoch(epoch)))
    }

    /// Tells each problem once.
    fn tell_problems(
        &mut self,
        heard: impl Iterator<Item = String>,
        tell: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        for why in heard {
            if self.told.insert(why.clone()) {
                going_on(tell(Event::Problem(why)))?;
            }
        }
        Ok(())
    }

    fn learn(&mut self, batch: Batch) -> Result<(Losses, usize)> {
        let pictures = batch.pictures();
        let losses = self.trainer.learn(batch)?;
        if losses.total().is_finite() { Ok((losses, pictures)) } else { Err(Error::Diverged) }
    }

    fn step(&self, epoch: usize, sums: &Sums) -> Step {
        let all = self.order.config.epochs * self.steps;
        let left = all.saturating_sub(epoch * self.steps + sums.steps) as f64;
        Step {
            epoch: epoch + 1,
            epochs: self.order.config.epochs,
            step: sums.steps,
            steps: self.steps,
            losses: sums.mean(),
            images_per_second: sums.images_per_second(),
            left: sums.took.mul_f64(left / sums.steps.max(1) as f64),
        }
    }

    /// Judges the epoch, and writes everything down.
    fn close(
        &mut self,
        number: usize,
        sums: &Sums,
        tell: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let model = self.model(self.trainer.average(), Precision::Single)?;
        let report = self.judge(&model)?;
        // Where it was to end meanwhile, pictures may not have been read any more: such a judgement must not be kept.
        going_on(tell(Event::Step(self.step(number, sums))))?;
        let (rate, speed) = (self.trainer.rate(), sums.images_per_second());
        let epoch = Epoch::new(number + 1, sums.mean(), rate, speed, report.as_ref());
        self.history.push(epoch);
        if history::best(&self.history).map(|best| best.epoch) == Some(number + 1) {
            self.keep(&model, report.as_ref())?;
        }
        write_json(&self.order.out.join("history.json"), &self.history)?;
        let note = Note { classes: self.order.classes.to_vec(), history: self.history.clone() };
        let note = serde_json::to_string(&note)?;
        replace(&self.order.out.join(CHECKPOINT), &self.trainer.checkpoint(&note)?)
    }

    fn model(&self, weights: &Weights, precision: Precision) -> Result<Vec<u8>> {
        let about = About {
            architecture: self.trainer.architecture(),
            classes: self.order.classes,
            size: self.order.config.size,
            metadata: self.order.metadata,
        };
        onnx(weights, &about, precision)
    }

    fn judge(&self, model: &[u8]) -> Result<Option<Report>> {
        let Some(model) = self.judged(model)? else { return Ok(None) };
        evaluate(&model, self.order.validation, self.order.threads, |_, _| {}).map(Some)
    }

    /// The model in a runtime, where there is something to judge it by.
    fn judged(&self, model: &[u8]) -> Result<Option<Arc<Model>>> {
        if !is_judged(self.order.validation) {
            return Ok(None);
        }
        loaded(&self.order.out.join(MODEL), model.to_vec()).map(Some)
    }

    /// Keeps what is the best so far.
    fn keep(&self, model: &[u8], report: Option<&Report>) -> Result<()> {
        let out = self.order.out;
        replace(&out.join(MODEL), model)?;
        let weights = self.trainer.weights(&start::metadata(self.order.classes)?)?;
        replace(&out.join(WEIGHTS), &weights)?;
        report.map_or(Ok(()), |report| write_json(&out.join("metrics.json"), report))
    }

    fn finish(self) -> Result<Trained> {
        let (out, path) = (self.order.out, self.order.out.join(MODEL));
        replace(&out.join("curves.svg"), plots::curves(&self.history)?.as_bytes())?;
        let best = Weights::from_safetensors(&fs_err::read(out.join(WEIGHTS))?)?;
        replace(&path, &self.model(&best, self.order.precision)?)?;
        let model = self.judged(&fs_err::read(&path)?)?;
        let report = model.map(|model| self.show(&model)).transpose()?;
        let best = history::best(&self.history).map_or(0, |best| best.epoch);
        Ok(Trained { history: self.history, best, report, model: path })
    }

    /// Draws how good the best model is.
    fn show(&self, model: &Arc<Model>) -> Result<Report> {
        let (out, validation, threads) = (self.order.out, self.order.validation, self.order.threads);
        let Judgement { report, precisions, confusion } = judge(model, validation, threads, |_, _| {})?;
        let classes = &validation.classes;
        replace(
            &out.join("precision_recall.svg"),
            plots::precision_recall(classes, &precisions)?.as_bytes(),
        )?;
        replace(&out.join("confusion.svg"), plots::confusion(classes, &confusion)?.as_bytes())?;
        replace(&out.join("validation.jpg"), &sheet(model, validation, threads)?)?;
        Ok(report)
    }
}

/// Whether there is something to judge a detector by.
fn is_judged(validation: &Dataset) -> bool {
    validation.items.iter().any(Item::is_labelled)
}

/// Whether who listens wants it to go on.
fn going_on(answer: ControlFlow<()>) -> Result<()> {
    if answer.is_break() { Err(Error::Ended) } else { Ok(()) }
}

/// A network that starts as ordered.
fn trainer(order: &Order<'_>, steps: usize, device: &Device) -> Result<Trainer> {
    let classes = order.classes.len();
    let (architecture, learnt) = match &order.start {
        Start::From(learnt) => (Architecture::of(&learnt.weights)?, Some(learnt)),
        Start::Nothing(architecture) => (architecture.clone(), None),
    };
    let known = learnt.map(|learnt| learnt.known(order.classes, architecture.classes));
    let beginning =
        learnt.zip(known.as_deref()).map(|(learnt, classes)| Beginning { weights: &learnt.weights, classes });
    let mut architecture = Architecture { classes, ..architecture };
    if order.config.fit_anchors {
        let sizes = order.examples.sizes(order.config.size);
        architecture = architecture.fitted(&sizes, order.config.anchor_ratio);
    }
    let settings = order.config.settings(steps);
    Ok(Trainer::new(architecture, beginning, settings, order.config.seed, device)?)
}

/// A model whose bytes are not (yet) in a file; the path names it.
fn loaded(path: &Path, bytes: Vec<u8>) -> Result<Arc<Model>> {
    let source = Source::of_onnx(path, bytes, Overrides::default())?;
    Ok(Model::from_source(source, EngineChoice::default())?)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    replace(path, &serde_json::to_vec_pretty(value)?)
}

/// Writes a file whole, or leaves the one that is there.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs_err::write(&part, bytes)?;
    Ok(fs_err::rename(part, path)?)
}

/// What an epoch adds up.
#[derive(Default)]
struct Sums {
    losses: Losses,
    steps: usize,
    pictures: usize,
    took: Duration,
}

impl Sums {
    fn add(&mut self, (losses, pictures): (Losses, usize), took: Duration) {
        self.losses.boxes += losses.boxes;
        self.losses.objects += losses.objects;
        self.losses.classes += losses.classes;
        self.steps += 1;
        self.pictures += pictures;
        self.took = took;
    }

    fn mean(&self) -> Losses {
        let steps = self.steps.max(1) as f64;
        let Losses { boxes, objects, classes } = self.losses;
        Losses { boxes: boxes / steps, objects: objects / steps, classes: classes / steps }
    }

    fn images_per_second(&self) -> f64 {
        self.pictures as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}
