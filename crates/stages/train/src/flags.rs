//! What a user says about a training.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use sightscan_dataset::{Dataset, Item, Landmark, Problems, Shares, Split, near_duplicates, split};
use sightscan_engine::model::{ModelFolder, shipped};
use sightscan_pictures::{Limits, decode, perceptual_hash};

use crate::error::{Error, Result};
use crate::export::Precision;
use crate::learn::{Config, Drawn, Event, Examples, FitOrder, Items, Processor, Trained, drawn_set, fit};
use crate::set::read_set;
use crate::start::Base;

/// Flags of `train`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  sightscan train Berlin
  sightscan train --data towers/ --weights yolov5n.pt --size 320 --out runs/towers
  sightscan train --data towers/ --weights yolov5n.pt --out runs/towers --resume
  sightscan train --data train.zip --val val.zip --weights none --epochs 300 --out runs/own
  sightscan train --scenes tower,wheel --weights none --size 192 --out runs/scenes

With a city it learns from the labelled pictures of the warehouse, with the settings of [train] in sightscan.toml, and the \
detector answers for the city if it is good enough. Otherwise the folder of --out gets model.onnx (the detector of the best epoch), weights.safetensors (to start another training \
from), config.toml (all settings), history.json, metrics.json, plots, and a checkpoint from which --resume goes on.")]
pub struct Flags {
    /// The city whose detector is trained.
    #[arg(value_name = "CITY", conflicts_with_all = ["data", "scenes", "weights", "out", "settings", "size", "batch", "seed", "freeze", "half"])]
    pub city: Option<String>,
    /// With a city: labels with fewer images are left out [default: $MIN_IMAGE_NUMBER_PER_LABEL].
    #[arg(long, value_name = "N", conflicts_with_all = ["data", "scenes"])]
    pub min_images: Option<u32>,
    /// Labelled pictures: a folder or .zip in the form of YOLO, COCO, Pascal VOC or Label Studio.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["scenes", "city"])]
    pub data: Option<PathBuf>,
    /// Learn from an invented city instead, whose pictures are drawn anew for every step: some of its landmarks (tower, arch,
    /// dome, bridge, obelisk, wheel, windmill, gate), with commas between them.
    #[arg(long, value_name = "LANDMARKS", value_delimiter = ',', conflicts_with_all = ["data", "val"])]
    pub scenes: Vec<Landmark>,
    /// With --scenes: pictures of an epoch.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub pictures: usize,
    /// Pictures to judge by: a folder or .zip as well, or a text file that names some of --data, one a line [default: those
    /// of --data that are for validation, or else a fifth of it].
    #[arg(long, value_name = "DIR | FILE.txt")]
    pub val: Option<PathBuf>,
    /// Weights of a YOLOv5 network to start from: a file (.pt, .onnx, .safetensors), a model by its name, or `none`: weights
    /// drawn by chance [default: landmarks, which comes with the program].
    #[arg(long, value_name = "FILE | NAME | none")]
    pub weights: Option<String>,
    /// Where everything is written to.
    #[arg(long, value_name = "DIR", required_unless_present = "city")]
    pub out: Option<PathBuf>,
    /// Go on with the training that was begun in the folder of --out, or of the city.
    #[arg(long)]
    pub resume: bool,
    /// Settings, as in config.toml of a training; flags count more.
    #[arg(long = "settings", value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// How often every picture is learnt from [default: 50; of a city $EPOCHS or 100].
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Side of the pictures in pixels, a multiple of 32 [default: 640].
    #[arg(long, value_name = "PX")]
    pub size: Option<usize>,
    /// Pictures of a step; fewer need less memory [default: 16].
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Decides all that is left to chance [default: 0].
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Leave the layers that look at pixels as they are: faster, and better for few pictures.
    #[arg(long)]
    pub freeze: bool,
    /// Store the weights of the model in 16 bits: it is half as large, and hardly worse.
    #[arg(long)]
    pub half: bool,
    /// What computes [default: cpu; of a city what `sightscan.toml` says].
    #[arg(long, value_enum)]
    pub device: Option<Processor>,
}

/// Scenes that a detector of scenes is judged by.
const JUDGED_SCENES: u64 = 300;

/// What is left for validation where nothing was.
const A_FIFTH: Shares = Shares { train: 0.8, validation: 0.2, test: 0.0 };

/// What is learnt from, and what the detector is judged by.
pub struct Sets {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// What is learnt from.
    pub examples: Box<dyn Examples>,
    /// What the detector is judged by.
    pub validation: Dataset,
    /// What could not be read.
    pub problems: Vec<Problems>,
}

