//! Which of a city's models answers for it.
//!
//! Versions are candidates until the gate has judged them; at most one of a city is live. Every change is an entry of the
//! city's ledger, which says who made it and why.

use sightscan_types::{CityId, CityState};
use sightscan_warehouse::cities::{self, City, Step};
use sightscan_warehouse::models::{self, Model, Promoted};
use sightscan_warehouse::{Transaction, Warehouse};

pub use sightscan_warehouse::models::By;

use crate::city::Judged;
use crate::error::{Error, Result};
use crate::gate::Verdict;

/// Makes a version the model that answers for its city, whatever the gate has said about it.
///
/// # Errors
/// [`Error::UnknownModel`] when there is no such version, [`Error::IsLive`] when it is live already; otherwise when the database
/// does not answer.
pub async fn promote(warehouse: &Warehouse, city: &City, version: i64, by: By<'_>) -> Result<Model> {
    let mut transaction = warehouse.database.begin().await?;
    let now = warehouse.database.now();
    let name = || city.name.clone();
    let promoted = match models::promote(&mut transaction, city.id, version, by, now).await? {
        Promoted::Now(model) => *model,
        Promoted::Before => return Err(Error::IsLive { city: name(), version }),
        Promoted::Unknown => return Err(Error::UnknownModel { city: name(), version }),
    };
    show_live(&mut transaction, city.id, by, now).await?;
    transaction.commit().await?;
    Ok(promoted)
}

/// Makes the model live again that the live one has replaced.
///
/// # Errors
/// [`Error::NothingBefore`] when there is none; otherwise when the database does not answer.
pub async fn roll_back(warehouse: &Warehouse, city: &City, by: By<'_>) -> Result<Model> {
    let mut transaction = warehouse.database.begin().await?;
    let now = warehouse.database.now();
    let before = models::roll_back(&mut transaction, city.id, by, now).await?;
    let before = before.ok_or_else(|| Error::NothingBefore(city.name.clone()))?;
    transaction.commit().await?;
    Ok(before)
}

/// Acts on what the gate has said: an accepted candidate becomes live, another one is kept as rejected.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(warehouse: &Warehouse, judged: &Judged, actor: &str) -> Result<()> {
    let Judged { model, verdict, .. } = judged;
    let by = By { actor, why: verdict.why() };
    let mut transaction = warehouse.database.begin().await?;
    let now = warehouse.database.now();
    still_live(&mut transaction, judged).await?;
    match verdict {
        Verdict::Accepted(_) => {
            models::promote(&mut transaction, model.city, model.version, by, now).await?;
            show_live(&mut transaction, model.city, by, now).await?;
        }
        Verdict::Rejected(_) => drop(models::reject(&mut transaction, model, by, now).await?),
    }
    transaction.commit().await?;
    judged.close()
}

/// Whether the verdict is about the model that is live; it stays so until the transaction ends.
///
/// # Errors
/// [`Error::LiveHasChanged`] when another one has become live; otherwise when the database does not answer.
pub(crate) async fn still_live(transaction: &mut Transaction, judged: &Judged) -> Result<()> {
    let live = models::live(transaction, judged.model.city).await?;
    if live == judged.live { Ok(()) } else { Err(Error::LiveHasChanged) }
}

/// The state of a city that has a live model: live, unless somebody has paused it.
///
/// # Errors
/// When the database does not answer.
pub async fn show_live(transaction: &mut Transaction, city: CityId, by: By<'_>, now: i64) -> Result<City> {
    let city = cities::lock(transaction, city).await?;
    if !city.state.may_become(CityState::Live) || city.state == CityState::Paused {
        return Ok(city);
    }
    let step = Step::To(CityState::Live);
    let taken = cities::step(transaction, city.id, &step, by.actor, Some(by.why), now).await?;
    Ok(taken.unwrap_or(city))
}
