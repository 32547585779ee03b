//! Cities and their life.
//!
//! Each change of state is an event with a number, who did it and why; the row of the city says where it is now.

mod events;
mod requests;

use sightscan_types::names::{CityName, Slug};
use sightscan_types::{CityId, CityState, Stage};

use crate::statement::{Linked, Statement, sql};
use crate::{Database, Error, Result, Transaction};

pub use events::{Event, events, forget_progress, history, note_epoch, note_progress, remark, step};
pub use requests::{Requests, count_request, requests};

/// Where people can hear that something happened to a city (PostgreSQL's NOTIFY).
pub const CHANNEL: &str = "sightscan_cities";

/// A city as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    /// Its id.
    pub id: CityId,
    /// Its unique name in URLs.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// Its name on the original's routes.
    pub legacy_name: String,
    /// What the gazetteer knows of it; `None` for a name that it does not know.
    pub place: Option<Place>,
    /// Where it is in its life.
    pub state: CityState,
    /// Where it failed.
    pub failed_stage: Option<Stage>,
    /// Why it failed, is paused or rejected.
    pub reason: Option<String>,
    /// The state that it goes on with after a pause.
    pub resumes: Option<CityState>,
    /// Since when it is in this state.
    pub state_since: i64,
    /// Progress of the stage that runs.
    pub progress: Progress,
    /// Number of its newest event.
    pub last_event: i64,
    /// Paid labelling calls: allowed in its lifetime, where it has a number of its own.
    pub label_budget: Option<i64>,
    /// Paid labelling calls that were made.
    pub label_calls: i64,
    /// When it was first asked for.
    pub created_at: i64,
}

/// What the gazetteer knows of a city.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// GeoNames id.
    pub id: i64,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
}

/// How far a piece of work is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units that are done.
    pub done: i64,
    /// Units there are, where that is known.
    pub total: Option<i64>,
    /// What is being done.
    pub message: Option<String>,
}

/// A step in a city's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Go on to this state.
    To(CityState),
    /// A stage failed for good.
    Fail(Stage, String),
    /// Stop for now.
    Pause(String),
    /// Go on after a pause, or after a failure with the stage that failed.
    Resume,
    /// It is not wanted.
    Reject(String),
}

/// Why a city did not take a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotNow {
    /// The state that it is in.
    pub state: CityState,
}

/// Which cities are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<CityState>,
    /// Only those whose name or slug contains this text, in any capitalisation.
    pub search: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    city_id: String,
    slug: String,
    name: String,
    legacy_name: String,
    place_id: Option<i64>,
    country: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    state: String,
    failed_stage: Option<String>,
    reason: Option<String>,
    resumes: Option<String>,
    state_since: i64,
    done: i64,
    total: Option<i64>,
    message: Option<String>,
    last_event: i64,
    label_budget: Option<i64>,
    label_calls: i64,
    created_at: i64,
}

/// A statement that reads cities; the columns are those of [`Row`].
macro_rules! select {
    ($tail:literal) => {
        sql(concat!(
            "SELECT city_id, slug, name, legacy_name, place_id, country, latitude, longitude, state, failed_stage, \
             reason, resumes, state_since, done, total, message, last_event, label_budget, label_calls, created_at \
             FROM cities ",
            $tail
        ))
    };
}

/// A city by its slug.
///
/// # Errors
/// When the database does not answer.
pub async fn by_slug(database: &Database, slug: &Slug) -> Result<Option<City>> {
    find(select!("WHERE slug = $1").bind(slug.as_str()), &mut database.session().await?).await
}

/// A city by its id.
///
/// # Errors
/// When the database does not answer.
pub async fn by_id(database: &Database, id: CityId) -> Result<Option<City>> {
    find(select!("WHERE city_id = $1").bind(id.to_string()), &mut database.session().await?).await
}

/// The city at a place of the gazetteer, whatever name it was first asked for by.
///
/// # Errors
/// When the database does not answer.
pub async fn by_place(database: &Database, place: i64) -> Result<Option<City>> {
    let statement = select!("WHERE place_id = $1 ORDER BY created_at, city_id LIMIT 1");
    find(statement.bind(place), &mut database.session().await?).await
}

