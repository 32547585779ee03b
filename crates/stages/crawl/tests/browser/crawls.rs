//! Crawls of a city whose pictures come from pages.

use std::collections::BTreeSet;

use sightscan_crawl::fetch::Fetcher;
use sightscan_crawl::{Config, ConfigError, Crawler, Error, Google, Order};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::upstreams::Answer;
use sightscan_testkit::upstreams::search_page::SearchPage;
use sightscan_types::Review;
use sightscan_warehouse::images;

use super::processes::{eventually, processes, running};
use super::{OF_EACH, fetching, world};
use crate::support::{Site, quietly};

const FULL: Google = Google { is_allowed: true, full: true, face: false };

/// A city with a fake of the pages beside that of Wikimedia.
struct Trial {
    site: Site,
    search: SearchPage,
}

impl Trial {
    async fn new() -> Self {
        let site = Site::new(TestDatabase::sqlite().await, world()).await;
        Self { site, search: SearchPage::start(world()).await }
    }

    fn config(&self, sources: &[&str]) -> Config {
        let mut config = self.site.config();
        config.sources = sources.iter().map(|source| (*source).to_owned()).collect();
        let url = || self.search.upstream.url().to_owned().try_into().ok();
        (config.services.google_images, config.services.pinterest) = (url(), url());
        Config { patience_seconds: 8, contact: Some("nobody@example.org".to_owned()), ..config }
    }

    fn crawler(&self, sources: &[&str], google: Google) -> Crawler {
        let fetching = fetching(&[&self.search.upstream, &self.site.wikimedia.upstream]);
        let (fetcher, warehouse) = (Fetcher::new(fetching).unwrap(), self.site.warehouse.clone());
        self.config(sources).crawler_with(fetcher, warehouse, google, |_| None).unwrap()
    }

    fn order(&self, max_sights: u32, max_pictures: u32) -> Order {
        Order { max_sights, max_pictures, ..self.site.order() }
    }

    fn asked(&self, path: &str) -> usize {
        self.search.upstream.log().count(path)
    }
}

#[tokio::test]
async fn row_10_row_17_w_l1_full_size_pictures_are_stored_and_quarantined() {
    let trial = Trial::new().await;
    let order = trial.order(2, 0);
    let report = trial.crawler(&["google-images"], FULL).crawl(order, quietly()).await.unwrap();
    assert_eq!(report.kept() as u64, 2 * OF_EACH, "{report}");
    assert!(processes(&trial.search.upstream).is_empty(), "w_c25: the browser ends with the crawl");
    let (images, world) = (trial.site.images().await, world());
    assert_eq!(images.len() as u64, 2 * OF_EACH);
    let prefix = format!("{}/photos/full/", trial.search.upstream.url());
    for image in &images {
        let picture = world.picture(image.source.strip_prefix(&prefix).unwrap()).unwrap();
        let bytes = trial.site.warehouse.blobs.get(&image.sha256).await.unwrap();
        assert_eq!(bytes, picture.bytes, "the file is stored as it was");
        assert_eq!((image.width, image.height), (64, 48));
        assert_eq!((image.review, &image.licence), (Review::Quarantined, &None));
        let [origin] = &images::origins(&trial.site.warehouse.database, image.id).await.unwrap()[..] else {
            panic!("one origin")
        };
        assert_eq!(origin.provenance.page_url, Some(format!("{}/page", trial.search.upstream.url())));
    }
}

#[tokio::test]
async fn w_l1_sources_with_licences_keep_licence_and_author() {
    let trial = Trial::new().await;
    let crawler = trial.crawler(&["commons", "pinterest"], FULL);
    // More than one source has: the others come from the second one.
    crawler.crawl(trial.order(1, OF_EACH as u32 + 1), quietly()).await.unwrap();
    let images = trial.site.images().await;
    assert_eq!(images.len() as u64, OF_EACH);
    for image in images {
        assert_eq!((image.review, image.licence.is_some()), (Review::Accepted, true));
        let origins = images::origins(&trial.site.warehouse.database, image.id).await.unwrap();
        assert!(origins.iter().any(|origin| origin.provenance.author.is_some()), "{origins:?}");
    }
    assert!(trial.asked("/564x/") > 0);
}

#[tokio::test]
async fn row_14_w_c22_the_limit_is_of_pictures_stored_whatever_the_number_of_sources() {
    let trial = Trial::new().await;
    for limit in [1, 3] {
        let crawler = trial.crawler(&["google-images", "pinterest"], Google::default());
        let report = crawler.crawl(trial.order(2, limit), quietly()).await.unwrap();
        let kept: Vec<_> = report.sights.iter().map(|sight| sight.kept).collect();
        assert_eq!(kept, [limit as usize; 2]);
        assert_eq!(trial.site.images().await.len(), 2 * limit as usize);
    }
}

