//! Reading requests: parameters, parts of the path and JSON, with a problem for whatever cannot be read.

use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::body::Budget;
use crate::problem::{Problem, Slug};

/// How long a small body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// U+0000 in a query: PostgreSQL fails on texts with it, so none is there to be found.
const NUL: &str = "%00";

/// Bytes of a body that holds no picture.
const SMALL_BODY: u64 = 64 << 10;
/// Bytes of all such bodies that are in memory at once, in greatest bodies.
const BODIES_AT_ONCE: u64 = 16;

/// Longer reasons are cut.
const LONGEST_REASON: usize = 500;

/// The memory that bodies of JSON share.
#[derive(Debug, Clone)]
pub struct SmallBodies(Budget);

impl Default for SmallBodies {
    fn default() -> Self {
        Self(Budget::new(SMALL_BODY, SMALL_BODY * BODIES_AT_ONCE))
    }
}

/// The parameters of the query.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains(NUL)) {
            let what = "the query holds the character U+0000, which no text here has; leave it out";
            return Err(Problem::new(Slug::InvalidParameter, what));
        }
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(asked)| Self(asked)).map_err(|error| {
            Problem::new(Slug::InvalidParameter, format!("the query cannot be read: {}", error.body_text()))
        })
    }
}

/// A part of the path that names something.
#[derive(Debug)]
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|error| {
            Problem::new(Slug::InvalidParameter, format!("the path cannot be read: {}", error.body_text()))
        })
    }
}

/// A body in JSON of at most 64 KiB; none at all is an empty object.
#[derive(Debug)]
pub struct Posted<T>(pub T);

impl<T, S> FromRequest<S> for Posted<T>
where
    T: DeserializeOwned,
    SmallBodies: FromRef<S>,
    S: Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let SmallBodies(budget) = SmallBodies::from_ref(state);
        let received = budget.receive(body, Instant::now() + PATIENCE).await?;
        if received.bytes.is_empty() {
            return parse(b"{}");
        }
        if !is_json(&media_type(&parts.headers)) {
            let what = "send JSON, with the header `content-type: application/json`";
            return Err(Problem::new(Slug::UnsupportedMediaType, what));
        }
        parse(&received.bytes)
    }
}

/// Why something is decided.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// For the history, which keeps its first 500 characters.
    reason: Option<String>,
}

impl Why {
    /// The reason, or that none was given.
    pub fn reason(self) -> String {
        let reason = self.reason.unwrap_or_default();
        // The database cannot keep U+0000.
        let reason: String = reason.trim().replace('\0', "").chars().take(LONGEST_REASON).collect();
        if reason.is_empty() { "no reason given".to_owned() } else { reason }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Posted<T>, Problem> {
    serde_json::from_slice(bytes).map(Posted).map_err(|error| {
        Problem::new(Slug::Malformed, format!("the body is not as expected: {error}; see /openapi.json"))
    })
}

/// The media type that a request declares, in lower case and without its parameters.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}
