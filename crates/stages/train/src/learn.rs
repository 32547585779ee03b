//! How a detector learns: examples, changed by chance, in batches, epoch after epoch.

mod augment;
mod config;
mod drawn;
mod example;
mod fit;
mod history;
mod loader;
mod processor;

pub use augment::Augmentation;
pub use config::{Config, OptimiserKind};
pub use drawn::{Drawn, drawn_set};
pub(crate) use example::View;
pub use example::{Example, Examples, Items};
pub use fit::{Event, Order as FitOrder, Start, Step, Trained, fit};
pub use history::Epoch;
pub use processor::Processor;
