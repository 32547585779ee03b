//! Arrivals: rows that other programs insert into `load_*` are moved on to the core tables by the code that stores our
//! own images, labels and models.
//!
//! Each row is moved and deleted in one transaction of its own. A row that cannot be moved stays, with the reason, and
//! hinders nobody.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use sightscan_types::names::CityName;
use sightscan_types::{CityState, OriginKind, Producer, ProducerKind, Provenance, RelativeBox, Review};
use tracing::warn;

use crate::cities::{self, City, Place, Step};
use crate::images::{self, NewImage};
use crate::labels::{self, LabelledBox, NewLabel};
use crate::models::{self, By, NewModel};
use crate::sights::{self, NewSight};
use crate::statement::{Record, sql};
use crate::tries::Tries;
use crate::{Error, Result, Transaction, Warehouse, collection};

/// So many rows of a table are looked at in one go.
const BATCH: u32 = 1000;
/// Who is in the history of a city that came with an arrival.
const ACTOR: &str = "import";
/// Such labels are looked at again each time: their image may come later.
const UNKNOWN_SOURCE: &str = "no image has this source yet";

/// What a picture is, measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its media type.
    pub media_type: String,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// See [`NewImage::perceptual_hash`].
    pub perceptual_hash: u64,
}

/// What has to be known of arrivals that the warehouse cannot know by itself. It is asked on threads that may be busy for
/// a while.
pub trait Inspect: Send + Sync + 'static {
    /// What this picture is, or why it is none.
    ///
    /// # Errors
    /// Why it is no picture.
    fn picture(&self, bytes: &[u8]) -> std::result::Result<Measured, String>;

    /// The place that this name means, where it is known: an arrival finds the city there whatever it was first called.
    fn place(&self, name: &CityName) -> Option<Place>;

    /// The specification (`model.toml`) of this model, or why it is none.
    ///
    /// # Errors
    /// Why it is no model.
    fn model(&self, bytes: &[u8]) -> std::result::Result<String, String>;
}

/// What was moved on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Images.
    pub images: u64,
    /// Labellings.
    pub labels: u64,
    /// Models.
    pub models: u64,
    /// Rows that could not be moved.
    pub refused: u64,
}

/// Why a row is not moved: it is to blame, or the warehouse does not answer.
enum Hindrance {
    Refused(String),
    Failed(Error),
}

impl From<Error> for Hindrance {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLong { .. } => Self::Refused(error.to_string()),
            error => Self::Failed(error),
        }
    }
}

impl From<String> for Hindrance {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// What a row of a `load_*` table is moved on to.
#[derive(Debug, Clone, Copy)]
enum Arrival {
    Image,
    Label,
    Model,
}

impl Arrival {
    /// The rows that can be moved on, at most `$1` of them.
    fn waiting(self) -> &'static str {
        match self {
            Self::Image => {
                "SELECT load_id FROM load_images WHERE refused IS NULL ORDER BY arrived_at, load_id LIMIT $1"
            }
            Self::Label => {
                "SELECT load_id FROM load_labels l \
                 WHERE refused IS NULL OR (refused = 'no image has this source yet' \
                       AND EXISTS (SELECT 1 FROM image_origins o WHERE o.source = l.source)) \
                 ORDER BY arrived_at, load_id LIMIT $1"
            }
            Self::Model => {
                "SELECT load_id FROM load_models WHERE refused IS NULL ORDER BY arrived_at, load_id LIMIT $1"
            }
        }
    }

    /// Writes the reason `$2` to the row `$1`.
    fn refusal(self) -> &'static str {
        match self {
            Self::Image => "UPDATE load_images SET refused = $2 WHERE load_id = $1",
            Self::Label => "UPDATE load_labels SET refused = $2 WHERE load_id = $1",
            Self::Model => "UPDATE load_models SET refused = $2 WHERE load_id = $1",
        }
    }
}

