//! Fetching over real sockets.

mod faults;
mod limits;
mod manners;
mod safety;
mod servers;

use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use serde_json::{Value, json};
use sightscan_crawl::fetch::{FetchConfig, FetchError, Fetcher};
use sightscan_pictures::{Encoding, Picture, encode};
use sightscan_testkit::upstreams::{Answer, Upstream};

/// A configuration that waits for nothing that it need not wait for.
fn quick(trusted: &[&str]) -> FetchConfig {
    FetchConfig {
        user_agent: "SightScan/9 (https://example.org; a@example.org)".to_owned(),
        pace: Duration::ZERO,
        timeout: Duration::from_secs(60),
        back_off: Duration::from_millis(10),
        trusted_hosts: trusted.iter().map(|&host| host.to_owned()).collect(),
        ..FetchConfig::default()
    }
}

fn fetcher(trusted: &[&str]) -> Fetcher {
    Fetcher::new(quick(trusted)).unwrap()
}

fn picture() -> Bytes {
    let rgb = (0..64 * 48 * 3).map(|at| (at % 251) as u8).collect();
    encode(&Picture { width: 64, height: 48, rgb }, Encoding::Png).unwrap().into()
}

/// A server with a picture under `/a.png`.
async fn gallery() -> Upstream {
    let server = Upstream::blank().await;
    server.fix("/a.png", Answer::new("image/png", picture()));
    server
}

fn at(server: &Upstream, path: &str) -> Url {
    format!("{}{path}", server.url()).parse().unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, FetchError>) -> String {
    match result {
        Err(FetchError::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn failed<T: std::fmt::Debug>(result: Result<T, FetchError>) -> String {
    match result {
        Err(error @ FetchError::Failed { .. }) => {
            assert!(error.is_transient());
            error.to_string()
        }
        other => panic!("has not failed: {other:?}"),
    }
}

#[tokio::test]
async fn a_picture_is_fetched_whole_and_honestly() {
    let server = gallery().await;
    let (fetcher, url) = (fetcher(&[server.host()]), at(&server, "/a.png"));
    let fetched = tokio::spawn(async move { fetcher.picture(&url).await }).await.unwrap().unwrap();
    assert_eq!(fetched.bytes, picture());
    assert_eq!(fetched.url, at(&server, "/a.png"));
    let seen = server.log().requests();
    assert_eq!(seen.iter().map(|seen| seen.path()).collect::<Vec<_>>(), ["/robots.txt", "/a.png"]);
    for request in &seen {
        assert_eq!(request.header("user-agent"), Some("SightScan/9 (https://example.org; a@example.org)"));
        assert_eq!((request.header("referer"), request.header("cookie")), (None, None));
        assert_eq!(request.header("accept-encoding"), None);
    }
}

#[tokio::test]
async fn services_are_asked_without_robots_txt() {
    let server = Upstream::blank().await;
    server.set_robots("User-agent: *\nDisallow: /\n");
    server.fix("/api", Answer::json(&json!({"answer": 42})));
    let fetcher = fetcher(&[server.host()]);
    let url = at(&server, "/api?key=k&q=a%20b");
    assert_eq!(fetcher.json::<Value>(url.clone()).await.unwrap()["answer"], 42);
    let fields = [("data", "[out:json];"), ("q", "Köln & Bonn")];
    assert_eq!(fetcher.post_form::<Value>(url.clone(), &fields).await.unwrap()["answer"], 42);
    assert_eq!(fetcher.post_json::<Value>(url, &json!({"a": [1]})).await.unwrap()["answer"], 42);

    let seen = server.log().requests();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|seen| seen.address == "/api?key=k&q=a%20b"));
    assert_eq!(seen[0].method, "GET");
    assert_eq!(seen[1].body, "data=%5Bout%3Ajson%5D%3B&q=K%C3%B6ln+%26+Bonn");
    assert_eq!(seen[1].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((seen[2].method.as_str(), &seen[2].body[..]), ("POST", &b"{\"a\":[1]}"[..]));
    assert_eq!(seen[2].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn redirects_are_followed_to_the_fifth() {
    let server = gallery().await;
    for nth in 1..=6 {
        server.fix(&format!("/{nth}"), Answer::redirect(&format!("{}", nth - 1)));
    }
    server.fix("/0", Answer::redirect("/a.png#top"));
    let fetcher = fetcher(&[server.host()]);
    let fetched = fetcher.picture(&at(&server, "/4")).await.unwrap();
    assert_eq!((fetched.bytes, fetched.url), (picture(), at(&server, "/a.png")));
    assert_eq!(refused(fetcher.picture(&at(&server, "/5")).await), "redirects too often");
}

#[tokio::test]
async fn credentials_in_addresses_are_not_sent() {
    let server = gallery().await;
    let with_credentials = format!("http://user:secret@{}/a.png", server.host());
    server.fix("/there", Answer::redirect(&with_credentials));
    let fetcher = fetcher(&[server.host()]);
    for url in [with_credentials.parse().unwrap(), at(&server, "/there")] {
        assert_eq!(fetcher.picture(&url).await.unwrap().url, at(&server, "/a.png"));
    }
    let missing = format!("http://user:secret@{}/missing", server.host()).parse().unwrap();
    let error = fetcher.picture(&missing).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(server.log().requests().iter().all(|seen| seen.header("authorization").is_none()));
}
