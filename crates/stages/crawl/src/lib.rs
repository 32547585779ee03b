//! Crawling: finding a city's sights, and licensed pictures of each.
//!
//! A [`SightSource`] names the sights of a city, an [`ImageSource`] names pictures of a sight with their licence and
//! author. What they name is fetched by the [`fetch::Fetcher`], which is polite and trusts nobody. The [`Crawler`] puts
//! them together and stores what is wanted.
#![forbid(unsafe_code)]

mod assembly;
mod config;
mod crawler;
mod demo;
mod desk;
mod error;
pub mod fetch;
pub mod intake;
pub mod jobs;
pub mod licence;
mod report;
mod sight;
pub mod sights;
pub mod sources;
mod wanted;

pub use config::{Config, ConfigError, Google, Services};
pub use crawler::{Crawler, Order, Tell};
pub use demo::Demo;
pub use error::{Error, Result};
pub use report::{Counts, Report, SightReport, Tally};
pub use wanted::{Candidate, City, Held, ImageSource, Picture, Sight, SightSource, SourceError};
