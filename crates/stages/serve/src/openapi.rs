//! What `/openapi.json` says beyond the routes themselves.

use std::collections::BTreeMap;

use serde::Serialize;
use sightscan_http::Slug;
use sightscan_types::PictureReport;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

use crate::dialect::{iweblens::CourseRequest, v1::JsonPicture};

/// A PNG of 2 x 2 pixels in base64, so that the documentation's examples can be sent as they are.
pub(crate) const EXAMPLE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVQIHWP8z8DA+J+BkYHh////DAAfDgT/hCY0AgAAAABJRU5ErkJggg==";

/// The name under which [`Problem`] is referred to.
const PROBLEM: &str = "Problem";

/// What is said about the whole interface.
pub(crate) fn about() -> OpenApi {
    let info = InfoBuilder::new()
        .title("SightScan detection")
        .description(Some("Pictures in, boxes out. Every error is a problem (RFC 9457)."))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .version(env!("CARGO_PKG_VERSION"));
    let components = ComponentsBuilder::new().schema(PROBLEM, Problem::schema());
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).build()
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What kind of problem it is: `urn:sightscan:problem:` and one of the names in the documentation of errors.
    r#type: String,
    /// A short name of the kind.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What, why, and what to do.
    detail: String,
    /// The id in the header `x-request-id` and in the server's log.
    request_id: String,
    /// Why the server is not ready; only in that problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
}

fn problem(status: u16, titles: &[&str]) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(PROBLEM))).build();
    let mut response =
        ResponseBuilder::new().description(titles.join(", ")).content("application/problem+json", content);
    if status == Slug::Busy.status().as_u16() {
        let mut seconds = Header::new(u32::schema());
        seconds.description = Some("seconds after which to try again".to_owned());
        response = response.header("retry-after", seconds);
    }
    response.build().into()
}

/// The problems of these kinds, by status.
fn problems(slugs: impl IntoIterator<Item = Slug>) -> BTreeMap<String, RefOr<Response>> {
    let mut titles: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for slug in slugs {
        titles.entry(slug.status().as_u16()).or_default().push(slug.title());
    }
    titles.into_iter().map(|(status, titles)| (status.to_string(), problem(status, &titles))).collect()
}

/// The problem of a route that names a model.
pub(crate) struct UnknownModel;

impl IntoResponses for UnknownModel {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([Slug::UnknownModel])
    }
}

/// The problem of the route that tells whether requests are wanted.
pub(crate) struct NotReady;

impl IntoResponses for NotReady {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([Slug::NotReady])
    }
}

/// The problems that every detection can answer.
pub(crate) struct DetectionProblems;

impl IntoResponses for DetectionProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let not_here = [Slug::NotFound, Slug::MethodNotAllowed, Slug::UnknownModel, Slug::NotReady];
        problems(Slug::ALL.into_iter().filter(|slug| !not_here.contains(slug)))
    }
}

/// A picture as it is: JPEG, PNG, WebP, GIF or BMP.
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
    /// A picture: JPEG, PNG, WebP, GIF or BMP.
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
