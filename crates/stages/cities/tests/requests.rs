//! Who asks for a city, and when that is enough.

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_cities::Config;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::CityName;

use crate::support::{Site, problem};

on_both_engines![
    row_41_two_requests_for_kyoto_and_one_for_guangzhou_are_counted,
    row_42_the_hundredth_requester_starts_one_crawl_and_the_next_none,
    w_s13_one_client_who_asks_a_hundred_times_starts_nothing,
    w_c34_names_with_semicolons_and_newlines_break_nothing,
    w_c35_capitals_do_not_matter_and_later_requests_start_nothing,
    w_p11_two_replicas_share_their_counts,
    unknown_names_are_counted_and_only_an_admin_approves_them,
    requests_name_one_place_or_are_asked_which,
    one_place_is_one_city_by_whatever_name_it_came,
    cities_are_listed_by_pages,
];

fn threshold(request_threshold: u32) -> Config {
    Config {
        request_threshold,
        requests_per_minute: 100_000,
        writes_per_minute: 100_000,
        ..Config::default()
    }
}

fn address(number: u32) -> String {
    format!("198.51.{}.{}", 100 + number / 250, number % 250)
}

async fn counts(site: &Site, slug: &str) -> (Value, Value, Value) {
    let city = site.json(&format!("/v1/cities/{slug}")).await;
    (city["requests"]["posts"].clone(), city["requests"]["requesters"].clone(), city["state"].clone())
}

async fn row_41_two_requests_for_kyoto_and_one_for_guangzhou_are_counted(test: TestDatabase) {
    let site = Site::with(test, threshold(100)).await;
    for (client, city) in [("192.0.2.1", "KYOTO"), ("192.0.2.2", "KYOTO"), ("192.0.2.1", "GUANGZHOU")] {
        let answer = site.add_as(client, city).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "Request successfully executed.");
    }
    assert_eq!(counts(&site, "kyoto").await, (2.into(), 2.into(), "requested".into()));
    assert_eq!(counts(&site, "guangzhou").await, (1.into(), 1.into(), "requested".into()));
}

async fn row_42_the_hundredth_requester_starts_one_crawl_and_the_next_none(test: TestDatabase) {
    let site = Site::with(test, threshold(100)).await;
    for number in 0..99 {
        assert_eq!(site.add_as(&address(number), "BERLIN").await.status(), 200);
    }
    assert_eq!(counts(&site, "berlin").await, (99.into(), 99.into(), "requested".into()));
    assert!(site.jobs("").await.is_empty());
    for (number, state) in [(99, "approved"), (100, "approved")] {
        site.add_as(&address(number), "BERLIN").await;
        assert_eq!(counts(&site, "berlin").await.2, state);
        let jobs = site.jobs("").await;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        assert_eq!((&jobs[0]["name"], &jobs[0]["queue"]), (&json!("crawl-city"), &json!("crawl")));
    }
    let history = &site.json("/v1/cities/berlin").await["history"];
    assert_eq!(history.as_array().unwrap().len(), 1);
    assert_eq!((&history[0]["actor"], &history[0]["to"]), (&json!("requesters"), &json!("approved")));
}

async fn w_s13_one_client_who_asks_a_hundred_times_starts_nothing(test: TestDatabase) {
    let site = Site::with(test, threshold(2)).await;
    for number in 0..100 {
        // Whoever has one IPv6 address has 2^64 of them.
        let client = format!("2001:db8:1:2::{number:x}");
        assert_eq!(site.add_as(&client, "BERLIN").await.status(), 200);
    }
    assert_eq!(counts(&site, "berlin").await, (100.into(), 1.into(), "requested".into()));
    assert!(site.jobs("").await.is_empty());
}

async fn w_c34_names_with_semicolons_and_newlines_break_nothing(test: TestDatabase) {
    let site = Site::with(test, threshold(100)).await;
    assert_eq!(site.add_as("192.0.2.1", "Kyoto%3B99%3B").await.status(), 200);
    let newline = site.add_as("192.0.2.1", "Kyoto%0ABerlin%3B99").await;
    assert_eq!(newline.status(), 400);
    assert_eq!(newline.text().await.unwrap(), "Wrong request format - please refer to /api/swagger!");
    for _ in 0..2 {
        assert_eq!(site.add_as("192.0.2.1", "KYOTO").await.status(), 200);
    }
    assert_eq!(counts(&site, "kyoto").await.0, 2);
}

async fn w_c35_capitals_do_not_matter_and_later_requests_start_nothing(test: TestDatabase) {
    let site = Site::with(test, threshold(3)).await;
    for (number, name) in ["NEW%20YORK", "New_York", "new york", "NEW_YORK", "new%20york"].iter().enumerate()
    {
        site.add_as(&address(number as u32), name).await;
    }
    let cities = site.json("/v1/cities").await;
    assert_eq!(cities["items"].as_array().unwrap().len(), 1, "{cities}");
    assert_eq!(site.jobs("").await.len(), 1);
}

