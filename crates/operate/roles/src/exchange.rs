//! Data sets out of a city and into it, now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sightscan_cities::likeliest;
use sightscan_cities::places::Place;
use sightscan_crawl::licence::{Policy, Verdict};
use sightscan_dataset::{FolderSink, Limits, ZipSink, open};
use sightscan_http::AdminGate;
use sightscan_label::exchange::{self, How, MayUse};
use sightscan_types::names::CityName;
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::cities::{self, City};

pub use sightscan_dataset::{Exported, Format, Problems, Shares};
pub use sightscan_label::exchange::http::Api;
pub use sightscan_label::exchange::{Only, Report, Tell, Wish};

use crate::{Config, Setup};

/// Why a data set was not written or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The installation.
    #[error(transparent)]
    Setup(#[from] crate::Error),
    /// The data set.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
}

/// A data set that is taken.
#[derive(Debug, Clone)]
pub struct Import {
    /// Any name of the city, which is made if need be.
    pub city: String,
    /// The folder or ZIP file.
    pub source: PathBuf,
    /// Its format, or `None` to tell it by its files.
    pub format: Option<Format>,
    /// The licence of pictures whose own is not told by the data set.
    pub licence: Option<String>,
    /// The author of pictures whose own is not told by the data set.
    pub author: Option<String>,
    /// Who has labelled, where people have.
    pub by: Option<String>,
}

/// Writes a city's images with their labels to a ZIP file, if its name ends so, or to a folder.
///
/// # Errors
/// When there is no such city, something is at the destination already, or the warehouse does not answer.
pub async fn export(
    setup: &Setup,
    city: &str,
    destination: &Path,
    wish: &Wish,
    tell: &Tell,
) -> Result<Exported, Error> {
    let warehouse = setup.open().await?;
    let city = setup.city(&warehouse, city).await?;
    let is_zip = destination.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    let exported = if is_zip {
        let sink = ZipSink::create(destination).map_err(exchange::Error::from)?;
        exchange::export(&warehouse, city.id, wish, sink, tell).await?
    } else {
        let sink = FolderSink::create(destination).map_err(exchange::Error::from)?;
        exchange::export(&warehouse, city.id, wish, sink, tell).await?
    };
    warehouse.database.close().await;
    Ok(exported)
}

/// Takes a folder or a ZIP file with pictures and their labels into a city.
///
/// # Errors
/// When no city can have this name, the files are of no format, or the warehouse does not answer.
pub async fn import(setup: &Setup, import: Import, tell: &Tell) -> Result<Report, Error> {
    // Also `.` has a name.
    let path = fs_err::canonicalize(&import.source).unwrap_or_else(|_| import.source.clone());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let opened = tokio::task::spawn_blocking(move || open(&path, Limits::default())).await;
    let source = opened.map_err(exchange::Error::from)?.map_err(exchange::Error::from)?;
    let how = How {
        format: import.format,
        name,
        licence: import.licence,
        author: import.author,
        by: import.by,
        limits: pictures(&setup.config),
        may_use: may_use(&setup.config),
    };
    let warehouse = setup.open().await?;
    let city = find_or_create(setup, &warehouse, &import.city).await?;
    let report = exchange::import(&warehouse, city.id, source, &how, tell).await?;
    warehouse.database.close().await;
    Ok(report)
}

/// The routes of data sets by these settings.
pub fn api(setup: &Setup, warehouse: &Warehouse, gate: AdminGate) -> Api {
    Api::new(warehouse.clone(), gate, may_use(&setup.config), pictures(&setup.config))
}

/// The licence policy of crawls: what it lets pass is used, whoever brings it.
fn may_use(config: &Config) -> MayUse {
    let crawl = &config.crawl;
    let policy = Policy { accepted: crawl.licences.clone(), accept_unknown: crawl.accept_unknown_licences };
    Arc::new(move |licence| policy.judge(licence) == Verdict::Use)
}

fn pictures(config: &Config) -> sightscan_engine::Limits {
    sightscan_engine::Limits { max_pixels: config.crawl.max_pixels }
}

fn parse(name: &str) -> Result<CityName, crate::Error> {
    Ok(CityName::parse(name)?)
}

async fn find(setup: &Setup, warehouse: &Warehouse, name: &CityName) -> Result<Option<City>, crate::Error> {
    Ok(setup.cities(warehouse).await?.find_by_name(name).await?)
}

async fn find_or_create(setup: &Setup, warehouse: &Warehouse, name: &str) -> Result<City, crate::Error> {
    let name = parse(name)?;
    if let Some(city) = find(setup, warehouse, &name).await? {
        return Ok(city);
    }
    let place = likeliest(&name).await?.map(Place::facts);
    let database = &warehouse.database;
    let mut transaction = database.begin().await?;
    let (city, _) = cities::find_or_create(&mut transaction, &name, place.as_ref(), database.now()).await?;
    transaction.commit().await?;
    Ok(city)
}