/// The slug of the city that somebody means by a place and a name: the city at that place, else one of that name which
/// nobody has placed yet.
async fn known_as(transaction: &mut Transaction, place: i64, name: &Slug) -> Result<Option<Slug>> {
    let slug: Option<(String,)> = sql("SELECT slug FROM cities \
         WHERE place_id = $1 OR (slug = $2 AND place_id IS NULL) ORDER BY place_id NULLS LAST, created_at LIMIT 1")
    .bind(place)
    .bind(name.as_str())
    .optional(transaction)
    .await?;
    slug.map(|(slug,)| Error::read("slug", &slug)).transpose()
}

/// Cities by name, those behind `after` (a slug) only.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    database: &Database,
    filter: &Filter,
    after: Option<&Slug>,
    limit: u32,
) -> Result<Vec<City>> {
    let name = filter.search.as_deref().map(like);
    // Finds `Århus` for `århus` and `AARHUS`, whatever the engine thinks of capitals.
    let slug = filter
        .search
        .as_deref()
        .and_then(|text| CityName::parse(text).ok())
        .map(|name| like(name.slug().as_str()));
    let rows: Vec<Row> = select!(
        "WHERE ($1 IS NULL OR state = $1) \
           AND ($2 IS NULL OR lower(name) LIKE $2 ESCAPE '!' OR slug LIKE $3 ESCAPE '!') \
           AND ($4 IS NULL OR slug > $4) ORDER BY slug LIMIT $5"
    )
    .bind(filter.state.map(CityState::as_str))
    .bind(name)
    .bind(slug)
    .bind(after.map(Slug::as_str))
    .bind(limit)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(City::try_from).collect()
}

/// A pattern for what contains this text; none of its characters is a wild card.
fn like(text: &str) -> String {
    let escaped = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}

/// The city that somebody means by a name and, where it is known, its place; it is made as `requested` where it is new.
/// Whether it is.
///
/// # Errors
/// When the database does not answer.
pub async fn find_or_create(
    transaction: &mut Transaction,
    name: &CityName,
    place: Option<&Place>,
    now: i64,
) -> Result<(City, bool)> {
    find_or_create_as(transaction, name, name, place, now).await
}

/// As [`find_or_create`]; a new city gets the name `proper`, which may tell it from its namesakes.
///
/// # Errors
/// When the database does not answer.
pub async fn find_or_create_as(
    transaction: &mut Transaction,
    name: &CityName,
    proper: &CityName,
    place: Option<&Place>,
    now: i64,
) -> Result<(City, bool)> {
    let known = match place {
        Some(place) => known_as(transaction, place.id, &name.slug()).await?,
        None => None,
    };
    let slug = known.unwrap_or_else(|| proper.slug());
    let is_new = insert(transaction, &slug, proper, place, now).await?;
    let row: Row = select!("WHERE slug = $1").bind(slug.as_str()).one(transaction).await?;
    let mut city = City::try_from(row)?;
    if let Some(place) = place.filter(|_| city.place.is_none()) {
        locate(transaction, city.id, place).await?;
        city.place = Some(place.clone());
    }
    Ok((city, is_new))
}

