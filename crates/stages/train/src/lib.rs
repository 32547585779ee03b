//! Detectors of a city's sights: what they learn from, and how good they are.
//!
//! [`choose()`] freezes what a city's detector learns from and is judged by. [`evaluate()`] compares what a model finds in labelled pictures with what people have said is there.
#![forbid(unsafe_code)]

mod city_set;
mod error;
mod evaluation;
mod export;
mod flags;
mod learn;
mod plots;
mod set;
mod sheet;
mod start;

pub use city_set::{CitySet, Order, choose};
pub use error::{Error, Result};
pub use evaluation::{ClassReport, Report, detections, evaluate};
pub use export::{About, Precision, onnx};
pub use flags::{Flags, Sets};
pub use learn::{
    Augmentation, Config, Drawn, Epoch, Event, Example, Examples, FitOrder, Items, OptimiserKind, Start,
    Step, Trained, drawn_set, fit,
};
pub use set::read_set;
pub use start::read_weights;
