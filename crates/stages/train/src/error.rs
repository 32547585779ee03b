//! What can go wrong.

use std::path::PathBuf;

use sightscan_dataset::Split;

/// Shorthand for what the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model could not be made or judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model does not find boxes.
    #[error("{0} is a classifier, which says what a whole picture shows; name a detector")]
    Classifier(String),
    /// There is nothing to compare with.
    #[error("the data set has no labelled picture; label some, or give one with boxes")]
    NoLabels,
    /// No picture could be read.
    #[error("none of the pictures can be read: {0}")]
    NoPictures(String),
    /// Not one name of a class is known to both.
    #[error(
        "the model and the data set have no class in common: the model knows {model}, the data set {data}; rename the \
         classes of one of them"
    )]
    NothingInCommon {
        /// The model's classes, the first ones.
        model: String,
        /// The data set's, the first ones.
        data: String,
    },
    /// The labelled pictures cannot be read.
    #[error(transparent)]
    Dataset(#[from] sightscan_dataset::Error),
    /// Nobody knows how to read them.
    #[error(
        "{}: no labels that are known; give a folder or .zip in the form of YOLO (images/, labels/ and data.yaml or \
         classes.txt), COCO, Pascal VOC or Label Studio",
        .0.display()
    )]
    NoFormat(PathBuf),
    /// None of them is for this purpose.
    #[error("{}: no picture is of the split {split}; leave out --split to take all", path.display())]
    NoSplit {
        /// Where they are.
        path: PathBuf,
        /// What was asked for.
        split: Split,
    },
    /// There is nothing to learn.
    #[error(
        "no sight has {needed} labelled images (MIN_IMAGE_NUMBER_PER_LABEL), {best}; label more, or ask for fewer"
    )]
    TooFewImages {
        /// How many a sight has to have.
        needed: u32,
        /// The one that has most.
        best: String,
    },
    /// The warehouse does not answer.
    #[error(transparent)]
    Warehouse(#[from] sightscan_warehouse::Error),
    /// There is no such data set.
    #[error("the data set {0} is not in the warehouse")]
    NoDataset(sightscan_types::DatasetId),
    /// The manifest cannot be written or read.
    #[error("the manifest of a data set: {0}")]
    Manifest(#[from] serde_json::Error),
    /// Something of ours went wrong.
    #[error("a task of the training ended: {0}; try again")]
    Task(#[from] tokio::task::JoinError),
    /// Nobody knows how to read such weights.
    #[error(
        "{}: no weights that are known; give a checkpoint of YOLOv5 (.pt), an .onnx file of one, or weights.safetensors of \
         a training",
        .0.display()
    )]
    NoWeights(PathBuf),
    /// The weights cannot be read.
    #[error("{}: {reason}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A setting makes no sense.
    #[error("{what}: {why}")]
    Setting {
        /// Which one.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Scenes cannot be drawn so.
    #[error(transparent)]
    Scenes(#[from] sightscan_dataset::NotScenes),
    /// There is nothing to learn from.
    #[error("there are no labelled pictures to learn from; label some, or give others with --data")]
    NoExamples,
    /// Another training was begun there.
    #[error(
        "{}: a training was begun here; go on with --resume, or give another folder with --out",
        .0.display()
    )]
    Begun(PathBuf),
    /// Another training was begun there.
    #[error("the training that was begun there learns other classes: {0}; give another folder with --out")]
    OtherClasses(String),
    /// The network has learnt nonsense.
    #[error("the loss is no number any more: the rate of learning is too high; lower `rate` in --settings")]
    Diverged,
    /// Nobody has labelled what is to judge.
    #[error("{}: no picture of --val is labelled; label some, or leave --val out", .0.display())]
    NothingToJudgeBy(PathBuf),
    /// The list for validation fits none of the pictures.
    #[error("{}: it names none of the pictures of --data; give their file names, one a line", .0.display())]
    NoneNamed(PathBuf),
    /// There is no such city.
    #[error("there is no city {0}")]
    NoCity(sightscan_types::CityId),
    /// Nothing can be started from the base weights.
    #[error(
        "train.base: `{0}` cannot be started from: {1}; give a file of weights, a model by its name, or `none`"
    )]
    Base(String, String),
    /// No training was begun there, or one with other settings.
    #[error("{}: no training with these settings was begun here; leave out --resume, or give the same settings", .0.display())]
    NothingToGoOn(PathBuf),
    /// The verdict is about another live model.
    #[error("another model of the city has become live meanwhile; judge the candidate again with --resume")]
    LiveHasChanged,
    /// A network finds nothing at all.
    #[error(transparent)]
    Detect(#[from] sightscan_engine::DetectError),
    /// The city has no such model.
    #[error(
        "there is no version {version} of {city}; `sightscan model history` and GET /v1/cities/{{slug}}/models list them"
    )]
    UnknownModel {
        /// The city.
        city: String,
        /// What was asked for.
        version: i64,
    },
    /// There is nothing to promote.
    #[error("version {version} of {city} is live already")]
    IsLive {
        /// The city.
        city: String,
        /// Its live version.
        version: i64,
    },
    /// There is nothing to roll back to.
    #[error("no model of {0} was live before; promote a version by its number")]
    NothingBefore(String),
    /// Somebody has ended the training.
    #[error("the training was ended; what it has learnt is kept, go on with --resume")]
    Ended,
    /// The settings cannot be written or read.
    #[error("settings of a training: {0}")]
    Config(String),
    /// A plot cannot be drawn.
    #[error("a plot cannot be drawn: {0}")]
    Plot(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The trained model is refused by the engine.
    #[error(transparent)]
    Model(#[from] sightscan_engine::ModelError),
    /// The network cannot be used so.
    #[error(transparent)]
    Network(#[from] sightscan_nn::Error),
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] sightscan_engine::runtime::RuntimeError),
}
