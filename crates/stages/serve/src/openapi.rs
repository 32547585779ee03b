//! What `/openapi.json` says beyond the routes themselves.

use std::collections::BTreeMap;

use serde::Serialize;
use sightscan_http::Slug;
use sightscan_http::openapi::problems;
use sightscan_types::PictureReport;
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::dialect::{iweblens::CourseRequest, v1::JsonPicture};

/// A PNG of 2 x 2 pixels in base64, so that the documentation's examples can be sent as they are.
pub(crate) const EXAMPLE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVQIHWP8z8DA+J+BkYHh////DAAfDgT/hCY0AgAAAABJRU5ErkJggg==";

/// What can go wrong with every detection.
const DETECTION: [Slug; 12] = [
    Slug::Malformed,
    Slug::InvalidParameter,
    Slug::BodyTimeout,
    Slug::BodyTooLarge,
    Slug::PictureTooLarge,
    Slug::TooManyPictures,
    Slug::NotAPicture,
    Slug::UndecodablePicture,
    Slug::Busy,
    Slug::Internal,
    Slug::Unavailable,
    Slug::Deadline,
];

/// The problem of a route that names a model.
pub(crate) struct UnknownModel;

impl IntoResponses for UnknownModel {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([Slug::UnknownModel])
    }
}

/// The problem of a route that names a request.
pub(crate) struct UnknownRequest;

impl IntoResponses for UnknownRequest {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([Slug::NotFound, Slug::Unavailable])
    }
}

/// The problems that every detection can answer.
pub(crate) struct DetectionProblems;

impl IntoResponses for DetectionProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(DETECTION)
    }
}

/// A picture as it is: JPEG, PNG, WebP, GIF, BMP or TIFF.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes a body, which is read as bytes")]
pub(crate) struct PictureFile(Vec<u8>);

/// The header that every detection takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header, which is read before the rest of the request")]
pub(crate) struct Deadline {
    /// How long the request may take, in milliseconds.
    #[param(rename = "x-sightscan-deadline-ms", required = false, minimum = 1, maximum = 600000)]
    deadline: u64,
}

/// A form with pictures.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form, which is read part by part")]
pub(crate) struct PictureForm {
    /// A picture: JPEG, PNG, WebP, GIF, BMP or TIFF.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// The request of the course in JSON.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes a body, which is read step by step")]
pub(crate) enum CourseJson<'a> {
    /// As it is.
    Plain(CourseRequest<'a>),
    /// Encoded twice: the string holds the same JSON, as the course's clients have sent it since 2021.
    Twice(String),
}

/// The pictures of `/v1/detect` in JSON.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes a body, whose faults are told one by one")]
pub(crate) enum PicturesJson<'a> {
    /// One picture.
    One {
        /// The picture in base64.
        #[schema(example = json!(EXAMPLE))]
        image: String,
    },
    /// Several pictures.
    Several {
        /// The pictures.
        #[schema(min_items = 1)]
        images: Vec<JsonPicture<'a>>,
    },
}

/// The answer of `/v1/detect`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes an answer, which is written as one or the other")]
pub(crate) enum Reports {
    /// For one picture.
    One(PictureReport),
    /// For a list of pictures.
    Several(Vec<PictureReport>),
}
