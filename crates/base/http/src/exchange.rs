//! What surrounds every handler: a request id, one log line, one record for the metrics, the client's address, the
//! hosts that are answered for, a safety net for panics, and problems where there is no route.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tracing::{error, info};

use crate::client::TrustedProxies;
use crate::hosts::AllowedHosts;
use crate::problem::{Problem, Slug};
use crate::request_id::{self, RequestId};

/// The route of a request that no route took.
const UNMATCHED: &str = "unmatched";

/// One request and how it ended.
#[derive(Debug)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The route as it was declared, such as `/v1/models/{name}`; never the path itself, which has no bound.
    pub route: String,
    /// How it ended.
    pub outcome: Outcome,
    /// From the request's head to the answer's.
    pub duration: Duration,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer; `slug` says which problem, where it is one.
    Answered {
        /// Its status.
        status: StatusCode,
        /// The kind of problem.
        slug: Option<Slug>,
    },
    /// The client left before the answer.
    ClientLeft,
}

impl Outcome {
    /// One word for metrics: `ok`, the problem's slug, or `client-left`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientLeft => "client-left",
            Self::Answered { slug: Some(slug), .. } => slug.name(),
            Self::Answered { slug: None, status } if status.as_u16() < 400 => "ok",
            Self::Answered { slug: None, .. } => "other",
        }
    }
}

/// Is told of every exchange, once.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// What the routes of a router are put into.
#[derive(Clone)]
pub struct Surroundings {
    /// Is told of every exchange.
    pub observer: Observer,
    /// Who is believed about the client's address.
    pub trusted: TrustedProxies,
    /// The hosts that are answered for.
    pub hosts: AllowedHosts,
}

impl Surroundings {
    /// Surroundings that answer for every host and believe nobody about the client's address.
    pub fn new(observer: Observer) -> Self {
        Self { observer, trusted: TrustedProxies::default(), hosts: AllowedHosts::any() }
    }

    /// Puts the router's routes into these surroundings. To be called once, on the whole router.
    pub fn around(self, router: Router) -> Router {
        router
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(CatchPanicLayer::custom(panicked))
            // Bodies are read under the limits of `Budget`.
            .layer(DefaultBodyLimit::disable())
            .layer(ValidateRequestHeaderLayer::custom(self.hosts))
            .layer(ValidateRequestHeaderLayer::custom(self.trusted))
            .layer(from_fn_with_state(self.observer, exchange))
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { trusted, hosts, .. } = self;
        let mut fields = formatter.debug_struct("Surroundings");
        fields.field("trusted", trusted).field("hosts", hosts).finish_non_exhaustive()
    }
}

/// Puts the router's routes into the usual [`Surroundings`]. To be called once, on the whole router.
pub fn surround(router: Router, observer: Observer) -> Router {
    Surroundings::new(observer).around(router)
}

async fn not_found() -> Problem {
    nothing_here()
}

fn nothing_here() -> Problem {
    Problem::new(Slug::NotFound, "there is nothing at this path; /openapi.json lists what there is")
}

async fn method_not_allowed(method: Method) -> Problem {
    let what = format!("this path does not answer {method}; the header `allow` lists what it answers");
    Problem::new(Slug::MethodNotAllowed, what)
}

fn panicked(payload: Box<dyn Any + Send>) -> Response {
    Problem::internal(format!("a handler panicked: {}", panic_message(payload.as_ref()))).into_response()
}

/// The text that a panic was raised with.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

async fn exchange(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let record = Record::begin(&request, observer);
    let (request, unread) = watch_body(request);
    let mut response = next.run(request).await;
    let extensions = response.extensions_mut();
    let (problem, worded) = (extensions.remove::<Problem>(), extensions.remove::<Worded>());
    let problem = problem.or_else(|| foreign(response.status()).filter(|_| worded.is_none()));
    if let Some(problem) = &problem {
        response = named(response, problem, &record.id);
    }
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, record.id.header_value());
    if unread.load(Ordering::Relaxed) {
        // What is left of the body would be taken for the next request.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    record.end(response.status(), problem.as_ref());
    response
}

/// An extension of answers whose text is the handler's own although their status is an error: that of an interface which
/// is older than ours.
#[derive(Debug, Clone, Copy)]
pub struct Worded;

/// The problem where a library refuses a request in a form of its own.
fn foreign(status: StatusCode) -> Option<Problem> {
    match status {
        StatusCode::NOT_FOUND => Some(nothing_here()),
        StatusCode::BAD_REQUEST => {
            Some(Problem::new(Slug::Malformed, "the address cannot be read; it must be UTF-8 once decoded"))
        }
        _ => None,
    }
}

/// The same answer with the request id in its body.
fn named(response: Response, problem: &Problem, id: &RequestId) -> Response {
    let (parts, _) = response.into_parts();
    let (fresh, body) = problem.clone().respond(Some(id)).into_parts();
    let mut named = Response::from_parts(parts, body);
    named.headers_mut().remove(header::CONTENT_LENGTH);
    named.headers_mut().extend(fresh.headers);
    named
}

/// Becomes one log line and one observation, whichever way the exchange ends.
struct Record {
    id: RequestId,
    method: Method,
    route: String,
    start: Instant,
    observer: Observer,
    ended: bool,
}

impl Record {
    fn begin(request: &Request, observer: Observer) -> Self {
        let matched = request.extensions().get::<MatchedPath>();
        Self {
            id: RequestId::of(request.headers()),
            method: request.method().clone(),
            route: matched.map_or(UNMATCHED, MatchedPath::as_str).to_owned(),
            start: Instant::now(),
            observer,
            ended: false,
        }
    }

