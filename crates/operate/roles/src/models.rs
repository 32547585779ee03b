//! A city's models by hand: one is published, promoted or rolled back, and what became of them.

use bytes::Bytes;
use sightscan_cities::likeliest;
use sightscan_cities::places::Place;
use sightscan_engine::EngineChoice;
use sightscan_engine::model::Overrides;
use sightscan_train::http::LedgerItem;
use sightscan_train::{RegistryCommand, show_live};
use sightscan_types::names::CityName;
use sightscan_warehouse::cities::{self, City};
use sightscan_warehouse::models::{self, By, NewModel};
use sightscan_warehouse::{Warehouse, collection};

pub use sightscan_warehouse::models::Model;

use crate::error::Result;
use crate::{ACTOR, Setup};

/// Publishes an ONNX file as the live model of a city, which is live from then on; a city that nobody has asked for
/// is made. `specification` is the model's `model.toml`.
///
/// # Errors
/// When no city can have this name, or the database or the blobs do not answer.
pub async fn publish(
    warehouse: &Warehouse,
    city: &str,
    bytes: Bytes,
    specification: String,
) -> Result<(City, Model)> {
    let name = CityName::parse(city)?;
    let place = likeliest(&name).await?.map(Place::facts);
    let size = bytes.len();
    let sha256 = warehouse.blobs.put(bytes).await.map_err(sightscan_warehouse::Error::from)?;
    let now = warehouse.database.now();
    let mut transaction = warehouse.database.begin().await?;
    let (city, _) = cities::find_or_create(&mut transaction, &name, place.as_ref(), now).await?;
    let by = By { actor: ACTOR, why: "a model was published by hand" };
    let city = show_live(&mut transaction, city.id, by, now).await?;
    let model = NewModel {
        city: city.id,
        specification,
        dataset: None,
        parent: None,
        considered_images: 0,
        metrics: "{}".to_owned(),
    };
    let model = models::publish_in(&mut transaction, &sha256, size, &model, by, now).await?;
    // Not without its blob: a collector may have come between.
    collection::commit(warehouse, transaction, &[sha256]).await?;
    Ok((city, model))
}

/// Makes a version the model that answers for its city.
///
/// # Errors
/// When there is no such city or version, it is live already, or the database does not answer.
pub async fn promote(setup: &Setup, city: &str, version: i64, why: &str) -> Result<Model> {
    let (warehouse, city) = find(setup, city).await?;
    let model = sightscan_train::promote(&warehouse, &city, version, By { actor: ACTOR, why }).await?;
    warehouse.database.close().await;
    Ok(model)
}

/// Makes the model live again that the live one of a city has replaced.
///
/// # Errors
/// When there is no such city, no model was live before, or the database does not answer.
pub async fn roll_back(setup: &Setup, city: &str, why: &str) -> Result<Model> {
    let (warehouse, city) = find(setup, city).await?;
    let model = sightscan_train::roll_back(&warehouse, &city, By { actor: ACTOR, why }).await?;
    warehouse.database.close().await;
    Ok(model)
}

/// Does what a command says about the models of a city; the lines that it answers.
///
/// # Errors
/// When there is no such city or version, the command means nothing now, or the database does not answer.
pub async fn look_after(setup: &Setup, command: RegistryCommand) -> Result<Vec<String>> {
    let live = |model: Model| vec![format!("version {} is live", model.version)];
    match command {
        RegistryCommand::Promote { model, why } => {
            promote(setup, &model.city, model.version, &why.why).await.map(live)
        }
        RegistryCommand::Rollback { city, why } => roll_back(setup, &city, &why.why).await.map(live),
        RegistryCommand::History { city, limit, json } => history(setup, &city, limit, json).await,
    }
}

/// What became of a city's models, the newest entry first.
async fn history(setup: &Setup, city: &str, limit: u32, json: bool) -> Result<Vec<String>> {
    let (warehouse, city) = find(setup, city).await?;
    let entries = models::history(&warehouse.database, city.id, None, limit).await?;
    warehouse.database.close().await;
    let line = |item: LedgerItem| if json { serde_json::to_string(&item) } else { Ok(item.to_string()) };
    let lines: std::result::Result<_, _> = entries.into_iter().map(LedgerItem::from).map(line).collect();
    Ok(lines.map_err(std::io::Error::from)?)
}

async fn find(setup: &Setup, city: &str) -> Result<(Warehouse, City)> {
    let warehouse = setup.open().await?;
    let city = setup.city(&warehouse, city).await?;
    Ok((warehouse, city))
}

/// The `model.toml` of an ONNX file, or why the file is none: it is loaded, so what is published can be computed.
///
/// # Errors
/// Why it is no model.
pub fn specification(bytes: &[u8]) -> std::result::Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("model.onnx");
    fs_err::write(&path, bytes).map_err(|error| error.to_string())?;
    let model = sightscan_engine::Model::open(&path, &Overrides::default(), EngineChoice::Auto)
        .map_err(|error| error.to_string())?;
    toml::to_string(&Overrides::from(model.spec())).map_err(|error| error.to_string())
}