impl Flags {
    /// Where everything is written to.
    pub fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new("."))
    }

    /// How is trained.
    ///
    /// # Errors
    /// When the file of settings cannot be read, or a setting makes no sense.
    pub fn config(&self) -> Result<Config> {
        let mut config = match &self.settings {
            Some(path) => read_config(path)?,
            None if self.resume => read_config(&self.out().join("config.toml"))?,
            None => Config::default(),
        };
        let set = |setting: &mut usize, flag: Option<usize>| *setting = flag.unwrap_or(*setting);
        set(&mut config.epochs, self.epochs);
        set(&mut config.size, self.size);
        set(&mut config.batch, self.batch);
        config.seed = self.seed.unwrap_or(config.seed);
        config.freeze_backbone |= self.freeze;
        config.check()?;
        Ok(config)
    }

    /// Trains a detector as these flags say.
    ///
    /// # Errors
    /// As [`fit`]; when a setting makes no sense, or weights or labelled pictures cannot be read.
    pub fn train(
        &self,
        threads: NonZeroUsize,
        tell: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Trained> {
        let config = self.config()?;
        // First what is told at once: sets take a while to be read or drawn.
        let base = self.base()?;
        let sets = self.sets(&config)?;
        let problems = sets.problems.iter().map(ToString::to_string).collect::<String>();
        for problem in problems.lines() {
            let _ = tell(Event::Problem(problem.to_owned()));
        }
        let _ = tell(Event::Note(format!("it starts from {base}")));
        let order = FitOrder {
            config: &config,
            classes: &sets.classes,
            examples: sets.examples.as_ref(),
            validation: &sets.validation,
            start: base.start,
            out: self.out(),
            is_resumed: self.resume,
            threads,
            processor: self.device.unwrap_or_default(),
            precision: if self.half { Precision::Half } else { Precision::Single },
            metadata: &[],
        };
        fit(&order, tell)
    }

    /// What the training starts from.
    ///
    /// # Errors
    /// When the weights cannot be read.
    pub fn base(&self) -> Result<Base> {
        Base::find(self.weights.as_deref().unwrap_or(shipped::NAME), &ModelFolder::default())
    }

    /// What is learnt from, and judged by.
    ///
    /// # Errors
    /// When labelled pictures cannot be read, or have other classes than those for validation.
    pub fn sets(&self, config: &Config) -> Result<Sets> {
        let Some(data) = &self.data else { return drawn(&self.scenes, self.pictures, config) };
        let (data, problems) = read_set(data, None)?;
        match &self.val {
            Some(list) if list.extension().is_some_and(|ending| ending == "txt") => {
                let sets = named(data, problems, &fs_err::read_to_string(list)?);
                if sets.validation.items.is_empty() { Err(Error::NoneNamed(list.clone())) } else { Ok(sets) }
            }
            Some(other) => beside(data, problems, other),
            None => divided(data, problems, config.seed),
        }
    }
}

/// Scenes to learn from, and others to judge by.
fn drawn(landmarks: &[Landmark], pictures: usize, config: &Config) -> Result<Sets> {
    let validation = drawn_set(landmarks, 0..JUDGED_SCENES, config.size as u32)?;
    let examples = Box::new(Drawn::new(landmarks, pictures));
    Ok(Sets { classes: validation.classes.clone(), examples, validation, problems: Vec::new() })
}

fn read_config(path: &Path) -> Result<Config> {
    let text = fs_err::read_to_string(path)?;
    toml::from_str(&text).map_err(|error| Error::Config(format!("{}: {error}", path.display())))
}

/// The pictures that a list names are for validation; it may give their paths.
fn named(data: Dataset, problems: Problems, list: &str) -> Sets {
    let stem =
        |name: &str| Path::new(name.trim()).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let names: HashSet<String> = list.lines().filter_map(stem).collect();
    parted(data, problems, |item| stem(&item.name).is_some_and(|name| names.contains(&name)))
}

/// Those of another set are for validation.
fn beside(data: Dataset, problems: Problems, other: &Path) -> Result<Sets> {
    let (validation, others) = read_set(other, None)?;
    if !validation.items.iter().any(Item::is_labelled) {
        return Err(Error::NothingToJudgeBy(other.to_owned()));
    }
    let train = data.items.into_iter().filter(|item| item.split != Some(Split::Test));
    Ok(Sets {
        classes: data.classes,
        examples: Box::new(Items::new(train)),
        validation,
        problems: vec![problems, others],
    })
}

/// Those that are for validation, or else a fifth; what is for testing is left out.
fn divided(mut data: Dataset, problems: Problems, seed: u64) -> Result<Sets> {
    if !data.items.iter().any(|item| item.split == Some(Split::Validation)) {
        let hashes: Vec<Option<u64>> = data.items.iter().map(hash).collect();
        let splits = split(&data, &near_duplicates(&hashes), A_FIFTH, seed)?;
        data.items.iter_mut().zip(splits).for_each(|(item, split)| item.split = Some(split));
    }
    data.items.retain(|item| item.split != Some(Split::Test));
    Ok(parted(data, problems, |item| item.split == Some(Split::Validation)))
}

/// What a picture looks like, where it can be read.
fn hash(item: &Item) -> Option<u64> {
    let bytes = item.picture.as_ref()?.read().ok()?;
    decode(&bytes, &Limits::default()).ok().map(|picture| perceptual_hash(&picture))
}

fn parted(data: Dataset, problems: Problems, is_validation: impl Fn(&Item) -> bool) -> Sets {
    let (validation, train): (Vec<Item>, Vec<Item>) = data.items.into_iter().partition(is_validation);
    let validation = Dataset { classes: data.classes.clone(), items: validation };
    Sets {
        classes: data.classes,
        examples: Box::new(Items::new(train)),
        validation,
        problems: vec![problems],
    }
}
