use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::FromRef;
use sightscan_http::axum::http::{HeaderMap, HeaderValue, Method};
use sightscan_http::axum::routing::{get, post};
use sightscan_http::axum::{self, Json, Router};
use sightscan_http::events::Event;
use sightscan_http::*;
use sightscan_types::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOKEN: &str = "correct-horse-battery";
const SIZE: u64 = 100_000;

/// What the routes share.
#[derive(Clone)]
struct Shared(AdminGate);

impl FromRef<Shared> for AdminGate {
    fn from_ref(shared: &Shared) -> Self {
        shared.0.clone()
    }
}

#[derive(Serialize, Deserialize)]
struct ByNumber(u64);

impl Place for ByNumber {
    const LIST: &'static str = "numbers.1";
}

async fn numbers(query: PageQuery) -> Result<Json<Page<u64>>, Problem> {
    let first = query.after()?.map_or(0, |ByNumber(last)| last + 1);
    let rows = (first..100).take(query.limit + 1).collect();
    Ok(Json(Page::cut(rows, query.limit, |last| ByNumber(*last))))
}

async fn events(LastEventId(last): LastEventId, draining: Draining) -> axum::response::Response {
    let first = Event::default().data(format!("after {}", last.unwrap_or_default()));
    event_stream(stream::once(async { Ok::<_, Infallible>(first) }).chain(stream::pending()), draining)
}

/// The byte at each place of the file is the place's last eight bits.
async fn file(method: Method, headers: HeaderMap) -> Result<axum::response::Response, Problem> {
    let download = Download {
        sha256: Sha256::of(b"numbers"),
        size: SIZE,
        media_type: HeaderValue::from_static("application/octet-stream"),
        file_name: Some("numbers.bin".to_owned()),
        headers: HeaderMap::new(),
    };
    let open = async |range: Range<u64>| {
        let bytes: Vec<u8> = range.map(|place| place as u8).collect();
        let chunks: Vec<_> = bytes.chunks(1000).map(|chunk| Ok::<_, Infallible>(chunk.to_vec())).collect();
        Ok(Body::from_stream(stream::iter(chunks)))
    };
    download.answer(&method, &headers, open).await
}

struct Running {
    address: SocketAddr,
    client: Client,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<Stopped>,
}

