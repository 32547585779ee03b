//! Data sets out of the warehouse and into it, in other programs' formats.
//!
//! [`export()`] writes the accepted images of a city with the labelling that counts, under the names of classes that the
//! clean-up found; what a person has said is told from what a machine has. [`import()`] checks pictures as a crawl does and
//! stores them by content with their labels. What is exported from one city and imported into another one is exported
//! from there as the same files. [`http`] offers both to the administrator.
//!
//! Memory holds the labels of a city and one picture at a time.

mod error;
mod export;
pub mod http;
mod import;
mod progress;

pub use error::{Error, Result};
pub use export::{Wish, export};
pub use import::{How, MayUse, Report, import};
pub use progress::Tell;
pub use sightscan_gather::{Only, UnknownSelection};
