//! Reading requests: parameters and JSON, with a problem for whatever cannot be read.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use sightscan_http::axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use sightscan_http::axum::http::request::Parts;
use sightscan_http::axum::http::{HeaderMap, header};
use sightscan_http::{Problem, Slug};

use super::Api;

/// How long a small body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// U+0000 in a query: PostgreSQL fails on texts with it, so none is there to be found.
const NUL: &str = "%00";

/// The parameters of the query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

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
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|error| {
            Problem::new(Slug::InvalidParameter, format!("the path cannot be read: {}", error.body_text()))
        })
    }
}

/// A body in JSON; none at all is an empty object.
#[derive(Debug)]
pub(super) struct Posted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Posted<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let received = api.small.receive(body, Instant::now() + PATIENCE).await?;
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

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Posted<T>, Problem> {
    serde_json::from_slice(bytes).map(Posted).map_err(|error| {
        Problem::new(Slug::Malformed, format!("the body is not as expected: {error}; see /openapi.json"))
    })
}

/// The media type that a request declares, in lower case and without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// Responses of a route in OpenAPI: the problems that it may answer.
macro_rules! problem_sets {
    ($($(#[doc = $doc:literal])+ $name:ident: $($slug:ident),+;)+) => {$(
        $(#[doc = $doc])+
        pub(super) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                sightscan_http::openapi::problems([$(Slug::$slug),+])
            }
        }
    )+};
}

problem_sets! {
    /// Of what needs no database.
    LimitProblems: RateLimited;
    /// Of a search for places.
    PlaceProblems: InvalidParameter, RateLimited, Internal;
    /// Of what is only counted.
    CountProblems: RateLimited, Internal, Unavailable;
    /// Of what is asked by any name.
    NameProblems: InvalidParameter, RateLimited, Internal, Unavailable;
    /// Of a list.
    ListProblems: InvalidParameter, BadCursor, RateLimited, Internal, Unavailable;
    /// Of a list of jobs.
    JobListProblems: InvalidParameter, BadCursor, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of what belongs to a city.
    CityProblems: InvalidParameter, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a list that belongs to a city.
    CityListProblems: InvalidParameter, BadCursor, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a list of images, some of which are the administrator's.
    ImageListProblems: InvalidParameter, BadCursor, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a request for a city.
    RequestProblems: Malformed, UnsupportedMediaType, BodyTooLarge, BodyTimeout, UnknownPlace, AmbiguousPlace, RateLimited,
        Internal, Unavailable;
    /// Of a decision about a city.
    DecisionProblems: Malformed, InvalidParameter, Unauthorized, UnknownCity, BodyTimeout, NotNow, BodyTooLarge,
        UnsupportedMediaType, RateLimited, Internal, Unavailable;
    /// Of an image.
    ImageProblems: InvalidParameter, UnknownImage, RateLimited, Internal, Unavailable;
    /// Of an image's file.
    FileProblems: InvalidParameter, UnknownImage, RangeNotSatisfiable, RateLimited, Internal, Unavailable;
    /// Of a review.
    ReviewProblems: Malformed, InvalidParameter, Unauthorized, UnknownImage, BodyTimeout, BodyTooLarge, UnsupportedMediaType,
        RateLimited, Internal, Unavailable;
    /// Of a donation.
    DonationProblems: Malformed, InvalidParameter, UnknownCity, BodyTimeout, BodyTooLarge, PictureTooLarge, TooManyPictures,
        UnsupportedMediaType, NotAPicture, UndecodablePicture, ConsentRequired, Busy, RateLimited, Internal, Unavailable;
    /// Of a donation by the original's route, which has words of its own for what is no picture.
    UploadProblems: UnknownCity, BodyTimeout, BodyTooLarge, PictureTooLarge, TooManyPictures, UnsupportedMediaType, Busy,
        RateLimited, Internal, Unavailable;
    /// Of the end of a donation.
    WithdrawalProblems: InvalidParameter, UnknownDonation, RateLimited, Internal, Unavailable;
    /// Of a model.
    ModelProblems: InvalidParameter, UnknownCity, UnknownModel, RangeNotSatisfiable, RateLimited, Internal, Unavailable;
    /// Of a job.
    JobProblems: InvalidParameter, Unauthorized, UnknownJob, RateLimited, Internal, Unavailable;
    /// Of a change of a job.
    JobChangeProblems: InvalidParameter, Unauthorized, UnknownJob, NotNow, RateLimited, Internal, Unavailable;
}
