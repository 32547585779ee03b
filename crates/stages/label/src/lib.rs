//! Labelling: Google Vision within a budget, models, people, and the clean-up of names.
//!
//! A [`Labeller`] looks at pictures and says what it sees where. [`vision`] is the one that costs money. Labellers write
//! names as they like, so [`cleanup`] finds out which of a city's names mean the same sight.
#![forbid(unsafe_code)]

pub mod cleanup;
mod config;
mod demo;
mod error;
pub mod exchange;
pub mod http;
pub mod jobs;
mod labeller;
pub mod ml_backend;
mod model;
mod names;
pub mod review;
pub mod selection;
mod tidy;
pub mod vision;
mod work;

pub use config::{Config, ConfigError};
pub use demo::DemoLabeller;
pub use error::{Error, Result};
pub use labeller::{Answer, Found, Labeller, Picture};
pub use model::ModelLabeller;
pub use tidy::tidy;
pub use work::{Labelling, Order, Step, Tally, Tell};
