//! The form of every error: `application/problem+json` (RFC 9457).

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::request_id::RequestId;

/// The media type of a problem.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What kind of problem it is; `docs/errors.md` lists all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Slug {
    /// The request cannot be understood.
    Malformed,
    /// A query parameter or header has a value that it cannot have.
    InvalidParameter,
    /// The cursor is no place in this list.
    BadCursor,
    /// The request needs the administrator's token.
    Unauthorized,
    /// There is nothing at this path.
    NotFound,
    /// There is no model of this name.
    UnknownModel,
    /// There is no city of this name.
    UnknownCity,
    /// There is no such image, or it is not for everybody.
    UnknownImage,
    /// There is no such job.
    UnknownJob,
    /// The deletion link stands for nothing.
    UnknownDonation,
    /// The path exists, but not for this method.
    MethodNotAllowed,
    /// The body did not arrive within the deadline.
    BodyTimeout,
    /// What is asked for means nothing in the present state.
    NotNow,
    /// The body has too many bytes.
    BodyTooLarge,
    /// The picture has too many pixels.
    PictureTooLarge,
    /// The request holds too many pictures.
    TooManyPictures,
    /// The body is of another kind than this path takes.
    UnsupportedMediaType,
    /// The bytes are not a picture of a known format.
    NotAPicture,
    /// The range lies beyond the end.
    RangeNotSatisfiable,
    /// The server does not answer for this host.
    MisdirectedRequest,
    /// The picture is damaged.
    UndecodablePicture,
    /// No place that is known has this name.
    UnknownPlace,
    /// Several places have this name.
    AmbiguousPlace,
    /// The donor has not agreed to the text that holds.
    ConsentRequired,
    /// The server has more work than it can finish in time.
    Busy,
    /// The client has asked more often than one client may.
    RateLimited,
    /// The server failed.
    Internal,
    /// The server cannot work now.
    Unavailable,
    /// The server does not want new requests now, and says why.
    NotReady,
    /// The answer was not found within the deadline.
    Deadline,
}

/// The detail of every server error: its cause goes to the log only.
const INTERNAL: &str =
    "the server failed on this request and has logged why; try again, and report the request id if it stays";
const UNAVAILABLE: &str = "the server cannot answer now and has logged why; try again in a moment";
const NOT_READY: &str = "the server does not take requests now; send them to another one, or wait";
const DEADLINE: &str = "the answer was not found within the deadline; try again when the server is less busy, or allow more time in x-sightscan-deadline-ms";

impl Slug {
    /// All kinds, in the order of `docs/errors.md`.
    pub const ALL: [Self; 30] = [
        Self::Malformed,
        Self::InvalidParameter,
        Self::BadCursor,
        Self::Unauthorized,
        Self::NotFound,
        Self::UnknownModel,
        Self::UnknownCity,
        Self::UnknownImage,
        Self::UnknownJob,
        Self::UnknownDonation,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::NotNow,
        Self::BodyTooLarge,
        Self::PictureTooLarge,
        Self::TooManyPictures,
        Self::UnsupportedMediaType,
        Self::NotAPicture,
        Self::RangeNotSatisfiable,
        Self::MisdirectedRequest,
        Self::UndecodablePicture,
        Self::UnknownPlace,
        Self::AmbiguousPlace,
        Self::ConsentRequired,
        Self::Busy,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::NotReady,
        Self::Deadline,
    ];

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "malformed request"),
            Self::InvalidParameter => ("invalid-parameter", StatusCode::BAD_REQUEST, "invalid parameter"),
            Self::BadCursor => ("bad-cursor", StatusCode::BAD_REQUEST, "bad cursor"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "nothing is here"),
            Self::UnknownModel => ("unknown-model", StatusCode::NOT_FOUND, "unknown model"),
            Self::UnknownCity => ("unknown-city", StatusCode::NOT_FOUND, "unknown city"),
            Self::UnknownImage => ("unknown-image", StatusCode::NOT_FOUND, "unknown image"),
            Self::UnknownJob => ("unknown-job", StatusCode::NOT_FOUND, "unknown job"),
            Self::UnknownDonation => ("unknown-donation", StatusCode::NOT_FOUND, "unknown donation"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
            }
            Self::BodyTimeout => ("body-timeout", StatusCode::REQUEST_TIMEOUT, "body too slow"),
            Self::NotNow => ("not-now", StatusCode::CONFLICT, "not now"),
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "body too large"),
            Self::PictureTooLarge => {
                ("picture-too-large", StatusCode::PAYLOAD_TOO_LARGE, "picture too large")
            }
            Self::TooManyPictures => {
                ("too-many-pictures", StatusCode::PAYLOAD_TOO_LARGE, "too many pictures")
            }
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type")
            }
            Self::NotAPicture => ("not-a-picture", StatusCode::UNSUPPORTED_MEDIA_TYPE, "not a picture"),
            Self::RangeNotSatisfiable => {
                ("range-not-satisfiable", StatusCode::RANGE_NOT_SATISFIABLE, "range not satisfiable")
            }
            Self::MisdirectedRequest => {
                ("misdirected-request", StatusCode::MISDIRECTED_REQUEST, "misdirected request")
            }
            Self::UndecodablePicture => {
                ("undecodable-picture", StatusCode::UNPROCESSABLE_ENTITY, "undecodable picture")
            }
            Self::UnknownPlace => ("unknown-place", StatusCode::UNPROCESSABLE_ENTITY, "unknown place"),
            Self::AmbiguousPlace => ("ambiguous-place", StatusCode::UNPROCESSABLE_ENTITY, "ambiguous place"),
            Self::ConsentRequired => {
                ("consent-required", StatusCode::UNPROCESSABLE_ENTITY, "consent required")
            }
            Self::Busy => ("busy", StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::RateLimited => ("rate-limited", StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::NotReady => ("not-ready", StatusCode::SERVICE_UNAVAILABLE, "not ready"),
            Self::Deadline => ("deadline", StatusCode::GATEWAY_TIMEOUT, "deadline exceeded"),
        }
    }

    /// The last part of the problem's `type`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// A short name for people.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// The detail of server errors, which is always the same, so that nothing of the inside leaks.
    fn constant_detail(self) -> Option<&'static str> {
        match self {
            Self::Internal => Some(INTERNAL),
            Self::Unavailable => Some(UNAVAILABLE),
            Self::NotReady => Some(NOT_READY),
            Self::Deadline => Some(DEADLINE),
            _ => None,
        }
    }
}