async fn w_p11_two_replicas_share_their_counts(test: TestDatabase) {
    let one = Site::with(test, threshold(40)).await;
    let two = one.replica(threshold(40)).await;
    // All at once: each must see what the others count.
    let clients: Vec<String> = (0..40).map(address).collect();
    let asking = clients.iter().enumerate().map(|(number, client)| {
        let site = if number % 2 == 0 { &one } else { &two };
        site.add_as(client, "KYOTO")
    });
    for answer in futures_util::future::join_all(asking).await {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(counts(&one, "kyoto").await, (40.into(), 40.into(), "approved".into()));
    assert_eq!(two.jobs("").await.len(), 1);
}

async fn unknown_names_are_counted_and_only_an_admin_approves_them(test: TestDatabase) {
    let site = Site::with(test, threshold(1)).await;
    for number in 0..3 {
        assert_eq!(site.add_as(&address(number), "XYZZYQWERTY").await.status(), 200);
    }
    assert_eq!(counts(&site, "xyzzyqwerty").await, (3.into(), 3.into(), "requested".into()));
    assert!(site.jobs("").await.is_empty());
    let city = site.decide("/v1/cities/xyzzyqwerty/approve").await;
    assert_eq!(city["state"], "approved");
    assert_eq!(site.jobs("").await.len(), 1);
}

async fn requests_name_one_place_or_are_asked_which(test: TestDatabase) {
    let site = Site::start(test).await;
    let unknown = site.post("/v1/cities", &json!({"name": "Berlni"})).await;
    let unknown = problem(unknown, 422, "unknown-place").await;
    assert_eq!(unknown["nearest"][0]["name"], "Berlin", "{unknown}");
    let unknown = site.post("/v1/cities", &json!({"name": "Berlin", "place": 1})).await;
    let unknown = problem(unknown, 422, "unknown-place").await;
    assert!(unknown["detail"].as_str().unwrap().contains("has the id 1"), "{unknown}");
    assert_eq!(unknown["nearest"][0]["name"], "Berlin", "{unknown}");
    let several = site.post("/v1/cities", &json!({"name": "San José"})).await;
    let several = problem(several, 422, "ambiguous-place").await;
    let countries: Vec<&Value> =
        several["nearest"].as_array().unwrap().iter().map(|place| &place["country"]).collect();
    assert!(countries.contains(&&json!("CR")) && countries.contains(&&json!("US")), "{several}");

    let chosen = site.post("/v1/cities", &json!({"name": "San José", "country": "CR"})).await;
    assert_eq!(chosen.status(), 201);
    let location = chosen.headers()["location"].to_str().unwrap().to_owned();
    let chosen: Value = chosen.json().await.unwrap();
    assert_eq!((&chosen["place"]["country"], &chosen["approved_now"]), (&json!("CR"), &json!(true)));
    assert_eq!(site.json(&location).await["slug"], chosen["slug"]);

    let by_id = site.post("/v1/cities", &json!({"place": 4_717_560})).await;
    assert_eq!(by_id.status(), 201);
    assert_eq!(by_id.json::<Value>().await.unwrap()["slug"], "paris-us-tx");
    let again = site.post("/v1/cities", &json!({"place": 4_717_560})).await;
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<Value>().await.unwrap()["approved_now"], false);

    for body in [json!({}), json!({"name": " "}), json!({"nam": "Berlin"}), json!({"name": 1}), json!([])] {
        problem(site.post("/v1/cities", &body).await, 400, "malformed").await;
    }
    let form =
        site.request(Method::POST, "/v1/cities").header("content-type", "application/x-www-form-urlencoded");
    let form = form.body("name=Berlin").send().await.unwrap();
    problem(form, 415, "unsupported-media-type").await;
    problem(site.get("/v1/cities/atlantis").await, 404, "unknown-city").await;
}

async fn one_place_is_one_city_by_whatever_name_it_came(test: TestDatabase) {
    let site = Site::with(test, threshold(2)).await;
    // Somebody sent images of a city before anybody asked for it.
    site.city(&CityName::parse("New York").unwrap()).await;
    for (client, name) in [("192.0.2.1", "NEW_YORK"), ("192.0.2.2", "New York City")] {
        assert_eq!(site.add_as(client, name).await.status(), 200);
    }
    assert_eq!(counts(&site, "new-york").await, (2.into(), 2.into(), "approved".into()));
    assert_eq!(site.json("/v1/cities").await["items"].as_array().unwrap().len(), 1);
    // And the other way round.
    for name in ["ROM", "Roma", "rome"] {
        assert_eq!(site.add_as("192.0.2.1", name).await.status(), 200);
    }
    assert_eq!(counts(&site, "rome").await.0, 3);
    assert_eq!(site.get("/api/cities/ROM/model/version").await.text().await.unwrap(), "-1");
}

async fn cities_are_listed_by_pages(test: TestDatabase) {
    let site = Site::with(test, threshold(2)).await;
    for name in ["BERLIN", "KYOTO", "NEW_YORK", "ROM", "KÖLN"] {
        site.add_as("192.0.2.1", name).await;
    }
    let (mut slugs, mut path) = (Vec::new(), "/v1/cities?limit=2".to_owned());
    loop {
        let page = site.json(&path).await;
        slugs.extend(page["items"].as_array().unwrap().iter().map(|city| city["slug"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/cities?limit=2&cursor={next}");
    }
    assert_eq!(slugs, ["berlin", "koln", "kyoto", "new-york-city", "rome"]);
    let found = site.json("/v1/cities?q=yo&state=requested").await;
    assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(site.json("/v1/cities?state=live").await, json!({"items": [], "next": null}));
    let long = format!("q={}", "х".repeat(101));
    for query in ["state=dead", "limit=0", "stat=live", &long] {
        problem(site.get(&format!("/v1/cities?{query}")).await, 400, "invalid-parameter").await;
    }
    problem(site.get("/v1/cities?cursor=abc").await, 400, "bad-cursor").await;
}
