//! `POST /api/object_detection`: the iWebLens contract (Monash FIT5225) of both generations of its clients.
//!
//! The client of 2020 sends a form with a part `image`; that of 2021 sends a JSON string which holds JSON; people
//! with curl send the JSON itself. All get one form of answer, which is a superset of both contracts.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{Query, Request, State};
use sightscan_http::axum::http::request::Parts;
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::{Problem, Slug};
use sightscan_queue::Wanted;
use sightscan_types::{Findings, PictureReport, PixelBox};
use utoipa::{IntoParams, ToSchema};

use super::{bad_json, base64, is_multipart, media_type, multipart};
use crate::http::{App, NamedPicture, server_timing};
use crate::openapi;

/// The path of this dialect.
pub(crate) const PATH: &str = "/api/object_detection";
/// What the course's servers keep: boxes of more than this confidence.
const CONFIDENCE: f32 = 0.3;
/// And no two boxes, of whatever classes, that overlap by more than this.
const IOU: f32 = 0.1;
/// A form may hold other parts than the picture, but not any number of them.
const GREATEST_PARTS: usize = 64;
const EXPECTED: &str =
    r#"a form with a part `image`, or JSON {"id": …, "image": base64}, also inside a JSON string"#;

/// Which boxes are kept.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Thresholds {
    /// Least confidence, 0 to 1; default 0.3.
    #[param(minimum = 0, maximum = 1)]
    confidence: Option<f32>,
    /// Greatest overlap (intersection over union), 0 to 1; default 0.1.
    #[param(minimum = 0, maximum = 1)]
    iou: Option<f32>,
    /// Whether overlap counts between classes too; default true.
    agnostic: Option<bool>,
}

/// The request in JSON.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CourseRequest<'a> {
    /// Comes back in the answer; the course's clients send a string.
    #[serde(default)]
    id: Value,
    /// The picture in base64.
    #[schema(example = json!(openapi::EXAMPLE))]
    #[serde(borrow)]
    image: Cow<'a, str>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CourseAnswer {
    /// The id of the request; for a form the file's name, or null.
    id: Value,
    /// What was found, most certain first.
    objects: Vec<CourseObject>,
}

/// One object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CourseObject {
    /// Class name.
    label: String,
    /// Confidence, 0 to 1.
    accuracy: f32,
    /// Where it is.
    rectangle: Rectangle,
}

/// A box in whole pixels, cut off at the edges of the picture.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Rectangle {
    /// Height.
    height: u32,
    /// Distance from the left edge.
    left: u32,
    /// Distance from the top edge.
    top: u32,
    /// Width.
    width: u32,
}

