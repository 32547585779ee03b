//! Fakes of services: real servers on loopback that speak the wire formats.
//!
//! Every fake has an [`Upstream`]: it listens on a free port, keeps a [`Log`] of what it was asked, gives [`Faults`]
//! when it is told to, and ends with its value. What it answers otherwise was shaped after the vendor's documentation,
//! which its module names.

mod answer;
pub mod custom_search;
mod faults;
pub mod flickr;
mod gallery;
mod log;
pub mod oauth;
pub mod openverse;
pub mod overpass;
mod params;
pub mod places;
pub mod search_page;
pub mod vision;
#[cfg(test)]
mod visitor;
pub mod wikimedia;
pub mod world;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use answer::Answer;
pub use faults::{Fault, Faults};
pub use log::{Log, Seen};
pub use world::World;

/// A larger body of a request is not read. Vision takes 10 MB.
const MOST_BYTES: usize = 64 << 20;

/// A server on loopback, on a port of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    url: String,
    shared: Arc<Shared>,
    /// Its drop ends the server.
    _running: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Shared {
    log: Log,
    faults: Faults,
    fixed: Mutex<HashMap<String, Answer>>,
    headers: Mutex<Vec<ExtraHeader>>,
}

#[derive(Debug)]
struct ExtraHeader {
    prefix: String,
    name: HeaderName,
    value: HeaderValue,
}

impl Upstream {
    /// Starts a server. `routes` is told its base URL, because answers name other addresses of the same server.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(routes: impl FnOnce(&str) -> Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let shared = Arc::new(Shared::default());
        let routes = routes(&url)
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(Arc::clone(&shared), watched));
        let (running, ended) = oneshot::channel::<()>();
        // Without it an answer on a connection that is used again waits for the client's acknowledgement.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let server = axum::serve(listener, routes).with_graceful_shutdown(async {
            drop(ended.await);
        });
        tokio::spawn(server.into_future());
        Self { url, shared, _running: running }
    }

    /// A server that answers only what it was told by [`Upstream::fix`], and 404 to all else.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn blank() -> Self {
        Self::start(|_| Router::new()).await
    }

    /// Its base URL, `http://127.0.0.1:34567`, without a `/` at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The host and port in its URL.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What it was asked.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Gives a path (or a path with its query) this answer from now on, without faults.
    pub fn fix(&self, path: &str, answer: Answer) {
        lock(&self.shared.fixed).insert(path.to_owned(), answer);
    }

    /// Takes an answer of [`Upstream::fix`] back.
    pub fn unfix(&self, path: &str) {
        lock(&self.shared.fixed).remove(path);
    }

    /// Gives it a robots.txt. Without one it answers 404, which allows everything.
    pub fn set_robots(&self, text: &str) {
        self.fix("/robots.txt", Answer::new("text/plain", text.to_owned()));
    }

    /// Adds a header to every answer whose path begins with `prefix`, such as `X-Robots-Tag: noai` or
    /// `tdm-reservation: 1` to pictures.
    ///
    /// # Panics
    /// When these cannot be a header.
    pub fn add_header(&self, prefix: &str, name: &str, value: &str) {
        let header = ExtraHeader {
            prefix: prefix.to_owned(),
            name: name.parse().expect("a header's name"),
            value: value.parse().expect("a header's value"),
        };
        lock(&self.shared.headers).push(header);
    }
}

impl Shared {
    /// What somebody asked for in particular.
    fn fixed(&self, uri: &Uri) -> Option<Answer> {
        let fixed = lock(&self.fixed);
        fixed.get(address(uri)).or_else(|| fixed.get(uri.path())).cloned()
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        let uri = request.uri().clone();
        if let Some(answer) = self.fixed(&uri) {
            return answer.give().await;
        }
        if let Some(answer) = faults::loop_answer(uri.path()) {
            return answer.into_response();
        }
        match self.faults.draw(address(&uri)) {
            Some(fault) => fault.give(next.run(request)).await,
            None => next.run(request).await,
        }
    }

    fn add_headers(&self, path: &str, response: &mut Response) {
        for header in lock(&self.headers).iter().filter(|header| path.starts_with(&header.prefix)) {
            response.headers_mut().append(header.name.clone(), header.value.clone());
        }
    }
}

/// Logs a request, and answers it with what was fixed, with a fault, or as the service would.
async fn watched(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut entry = shared.log.begin(&parts);
    let body = to_bytes(body, MOST_BYTES).await.unwrap_or_else(|_| Bytes::new());
    entry.read(&body);
    let path = parts.uri.path().to_owned();
    let mut response = shared.answer(Request::from_parts(parts, Body::from(body)), next).await;
    shared.add_headers(&path, &mut response);
    entry.answered(response.status());
    response
}