/// An error as the client sees it, and its cause as the log sees it.
#[derive(Debug, Clone)]
pub struct Problem {
    slug: Slug,
    detail: Cow<'static, str>,
    cause: Option<String>,
    /// In a box, since results with problems are passed about a lot and few have headers.
    headers: Option<Box<HeaderMap>>,
    member: Option<(&'static str, Value)>,
}

impl Problem {
    /// A problem; `what` says what, why and what to do. Server errors (5xx) have a constant detail: there `what`
    /// is the cause, which is only logged.
    pub fn new(slug: Slug, what: impl Into<Cow<'static, str>>) -> Self {
        let what = what.into();
        let (detail, cause) = match slug.constant_detail() {
            Some(constant) => (constant.into(), Some(what.into_owned())),
            None => (what, None),
        };
        Self { slug, detail, cause, headers: None, member: None }
    }

    /// The server failed, because of `cause`.
    pub fn internal(cause: impl Display) -> Self {
        Self::new(Slug::Internal, cause.to_string())
    }

    /// Tells the client when to come back: in whole seconds, at least one (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header(header::RETRY_AFTER, whole_seconds(wait).into())
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    /// Adds an extension member (RFC 9457, section 3.2).
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.member = Some((name, value));
        self
    }

    /// What kind of problem it is.
    pub fn slug(&self) -> Slug {
        self.slug
    }

    /// What the client is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What is only logged.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// What a client is told, as in `application/problem+json` (RFC 9457).
    pub fn json(&self) -> Value {
        let mut body = json!({
            "type": format!("urn:sightscan:problem:{}", self.slug.name()),
            "title": self.slug.title(),
            "status": self.slug.status().as_u16(),
            "detail": self.detail,
        });
        if let Some((name, value)) = &self.member {
            body[*name] = value.clone();
        }
        body
    }

    fn body(&self, id: Option<&RequestId>) -> String {
        let mut body = self.json();
        if let Some(id) = id {
            body["request_id"] = id.as_str().into();
        }
        body.to_string()
    }

    /// The answer; it carries the problem itself as an extension, for the log and the metrics.
    pub(crate) fn respond(self, id: Option<&RequestId>) -> Response {
        let mut response = (self.slug.status(), self.body(id)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers.iter().flat_map(|more| (**more).clone()));
        response.extensions_mut().insert(self);
        response
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs_f64().ceil() as u64).max(1)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.respond(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn body_of(response: Response) -> Value {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457() {
        let response = Problem::new(Slug::UnknownModel, "there is no model `x`").into_response();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let expected = json!({"type": "urn:sightscan:problem:unknown-model", "title": "unknown model",
                              "status": 404, "detail": "there is no model `x`"});
        assert_eq!(body_of(response).await, expected);
    }

    #[tokio::test]
    async fn the_body_of_a_server_error_is_constant_and_its_cause_stays_inside() {
        let (one, two) = (Problem::internal("secret path /etc"), Problem::internal("other"));
        assert_eq!(one.cause(), Some("secret path /etc"));
        let (one, two) = (body_of(one.into_response()).await, body_of(two.into_response()).await);
        assert_eq!(one, two);
        assert!(!one.to_string().contains("secret"));
    }

    #[test]
    fn every_server_error_has_a_constant_detail_and_no_other_has() {
        for slug in Slug::ALL {
            assert_eq!(slug.constant_detail().is_some(), slug.status().is_server_error(), "{slug:?}");
        }
    }

    #[test]
    fn retry_after_is_in_whole_seconds_and_at_least_one() {
        for (wait_ms, expected) in [(0, "1"), (999, "1"), (1000, "1"), (1001, "2"), (59_500, "60")] {
            let problem = Problem::new(Slug::Busy, "busy").retry_after(Duration::from_millis(wait_ms));
            assert_eq!(problem.into_response().headers()["retry-after"], expected, "{wait_ms}");
        }
    }

    /// The rows of the table in `docs/errors.md`: slug and status.
    fn documented() -> Vec<(String, u16)> {
        let text = include_str!("../../../../docs/errors.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.map(|row| {
            let (slug, rest) = row.split_once('`').expect("a slug ends with a backquote");
            let status = rest.split('|').nth(1).expect("a row has a status").trim();
            (slug.to_owned(), status.parse().expect("a status is a number"))
        })
        .collect()
    }

    #[test]
    fn the_documentation_lists_exactly_these_problems() {
        let ours: Vec<(String, u16)> =
            Slug::ALL.iter().map(|slug| (slug.name().to_owned(), slug.status().as_u16())).collect();
        assert_eq!(documented(), ours);
    }
}
