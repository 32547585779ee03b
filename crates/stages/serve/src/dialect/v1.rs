//! `POST /v1/detect`: our own dialect. A body is a picture, a form of pictures, or JSON with pictures in base64.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use sightscan_engine::Options;
use sightscan_engine::model::Spec;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{Query, Request, State};
use sightscan_http::axum::http::header;
use sightscan_http::axum::http::request::Parts;
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::{Problem, Slug};
use sightscan_types::PictureReport;
use utoipa::{IntoParams, ToSchema};

use super::{NamedPicture, bad_json, base64, is_json, is_multipart, media_type, multipart, too_many};
use crate::http::{App, server_timing};
use crate::models::Drawing;
use crate::openapi;
use crate::pool::{Done, Work};

/// The path of this dialect.
pub(crate) const PATH: &str = "/v1/detect";
/// What a picture without a name is called.
const NAMELESS: &str = "picture";
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
        openapi::DetectionProblems, openapi::UnknownModel))]
pub(crate) async fn detect(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asked = asked(&parts)?;
    let model = app.models.find(asked.model.as_deref())?;
    let options = options(&asked, model.spec())?;
    let mut visit = app.enter(&parts.headers)?;
    let received = app.receive(&visit, body).await?;
    let pictures = pictures(&parts, received.bytes, app.config.max_pictures).await?;
    if asked.annotate.is_some() && pictures.is_list {
        return Err(Problem::new(
            Slug::InvalidParameter,
            "`annotate` answers one picture; send one, not a list",
        ));
    }
    let (names, works): (Vec<_>, Vec<_>) = pictures
        .all
        .into_iter()
        .map(|NamedPicture { name, bytes }| {
            (
                name,
                Work {
                    model: Arc::clone(&model),
                    picture: bytes,
                    options: options.clone(),
                    drawing: asked.annotate,
                },
            )
        })
        .unzip();
    let done = app.look(&mut visit, works, received.hold).await?;
    let timing = server_timing(&done, visit.started.elapsed());
    Ok(([timing], answer(done, names, model.spec(), &asked, pictures.is_list)).into_response())
}

fn answer(
    done: Vec<Done>,
    names: Vec<Option<String>>,
    spec: &Spec,
    asked: &Asked,
    is_list: bool,
) -> Response {
    let mut drawn = None;
    let mut reports = Vec::with_capacity(done.len());
    for (done, name) in done.into_iter().zip(names) {
        drawn = done.answer.drawn;
        let analysis = done.answer.analysis;
        reports.push(PictureReport {
            image: name.unwrap_or_else(|| NAMELESS.to_owned()),
            width: analysis.width,
            height: analysis.height,
            model: spec.name.clone(),
            model_version: spec.version.clone(),
            findings: analysis.findings,
            timing_ms: analysis.times,
        });
    }
    match (asked.annotate.zip(drawn), is_list) {
        (Some((drawing, bytes)), _) => {
            ([(header::CONTENT_TYPE, drawing.media_type())], bytes).into_response()
        }
        (None, true) => Json(reports).into_response(),
        (None, false) => Json(reports.into_iter().next()).into_response(),
    }
}

fn asked(parts: &Parts) -> Result<Asked, Problem> {
    let query = Query::<Asked>::try_from_uri(&parts.uri);
    query.map(|Query(asked)| asked).map_err(|error| Problem::new(Slug::InvalidParameter, error.body_text()))
}

fn options(asked: &Asked, spec: &Spec) -> Result<Options, Problem> {
    let usual = spec.options();
    if asked.max == Some(0) {
        return Err(Problem::new(Slug::InvalidParameter, "`max` is 0, but must be at least 1"));
    }
    Ok(Options {
        confidence: share("confidence", asked.confidence)?.unwrap_or(usual.confidence),
        iou: share("iou", asked.iou)?.unwrap_or(usual.iou),
        agnostic: asked.agnostic.unwrap_or(usual.agnostic),
        max: asked.max.unwrap_or(usual.max),
        classes: classes(asked.classes.as_deref(), spec)?,
    })
}

/// A number between 0 and 1, where one is given.
pub(crate) fn share(name: &str, value: Option<f32>) -> Result<Option<f32>, Problem> {
    match value {
        Some(number) if !(0.0..=1.0).contains(&number) => {
            let what = format!("`{name}` is {number}, but must be between 0 and 1");
            Err(Problem::new(Slug::InvalidParameter, what))
        }
        _ => Ok(value),
    }
}

fn classes(listed: Option<&str>, spec: &Spec) -> Result<Vec<String>, Problem> {
    let named = listed.unwrap_or_default().split(',').map(str::trim).filter(|class| !class.is_empty());
    named.map(|class| known(class, spec)).collect()
}

fn known(class: &str, spec: &Spec) -> Result<String, Problem> {
    spec.classes.iter().find(|known| *known == class).cloned().ok_or_else(|| {
        let name = &spec.name;
        let what =
            format!("the model `{name}` has no class `{class}`; GET /v1/models/{name} lists those it has");
        Problem::new(Slug::InvalidParameter, what)
    })
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
    fn thresholds_are_shares() {
        for good in [None, Some(0.0), Some(0.5), Some(1.0)] {
            assert_eq!(share("iou", good).unwrap(), good);
        }
        for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert!(share("iou", Some(bad)).unwrap_err().detail().contains("`iou`"), "{bad}");
        }
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
