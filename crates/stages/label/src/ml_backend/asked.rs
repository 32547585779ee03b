//! Reading the requests of Label Studio, which may hold pictures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use sightscan_http::asked::media_type;
use sightscan_http::axum::extract::{FromRequest, Request};
use sightscan_http::{Hold, Problem, Slug};

use super::MlBackend;

/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// A body in JSON, and its share of the memory that such bodies have together.
#[derive(Debug)]
pub(super) struct Sent<T> {
    pub(super) value: T,
    _hold: Hold,
}

impl<T: DeserializeOwned> FromRequest<Arc<MlBackend>> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, backend: &Arc<MlBackend>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        // No page of another site can send this without asking first.
        if media_type(&parts.headers) != "application/json" {
            let what = "send JSON, with the header `content-type: application/json`";
            return Err(Problem::new(Slug::UnsupportedMediaType, what));
        }
        let received = backend.bodies.receive(body, Instant::now() + PATIENCE).await?;
        let value = serde_json::from_slice(&received.bytes).map_err(|error| {
            let what = format!("the body is not as expected: {error}; see /openapi.json");
            Problem::new(Slug::Malformed, what)
        })?;
        Ok(Self { value, _hold: received.hold })
    }
}
