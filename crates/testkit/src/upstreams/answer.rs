//! Answers that a test asks for.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};

/// An answer as a test wants it.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    delay: Duration,
    is_cut: bool,
}

impl Answer {
    /// A good answer (200).
    ///
    /// # Panics
    /// When the type cannot be a header.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::empty(200).header(CONTENT_TYPE.as_str(), content_type).body(body)
    }

    /// An answer in JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new("application/json", value.to_string())
    }

    /// An answer without a body.
    ///
    /// # Panics
    /// When there is no such status.
    pub fn empty(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status of HTTP"),
            headers: Vec::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            is_cut: false,
        }
    }

    /// A redirect (302).
    ///
    /// # Panics
    /// When the address cannot be a header.
    pub fn redirect(to: &str) -> Self {
        Self::empty(302).header(LOCATION.as_str(), to)
    }

    /// The same with another status.
    ///
    /// # Panics
    /// When there is no such status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).expect("a status of HTTP");
        self
    }

    /// The same with one header more.
    ///
    /// # Panics
    /// When these cannot be a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = name.parse().expect("a header's name");
        self.headers.push((name, value.parse().expect("a header's value")));
        self
    }

    /// The same with another body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same, but given only after a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same, but the connection is closed in the middle of the body.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.is_cut = true;
        self
    }

    /// The response, when it is time.
    pub(super) async fn give(self) -> Response {
        tokio::time::sleep(self.delay).await;
        self.into_response()
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = if self.is_cut { half(&self.body) } else { Body::from(self.body.clone()) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        if self.is_cut {
            response.headers_mut().insert(CONTENT_LENGTH, length(&self.body));
        }
        response
    }
}

/// What a response's `Content-Length` says: at least one byte more than is sent.
pub(super) fn length(body: &Bytes) -> HeaderValue {
    HeaderValue::from(body.len().max(1))
}

/// The first half of a body, after which the connection breaks.
pub(super) fn half(body: &Bytes) -> Body {
    let sent = stream::iter([Ok(body.slice(..body.len() / 2))]);
    let broken = stream::once(async {
        // The server sends what it has only when the body makes it wait.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("the connection breaks on purpose"))
    });
    Body::from_stream(sent.chain(broken))
}
