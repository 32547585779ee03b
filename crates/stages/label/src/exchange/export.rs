//! Out of the warehouse.

use std::sync::Arc;

use sightscan_dataset::{Exported, Format, Shares, Sink, split};
use sightscan_gather::{Gathered, Only, gather};
use sightscan_types::CityId;
use sightscan_warehouse::Warehouse;

use super::error::Result;
use super::progress::{Progress, Tell};

/// The same for all cities: a data set that was imported elsewhere is divided as it was here.
const SEED: u64 = 0;

/// What is exported, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// As what.
    pub format: Format,
    /// Which images.
    pub only: Only,
    /// How they are divided for training, validation and testing; not at all where it is `None`.
    pub split: Option<Shares>,
}

/// Writes the accepted images of a city with the labelling that counts, as [`gather`] finds them. Near-duplicates stay
/// together when images are divided.
///
/// An image whose blob is missing or damaged is left out and told, and so is a box that no format can hold.
///
/// # Errors
/// When the warehouse does not answer or the sink cannot be written.
pub async fn export(
    warehouse: &Warehouse,
    city: CityId,
    wish: &Wish,
    sink: impl Sink + Send + 'static,
    tell: &Tell,
) -> Result<Exported> {
    let (shares, format, progress) = (wish.split, wish.format, Progress::new(tell));
    let step = progress.clone();
    let gathered = gather(warehouse, city, wish.only, Arc::new(move || step.step())).await?;
    progress.expect(gathered.images.len());
    tokio::task::spawn_blocking(move || write(gathered, shares, format, sink)).await?
}

fn write(gathered: Gathered, shares: Option<Shares>, format: Format, sink: impl Sink) -> Result<Exported> {
    let splits = shares.map(|shares| split(&gathered.dataset, &gathered.near_duplicates(), shares, SEED));
    let Gathered { mut dataset, mut problems, .. } = gathered;
    if let Some(splits) = splits {
        dataset.items.iter_mut().zip(splits?).for_each(|(item, split)| item.split = Some(split));
    }
    let mut exported = sightscan_dataset::export(&dataset, format, sink)?;
    problems.append(std::mem::take(&mut exported.problems));
    Ok(Exported { problems, ..exported })
}
