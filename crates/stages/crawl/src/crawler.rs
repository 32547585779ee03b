//! One crawl of a city: its sights, then pictures of each.
//!
//! What became of a picture is written down as soon as it is decided. A crawl that was stopped asks the sources again and
//! passes over what is decided, so it fetches nothing twice and ends with the pictures that it would have had.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream};
use sightscan_types::{CityId, SightId};
use sightscan_warehouse::cities::City as KnownCity;
use sightscan_warehouse::sights::{self, NewSight, Sight as KnownSight};
use sightscan_warehouse::{Warehouse, cities};
use tracing::{info, warn};

use crate::error::{Error, Result};
use crate::fetch::Fetcher;
use crate::intake::Demands;
use crate::licence::Policy;
use crate::report::{Report, SightReport, Tally};
use crate::sight::SightCrawl;
use crate::{City, ImageSource, Sight, SightSource};

/// Finds sights and their pictures and stores them.
pub struct Crawler {
    /// Where they are stored.
    pub warehouse: Warehouse,
    /// Who fetches.
    pub fetcher: Fetcher,
    /// Who names sights.
    pub sights: Box<dyn SightSource>,
    /// Who names pictures: the first one is asked first.
    pub sources: Vec<Box<dyn ImageSource>>,
    /// Which licences are used.
    pub policy: Policy,
    /// What pictures have to be like.
    pub demands: Demands,
}

/// What a crawl is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The city.
    pub city: CityId,
    /// At most so many sights.
    pub max_sights: u32,
    /// At most so many pictures are stored for each sight; 0 is as many as there are.
    pub max_pictures: u32,
    /// Sights that are crawled at once.
    pub threads: usize,
    /// Whether sights are passed over whose crawl was finished before.
    pub skip: bool,
    /// Whether pictures that cannot be reached now are given up: there will be no other try.
    pub give_up: bool,
}

/// Hears how far a crawl is.
pub type Tell = Arc<dyn Fn(&Tally) + Send + Sync>;

impl Crawler {
    /// Crawls a city.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when something could not be reached: the next crawl goes on from there. Otherwise when there
    /// is no such city, no sight is found, or the warehouse does not answer.
    pub async fn crawl(&self, order: Order, tell: Tell) -> Result<Report> {
        let known = cities::by_id(&self.warehouse.database, order.city).await?.ok_or(Error::NoCity)?;
        let city = city_of(&known);
        let sights = self.find_sights(&city, &order).await?;
        info!(city = %known.slug, sights = sights.len(), "crawl begins");
        let tally = Arc::new(Tally::new(sights.len(), order.max_pictures, tell));
        let held: Vec<_> = self.sources.iter().filter_map(|source| source.hold()).collect();
        let crawls: Vec<_> = sights
            .iter()
            .enumerate()
            .map(|(rank, sight)| {
                let crawl = self.crawl_sight(&order, &city, sight, Arc::clone(&tally));
                crawl.map(move |report| (rank, report)).boxed()
            })
            .collect();
        let mut reports: Vec<(usize, Result<SightReport>)> =
            stream::iter(crawls).buffer_unordered(order.threads.max(1)).collect().await;
        // In the order of their notability again.
        reports.sort_by_key(|(rank, _)| *rank);
        for one in held {
            one.let_go().await;
        }
        let report = Report::of(reports.into_iter().map(|(_, report)| report))?;
        report.sparse().for_each(|sight| {
            warn!(city = %known.slug, sight = sight.name, pictures = sight.kept, "has less than half of the mean");
        });
        Ok(report)
    }

    /// The sights of a city, which are stored; at most as many as are wanted.
    async fn find_sights(&self, city: &City, order: &Order) -> Result<Vec<KnownSight>> {
        let mut found = self.sights.sights(city, order.max_sights).await?;
        found.truncate(order.max_sights as usize);
        if found.is_empty() {
            return Err(Error::NoSights { city: city.name.clone(), asked: self.sights.name() });
        }
        let ids = self.store_sights(order.city, &found).await?;
        let all = sights::list(&self.warehouse.database, order.city).await?;
        // In the order of their notability, and each once.
        let mut wanted: Vec<KnownSight> = Vec::new();
        for id in ids {
            if !wanted.iter().any(|sight| sight.id == id) {
                wanted.extend(all.iter().find(|sight| sight.id == id).cloned());
            }
        }
        Ok(wanted)
    }

    async fn store_sights(&self, city: CityId, found: &[Sight]) -> Result<Vec<SightId>> {
        let database = &self.warehouse.database;
        let mut transaction = database.begin().await?;
        let mut ids = Vec::new();
        for sight in found {
            let new = new_sight(sight);
            ids.push(sights::find_or_create(&mut transaction, city, &new, database.now()).await?);
        }
        transaction.commit().await?;
        Ok(ids)
    }

    async fn crawl_sight(
        &self,
        order: &Order,
        city: &City,
        sight: &KnownSight,
        tally: Arc<Tally>,
    ) -> Result<SightReport> {
        let mut crawl = SightCrawl::begin(self, order, sight, tally).await?;
        if order.skip && sight.crawled_at.is_some() && crawl.is_satisfied() {
            return Ok(crawl.skipped());
        }
        let sight_of = sight_of(sight);
        for source in &self.sources {
            crawl.ask(source.as_ref(), city, &sight_of).await?;
        }
        crawl.finish().await
    }
}

impl std::fmt::Debug for Crawler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources: Vec<_> = self.sources.iter().map(|source| source.name()).collect();
        formatter
            .debug_struct("Crawler")
            .field("sights", &self.sights.name())
            .field("sources", &sources)
            .finish_non_exhaustive()
    }
}

fn city_of(city: &KnownCity) -> City {
    let place = city.place.as_ref();
    City {
        name: city.name.clone(),
        country: place.map(|place| place.country.clone()),
        latitude: place.map(|place| place.latitude),
        longitude: place.map(|place| place.longitude),
        geonames: place.map(|place| place.id),
    }
}

fn new_sight(sight: &Sight) -> NewSight {
    NewSight {
        name: sight.name.clone(),
        latitude: sight.latitude,
        longitude: sight.longitude,
        source: Some(sight.source.clone()),
        external_id: sight.external_id.clone(),
        wikidata: sight.wikidata.clone(),
        commons_category: sight.commons_category.clone(),
    }
}

fn sight_of(KnownSight { known, .. }: &KnownSight) -> Sight {
    Sight {
        name: known.name.clone(),
        latitude: known.latitude,
        longitude: known.longitude,
        wikidata: known.wikidata.clone(),
        commons_category: known.commons_category.clone(),
        source: known.source.clone().unwrap_or_default(),
        external_id: known.external_id.clone(),
    }
}