/// Finds the objects in one picture with the first model, as the iWebLens course asks for it.
#[utoipa::path(post, path = PATH, operation_id = "detect_for_the_course", tag = "detection",
    params(Thresholds, openapi::Deadline),
    request_body(description = "a form with a part `image`, or JSON, also inside a JSON string", content(
        (openapi::CourseJson<'_> = "application/json"), (openapi::PictureForm = "multipart/form-data"))),
    responses((status = 200, description = "what was found", body = CourseAnswer), openapi::DetectionProblems))]
pub(crate) async fn detect(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let wanted = wanted(&parts)?;
    let confidence = wanted.confidence.unwrap_or(CONFIDENCE);
    let order = app.order(wanted)?;
    let mut visit = app.enter(&parts.headers)?;
    let received = app.receive(&visit, body).await?;
    let (id, picture) = picture(&parts, received.bytes).await?;
    let seen = app.see(&mut visit, order, vec![picture], received.hold).await?;
    let objects = seen.first().map(|seen| objects(&seen.report, confidence)).unwrap_or_default();
    let timing = server_timing(&seen, visit.started.elapsed());
    Ok(([timing], Json(CourseAnswer { id, objects })).into_response())
}

fn wanted(parts: &Parts) -> Result<Wanted, Problem> {
    let Query(asked) = Query::<Thresholds>::try_from_uri(&parts.uri)
        .map_err(|error| Problem::new(Slug::InvalidParameter, error.body_text()))?;
    Ok(Wanted {
        confidence: Some(asked.confidence.unwrap_or(CONFIDENCE)),
        iou: Some(asked.iou.unwrap_or(IOU)),
        agnostic: Some(asked.agnostic.unwrap_or(true)),
        ..Wanted::default()
    })
}

/// The id and the picture, from whichever form.
async fn picture(parts: &Parts, body: Bytes) -> Result<(Value, NamedPicture), Problem> {
    if !is_multipart(&media_type(parts)) {
        let (id, bytes) = from_json(&body)?;
        // Where pictures are kept they lie under a name; an id is one.
        let name = id.as_str().map(str::to_owned);
        return Ok((id, NamedPicture { name, bytes }));
    }
    let found = multipart(parts, body, GREATEST_PARTS).await?;
    let image = found.into_iter().find(|part| part.field == "image");
    let picture = image.map(|part| part.picture).ok_or_else(|| {
        Problem::new(Slug::Malformed, format!("the form has no part named `image`; send {EXPECTED}"))
    })?;
    Ok((picture.name.clone().map_or(Value::Null, Value::String), picture))
}

fn from_json(body: &[u8]) -> Result<(Value, Bytes), Problem> {
    let bad = |error| bad_json(&error, EXPECTED);
    if body.trim_ascii_start().starts_with(b"\"") {
        let inner: String = serde_json::from_slice(body).map_err(bad)?;
        return read(&serde_json::from_str(&inner).map_err(bad)?);
    }
    read(&serde_json::from_slice(body).map_err(bad)?)
}

fn read(request: &CourseRequest<'_>) -> Result<(Value, Bytes), Problem> {
    Ok((request.id.clone(), base64(&request.image)?))
}

/// The objects of the answer. A classifier sees the whole picture, so that is where its classes are; its threshold
/// is applied here, because it answers its best classes whatever their confidence.
fn objects(report: &PictureReport, confidence: f32) -> Vec<CourseObject> {
    let object =
        |label: &str, accuracy: f32, rectangle| CourseObject { label: label.to_owned(), accuracy, rectangle };
    match &report.findings {
        Findings::Detections(found) => {
            found.iter().map(|one| object(&one.label, one.confidence, rectangle(&one.bounds))).collect()
        }
        Findings::Classes(found) => found
            .iter()
            .filter(|class| class.confidence > confidence)
            .map(|class| {
                let whole = Rectangle { height: report.height, left: 0, top: 0, width: report.width };
                object(&class.label, class.confidence, whole)
            })
            .collect(),
    }
}

/// Cuts the fractions off, as the course's servers do.
fn rectangle(bounds: &PixelBox) -> Rectangle {
    let PixelBox { left, top, width, height } = *bounds;
    Rectangle { height: height as u32, left: left as u32, top: top as u32, width: width as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_json(body: &str) -> Result<(Value, Bytes), Slug> {
        from_json(body.as_bytes()).map_err(|problem| problem.slug())
    }

    #[test]
    fn plain_and_double_encoded_json_are_the_same() {
        let plain = r#"{"id": "7", "image": "aGVsbG8="}"#;
        let double = serde_json::to_string(plain).unwrap();
        assert!(double.starts_with(r#""{\"id\""#));
        let expected = (json!("7"), Bytes::from("hello"));
        assert_eq!(read_json(plain).unwrap(), expected);
        assert_eq!(read_json(&double).unwrap(), expected);
        assert_eq!(read_json(&format!(" \n{double}\n")).unwrap(), expected);
    }

    #[test]
    fn the_id_may_be_missing_and_other_members_are_ignored() {
        assert_eq!(read_json(r#"{"image": "aGVsbG8=", "more": [1]}"#).unwrap().0, Value::Null);
        assert_eq!(
            read_json(r#"{"image": "aGVs\nbG8=", "id": 5}"#).unwrap(),
            (json!(5), Bytes::from("hello"))
        );
    }

    #[test]
    fn everything_else_is_malformed() {
        let deep = "[".repeat(100_000);
        for body in [
            "",
            "x",
            "5",
            "[]",
            "{}",
            "null",
            r#"{"id": "7"}"#,
            r#"{"image": 5}"#,
            r#"{"image": "a"}"#,
            r#""""#,
            r#""{}""#,
            r#""\"{}\"""#,
            r#"{"image": "aGVsbG8="} more"#,
            "\"unfinished",
            &deep,
        ] {
            assert_eq!(read_json(body), Err(Slug::Malformed), "{}", &body[..body.len().min(40)]);
        }
    }

    #[test]
    fn rectangles_are_cut_to_whole_pixels() {
        let bounds = PixelBox { left: 1.9, top: 0.0, width: 3.99, height: 4.0 };
        assert_eq!(rectangle(&bounds), Rectangle { height: 4, left: 1, top: 0, width: 3 });
    }

    #[test]
    fn a_classifiers_classes_are_in_the_whole_picture() {
        let class = |label: &str, confidence| sightscan_types::ClassScore { label: label.into(), confidence };
        let findings = Findings::Classes(vec![class("tabby", 0.75), class("lynx", 0.2)]);
        let report = PictureReport {
            image: "x".into(),
            width: 30,
            height: 20,
            model: "m".into(),
            model_version: None,
            findings,
            timing_ms: Default::default(),
        };
        let answer = serde_json::to_value(objects(&report, 0.3)).unwrap();
        let whole = json!({"height": 20, "left": 0, "top": 0, "width": 30});
        assert_eq!(answer, json!([{"label": "tabby", "accuracy": 0.75, "rectangle": whole}]));
    }
}