impl Running {
    async fn start(trusted: &[&str], hosts: AllowedHosts) -> Self {
        let gate = AdminGate::new(AdminToken::new(TOKEN).unwrap());
        let quota = Quota { per_minute: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() };
        let limit = RateLimit::new(quota).sparing_admins(gate.clone());
        let router = Router::new()
            .route("/gated", post(|| async { "opened" }).layer(gate.layer()))
            .route("/limited", get(|| async { "passed" }).layer(limit.layer()))
            .route("/admin", get(async |_: Admin| "hello"))
            .route("/address", get(async |client: ClientAddress| client.ip().to_string()))
            .route("/numbers", get(numbers))
            .route("/events", get(events))
            .route("/file", get(file))
            .route("/healthz", get(async || "alive"))
            .with_state(Shared(gate));
        let trusted = TrustedProxies::parse(trusted).unwrap();
        let surroundings = Surroundings { trusted, hosts, ..Surroundings::new(Arc::new(|_| {})) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = oneshot::channel();
        let shutdown = async { stopping.await.unwrap_or_default() };
        let serving = serve(listener, surroundings.around(router), shutdown, ServerOptions::default());
        let client = Client::builder().no_proxy().build().unwrap();
        Self { address, client, stop, stopped: tokio::spawn(serving) }
    }

    async fn usual() -> Self {
        Self::start(&["127.0.0.1"], AllowedHosts::any()).await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(Method::GET, path, headers).await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// What is answered to these bytes.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn the_client_is_the_peer_or_whom_a_trusted_proxy_names() {
    let forwarded = [("x-forwarded-for", "6.6.6.6, 203.0.113.9")];
    let server = Running::usual().await;
    assert_eq!(server.get("/address", &forwarded).await.text().await.unwrap(), "203.0.113.9");
    assert_eq!(server.get("/address", &[]).await.text().await.unwrap(), "127.0.0.1");
    let server = Running::start(&[], AllowedHosts::any()).await;
    assert_eq!(server.get("/address", &forwarded).await.text().await.unwrap(), "127.0.0.1");
}

#[tokio::test]
async fn only_allowed_hosts_are_answered_for() {
    let server = Running::start(&[], AllowedHosts::parse(["sights.example"]).unwrap()).await;
    for (path, host, status) in [
        ("/address", "host: sights.example:8002\r\n", "200"),
        ("/address", "host: evil.example\r\n", "421"),
        ("/nowhere", "host: evil.example\r\n", "421"),
        ("/address", "", "400"),
        ("/healthz", "host: 10.0.0.7\r\n", "200"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\n{host}connection: close\r\nx-request-id: r-1\r\n\r\n");
        let answer = server.raw(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}{answer}");
        assert_eq!(answer.contains(r#""request_id":"r-1""#), status != "200", "{answer}");
    }
}

#[tokio::test]
async fn the_gate_opens_for_the_token_only() {
    let server = Running::usual().await;
    for (method, path) in [(Method::POST, "/gated"), (Method::GET, "/admin")] {
        let missing = server.ask(method.clone(), path, &[]).await;
        assert_eq!(
            (missing.status().as_u16(), &missing.headers()["www-authenticate"]),
            (401, &HeaderValue::from_static("Bearer"))
        );
        let problem: Value = missing.json().await.unwrap();
        assert_eq!(problem["type"], "urn:sightscan:problem:unauthorized");
        let wrong = server.ask(method.clone(), path, &[("authorization", &bearer("wrong"))]).await;
        assert_eq!(wrong.status(), 401);
        assert_eq!(wrong.headers().get_all("www-authenticate").iter().count(), 1);
        let right = server.ask(method, path, &[("authorization", &bearer(TOKEN))]).await;
        assert_eq!(right.status(), 200);
    }
}

#[tokio::test]
async fn guessing_is_stopped_for_the_client_that_guesses() {
    let server = Running::usual().await;
    let guess = async |token: &str, client: &str| {
        let headers = [("authorization", bearer(token)), ("x-forwarded-for", client.to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        server.get("/admin", &headers).await.status().as_u16()
    };
    for _ in 0..10 {
        assert_eq!(guess("wrong", "203.0.113.9").await, 401);
    }
    assert_eq!(guess(TOKEN, "203.0.113.9").await, 429);
    assert_eq!(guess(TOKEN, "203.0.113.10").await, 200);
}

#[tokio::test]
async fn each_client_has_a_limit_and_the_administrator_has_none() {
    let server = Running::usual().await;
    let ask = async |client: &str| server.get("/limited", &[("x-forwarded-for", client)]).await;
    for status in [200, 200, 429] {
        assert_eq!(ask("2001:db8::1").await.status(), status);
    }
    let limited = ask("2001:db8::2").await;
    let wait: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
    let problem: Value = limited.json().await.unwrap();
    assert_eq!(problem["type"], "urn:sightscan:problem:rate-limited");
    assert_eq!(ask("2001:db8:0:9::1").await.status(), 200);
    let admin = bearer(TOKEN);
    let headers = [("x-forwarded-for", "2001:db8::1"), ("authorization", admin.as_str())];
    assert_eq!(server.get("/limited", &headers).await.status(), 200);
}

#[tokio::test]
async fn a_list_can_be_walked_and_cursors_are_checked() {
    let server = Running::usual().await;
    let (mut path, mut seen) = ("/numbers?limit=40".to_owned(), Vec::new());
    loop {
        let page: Page<u64> = server.get(&path, &[]).await.json().await.unwrap();
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        path = format!("/numbers?limit=40&cursor={next}");
    }
    assert_eq!(seen, (0..100).collect::<Vec<u64>>());
    for (query, slug) in [("cursor=abc", "bad-cursor"), ("limit=501", "invalid-parameter")] {
        let answer = server.get(&format!("/numbers?{query}"), &[]).await;
        assert_eq!(answer.status(), 400);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], format!("urn:sightscan:problem:{slug}"));
    }
}

#[tokio::test]
async fn an_open_event_stream_ends_when_the_server_stops() {
    let server = Running::usual().await;
    let mut answer = server.get("/events", &[("last-event-id", "41")]).await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: after 41\n\n");
    let begun = Instant::now();
    server.stop.send(()).unwrap();
    assert_eq!(answer.chunk().await.unwrap(), None, "it ends in good order");
    assert_eq!(server.stopped.await.unwrap(), Stopped { cut_off: 0 });
    assert!(begun.elapsed() < Duration::from_secs(25), "before the limit of the drain");
}

#[tokio::test]
async fn a_download_that_broke_off_goes_on() {
    let server = Running::usual().await;
    let whole = server.get("/file", &[]).await;
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(whole.headers()["content-disposition"], "attachment; filename=\"numbers.bin\"");
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len() as u64, SIZE);

    let rest = server.get("/file", &[("range", "bytes=60000-"), ("if-range", &tag)]).await;
    assert_eq!((rest.status().as_u16(), rest.content_length()), (206, Some(40_000)));
    assert_eq!(rest.headers()["content-range"], "bytes 60000-99999/100000");
    assert_eq!(rest.bytes().await.unwrap(), whole[60_000..]);

    let beyond = server.get("/file", &[("range", "bytes=100000-")]).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"], "bytes */100000");
}

#[tokio::test]
async fn heads_and_unchanged_files_have_no_body_and_keep_the_connection() {
    let server = Running::usual().await;
    let head = server.ask(Method::HEAD, "/file", &[]).await;
    assert_eq!(head.headers()["content-length"], "100000");
    let tag = head.headers()["etag"].to_str().unwrap().to_owned();
    let get = |headers: &str| format!("GET /file HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    let requests =
        get(&format!("if-none-match: {tag}\r\n")) + &get("range: bytes=1-2\r\nconnection: close\r\n");
    let answer = server.raw(&requests).await;
    let (first, second) = answer.split_once("\r\n\r\n").unwrap();
    assert!(first.starts_with("HTTP/1.1 304") && first.contains(&tag), "{answer}");
    assert!(second.starts_with("HTTP/1.1 206") && second.ends_with("\r\n\r\n\x01\x02"), "{answer}");
}