/// Moves on what has arrived: images first, so that their labels find them.
///
/// # Errors
/// When the database or the blobs do not answer; what was moved until then stays moved.
pub async fn move_on(warehouse: &Warehouse, inspect: Arc<dyn Inspect>) -> Result<Moved> {
    let mut refused = 0;
    let images = move_all(warehouse, &inspect, Arrival::Image, &mut refused).await?;
    let labels = move_all(warehouse, &inspect, Arrival::Label, &mut refused).await?;
    let models = move_all(warehouse, &inspect, Arrival::Model, &mut refused).await?;
    Ok(Moved { images, labels, models, refused })
}

/// How many rows of a table were moved; counts those that could not be.
async fn move_all(
    warehouse: &Warehouse,
    inspect: &Arc<dyn Inspect>,
    arrival: Arrival,
    refused: &mut u64,
) -> Result<u64> {
    let mut moved = 0;
    loop {
        let batch = waiting(warehouse, arrival).await?;
        let settled_before = moved + *refused;
        for load in &batch {
            match move_one(warehouse, inspect, arrival, load).await {
                Ok(is_ours) => moved += u64::from(is_ours),
                Err(Hindrance::Failed(error)) => return Err(error),
                Err(Hindrance::Refused(reason)) => {
                    refuse(warehouse, arrival, load, &reason).await?;
                    *refused += 1;
                }
            }
        }
        // Others who move the same rows leave nothing to do.
        if moved + *refused == settled_before {
            return Ok(moved);
        }
    }
}

async fn waiting(warehouse: &Warehouse, arrival: Arrival) -> Result<Vec<String>> {
    let statement = sql(arrival.waiting()).bind(BATCH);
    let rows: Vec<(String,)> = statement.all(&mut warehouse.database.session().await?).await?;
    Ok(rows.into_iter().map(|(load,)| load).collect())
}

/// Moves a row; whether it was there to be moved, and not taken by another process.
async fn move_one(
    warehouse: &Warehouse,
    inspect: &Arc<dyn Inspect>,
    arrival: Arrival,
    load: &str,
) -> std::result::Result<bool, Hindrance> {
    match arrival {
        Arrival::Image => move_image(warehouse, inspect, load).await,
        Arrival::Label => move_label(warehouse, load).await,
        Arrival::Model => move_model(warehouse, inspect, load).await,
    }
}

async fn refuse(warehouse: &Warehouse, arrival: Arrival, load: &str, reason: &str) -> Result<()> {
    warn!(load, reason, "an arrival cannot be moved on");
    let mut transaction = warehouse.database.begin().await?;
    sql(arrival.refusal()).bind(load).bind(reason).execute(&mut transaction).await?;
    transaction.commit().await
}

/// The columns of a row. SQLite takes any value in any column: what cannot be read is the row's fault.
async fn columns<T: Record>(
    warehouse: &Warehouse,
    statement: &'static str,
    load: &str,
) -> std::result::Result<Option<T>, Hindrance> {
    let mut session = warehouse.database.session().await?;
    sql(statement).bind(load).optional(&mut session).await.map_err(|error| match error {
        Error::Statement(sqlx::Error::ColumnDecode { index, source }) => {
            Hindrance::Refused(format!("the column {index} cannot be read: {source}"))
        }
        error => Hindrance::Failed(error),
    })
}

#[derive(sqlx::FromRow)]
struct ImageRow {
    image: Vec<u8>,
    city: String,
    source: String,
    page_url: Option<String>,
    author: Option<String>,
    licence: Option<String>,
    licence_url: Option<String>,
    sight: Option<String>,
    arrived_at: i64,
}

