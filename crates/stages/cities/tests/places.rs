//! `GET /v1/places`.

use std::sync::Arc;

use serde_json::{Value, json};
use sightscan_http::openapi::documented;
use sightscan_http::{ServerOptions, serve, surround};
use tokio::net::TcpListener;

/// The address of a server that runs until its test ends.
async fn start() -> String {
    let router = documented(sightscan_cities::http::places());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = surround(router, Arc::new(|_| {}));
    tokio::spawn(serve(listener, router, std::future::pending(), ServerOptions::default()));
    format!("http://{address}/v1/places")
}

async fn get(query: &[(&str, &str)]) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(start().await).query(query).send().await.unwrap()
}

#[tokio::test]
async fn places_are_suggested_in_the_documented_shape() {
    let answer = get(&[("q", "paris, tx"), ("limit", "1")]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "public, max-age=3600");
    let expected = json!({"items": [{
        "id": 4717560, "name": "Paris", "label": "Paris, Texas, United States", "slug": "paris-us-tx",
        "country": "US", "country_name": "United States",
        "latitude": 33.661, "longitude": -95.556, "population": 24782
    }]});
    assert_eq!(answer.json::<Value>().await.unwrap(), expected);
}

#[tokio::test]
async fn ten_places_are_suggested_unless_a_number_is_given() {
    for (limit, count) in [(None, 10), (Some("3"), 3), (Some("50"), 50)] {
        let query: Vec<_> =
            [Some(("q", "san")), limit.map(|limit| ("limit", limit))].into_iter().flatten().collect();
        let answer: Value = get(&query).await.json().await.unwrap();
        assert_eq!(answer["items"].as_array().unwrap().len(), count);
    }
}

#[tokio::test]
async fn any_script_can_be_asked_for() {
    for (text, slug) in [("北京", "beijing"), ("БЕРЛИН", "berlin"), ("Köln", "koln"), ("Berlni", "berlin")]
    {
        let answer: Value = get(&[("q", text), ("limit", "1")]).await.json().await.unwrap();
        assert_eq!(answer["items"][0]["slug"], slug, "{text}");
    }
    let answer: Value = get(&[("q", "qqqqwwwwzzzz")]).await.json().await.unwrap();
    assert_eq!(answer, json!({"items": []}));
}

#[tokio::test]
async fn questions_that_cannot_be_answered_are_problems() {
    let long = "x".repeat(101);
    for query in [
        &[][..],
        &[("q", "")],
        &[("q", "  ")],
        &[("q", &long)],
        &[("q", "paris"), ("limit", "0")],
        &[("q", "paris"), ("limit", "51")],
        &[("q", "paris"), ("limit", "-1")],
        &[("q", "paris"), ("country", "fr")],
    ] {
        let answer = get(query).await;
        assert_eq!(answer.status(), 400, "{query:?}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "urn:sightscan:problem:invalid-parameter", "{query:?}");
    }
    assert_eq!(get(&[("q", &"х".repeat(100))]).await.status(), 200, "characters count, not bytes");
}

#[test]
fn the_route_is_described() {
    let api = sightscan_cities::http::places().into_openapi();
    let api = serde_json::to_value(api).unwrap();
    let get = &api["paths"]["/v1/places"]["get"];
    assert_eq!(get["parameters"][0]["name"], "q");
    for status in ["200", "400"] {
        assert!(get["responses"][status]["content"].is_object(), "{status}");
    }
    assert!(api.pointer("/components/schemas/PlaceList").is_some());
}
