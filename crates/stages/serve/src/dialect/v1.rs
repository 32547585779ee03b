//! `POST /v1/detect`: our own dialect. A body is a picture, a form of pictures, or JSON with pictures in base64.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{Query, Request, State};
use sightscan_http::axum::http::StatusCode;
use sightscan_http::axum::http::header;
use sightscan_http::axum::http::request::Parts;
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::{Problem, Slug};
use sightscan_queue::{OutputForm, Wanted};
use sightscan_types::{DetectionId, PictureReport};
use utoipa::{IntoParams, ToSchema};

use super::{bad_json, base64, is_json, is_multipart, media_type, multipart, too_many};
use crate::detection::Seen;
use crate::elastic::requests::{Accepted, accepted};
use crate::http::{App, Looked, NamedPicture, server_timing};
use crate::models::Drawing;
use crate::openapi;

/// The path of this dialect.
pub(crate) const PATH: &str = "/v1/detect";
const EXPECTED: &str = r#"{"image": base64}, or {"images": [{"name": …, "image": base64}, …]}"#;

/// What is asked for. The model's own thresholds hold where none is given.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Name of the model, or `name@version`; the first one unless given.
    model: Option<String>,
    /// Least confidence, 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    confidence: Option<f32>,
    /// Greatest overlap (intersection over union), 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    iou: Option<f32>,
    /// Whether overlap counts between classes too.
    agnostic: Option<bool>,
    /// Greatest number of boxes or classes.
    #[param(minimum = 1)]
    max: Option<usize>,
    /// Only these classes, separated by commas.
    classes: Option<String>,
    /// Answers the picture with its boxes drawn, in this format; one picture only.
    #[param(inline)]
    annotate: Option<Drawing>,
}

/// The request in JSON: one picture, or several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonRequest<'a> {
    /// One picture in base64.
    #[serde(borrow, default)]
    image: Option<Cow<'a, str>>,
    /// Several pictures.
    #[serde(borrow, default)]
    images: Option<Vec<JsonPicture<'a>>>,
}

/// One of several pictures.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonPicture<'a> {
    /// What the answer calls it.
    #[serde(default)]
    name: Option<String>,
    /// The picture in base64.
    #[schema(example = json!(openapi::EXAMPLE))]
    #[serde(borrow)]
    image: Cow<'a, str>,
}

/// The pictures of a request, and whether the answer is a list.
#[derive(Debug, PartialEq, Eq)]
struct Pictures {
    all: Vec<NamedPicture>,
    is_list: bool,
}

/// Finds what is in one picture or several.
#[utoipa::path(post, path = PATH, tag = "detection", params(Asked, openapi::Deadline),
    request_body(description = "a picture as it is, a form of pictures, or JSON", content(
        (openapi::PictureFile = "application/octet-stream"), (openapi::PicturesJson<'_> = "application/json"),
        (openapi::PictureForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "what was found; a list for several pictures; with `annotate` the drawn picture",
            content((openapi::Reports = "application/json"), (openapi::PictureFile = "image/jpeg"),
                (openapi::PictureFile = "image/png"))),
        (status = 202, description = "some pictures are looked at later; each has an address that tells", body = Accepted),
        openapi::DetectionProblems, openapi::UnknownModel))]
pub(crate) async fn detect(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asked = asked(&parts)?;
    let drawing = asked.annotate;
    let order = app.order(asked.into())?;
    let mut visit = app.enter(&parts.headers)?;
    let received = app.receive(&visit, body).await?;
    let pictures = pictures(&parts, received.bytes, app.config.max_pictures).await?;
    if drawing.is_some() && pictures.is_list {
        return Err(Problem::new(
            Slug::InvalidParameter,
            "`annotate` answers one picture; send one, not a list",
        ));
    }
    let form = OutputForm::default();
    let looked = app.look(&mut visit, order, pictures.all, form, received.hold).await?;
    let (seen, later) = sorted(looked)?;
    if !later.is_empty() {
        return Ok((StatusCode::ACCEPTED, accepted(&later)).into_response());
    }
    let timing = server_timing(&seen, visit.started.elapsed());
    Ok(([timing], answer(seen, drawing, pictures.is_list)).into_response())
}

/// What was seen, and what will be; the first problem where there is one.
fn sorted(looked: Vec<Looked>) -> Result<(Vec<Seen>, Vec<DetectionId>), Problem> {
    let (mut seen, mut later) = (Vec::new(), Vec::new());
    for one in looked {
        match one {
            Looked::Seen(one) => seen.push(*one),
            Looked::Later(id) => later.push(id),
            Looked::Refused(problem) => return Err(problem),
        }
    }
    Ok((seen, later))
}

