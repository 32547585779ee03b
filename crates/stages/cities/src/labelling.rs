//! Labelling that somebody asks for, instead of the planner.

use sightscan_types::{CityId, CityState, Stage};
use sightscan_warehouse::cities::{self, City, Step};
use sightscan_warehouse::{Transaction, label_log, labelling};

use crate::Cities;
use crate::error::{Error, Result, retried};

impl Cities {
    /// Has the images of a city labelled that have no label: enqueues its job, unless a live one does it. Whether there are
    /// such images; where there are none, that is noted in the city's history. A city that waits for a failed labelling
    /// goes on.
    ///
    /// # Errors
    /// When the city is paused or rejected, or the database does not answer.
    pub async fn label(&self, city: CityId, actor: &str, request_id: Option<&str>) -> Result<bool> {
        retried(|| self.try_to_label(city, actor, request_id)).await
    }

    async fn try_to_label(&self, city: CityId, actor: &str, request_id: Option<&str>) -> Result<bool> {
        let database = &self.warehouse.database;
        let has_work = labelling::has_unlabelled(database, city).await?;
        let mut transaction = database.begin().await?;
        let city = cities::lock(&mut transaction, city).await?;
        if matches!(city.state, CityState::Paused | CityState::Rejected) {
            return Err(Error::NotNow { city: city.name, state: city.state, verb: "label" });
        }
        if has_work {
            go_on(&mut transaction, &city, actor, database.now()).await?;
            self.enqueue(&mut transaction, &city, Stage::Label, request_id).await?;
        } else {
            let what = format!("No images to be labelled found [new city: {}].", city.legacy_name);
            label_log::note_idle(&mut transaction, city.id, &what, database.now()).await?;
        }
        transaction.commit().await?;
        Ok(has_work)
    }
}

/// Resumes a city that stopped with its labelling.
async fn go_on(transaction: &mut Transaction, city: &City, actor: &str, now: i64) -> Result<()> {
    if city.state == CityState::Failed && city.failed_stage == Some(Stage::Label) {
        let why = Some("its labelling was asked for again");
        // The city is locked, so the step is allowed.
        let _ = cities::step(transaction, city.id, &Step::Resume, actor, why, now).await?;
    }
    Ok(())
}
