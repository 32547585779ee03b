//! `POST /` and the paths that students' servers have had beside it: the uploads of "Image Recognition as a Service" (ASU CSE 546).
//!
//! The workload generators send one file in a form and read a text: that of 2021 to 2023 calls the file `myfile` and prints the
//! whole answer, which is the label; that of 2024 and later calls it `inputFile` and splits `name:label`. Browsers send several
//! files from the form at `GET /` and get a page.

mod page;

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use sightscan_http::axum;
use sightscan_http::axum::extract::{Query, Request, State};
use sightscan_http::axum::http::request::Parts;
use sightscan_http::axum::http::{StatusCode, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::{Problem, Slug};
use sightscan_queue::{OutputForm, Wanted};
use sightscan_types::{DetectionId, Findings};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{is_multipart, media_type, multipart, too_many};
use crate::elastic::requests::address;
use crate::http::{App, Looked, NamedPicture};
use crate::openapi;

/// The path of the contract, and those that students have used for the same.
pub(crate) const PATHS: [&str; 6] =
    ["/", "/upload", "/file-upload", "/accept_images", "/classify_image", "/uploadImagesAndGetResults"];
/// The names of fields that hold a picture.
const FIELDS: [&str; 4] = ["myfile", "inputFile", "image", "file"];
/// The field whose answer is `name:label`.
const NAMED_ANSWER: &str = "inputFile";
/// What is answered for a picture in which nothing was found.
const NOTHING: &str = "nothing";
const TEXT: (header::HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; charset=utf-8");

/// Which model is asked.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Name of the model, or `name@version`; the first one unless given.
    model: Option<String>,
}

/// A picture of the form.
struct Upload {
    name: String,
    is_named_answer: bool,
    bytes: Bytes,
}

/// What the answer says about a picture.
pub(crate) struct Line {
    name: String,
    is_named_answer: bool,
    said: Said,
}

/// What is said about a picture.
pub(crate) enum Said {
    /// Its label, and how sure the model is.
    Label(String, Option<f32>),
    /// Why there is none.
    Problem(Problem),
    /// Where there will be one.
    Later(DetectionId),
}

/// The routes of all paths; the contract's own is the one that is documented.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    let aliases = PATHS[1..]
        .iter()
        .fold(axum::Router::new(), |router, path| router.route(path, axum::routing::post(upload)));
    OpenApiRouter::from(aliases).routes(routes!(page::home, upload))
}

/// Tells the label of each picture of a form: as text, or as a page where a browser asks.
#[utoipa::path(post, path = "/", tag = "detection", params(Asked, openapi::Deadline),
    request_body(description = "a form; the parts `myfile`, `inputFile`, `image` and `file` are pictures",
        content((openapi::PictureForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "the label; `name:label` for `inputFile` and for several pictures; a page for browsers",
            content((String = "text/plain"), (String = "text/html"))),
        (status = 202, description = "pictures are looked at later; the text tells where to ask", body = String,
            content_type = "text/plain"),
        openapi::DetectionProblems, openapi::UnknownModel))]
pub(crate) async fn upload(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asked = Query::<Asked>::try_from_uri(&parts.uri);
    let Query(asked) = asked.map_err(|error| Problem::new(Slug::InvalidParameter, error.body_text()))?;
    let order = app.order(Wanted { model: asked.model, ..Wanted::default() })?;
    let mut visit = app.enter(&parts.headers)?;
    let received = app.receive(&visit, body).await?;
    let uploads = uploads(&parts, received.bytes, app.config.max_pictures).await?;
    let form = output_form(&uploads);
    let (names, pictures): (Vec<_>, Vec<_>) = uploads
        .into_iter()
        .map(|Upload { name, is_named_answer, bytes }| {
            ((name.clone(), is_named_answer), NamedPicture { name: Some(name), bytes })
        })
        .unzip();
    let looked = app.look(&mut visit, order, pictures, form, received.hold).await?;
    let lines = names.into_iter().zip(looked).map(|((name, is_named_answer), looked)| Line {
        name,
        is_named_answer,
        said: said(looked),
    });
    let lines: Vec<Line> = lines.collect();
    if is_browser(&parts) { page::results(&lines) } else { text(lines) }
}

/// What is stored of a picture whose generator reads `name:label` is the label alone; see the contract of that year.
fn output_form(uploads: &[Upload]) -> OutputForm {
    let is_2024 = uploads.iter().any(|upload| upload.is_named_answer);
    if is_2024 { OutputForm::Label } else { OutputForm::Pair }
}

