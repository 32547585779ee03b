//! One request and its answer.

use std::error::Error as _;
use std::io;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, Url, redirect};
use serde::Deserialize;
use uuid::Uuid;

use crate::dialect::{Dialect, Payload};
use crate::row::{Failure, IdCheck, Outcome};
use crate::{Config, Error};

const INSTANCE: &str = "x-sightscan-instance";
const REQUEST_ID: &str = "x-request-id";
/// Of a longer answer the rest is counted but not kept.
const KEPT_BYTES: usize = 16 << 20;

/// Sends requests of one dialect to one URL.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
    dialect: Dialect,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) outcome: Outcome,
    pub(crate) finished: Instant,
    pub(crate) received_bytes: u64,
    pub(crate) instance: Option<String>,
    pub(crate) id: IdCheck,
    pub(crate) error: Option<String>,
    /// The body as text, for the course's dialects.
    pub(crate) answer: Option<String>,
}

impl Client {
    /// Checks the URL; nothing is sent.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("sightscan-load/", env!("CARGO_PKG_VERSION")))
            .timeout(config.timeout)
            // The URL as given is measured: no proxy of the environment, no other place that it points to.
            .no_proxy()
            .redirect(redirect::Policy::none());
        if config.dialect.is_other_client() || config.new_connections {
            builder = builder.pool_max_idle_per_host(0);
        }
        let http = builder.build().map_err(Error::Client)?;
        Ok(Self { http, url: parse(&config.url)?, dialect: config.dialect })
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn exchange(&self, payload: &Payload) -> Exchange {
        match self.send(payload).await {
            Ok(exchange) => exchange,
            Err(error) => Exchange::failed(classify(&error), explain(error)),
        }
    }

    async fn send(&self, payload: &Payload) -> Result<Exchange, reqwest::Error> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, &payload.content_type)
            .body(payload.bytes.clone());
        let request_id = (self.dialect == Dialect::V1).then(|| Uuid::now_v7().to_string());
        if let Some(id) = &request_id {
            request = request.header(REQUEST_ID, id);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, self.dialect.is_other_client()).await?;
        let finished = Instant::now();
        let id = match (&request_id, &payload.id) {
            _ if !status.is_success() => IdCheck::Unchecked,
            (Some(sent), _) => IdCheck::of(sent, text(&headers, REQUEST_ID)),
            (None, Some(sent)) => IdCheck::of(sent, id_in(&body.kept).as_deref()),
            (None, None) => IdCheck::Unchecked,
        };
        Ok(Exchange {
            outcome: Outcome::Status(status.as_u16()),
            finished,
            received_bytes: body.bytes,
            instance: text(&headers, INSTANCE).map(str::to_owned),
            id,
            error: None,
            answer: self.dialect.is_other_client().then(|| String::from_utf8_lossy(&body.kept).into_owned()),
        })
    }
}

impl Exchange {
    pub(crate) fn failed(failure: Failure, error: String) -> Self {
        Self { error: Some(error), ..Self::without_answer(Outcome::Failed(failure)) }
    }

    pub(crate) fn cancelled() -> Self {
        Self::without_answer(Outcome::Cancelled)
    }

    fn without_answer(outcome: Outcome) -> Self {
        Self {
            outcome,
            finished: Instant::now(),
            received_bytes: 0,
            instance: None,
            id: IdCheck::Unchecked,
            error: None,
            answer: None,
        }
    }

    /// The time from `origin` to the last byte.
    pub(crate) fn latency(&self, origin: Instant) -> Duration {
        self.finished.saturating_duration_since(origin)
    }
}

fn parse(url: &str) -> Result<Url, Error> {
    let bad = |reason: String| Error::Url { url: url.to_owned(), reason };
    let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        other => Err(bad(format!("its scheme is {other:?}, not http or https"))),
    }
}

struct Body {
    bytes: u64,
    kept: Vec<u8>,
}

async fn read(mut response: Response, keep: bool) -> Result<Body, reqwest::Error> {
    let mut body = Body { bytes: 0, kept: Vec::new() };
    while let Some(chunk) = response.chunk().await? {
        body.bytes += chunk.len() as u64;
        if keep {
            let room = KEPT_BYTES.saturating_sub(body.kept.len()).min(chunk.len());
            body.kept.extend_from_slice(&chunk[..room]);
        }
    }
    Ok(body)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The member `id` of a JSON object.
fn id_in(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified {
        id: String,
    }
    serde_json::from_slice::<Identified>(answer).ok().map(|answer| answer.id)
}

fn classify(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_dns() {
        Failure::Dns
    } else if error.is_connect() {
        Failure::Connect
    } else if causes(error).any(is_reset) {
        Failure::Reset
    } else {
        Failure::Broken
    }
}

fn is_reset(cause: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(BrokenPipe | ConnectionAborted | ConnectionReset))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// The error and its causes in one line, without the URL, which is the same for every request.
fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    causes(&error).fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_http_address_is_refused_with_the_reason() {
        let refused = |url| parse(url).unwrap_err().to_string();
        assert!(
            refused("localhost/v1/detect").contains("relative URL"),
            "{}",
            refused("localhost/v1/detect")
        );
        assert!(refused("localhost:8002/v1/detect").contains("scheme is \"localhost\""));
        assert!(refused("ftp://localhost").contains("not http or https"));
        assert!(parse("http://127.0.0.1:8002/v1/detect?confidence=0.5").is_ok());
    }

    #[test]
    fn the_id_is_found_only_in_an_object_with_a_text() {
        assert_eq!(id_in(br#"{"objects": [], "id": "x"}"#).as_deref(), Some("x"));
        for other in [&br#"{"id": null}"#[..], br#"{"objects": []}"#, b"null", b"oops", br#""{\"id\":1}""#] {
            assert_eq!(id_in(other), None);
        }
    }
}
