//! A warehouse, a fake of Wikimedia, and a crawler between them.

use std::sync::Arc;
use std::time::Duration;

use sightscan_blobs::{Address, Blobs};
use sightscan_crawl::fetch::{FetchConfig, Fetcher};
use sightscan_crawl::{Config, Crawler, Google, Order, Report, Result, Tell};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::upstreams::World;
use sightscan_testkit::upstreams::wikimedia::Wikimedia;
use sightscan_types::CityId;
use sightscan_types::names::CityName;
use sightscan_warehouse::cities::{self, Place};
use sightscan_warehouse::images::{self, Filter, Listed};
use sightscan_warehouse::{Database, Warehouse};
use tempfile::TempDir;

/// A place where crawls are tried.
pub(crate) struct Site {
    pub(crate) wikimedia: Wikimedia,
    pub(crate) warehouse: Warehouse,
    pub(crate) city: CityId,
    test: TestDatabase,
    _folder: TempDir,
}

impl Site {
    /// A new warehouse with the world's city in it.
    pub(crate) async fn new(test: TestDatabase, world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&Address::Folder(folder.path().join("blobs")), |_| None).unwrap();
        let warehouse = Warehouse { database: test.database.clone(), blobs };
        let city = city(&warehouse.database, &world).await;
        Self { wikimedia: Wikimedia::start(world).await, warehouse, city, test, _folder: folder }
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config { min_side: 16, ..Config::default() };
        let url = || self.wikimedia.upstream.url().to_owned().try_into().ok();
        (config.services.wikidata, config.services.commons) = (url(), url());
        config
    }

    /// Fetching that does not wait for long.
    pub(crate) fn fetching(&self) -> FetchConfig {
        FetchConfig {
            user_agent: "SightScan/0 (tests; nobody@example.org)".to_owned(),
            pace: Duration::ZERO,
            back_off: Duration::from_millis(1),
            timeout: Duration::from_secs(60),
            trusted_hosts: vec![self.wikimedia.upstream.host().to_owned()],
            ..FetchConfig::default()
        }
    }

    pub(crate) fn crawler(&self) -> Crawler {
        self.crawler_that_fetches(self.fetching())
    }

    pub(crate) fn crawler_that_fetches(&self, fetching: FetchConfig) -> Crawler {
        let fetcher = Fetcher::new(fetching).unwrap();
        self.config().crawler_with(fetcher, self.warehouse.clone(), Google::default(), |_| None).unwrap()
    }

    pub(crate) fn order(&self) -> Order {
        Order { city: self.city, max_sights: 10, max_pictures: 0, threads: 4, skip: true, give_up: false }
    }

    pub(crate) async fn crawl(&self, order: Order) -> Result<Report> {
        self.crawler().crawl(order, quietly()).await
    }

    /// All images of the city.
    pub(crate) async fn images(&self) -> Vec<Listed> {
        images::list(&self.test.database, self.city, &Filter::default(), None, 10_000).await.unwrap()
    }
}

/// Tells nobody.
pub(crate) fn quietly() -> Tell {
    Arc::new(|_| ())
}

async fn city(database: &Database, world: &World) -> CityId {
    let mut transaction = database.begin().await.unwrap();
    let name = CityName::parse(&world.city.name).unwrap();
    let place = Place {
        id: world.city.geonames,
        country: "FR".to_owned(),
        latitude: world.city.latitude,
        longitude: world.city.longitude,
    };
    let (city, _) = cities::find_or_create(&mut transaction, &name, Some(&place), 1).await.unwrap();
    transaction.commit().await.unwrap();
    city.id
}