/// Inserts a city unless there is one with this slug; whether it was inserted.
async fn insert(
    transaction: &mut Transaction,
    slug: &Slug,
    name: &CityName,
    place: Option<&Place>,
    now: i64,
) -> Result<bool> {
    let inserted = sql(
        "INSERT INTO cities (city_id, slug, name, legacy_name, place_id, country, latitude, longitude, state, \
                             state_since, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'requested', $9, $9) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(CityId::new().to_string())
    .bind(slug.as_str())
    .bind(name.display())
    .bind(name.legacy())
    .bind(place.map(|place| place.id))
    .bind(place.map(|place| place.country.as_str()))
    .bind(place.map(|place| place.latitude))
    .bind(place.map(|place| place.longitude))
    .bind(now)
    .execute(transaction)
    .await?;
    Ok(inserted == 1)
}

/// Writes down where a city lies, unless that is known.
async fn locate(transaction: &mut Transaction, city: CityId, place: &Place) -> Result<()> {
    sql("UPDATE cities SET place_id = $2, country = $3, latitude = $4, longitude = $5 \
         WHERE city_id = $1 AND place_id IS NULL")
    .bind(city.to_string())
    .bind(place.id)
    .bind(place.country.as_str())
    .bind(place.latitude)
    .bind(place.longitude)
    .execute(transaction)
    .await
    .map(drop)
}

async fn find(statement: Statement, on: &mut impl Linked) -> Result<Option<City>> {
    let row: Option<Row> = statement.optional(on).await?;
    row.map(City::try_from).transpose()
}

/// Reads a city and keeps others from changing it until the transaction ends. Writing is what locks on both engines.
///
/// # Errors
/// When the database does not answer or there is no such city.
pub async fn lock(transaction: &mut Transaction, city: CityId) -> Result<City> {
    sql("UPDATE cities SET last_event = last_event WHERE city_id = $1")
        .bind(city.to_string())
        .execute(transaction)
        .await?;
    let row: Row = select!("WHERE city_id = $1").bind(city.to_string()).one(transaction).await?;
    row.try_into()
}

async fn save(transaction: &mut Transaction, city: &City) -> Result<()> {
    sql("UPDATE cities SET state = $2, failed_stage = $3, reason = $4, resumes = $5, state_since = $6, done = $7, \
                           total = $8, message = $9, last_event = $10 WHERE city_id = $1")
    .bind(city.id.to_string())
    .bind(city.state.as_str())
    .bind(city.failed_stage.map(Stage::as_str))
    .bind(city.reason.as_deref())
    .bind(city.resumes.map(CityState::as_str))
    .bind(city.state_since)
    .bind(city.progress.done)
    .bind(city.progress.total)
    .bind(city.progress.message.as_deref())
    .bind(city.last_event)
    .execute(transaction)
    .await?;
    Ok(())
}

impl City {
    /// The state that a step leads to, where it is allowed now.
    fn next(&self, step: &Step) -> Option<CityState> {
        let next = match step {
            Step::To(next) => *next,
            Step::Fail(..) => CityState::Failed,
            Step::Pause(_) => CityState::Paused,
            Step::Reject(_) => CityState::Rejected,
            Step::Resume => self.resumed()?,
        };
        self.state.may_become(next).then_some(next)
    }

    /// Where a paused or failed city goes on: a crawl begins anew, the other stages go on with what is there.
    fn resumed(&self) -> Option<CityState> {
        match (self.state, self.failed_stage) {
            (CityState::Paused, _) => self.resumes,
            (CityState::Failed, Some(Stage::Crawl)) => Some(CityState::Approved),
            (CityState::Failed, Some(Stage::Label | Stage::Train)) => Some(CityState::Labelling),
            _ => None,
        }
    }

    fn enter(&mut self, next: CityState, step: &Step, now: i64) {
        self.resumes = (next == CityState::Paused).then_some(self.state);
        self.failed_stage = None;
        self.reason = None;
        match step {
            Step::Fail(stage, reason) => {
                self.failed_stage = Some(*stage);
                self.reason = Some(reason.clone());
            }
            Step::Pause(reason) | Step::Reject(reason) => self.reason = Some(reason.clone()),
            Step::To(_) | Step::Resume => self.progress = Progress::default(),
        }
        self.state = next;
        self.state_since = now;
        self.last_event += 1;
    }
}

impl TryFrom<Row> for City {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = match (row.place_id, row.country, row.latitude, row.longitude) {
            (Some(id), Some(country), Some(latitude), Some(longitude)) => {
                Some(Place { id, country, latitude, longitude })
            }
            _ => None,
        };
        Ok(Self {
            id: Error::read("city id", &row.city_id)?,
            slug: Error::read("slug", &row.slug)?,
            name: row.name,
            legacy_name: row.legacy_name,
            place,
            state: Error::read("state of a city", &row.state)?,
            failed_stage: row.failed_stage.as_deref().map(|word| Error::read("stage", word)).transpose()?,
            reason: row.reason,
            resumes: row.resumes.as_deref().map(|word| Error::read("state of a city", word)).transpose()?,
            state_since: row.state_since,
            progress: Progress { done: row.done, total: row.total, message: row.message },
            last_event: row.last_event,
            label_budget: row.label_budget,
            label_calls: row.label_calls,
            created_at: row.created_at,
        })
    }
}
