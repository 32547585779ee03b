//! Publishing a model by hand as a city's newest one.

use bytes::Bytes;
use sightscan_cities::likeliest;
use sightscan_cities::places::Place;
use sightscan_engine::model::Overrides;
use sightscan_engine::{EngineChoice, Model};
use sightscan_types::CityState;
use sightscan_types::names::CityName;
use sightscan_warehouse::cities::{self, Step};
use sightscan_warehouse::models::{self, NewModel};
use sightscan_warehouse::{Warehouse, collection};

use crate::ACTOR;
use crate::error::Result;

/// Publishes an ONNX file as the newest model of a city, which is live from then on; a city that nobody has asked for
/// is made. `specification` is the model's `model.toml`.
///
/// # Errors
/// When no city can have this name, or the database or the blobs do not answer.
pub async fn publish(
    warehouse: &Warehouse,
    city: &str,
    bytes: Bytes,
    specification: String,
) -> Result<(cities::City, models::Model)> {
    let name = CityName::parse(city)?;
    let place = likeliest(&name).await?.map(Place::facts);
    let size = bytes.len();
    let sha256 = warehouse.blobs.put(bytes).await.map_err(sightscan_warehouse::Error::from)?;
    let now = warehouse.database.now();
    let mut transaction = warehouse.database.begin().await?;
    let (mut city, _) = cities::find_or_create(&mut transaction, &name, place.as_ref(), now).await?;
    if city.state.may_become(CityState::Live) && city.state != CityState::Paused {
        let step = Step::To(CityState::Live);
        let why = Some("a model was published by hand");
        if let Ok(live) = cities::step(&mut transaction, city.id, &step, ACTOR, why, now).await? {
            city = live;
        }
    }
    let considered_images = 0;
    let metrics = "{}".to_owned();
    let model = NewModel { city: city.id, specification, dataset: None, considered_images, metrics };
    let model = models::publish_in(&mut transaction, &sha256, size, &model, now).await?;
    // Not without its blob: a collector may have come between.
    collection::commit(warehouse, transaction, &[sha256]).await?;
    Ok((city, model))
}

/// The `model.toml` of an ONNX file, or why the file is none: it is loaded, so what is published can be computed.
///
/// # Errors
/// Why it is no model.
pub fn specification(bytes: &[u8]) -> std::result::Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("model.onnx");
    fs_err::write(&path, bytes).map_err(|error| error.to_string())?;
    let model =
        Model::open(&path, &Overrides::default(), EngineChoice::Auto).map_err(|error| error.to_string())?;
    toml::to_string(&Overrides::from(model.spec())).map_err(|error| error.to_string())
}