/// The path with its query.
fn address(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), |both| both.as_str())
}

/// A lock whose holder panicked is still good: nothing here leaves its value half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::visitor::{get, get_as, post};
    use super::*;

    async fn with_page() -> Upstream {
        Upstream::start(|_| Router::new().route("/page", axum::routing::any(async || "a whole page"))).await
    }

    #[tokio::test]
    async fn what_was_asked_is_logged() {
        let upstream = with_page().await;
        post(&upstream, "/page?a=1", &["X-Key: k"], b"body").await;
        get(&upstream, "/none").await;
        let [first, second] = upstream.log().requests().try_into().unwrap();
        assert_eq!((first.method.as_str(), first.path(), first.query()), ("POST", "/page", "a=1"));
        assert_eq!((first.header("x-key"), &first.body[..]), (Some("k"), &b"body"[..]));
        assert_eq!((first.status, second.status), (Some(200), Some(404)));
        assert!(first.begun <= first.ended.unwrap() && first.ended.unwrap() <= second.begun);
        assert_eq!((upstream.log().count("/page"), upstream.log().total()), (1, 2));
        upstream.log().keep_at_most(1);
        assert_eq!((upstream.log().requests_to("/page").len(), upstream.log().total()), (0, 2));
    }

    #[tokio::test]
    async fn requests_in_flight_are_counted() {
        let all = Arc::new(tokio::sync::Barrier::new(3));
        let meet = async move || {
            all.wait().await;
        };
        let upstream = Upstream::start(|_| Router::new().route("/meet", axum::routing::get(meet))).await;
        tokio::join!(get(&upstream, "/meet"), get(&upstream, "/meet"), get(&upstream, "/meet"));
        assert_eq!(upstream.log().most_in_flight(), 3);
        upstream.log().clear();
        get(&upstream, "/none").await;
        get(&upstream, "/none").await;
        assert_eq!(upstream.log().most_in_flight(), 1);
    }

    #[tokio::test]
    async fn every_fault_looks_as_it_should() {
        let upstream = with_page().await;
        upstream.faults().next("/page", Fault::ALL);
        let too_many = get(&upstream, "/page").await;
        assert_eq!((too_many.status, too_many.header("retry-after")), (429, "1"));
        assert_eq!(get(&upstream, "/page").await.status, 503);
        let begun = Instant::now();
        assert_eq!(get(&upstream, "/page").await.text(), "a whole page");
        assert!(begun.elapsed() >= Duration::from_millis(300));
        let mut hop = get(&upstream, "/page").await;
        for _ in 0..5 {
            assert_eq!(hop.status, 302);
            hop = get(&upstream, hop.header("location")).await;
        }
        let wrong = get(&upstream, "/page").await;
        assert_eq!((wrong.status, wrong.header("content-type")), (200, "text/html; charset=utf-8"));
        let truncated = get(&upstream, "/page").await;
        assert_eq!((truncated.header("content-length"), truncated.text().as_str()), ("12", "a whol"));
        assert_eq!(get(&upstream, "/page").await.text(), "a whole page");
    }

    #[tokio::test]
    async fn fixed_answers_come_before_everything() {
        let upstream = with_page().await;
        upstream.faults().set(1.0, &[Fault::ServerError]);
        upstream.fix("/page", Answer::new("text/plain", "fixed").header("x-a", "b").cut());
        upstream.fix("/page?special", Answer::redirect("/page"));
        let reply = get(&upstream, "/page?any").await;
        assert_eq!((reply.text().as_str(), reply.header("content-length")), ("fi", "5"));
        assert_eq!(reply.header("x-a"), "b");
        assert_eq!(get(&upstream, "/page?special").await.header("location"), "/page");
        upstream.unfix("/page");
        assert_eq!(get(&upstream, "/page").await.status, 503);
    }

    #[tokio::test]
    async fn robots_and_headers_are_what_was_set() {
        let upstream = with_page().await;
        assert_eq!(get(&upstream, "/robots.txt").await.status, 404);
        upstream.set_robots("User-agent: *\nDisallow: /");
        assert!(get(&upstream, "/robots.txt").await.text().contains("Disallow"));
        upstream.add_header("/page", "X-Robots-Tag", "noai");
        assert_eq!(get_as(&upstream, "/page", &[]).await.header("x-robots-tag"), "noai");
        assert_eq!(get(&upstream, "/robots.txt").await.header("x-robots-tag"), "");
    }

    #[tokio::test]
    async fn it_ends_with_its_value() {
        let upstream = with_page().await;
        let host = upstream.host().to_owned();
        drop(upstream);
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpListener::bind(&host).await.is_err() {
            assert!(Instant::now() < deadline, "the port is still in use");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