fn answer(seen: Vec<Seen>, drawing: Option<Drawing>, is_list: bool) -> Response {
    if is_list {
        let reports: Vec<PictureReport> = seen.into_iter().map(|seen| seen.report).collect();
        return Json(reports).into_response();
    }
    let only = seen.into_iter().next();
    match (drawing, only) {
        (Some(drawing), Some(Seen { drawn: Some(bytes), .. })) => {
            ([(header::CONTENT_TYPE, drawing.media_type())], bytes).into_response()
        }
        (_, only) => Json(only.map(|seen| seen.report)).into_response(),
    }
}

impl From<Asked> for Wanted {
    fn from(asked: Asked) -> Self {
        let listed = asked.classes.unwrap_or_default();
        let classes = listed.split(',').map(str::trim).filter(|class| !class.is_empty());
        Self {
            model: asked.model,
            confidence: asked.confidence,
            iou: asked.iou,
            agnostic: asked.agnostic,
            max: asked.max,
            classes: classes.map(str::to_owned).collect(),
            drawing: asked.annotate.map(|drawing| drawing.media_type().to_owned()),
        }
    }
}

pub(super) fn asked(parts: &Parts) -> Result<Asked, Problem> {
    let query = Query::<Asked>::try_from_uri(&parts.uri);
    query.map(|Query(asked)| asked).map_err(|error| Problem::new(Slug::InvalidParameter, error.body_text()))
}

async fn pictures(parts: &Parts, body: Bytes, greatest: usize) -> Result<Pictures, Problem> {
    let media_type = media_type(parts);
    if is_json(&media_type) {
        return from_json(&body, greatest);
    }
    if !is_multipart(&media_type) {
        return Ok(Pictures { all: vec![NamedPicture { name: None, bytes: body }], is_list: false });
    }
    let found = multipart(parts, body, greatest).await?;
    let all: Vec<NamedPicture> = found.into_iter().map(|part| part.picture).collect();
    match all.len() {
        0 => Err(Problem::new(Slug::Malformed, "the form has no part; send one part a picture")),
        count => Ok(Pictures { all, is_list: count > 1 }),
    }
}

fn from_json(body: &[u8], greatest: usize) -> Result<Pictures, Problem> {
    let request: JsonRequest<'_> =
        serde_json::from_slice(body).map_err(|error| bad_json(&error, EXPECTED))?;
    match (request.image, request.images) {
        (Some(image), None) => {
            Ok(Pictures { all: vec![NamedPicture { name: None, bytes: base64(&image)? }], is_list: false })
        }
        (None, Some(images)) if images.len() > greatest => Err(too_many(greatest)),
        (None, Some(images)) if !images.is_empty() => {
            let named = images
                .into_iter()
                .map(|JsonPicture { name, image }| Ok(NamedPicture { name, bytes: base64(&image)? }));
            Ok(Pictures { all: named.collect::<Result<_, Problem>>()?, is_list: true })
        }
        _ => Err(Problem::new(
            Slug::Malformed,
            format!("the body names no picture, or twice; send {EXPECTED}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_http::axum::http;

    fn asked_in(query: &str) -> Result<Asked, String> {
        let request = http::Request::builder().uri(format!("/v1/detect?{query}")).body(()).unwrap();
        asked(&request.into_parts().0).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn unknown_keys_are_refused_and_the_known_ones_named() {
        let detail = asked_in("confidense=0.5").unwrap_err();
        for word in ["confidense", "confidence", "iou", "agnostic", "max", "classes", "annotate", "model"] {
            assert!(detail.contains(&format!("`{word}`")), "{detail}");
        }
        assert!(asked_in("model=a&model=b").is_err());
        assert!(asked_in("annotate=webp").unwrap_err().contains("`png`"));
    }

    #[test]
    fn json_holds_one_picture_or_a_list() {
        let one = from_json(br#"{"image": "aGVsbG8="}"#, 9).unwrap();
        assert_eq!((one.all.len(), one.is_list), (1, false));
        let list =
            from_json(br#"{"images": [{"name": "a", "image": "aGVsbG8="}, {"image": "aGVsbG8="}]}"#, 2)
                .unwrap();
        assert_eq!((list.all.len(), list.is_list), (2, true));
        assert_eq!(list.all[0], NamedPicture { name: Some("a".into()), bytes: Bytes::from("hello") });
    }

    #[test]
    fn other_json_is_malformed() {
        for body in [
            r#"{}"#,
            r#"{"images": []}"#,
            r#"{"image": "aGVsbG8=", "images": []}"#,
            r#"{"picture": "aGVsbG8="}"#,
            r#"[]"#,
            r#"{"image": null}"#,
            r#"{"images": [{"name": "a"}]}"#,
            r#"{"images": ["aGVsbG8="]}"#,
        ] {
            assert_eq!(from_json(body.as_bytes(), 9).unwrap_err().slug(), Slug::Malformed, "{body}");
        }
        let three = r#"{"images": [{"image": "aGVsbG8="}, {"image": "aGVsbG8="}, {"image": "aGVsbG8="}]}"#;
        assert_eq!(from_json(three.as_bytes(), 2).unwrap_err().slug(), Slug::TooManyPictures);
    }
}
