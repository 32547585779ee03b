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
    /// The manifest cannot be written.
    #[error("the manifest cannot be written: {0}")]
    Manifest(#[from] serde_json::Error),
    /// Something of ours went wrong.
    #[error("a task of the training ended: {0}; try again")]
    Task(#[from] tokio::task::JoinError),
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] sightscan_engine::runtime::RuntimeError),
}