async fn move_image(
    warehouse: &Warehouse,
    inspect: &Arc<dyn Inspect>,
    load: &str,
) -> std::result::Result<bool, Hindrance> {
    let statement = "SELECT image, city, source, page_url, author, licence, licence_url, sight, arrived_at FROM load_images \
         WHERE load_id = $1";
    let Some(mut row) = columns::<ImageRow>(warehouse, statement, load).await? else { return Ok(false) };
    let name = CityName::parse(&row.city).map_err(|error| error.to_string())?;
    let bytes = Bytes::from(std::mem::take(&mut row.image));
    let (picture, named) = (bytes.clone(), name.clone());
    let (measured, place) =
        ask(inspect, move |inspect| (inspect.picture(&picture), inspect.place(&named))).await?;
    let measured = measured?;
    let mut transaction = warehouse.database.begin().await?;
    let now = warehouse.database.now();
    let named = Named { name, place };
    let city = admitted(&mut transaction, &named, CityState::Labelling, now).await?;
    let sight = match &row.sight {
        Some(name) => {
            let sight = NewSight { name: name.clone(), ..NewSight::default() };
            Some(sights::find_or_create(&mut transaction, city.id, &sight, now).await?)
        }
        None => None,
    };
    transaction.commit().await?;
    let image = new_image(row, measured, sight);
    match images::store_arrival(warehouse, city.id, bytes, &image, load).await {
        Err(Error::ArrivalTaken) => Ok(false),
        stored => Ok(stored.map(|_| true)?),
    }
}

fn new_image(row: ImageRow, measured: Measured, sight: Option<sightscan_types::SightId>) -> NewImage {
    let provenance = Provenance {
        kind: OriginKind::Import,
        source: row.source,
        page_url: row.page_url,
        author: row.author,
        licence: row.licence,
        licence_url: row.licence_url,
        retrieved_at: row.arrived_at,
    };
    NewImage {
        media_type: measured.media_type,
        width: measured.width,
        height: measured.height,
        perceptual_hash: Some(measured.perceptual_hash),
        review: Review::Accepted,
        provenance,
        consent: None,
        sight,
    }
}

/// Asks on a thread that may be busy for a while. What makes the inspector panic is refused, so that it hinders nobody.
async fn ask<T: Send + 'static>(
    inspect: &Arc<dyn Inspect>,
    question: impl FnOnce(&dyn Inspect) -> T + Send + 'static,
) -> std::result::Result<T, Hindrance> {
    let inspect = Arc::clone(inspect);
    let answer = tokio::task::spawn_blocking(move || question(inspect.as_ref())).await;
    answer.map_err(|error| Hindrance::Refused(format!("it could not be looked at: {error}")))
}

/// The city that an arrival names.
struct Named {
    name: CityName,
    place: Option<Place>,
}

/// The city of an arrival. Whoever may write into the database need not ask: a city that nobody approved yet goes on to
/// `next`.
async fn admitted(transaction: &mut Transaction, named: &Named, next: CityState, now: i64) -> Result<City> {
    let (mut city, _) = cities::find_or_create(transaction, &named.name, named.place.as_ref(), now).await?;
    let way: &[CityState] = match (city.state, next) {
        (CityState::Requested, CityState::Labelling) => &[CityState::Approved, CityState::Labelling],
        (
            CityState::Requested | CityState::Approved | CityState::Labelling | CityState::Training,
            CityState::Live,
        ) => &[CityState::Live],
        _ => &[],
    };
    for state in way {
        let step = Step::To(*state);
        if let Ok(after) =
            cities::step(transaction, city.id, &step, ACTOR, Some("it arrived with data"), now).await?
        {
            city = after;
        }
    }
    Ok(city)
}

/// A box as other programs write it: in the original's form, y upwards, or in ours.
#[derive(Deserialize)]
#[serde(untagged)]
enum ArrivedBox {
    Legacy { label: String, ul_x: f64, ul_y: f64, lr_x: f64, lr_y: f64, score: Option<f64> },
    Ours { label: String, x: f64, y: f64, w: f64, h: f64, score: Option<f64> },
}

impl ArrivedBox {
    fn read(self) -> std::result::Result<LabelledBox, String> {
        let (label, area, score) = match self {
            Self::Legacy { label, ul_x, ul_y, lr_x, lr_y, score } => {
                (label, RelativeBox::from_legacy(ul_x, ul_y, lr_x, lr_y), score)
            }
            Self::Ours { label, x, y, w, h, score } => (label, RelativeBox { x, y, w, h }, score),
        };
        if label.contains('\0') {
            return Err("a label holds the character U+0000, which no database keeps; remove it".to_owned());
        }
        if !area.is_valid() {
            return Err(format!(
                "the box of `{label}` is not inside its image: coordinates are parts of its size, 0 to 1"
            ));
        }
        if score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            return Err(format!("the score of `{label}` is not between 0 and 1"));
        }
        Ok(LabelledBox { label, area, score, mid: None })
    }
}

