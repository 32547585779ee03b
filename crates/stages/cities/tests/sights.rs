//! Where sights are, and how their crawl went.

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_warehouse::crawls::{self, Deed, Judged};
use sightscan_warehouse::sights::{self, NewSight};
use sightscan_warehouse::{Warehouse, cities};

use crate::support::{Site, problem};

on_both_engines![where_sights_are_is_public_and_how_their_crawl_went_is_the_administrators];

async fn crawled(warehouse: &Warehouse) {
    let database = &warehouse.database;
    let city = cities::by_slug(database, &"berlin".parse().unwrap()).await.unwrap().unwrap().id;
    let gate = NewSight {
        name: "Brandenburg Gate".to_owned(),
        latitude: Some(52.5163),
        longitude: Some(13.3777),
        source: Some("wikidata".to_owned()),
        wikidata: Some("Q82425".to_owned()),
        ..NewSight::default()
    };
    let mut transaction = database.begin().await.unwrap();
    let sight = sights::find_or_create(&mut transaction, city, &gate, 7).await.unwrap();
    sights::finish_crawl(&mut transaction, sight, 8).await.unwrap();
    transaction.commit().await.unwrap();
    let small = |source: &str| Judged {
        source: source.to_owned(),
        found_by: "commons",
        deed: Deed::SetAside("too small".to_owned()),
    };
    crawls::settle(warehouse, city, sight, &[small("one"), small("two")]).await.unwrap();
}

async fn where_sights_are_is_public_and_how_their_crawl_went_is_the_administrators(test: TestDatabase) {
    let site = Site::start(test).await;
    problem(site.get("/v1/cities/berlin/sights").await, 404, "unknown-city").await;
    site.approved("Berlin").await;
    assert_eq!(site.json("/v1/cities/berlin/sights").await, json!({"items": []}));
    crawled(&site.warehouse).await;
    let mut gate = json!({"name": "Brandenburg Gate", "latitude": 52.5163, "longitude": 13.3777, "wikidata": "Q82425",
                          "source": "wikidata"});
    assert_eq!(site.json("/v1/cities/berlin/sights").await, json!({"items": [gate]}));
    problem(site.get("/v1/cities/berlin/crawl").await, 401, "unauthorized").await;
    let report: Value = site.admin(Method::GET, "/v1/cities/berlin/crawl", None).await.json().await.unwrap();
    for (name, value) in [("crawled_at", 8), ("kept", 0), ("set_aside", 2)] {
        gate[name] = value.into();
    }
    let fate = json!({"found_by": "commons", "reason": "too small", "pictures": 2});
    assert_eq!(report, json!({"sights": [gate], "fates": [fate], "licences": []}));
    assert_eq!(site.json("/v1/cities/berlin").await["min_images_per_label"], 30);
    for (path, city) in [("/v1/cities/berlin", ""), ("/v1/cities", "/items/0")] {
        let seen = site.json(path).await;
        assert_eq!(seen.pointer(city).unwrap()["budget"], Value::Null, "{path}: visitors are not told");
        let seen: Value = site.admin(Method::GET, path, None).await.json().await.unwrap();
        let budget = &seen.pointer(city).unwrap()["budget"];
        assert_eq!(budget, &json!({"calls": 0, "limit": 1000}), "{path}");
    }
}