async fn uploads(parts: &Parts, body: Bytes, greatest: usize) -> Result<Vec<Upload>, Problem> {
    if !is_multipart(&media_type(parts)) {
        return Err(Problem::new(Slug::UnsupportedMediaType, format!("send a form with a file: {EXPECTED}")));
    }
    // Browsers send a part without bytes for a field without files.
    let found = multipart(parts, body, 2 * greatest + FIELDS.len()).await?;
    let pictures = found
        .into_iter()
        .filter(|part| FIELDS.contains(&part.field.as_str()) && !part.picture.bytes.is_empty())
        .map(|part| Upload {
            name: base_name(part.picture.known_as()).to_owned(),
            is_named_answer: part.field == NAMED_ANSWER,
            bytes: part.picture.bytes,
        });
    let pictures: Vec<Upload> = pictures.collect();
    match pictures.len() {
        0 => Err(Problem::new(Slug::Malformed, format!("the form has no picture: {EXPECTED}"))),
        count if count > greatest => Err(too_many(greatest)),
        _ => Ok(pictures),
    }
}

const EXPECTED: &str = "send multipart/form-data with a part named `myfile`, `inputFile`, `image` or `file`";

/// The last part of a path: some browsers send whole ones.
fn base_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("picture")
}

/// The name without its extension; `.jpg` has none. Always where the name begins, whatever else it holds.
pub(crate) fn stem(name: &str) -> &str {
    match name.rfind('.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    }
}

fn said(looked: Looked) -> Said {
    match looked {
        Looked::Seen(seen) => {
            let findings = &seen.report.findings;
            Said::Label(label(findings).to_owned(), findings.best().map(|(_, confidence)| confidence))
        }
        Looked::Refused(problem) => Said::Problem(problem),
        Looked::Later(id) => Said::Later(id),
    }
}

/// The label of what was found.
pub(crate) fn label(findings: &Findings) -> &str {
    findings.best().map_or(NOTHING, |(label, _)| label)
}

fn is_browser(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// One line a picture. A problem with any of them is the answer: the generators look at nothing but the status.
fn text(lines: Vec<Line>) -> Result<Response, Problem> {
    let is_only = lines.len() == 1;
    let (mut status, mut written) = (StatusCode::OK, Vec::new());
    for line in lines {
        let (said, is_later) = match line.said {
            Said::Label(label, _) => (label, false),
            Said::Later(id) => (address(id), true),
            Said::Problem(problem) => return Err(problem),
        };
        if is_later {
            status = StatusCode::ACCEPTED;
        }
        written.push(match (line.is_named_answer, is_only) {
            // The generator splits at the first colon.
            (true, _) => format!("{}:{said}", stem(&line.name).replace(':', "_")),
            (false, true) => said,
            (false, false) => format!("{}:{said}", line.name.replace(':', "_")),
        });
    }
    Ok((status, [TEXT], written.join("\n")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_last_part_of_a_path_without_extension() {
        for (sent, name, without) in [
            ("test_0.JPEG", "test_0.JPEG", "test_0"),
            ("C:\\fotos\\a.b.jpg", "a.b.jpg", "a.b"),
            ("../../etc/passwd", "passwd", "passwd"),
            ("/", "picture", "picture"),
            (".jpg", ".jpg", ".jpg"),
        ] {
            assert_eq!((base_name(sent), stem(base_name(sent))), (name, without), "{sent}");
        }
    }

    #[test]
    fn each_generator_gets_the_text_that_it_reads() {
        let line = |name: &str, is_named_answer| Line {
            name: name.into(),
            is_named_answer,
            said: Said::Label("bathtub".into(), None),
        };
        let body = |lines: Vec<Line>| {
            let response = text(lines).unwrap();
            assert_eq!(response.status(), 200);
            let body = futures_util::FutureExt::now_or_never(axum::body::to_bytes(response.into_body(), 999));
            String::from_utf8(body.unwrap().unwrap().to_vec()).unwrap()
        };
        assert_eq!(body(vec![line("test_0.JPEG", false)]), "bathtub");
        assert_eq!(body(vec![line("test_0.JPEG", true)]), "test_0:bathtub");
        assert_eq!(body(vec![line("a:b.jpg", true)]), "a_b:bathtub");
        assert_eq!(body(vec![line("a.jpg", false), line("b.jpg", false)]), "a.jpg:bathtub\nb.jpg:bathtub");
    }
}
