//! Crawling a city now, as its job would.

use sightscan_cities::likeliest;
use sightscan_cities::places::Place;
use sightscan_crawl::{Crawler, Order, Report};
use sightscan_types::CityState;
use sightscan_types::names::CityName;
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::cities::{self, City, Step};

pub use sightscan_crawl::{Google, Tell};

use crate::Setup;
use crate::error::Result;
use crate::storage::variable;

/// Who is in the history of a city that was crawled by hand.
const ACTOR: &str = "admin";

/// What is crawled, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Any name of the city.
    pub city: String,
    /// At most so many sights.
    pub max_sights: u32,
    /// At most so many pictures of each sight; 0 is as many as there are.
    pub max_pictures: u32,
    /// Sights that are crawled at once.
    pub threads: usize,
    /// Whether sights are passed over whose crawl was finished before.
    pub skip: bool,
    /// Whether and how sources of Google are asked.
    pub google: Google,
}

/// Crawls a city, which is approved and made if need be; it waits for labels then.
///
/// # Errors
/// When no city can have this name, a source or a key is missing, something could not be reached (what was fetched is kept),
/// or the warehouse does not answer.
pub async fn crawl(setup: &Setup, options: Options, tell: Tell) -> Result<Report> {
    let warehouse = setup.open().await?;
    let city = begin(&warehouse, &options.city).await?;
    let crawler = crawler(setup, &warehouse, options.google)?;
    let order = Order {
        city: city.id,
        max_sights: options.max_sights,
        max_pictures: options.max_pictures,
        threads: options.threads,
        skip: options.skip,
        give_up: false,
    };
    let report = Box::pin(crawler.crawl(order, tell)).await?;
    advance(&warehouse, &city, &[CityState::Labelling]).await?;
    warehouse.database.close().await;
    Ok(report)
}

/// Who crawls by these settings.
///
/// # Errors
/// When a source is not known, or its key is missing.
pub(crate) fn crawler(setup: &Setup, warehouse: &Warehouse, google: Google) -> Result<Crawler> {
    Ok(setup.config.crawl.crawler(warehouse.clone(), google, variable)?)
}

/// The city of this name, on its way.
async fn begin(warehouse: &Warehouse, name: &str) -> Result<City> {
    let name = CityName::parse(name)?;
    let place = likeliest(&name).await?.map(Place::facts);
    let mut transaction = warehouse.database.begin().await?;
    let now = warehouse.database.now();
    let (city, _) = cities::find_or_create(&mut transaction, &name, place.as_ref(), now).await?;
    transaction.commit().await?;
    advance(warehouse, &city, &[CityState::Approved, CityState::Crawling]).await?;
    Ok(city)
}

/// Takes those of these steps that the city's state allows; one that is live stays live.
async fn advance(warehouse: &Warehouse, city: &City, states: &[CityState]) -> Result<()> {
    let mut transaction = warehouse.database.begin().await?;
    for state in states {
        let now = warehouse.database.now();
        let why = Some("crawled by hand");
        let _ = cities::step(&mut transaction, city.id, &Step::To(*state), ACTOR, why, now).await?;
    }
    Ok(transaction.commit().await?)
}
