//! Training a city's detector now, as its job would.

use sightscan_train::{Begun, GoOn, Processor, Training, conclude};
pub use sightscan_train::{Judged, Tell, Verdict};
use sightscan_types::TrainCity;
use sightscan_warehouse::Warehouse;

use crate::error::Result;
use crate::public::models;
use crate::{ACTOR, Setup};

/// The name of the folder of trainings in the data folder.
const TRAININGS: &str = "trainings";

/// What is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Any name of the city.
    pub city: String,
    /// Passes over the training images, if not as many as configured.
    pub epochs: Option<usize>,
    /// Labels with fewer images are left out, if not as configured.
    pub min_images_per_label: Option<u32>,
    /// Whether the training that was begun from the shell goes on.
    pub is_resumed: bool,
    /// What computes, if not what is configured.
    pub processor: Option<Processor>,
}

/// Trains a detector of a city. It answers for the city from then on if the gate accepts it.
///
/// # Errors
/// When there is no such city, it has too few labelled images, `tell` has ended it (then it can go on), or the warehouse
/// does not answer.
pub async fn train(setup: &Setup, options: Options, tell: Tell) -> Result<Judged> {
    let warehouse = setup.open().await?;
    let city = setup.city(&warehouse, &options.city).await?;
    let cities = &setup.config.cities;
    let order = TrainCity {
        city: city.id,
        epochs: options.epochs.and_then(|epochs| u32::try_from(epochs).ok()).unwrap_or(cities.epochs),
        min_images_per_label: options.min_images_per_label.unwrap_or(cities.min_images_per_label),
    };
    let goes_on = if options.is_resumed { GoOn::Must } else { GoOn::Never };
    let begun = Begun { place: "shell", key: ACTOR, goes_on };
    let mut training = training(setup, &warehouse);
    training.settings.device = options.processor.unwrap_or(training.settings.device);
    let judged = training.train(&order, begun, tell).await?;
    conclude(&warehouse, &judged, ACTOR).await?;
    warehouse.database.close().await;
    Ok(judged)
}

/// Who trains by these settings.
pub(crate) fn training(setup: &Setup, warehouse: &Warehouse) -> Training {
    Training {
        warehouse: warehouse.clone(),
        settings: setup.config.train.clone(),
        folder: setup.data.join(TRAININGS),
        models: models(setup),
    }
}
