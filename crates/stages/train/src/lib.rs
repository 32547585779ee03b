//! Detectors of a city's sights: what they learn from, and how good they are.
//!
//! [`choose()`] freezes what a city's detector learns from and is judged by. [`fit()`] trains, and [`evaluate()`] compares what a
//! model finds in labelled pictures with what people have said is there. [`Training`] does all of it for a city and asks
//! the [`Gate`]; [`promote()`] and [`roll_back()`] change which model answers for a city.
#![forbid(unsafe_code)]

mod city;
mod city_set;
mod error;
mod evaluation;
mod export;
mod flags;
mod gate;
mod golden;
pub mod http;
pub mod jobs;
mod learn;
mod manifest;
mod plots;
mod registry;
mod registry_flags;
mod set;
mod settings;
mod sheet;
mod start;

pub use city::{Begun, GoOn, Judged, Tell, Training};
pub use city_set::{CitySet, Order, choose, open};
pub use error::{Error, Result};
pub use evaluation::{ClassReport, Report, detections, evaluate};
pub use export::{About, Precision, onnx};
pub use flags::{Flags, Sets};
pub use gate::{Gate, Verdict};
pub use learn::{
    Augmentation, Config, Drawn, Epoch, Event, Example, Examples, FitOrder, Items, OptimiserKind, Processor,
    Start, Step, Trained, drawn_set, fit,
};
pub use registry::{By, conclude, promote, roll_back, show_live};
pub use registry_flags::{CityVersion, RegistryCommand, WhyFlag};
pub use set::read_set;
pub use settings::Settings;
pub use start::{Base, Learnt, read_weights};
