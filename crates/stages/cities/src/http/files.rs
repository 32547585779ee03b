//! Answering with blobs.

use std::convert::Infallible;
use std::ops::Range;

use sightscan_blobs::Blobs;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::FromRequestParts;
use sightscan_http::axum::http::request::Parts;
use sightscan_http::axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sightscan_http::axum::response::Response;
use sightscan_http::{Download, Problem};
use sightscan_types::Sha256;

use crate::error::Error;

/// The SHA-256 of a whole file, as tools print it.
pub(super) const SHA256: HeaderName = HeaderName::from_static("x-sightscan-sha256");
/// The version of a model.
pub(super) const VERSION: HeaderName = HeaderName::from_static("x-sightscan-model-version");

/// What a client sent that matters for a file.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
}

/// A blob as a file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) sha256: Sha256,
    pub(super) size: i64,
    pub(super) media_type: String,
    pub(super) name: Option<String>,
    pub(super) headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Request {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { method: parts.method.clone(), headers: parts.headers.clone() })
    }
}

impl File {
    /// Sends the file, a part of it, or nothing where the client has it.
    pub(super) async fn send(mut self, request: &Request, blobs: &Blobs) -> Result<Response, Problem> {
        let sha256 = self.sha256;
        self.headers.insert(SHA256, text(sha256.to_string()));
        let download = Download {
            sha256,
            size: u64::try_from(self.size).unwrap_or(0),
            media_type: text(self.media_type),
            file_name: self.name,
            headers: self.headers,
        };
        download.answer(&request.method, &request.headers, |range| open(blobs.clone(), sha256, range)).await
    }
}

async fn open(blobs: Blobs, sha256: Sha256, range: Range<u64>) -> Result<Body, Problem> {
    let reading = blobs.stream(&sha256, Some(range)).await.map_err(Error::from)?;
    Ok(Body::from_stream(reading.body))
}

/// A header's value; what cannot be one is left empty.
pub(super) fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The file of an image never changes, but it may be withdrawn: `scope` says who may keep it for an hour.
pub(super) fn kept_by(scope: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::CACHE_CONTROL, text(format!("{scope}, max-age=3600")))])
}
