//! What every role starts from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sightscan_cities::Cities;
use sightscan_types::names::CityName;
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::cities::City;

use crate::config::Config;
use crate::environment;
use crate::error::{Error, Result};
use crate::models;
use crate::storage::{Places, data_folder, variable};

/// What every role starts from: the settings, and where things are.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// The data folder.
    pub data: PathBuf,
    /// The database and the blobs.
    pub places: Places,
}

impl Setup {
    /// The configuration with the original's variables, and the places that it names; `data` is the data folder where
    /// one is given.
    ///
    /// # Errors
    /// When a variable or a setting cannot be meant.
    pub fn new(mut config: Config, data: Option<&Path>) -> Result<Self> {
        environment::apply(&mut config, variable)?;
        let data = data_folder(data);
        let places = Places::find(&config.storage, &data, variable)?;
        Ok(Self { config, data, places })
    }

    /// Opens the warehouse; its schema is brought up to date.
    ///
    /// # Errors
    /// When the database or the blobs cannot be reached.
    pub async fn open(&self) -> Result<Warehouse> {
        self.places.open().await
    }

    /// The city that somebody names as people do.
    ///
    /// # Errors
    /// When there is none, no city can have this name, or the database does not answer.
    pub(crate) async fn city(&self, warehouse: &Warehouse, name: &str) -> Result<City> {
        let found = self.cities(warehouse).await?.find_by_name(&CityName::parse(name)?).await?;
        found.ok_or_else(|| Error::UnknownCity(name.to_owned()))
    }

    /// The cities of this warehouse.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn cities(&self, warehouse: &Warehouse) -> Result<Arc<Cities>> {
        let config = self.config.cities.clone();
        Ok(Cities::open(warehouse.clone(), config, Arc::new(models::specification)).await?)
    }
}