async fn move_label(warehouse: &Warehouse, load: &str) -> std::result::Result<bool, Hindrance> {
    let statement = "SELECT source, boxes, producer FROM load_labels WHERE load_id = $1";
    let row = columns::<(String, String, String)>(warehouse, statement, load).await?;
    let Some((source, boxes, producer)) = row else { return Ok(false) };
    let boxes: Vec<ArrivedBox> = serde_json::from_str(&boxes)
        .map_err(|error| format!("`boxes` is not the JSON that is expected: {error}"))?;
    let boxes = boxes.into_iter().map(ArrivedBox::read).collect::<std::result::Result<Vec<_>, _>>()?;
    let images = images::by_source(&warehouse.database, &source).await?;
    let image = images.first().ok_or_else(|| UNKNOWN_SOURCE.to_owned())?.id;
    let mut transaction = warehouse.database.begin().await?;
    if !take(&mut transaction, "DELETE FROM load_labels WHERE load_id = $1", load).await? {
        return Ok(false);
    }
    let label = NewLabel { producer: Producer { kind: ProducerKind::Import, name: producer }, boxes };
    labels::add(&mut transaction, image, &label, warehouse.database.now()).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn move_model(
    warehouse: &Warehouse,
    inspect: &Arc<dyn Inspect>,
    load: &str,
) -> std::result::Result<bool, Hindrance> {
    let statement = "SELECT city, model, considered_images FROM load_models WHERE load_id = $1";
    let row = columns::<(String, Vec<u8>, i64)>(warehouse, statement, load).await?;
    let Some((city, bytes, considered_images)) = row else { return Ok(false) };
    let name = CityName::parse(&city).map_err(|error| error.to_string())?;
    let bytes = Bytes::from(bytes);
    let (model, named) = (bytes.clone(), name.clone());
    let (specification, place) =
        ask(inspect, move |inspect| (inspect.model(&model), inspect.place(&named))).await?;
    let city = Named { name, place };
    let model = ArrivedModel { city, bytes, specification: specification?, considered_images };
    let mut tries = Tries::default();
    loop {
        match try_to_move_model(warehouse, &model, load).await {
            Err(error) => tries.again(error).await?,
            Ok(is_ours) => return Ok(is_ours),
        }
    }
}

/// A model as it arrived, found to be one.
struct ArrivedModel {
    city: Named,
    bytes: Bytes,
    specification: String,
    considered_images: i64,
}

async fn try_to_move_model(warehouse: &Warehouse, model: &ArrivedModel, load: &str) -> Result<bool> {
    let sha256 = warehouse.blobs.put(model.bytes.clone()).await?;
    let now = warehouse.database.now();
    // Before the city is locked: the collector waits for those who wait for the city.
    let mut transaction = warehouse.database.begin_without_collection().await?;
    let city = admitted(&mut transaction, &model.city, CityState::Live, now).await?;
    if !take(&mut transaction, "DELETE FROM load_models WHERE load_id = $1", load).await? {
        return Ok(false);
    }
    let new = NewModel {
        city: city.id,
        specification: model.specification.clone(),
        dataset: None,
        parent: None,
        considered_images: model.considered_images,
        metrics: "{}".to_owned(),
    };
    let by = By { actor: "load layer", why: "it arrived by load_models" };
    models::publish_in(&mut transaction, &sha256, model.bytes.len(), &new, by, now).await?;
    collection::commit(warehouse, transaction, &[sha256]).await?;
    Ok(true)
}

/// Takes a row out of its table; whether it was still there.
pub(crate) async fn take(transaction: &mut Transaction, statement: &'static str, load: &str) -> Result<bool> {
    Ok(sql(statement).bind(load).execute(transaction).await? == 1)
}
