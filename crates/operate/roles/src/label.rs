//! Labelling a city now, as its job would.

use sightscan_label::{Labelling, Order};
pub use sightscan_label::{Tally, Tell};
use sightscan_warehouse::Warehouse;

use crate::Setup;
use crate::error::Result;
use crate::storage::variable;

/// What is labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Any name of the city.
    pub city: String,
    /// Pictures that paid labellers may look at in the city's lifetime.
    pub budget: u32,
}

/// Labels the images of a city that have no label.
///
/// # Errors
/// When there is no such city, credentials are missing, a labeller cannot be used for now (what was labelled is kept), or the
/// warehouse does not answer.
pub async fn label(setup: &Setup, options: Options, tell: Tell) -> Result<Tally> {
    let warehouse = setup.open().await?;
    let labelling = labelling(setup, &warehouse)?;
    let city = setup.city(&warehouse, &options.city).await?;
    let order = Order { city: city.id, budget: options.budget };
    let tally = labelling.label(&order, &tell).await?;
    warehouse.database.close().await;
    Ok(tally)
}

/// Who labels by these settings.
///
/// # Errors
/// When a labeller is not known, or its credentials are missing.
pub(crate) fn labelling(setup: &Setup, warehouse: &Warehouse) -> Result<Labelling> {
    let steps = setup.config.label.steps(variable)?;
    Ok(Labelling { warehouse: warehouse.clone(), steps })
}