    fn end(mut self, status: StatusCode, problem: Option<&Problem>) {
        self.ended = true;
        let outcome = Outcome::Answered { status, slug: problem.map(Problem::slug) };
        self.close(outcome, problem.and_then(Problem::cause));
    }

    fn close(&self, outcome: Outcome, cause: Option<&str>) {
        let exchange = Exchange {
            method: self.method.clone(),
            route: self.route.clone(),
            outcome,
            duration: self.start.elapsed(),
        };
        log(&exchange, self.id.as_str(), cause);
        (self.observer)(&exchange);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.close(Outcome::ClientLeft, None);
        }
    }
}

fn log(exchange: &Exchange, request_id: &str, cause: Option<&str>) {
    let Exchange { method, route, outcome, duration } = exchange;
    let duration_ms = duration.as_secs_f64() * 1e3;
    let outcome_name = outcome.name();
    match *outcome {
        // That a server is not ready is an answer like others: probes ask for it every few seconds.
        Outcome::Answered { status, slug } if status.is_server_error() && slug != Some(Slug::NotReady) => {
            error!(
                request_id, %method, path = route, status = status.as_u16(), outcome = outcome_name, duration_ms,
                cause = cause.unwrap_or("unknown"), "request failed"
            )
        }
        Outcome::Answered { status, .. } => info!(
            request_id, %method, path = route, status = status.as_u16(), outcome = outcome_name, duration_ms,
            "request answered"
        ),
        Outcome::ClientLeft => info!(
            request_id, %method, path = route, outcome = outcome_name, duration_ms,
            "client left before the answer"
        ),
    }
}

/// Wraps the request's body; the flag tells whether some of it has not been read.
fn watch_body(request: Request) -> (Request, Arc<AtomicBool>) {
    let unread = Arc::new(AtomicBool::new(!request.body().is_end_stream()));
    let flag = Arc::clone(&unread);
    (request.map(|inner| Body::new(Watched { inner, unread: flag })), unread)
}

struct Watched {
    inner: Body,
    unread: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.unread.store(false, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Path;
    use axum::routing::{get, post};
    use http_body_util::BodyExt;
    use std::sync::Mutex;
    use tower::ServiceExt;

    type Seen = Arc<Mutex<Vec<(String, Outcome)>>>;

    fn router() -> (Router, Seen) {
        let seen = Seen::default();
        let writer = Arc::clone(&seen);
        let observer: Observer = Arc::new(move |exchange: &Exchange| {
            writer.lock().unwrap().push((exchange.route.clone(), exchange.outcome));
        });
        let router = Router::new()
            .route("/things/{id}", get(|_: Path<String>| async { "a thing" }))
            .route("/library", get(|| async { StatusCode::NOT_FOUND }))
            .route("/panic", get(|| async { panic!("secret cause") as &str }))
            .route("/ignore", post(|| async { "not read" }))
            .route("/echo", post(|body: Bytes| async { body }))
            .route("/slow", get(std::future::pending::<()>));
        (surround(router, observer), seen)
    }

    fn request(method: Method, path: &str, body: &'static str) -> Request {
        let builder =
            axum::http::Request::builder().method(method).uri(path).header("x-request-id", "test-1");
        builder.body(Body::from(body)).unwrap()
    }

    async fn json_of(response: Response) -> serde_json::Value {
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_carries_the_request_id_and_is_observed_by_its_route() {
        let (router, seen) = router();
        let response = router.oneshot(request(Method::GET, "/things/7", "")).await.unwrap();
        assert_eq!(response.headers()["x-request-id"], "test-1");
        assert!(!response.headers().contains_key("connection"));
        let expected = Outcome::Answered { status: StatusCode::OK, slug: None };
        assert_eq!(*seen.lock().unwrap(), [("/things/{id}".to_owned(), expected)]);
    }

    #[tokio::test]
    async fn missing_paths_and_methods_are_problems_with_the_request_id() {
        for (method, path, slug) in [
            (Method::GET, "/nowhere", Slug::NotFound),
            (Method::GET, "/library", Slug::NotFound),
            (Method::GET, "/things/%ff", Slug::Malformed),
            (Method::DELETE, "/things/7", Slug::MethodNotAllowed),
        ] {
            let (router, seen) = router();
            let response = router.oneshot(request(method, path, "")).await.unwrap();
            assert_eq!(response.status(), slug.status());
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.headers().contains_key("allow"), slug == Slug::MethodNotAllowed);
            assert_eq!(json_of(response).await["request_id"], "test-1");
            assert_eq!(seen.lock().unwrap()[0].1.name(), slug.name());
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_tells_nothing() {
        let (router, seen) = router();
        let response = router.oneshot(request(Method::GET, "/panic", "")).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = json_of(response).await;
        assert_eq!(body["type"], "urn:sightscan:problem:internal");
        assert!(!body.to_string().contains("secret"));
        assert_eq!(seen.lock().unwrap()[0].1.name(), "internal");
    }

    #[tokio::test]
    async fn a_connection_whose_body_was_not_read_is_closed() {
        let closes = async |path| {
            let response = router().0.oneshot(request(Method::POST, path, "body")).await.unwrap();
            response.headers().get("connection").is_some_and(|value| value == "close")
        };
        assert!(closes("/ignore").await);
        assert!(!closes("/echo").await);
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_observed_too() {
        let (router, seen) = router();
        let answer = router.oneshot(request(Method::GET, "/slow", ""));
        assert!(tokio::time::timeout(Duration::from_millis(20), answer).await.is_err());
        assert_eq!(*seen.lock().unwrap(), [("/slow".to_owned(), Outcome::ClientLeft)]);
    }
}