#[tokio::test]
async fn row_15_w_c21_a_second_crawl_opens_and_fetches_nothing() {
    let trial = Trial::new().await;
    let (crawler, order) = (trial.crawler(&["pinterest"], Google::default()), trial.order(2, 5));
    crawler.crawl(order, quietly()).await.unwrap();
    let (searches, pictures) = (trial.asked("/search/"), trial.asked("/564x/"));
    assert_eq!((searches, pictures), (2, 10));
    crawler.crawl(order, quietly()).await.unwrap();
    assert_eq!((trial.asked("/search/"), trial.asked("/564x/")), (2, 10));
    // Asked again, it names what is there already.
    crawler.crawl(Order { skip: false, ..order }, quietly()).await.unwrap();
    assert_eq!((trial.asked("/search/"), trial.asked("/564x/")), (4, 10));
}

#[tokio::test]
async fn row_16_without_google_pinterest_is_asked_all_the_same() {
    let trial = Trial::new().await;
    let google = Google { is_allowed: false, ..FULL };
    let crawler = trial.crawler(&["google-images", "pinterest"], google);
    let report = crawler.crawl(trial.order(1, 2), quietly()).await.unwrap();
    assert_eq!((report.kept(), trial.asked("/search?"), trial.asked("/search/pins/")), (2, 0, 1));
    let alone = trial.config(&["google-images"]).crawler(trial.site.warehouse.clone(), google, |_| None);
    assert!(matches!(alone.unwrap_err(), ConfigError::NoSource(_)));
}

#[tokio::test]
async fn w_c24_a_page_that_has_changed_does_not_take_what_other_sources_have() {
    let trial = Trial::new().await;
    trial.search.upstream.fix("/search", Answer::new("text/html", "<title>Before you continue</title>"));
    let crawler = trial.crawler(&["commons", "google-images"], FULL);
    let error = crawler.crawl(trial.order(2, 0), quietly()).await.unwrap_err();
    assert!(matches!(&error, Error::Source(_)) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("Before you continue"), "{error}");
    assert_eq!(trial.site.images().await.len() as u64, 2 * OF_EACH, "those of Commons are kept");
}

#[tokio::test]
async fn w_c25_a_crawl_that_is_dropped_leaves_no_browser() {
    let trial = Trial::new().await;
    let (crawler, order) = (trial.crawler(&["google-images", "pinterest"], FULL), trial.order(4, 0));
    let crawl = tokio::spawn(async move { crawler.crawl(order, quietly()).await.map(drop) });
    let profile = running(&trial.search.upstream).await;
    eventually("pages are open", || trial.asked("/search") > 1).await;
    crawl.abort();
    let gone = || !profile.exists() && processes(&trial.search.upstream).is_empty();
    eventually("nothing is left", gone).await;
}

#[tokio::test]
async fn all_searches_of_a_crawl_share_one_browser() {
    let trial = Trial::new().await;
    let crawler = trial.crawler(&["google-images", "pinterest"], Google::default());
    let order = Order { threads: 1, ..trial.order(5, 2) };
    let crawl = tokio::spawn(async move { crawler.crawl(order, quietly()).await.map(drop) });
    let mut profiles = BTreeSet::new();
    while !crawl.is_finished() {
        profiles.extend(super::processes::profile(&processes(&trial.search.upstream)));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    crawl.await.unwrap().unwrap();
    assert_eq!((profiles.len(), trial.asked("/search?")), (1, 5));
}

#[tokio::test]
async fn w_c25_without_a_browser_it_is_told_what_to_do() {
    let trial = Trial::new().await;
    let config = Config { chromium: Some("/nowhere/chromium".into()), ..trial.config(&["pinterest"]) };
    let error = config.crawler(trial.site.warehouse.clone(), FULL, |_| None).unwrap_err().to_string();
    for word in
        ["`pinterest`", "`/nowhere/chromium` is no file", "apt-get install chromium", "[crawl]", "commons"]
    {
        assert!(error.contains(word), "{word}: {error}");
    }
    // What is no browser says so itself.
    let config = Config { chromium: Some("/bin/ls".into()), ..trial.config(&["pinterest"]) };
    let crawler = config.crawler(trial.site.warehouse.clone(), FULL, |_| None).unwrap();
    let error = crawler.crawl(trial.order(1, 1), quietly()).await.unwrap_err().to_string();
    assert!(error.contains("/bin/ls has ended at once: /bin/ls: "), "{error}");
}
