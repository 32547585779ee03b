//! Cities: the places of the world, who asks for them, their life, their donated pictures, and their HTTP interface.
//!
//! [`Cities`] is what a process has of them: the warehouse and the settings. [`places`] is a gazetteer that needs no
//! network. [`requests`] counts who asks for a city and approves it when enough do; [`life`] is what an admin decides
//! and what the jobs of its stages bring about; [`planner`] finds what there is to do and [`scheduler`] asks it
//! periodically; [`donations`] takes pictures and lets their donors take them back. [`http`] has the routes.
#![forbid(unsafe_code)]

mod changes;
mod config;
pub mod donations;
mod error;
pub mod http;
mod labelling;
pub mod life;
mod metrics;
pub mod places;
pub mod planner;
pub mod requester;
pub mod requests;
pub mod scheduler;
pub mod upkeep;
mod work;

use std::sync::Arc;

use sightscan_types::CityName;
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::cities::{self, City};
use tokio::sync::Semaphore;

pub use config::Config;
pub use error::{Error, Result};
pub use http::Api;
pub use life::{Action, Decision, Life};
pub use places::{Country, Place, Places, Region, Resolution, Suggestion};
pub use requester::{Requester, Salt};
pub use requests::{Requested, Wanted};
pub use scheduler::Scheduler;

use changes::Changes;
use metrics::Metrics;

/// The cities of an installation, as one process has them.
pub struct Cities {
    pub(crate) warehouse: Warehouse,
    pub(crate) config: Config,
    pub(crate) salt: Salt,
    pub(crate) changes: Changes,
    pub(crate) metrics: Metrics,
    pub(crate) read_model: ReadModel,
    /// Places for those who decode pictures, which takes memory.
    pub(crate) decoding: Semaphore,
}

/// Reads an ONNX file that another program sent: its specification (`model.toml`), or why it is none.
pub type ReadModel = Arc<dyn Fn(&[u8]) -> std::result::Result<String, String> + Send + Sync>;

/// Pictures that are decoded at once.
const DECODING: usize = 2;

impl Cities {
    /// The cities of this warehouse; `read_model` is asked about models that other programs send.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(warehouse: Warehouse, config: Config, read_model: ReadModel) -> Result<Arc<Self>> {
        let salt = Salt::of(&warehouse.database).await?;
        let changes = Changes::new(warehouse.database.clone());
        let (metrics, decoding) = (Metrics::new(), Semaphore::new(DECODING));
        Ok(Arc::new(Self { warehouse, config, salt, changes, metrics, read_model, decoding }))
    }

    /// The database of these cities.
    pub fn database(&self) -> &sightscan_warehouse::Database {
        &self.warehouse.database
    }

    /// What was counted, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// The city that somebody names as people do: in any form of its name, or by one of its other names.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_by_name(&self, name: &CityName) -> Result<Option<City>> {
        if let Some(city) = cities::by_slug(self.database(), &name.slug()).await? {
            return Ok(Some(city));
        }
        match likeliest(name).await? {
            Some(place) => Ok(cities::by_place(self.database(), place.id.into()).await?),
            None => Ok(None),
        }
    }
}

/// The [likeliest](Places::likeliest) place of this name.
///
/// # Errors
/// When looking it up panics.
pub async fn likeliest(name: &CityName) -> Result<Option<&'static Place>> {
    let name = name.display().to_owned();
    // On a thread of its own: the first question unpacks the gazetteer.
    Ok(tokio::task::spawn_blocking(move || Places::embedded().likeliest(&name)).await?)
}

impl std::fmt::Debug for Cities {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { warehouse, config, .. } = self;
        let mut debug = formatter.debug_struct("Cities");
        debug.field("warehouse", warehouse).field("config", config).finish_non_exhaustive()
    }
}
