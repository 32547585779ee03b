//! Labelled pictures in other programs' formats: YOLO, COCO, Pascal VOC, Label Studio.
//!
//! A [`Dataset`] is a list of classes and of [`Item`]s: a picture, and what is known about the objects in it.
//! [`export()`] writes one as a [`Format`] through a [`Sink`], [`import()`] reads one from a [`Source`]; both are folders
//! or ZIP files. What is exported and imported again is the same, within the precision of the format.
//! [`split()`] divides items into parts for training, validation and testing. [`Evaluator`] tells how good a detector is
//! whose boxes are compared with those of a data set.
//!
//! Three states of a picture are told apart everywhere: with boxes, **negative** (somebody has looked and there is
//! nothing) and **unlabelled** (nobody has looked). No format turns one of them into another.
//!
//! Beside the labels goes an `attribution.csv` in every format: where each picture is from, who made it, and under what
//! licence it may be used. What is missing or damaged is left out and told; nothing else is lost.
//!
//! [`Scenes`] draws pictures of an invented city with landmarks and their boxes, to try a detector's training with.
//!
//! Pictures are read one at a time, so memory holds the labels of a data set and a single picture.
#![forbid(unsafe_code)]

mod alike;
mod attribution;
mod classes;
mod coco;
mod confusion;
mod dataset;
mod error;
mod evaluation;
mod export;
mod files;
mod import;
mod json;
mod label_studio;
mod names;
mod picture;
mod problem;
mod scenes;
mod split;
mod text;
mod voc;
mod xml;
mod yaml;
mod yolo;

pub use alike::near_duplicates;
pub use attribution::Attribution;
pub use classes::class_name;
pub use confusion::Confusion;
pub use dataset::{Dataset, Item, LabelledBox, Labels, Split, UnknownSplit};
pub use error::{Error, Result};
pub use evaluation::{ClassEvaluation, Evaluation, Evaluator};
pub use export::{Exported, export};
pub use files::{FolderSink, FolderSource, Limits, Sink, Source, ZipSink, ZipSource, open};
pub use import::{Format, Imported, UnknownFormat, detect, import};
pub use label_studio::{Interface, Marked, label_config};
pub use picture::Picture;
pub use problem::{Problem, Problems};
pub use scenes::{Album, Landmark, NotScenes, Page, Scene, Scenes, UnknownLandmark};
pub use split::{NotShares, Shares, split};
