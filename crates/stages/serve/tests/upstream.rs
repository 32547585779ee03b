//! A laptop passes on what visitors ask about cities, and nothing else.

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_http::axum::body::Bytes;
use sightscan_http::axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use sightscan_http::axum::response::IntoResponse;
use sightscan_http::axum::{Json, Router};
use sightscan_serve::Config;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use crate::support::*;

/// A server elsewhere that answers with what it was asked; it ends with the set.
async fn elsewhere(serving: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/guide", listener.local_addr().unwrap());
    let router = Router::new().fallback(told);
    serving.spawn(async move { sightscan_http::axum::serve(listener, router).await.unwrap() });
    address
}

async fn told(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    if uri.path().ends_with("/v1/cities/nowhere") {
        let problem = json!({"type": "urn:sightscan:problem:unknown-city", "detail": "no such city"});
        return (StatusCode::NOT_FOUND, HeaderMap::new(), Json(problem));
    }
    if uri.path().ends_with("/v1/places") {
        let elsewhere =
            HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static("https://sights.example/"))]);
        return (StatusCode::FOUND, elsewhere, Json(Value::Null));
    }
    let has = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let asked = json!({
        "method": method.as_str(), "uri": uri.to_string(), "body": String::from_utf8(body.to_vec()).unwrap(),
        "type": has(header::CONTENT_TYPE), "token": has(header::AUTHORIZATION), "cookie": has(header::COOKIE),
    });
    let said = [(header::LINK, "</v1/donations/x>; rel=\"delete\""), (header::SET_COOKIE, "a=b")];
    let said = said.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (StatusCode::CREATED, HeaderMap::from_iter(said), Json(asked))
}

async fn laptop(from: &str) -> Server {
    Server::tiny(Config { from: Some(from.to_owned()), ..Config::default() }).await
}

#[tokio::test]
async fn what_visitors_ask_about_cities_is_passed_on() {
    let mut serving = JoinSet::new();
    let server = laptop(&elsewhere(&mut serving).await).await;
    let passed = [
        (Method::GET, "/v1/cities?limit=5&cursor=a%2Fb"),
        (Method::POST, "/v1/cities"),
        (Method::GET, "/v1/cities/s%C3%A3o-paulo"),
        (Method::GET, "/v1/cities/berlin/sights"),
        (Method::POST, "/v1/cities/berlin/images"),
        (Method::GET, "/v1/consent"),
        (Method::DELETE, "/v1/donations/token"),
    ];
    for (method, path) in passed {
        let asked = server.client.request(method.clone(), server.url(path));
        let asked = asked.header("content-type", "text/x-test").bearer_auth("secret").header("cookie", "c=d");
        let answer = asked.body("body").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{method} {path}");
        assert_eq!(answer.headers()["link"], "</v1/donations/x>; rel=\"delete\"");
        assert!(!answer.headers().contains_key("set-cookie"));
        let told: Value = answer.json().await.unwrap();
        let uri = format!("/guide{path}");
        let expected = json!({
            "method": method.as_str(), "uri": uri, "body": "body", "type": "text/x-test", "token": null, "cookie": null,
        });
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn nothing_else_is_passed_on() {
    let mut serving = JoinSet::new();
    let server = laptop(&elsewhere(&mut serving).await).await;
    for (method, path, status) in [
        (Method::DELETE, "/v1/cities/berlin", 405),
        (Method::POST, "/v1/cities/berlin/approve", 404),
        (Method::GET, "/v1/jobs", 404),
        (Method::GET, "/v1/cities/..%2Fjobs/sights/x", 404),
    ] {
        let answer = server.client.request(method, server.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    // Clients that know nothing of addresses may send these.
    for path in [
        "/v1/cities/..",
        "/v1/cities/%2e%2e/sights",
        "/v1/cities/..\\..\\metrics",
        "/v1/donations/..\\cities\\berlin",
    ] {
        for method in ["GET", "DELETE"] {
            let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let address = server.address();
            let asked = tokio::task::spawn_blocking(move || send_all_then_read(address, request.as_bytes()));
            let answer = asked.await.unwrap().unwrap();
            assert!(answer.starts_with("HTTP/1.1 40"), "{method} {path}: {answer}");
        }
    }
    let alone = Server::tiny(Config::default()).await;
    assert_eq!(alone.get("/v1/cities").await.status(), 404, "a server that follows none has no cities");
}

#[tokio::test]
async fn errors_are_passed_on_in_their_words_and_redirections_are_not_followed() {
    let mut serving = JoinSet::new();
    let server = laptop(&elsewhere(&mut serving).await).await;
    let answer = server.get("/v1/cities/nowhere").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["detail"], "no such city");
    assert_eq!(problem(server.get("/v1/places?q=ber").await).await, (503, "unavailable".into()));
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_too_large_a_body_is_refused() {
    // It has the port, so that nobody else gets it, and does not listen.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let gone = silent.local_addr().unwrap();
    let server = laptop(&format!("http://{gone}")).await;
    assert_eq!(problem(server.get("/v1/cities").await).await, (503, "unavailable".into()));
    let mut serving = JoinSet::new();
    let from = Some(elsewhere(&mut serving).await);
    let small = Server::tiny(Config { from, max_body_bytes: 1024, ..Config::default() }).await;
    let large = small.client.post(small.url("/v1/cities/berlin/images")).body(vec![b'x'; 2048]);
    assert_eq!(large.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}
