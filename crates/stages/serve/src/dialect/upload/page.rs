//! The form for browsers, and what it answers: pages that work without JavaScript.

use askama::Template;
use sightscan_http::Problem;
use sightscan_http::axum::http::{HeaderMap, header};
use sightscan_http::axum::response::{Html, IntoResponse, Response};

use super::{Line, Said};
use crate::elastic::requests::address;

/// Nothing is loaded from anywhere, and the form is sent here only.
const POLICY: (header::HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

#[derive(Template)]
#[template(path = "form.html")]
struct Form;

#[derive(Template)]
#[template(path = "results.html")]
struct Results<'a> {
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    name: &'a str,
    label: Option<&'a str>,
    /// In percent.
    confidence: Option<u32>,
    problem: Option<&'a str>,
    later: Option<String>,
}

/// The web app. Without JavaScript, and where the program has no app in it, it is a form to send pictures from.
#[utoipa::path(get, path = "/", tag = "detection",
    responses((status = 200, description = "the app", body = String, content_type = "text/html")))]
pub(super) async fn home(asked: HeaderMap) -> Result<Response, Problem> {
    sightscan_web::page(&asked).map_or_else(|| page(&Form), Ok)
}

/// A page with what was found in each picture.
pub(super) fn results(lines: &[Line]) -> Result<Response, Problem> {
    page(&Results { rows: lines.iter().map(row).collect() })
}

fn row(line: &Line) -> Row<'_> {
    let empty = Row { name: &line.name, label: None, confidence: None, problem: None, later: None };
    match &line.said {
        Said::Label(label, confidence) => {
            let percent = confidence.map(|confidence| (confidence * 100.0).round() as u32);
            Row { label: Some(label), confidence: percent, ..empty }
        }
        Said::Problem(problem) => Row { problem: Some(problem.detail()), ..empty },
        Said::Later(id) => Row { later: Some(address(*id)), ..empty },
    }
}

fn page(template: &impl Template) -> Result<Response, Problem> {
    let text = template.render().map_err(Problem::internal)?;
    Ok(([POLICY], Html(text)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_is_called_is_text_on_the_page() {
        let name = "<img src=x onerror=alert(1)>\"'&.jpg";
        let line =
            Line { name: name.into(), is_named_answer: false, said: Said::Label("<b>".into(), Some(0.9)) };
        let text = Results { rows: vec![row(&line)] }.render().unwrap();
        assert!(!text.contains("<img") && !text.contains("<b>"), "{text}");
        assert!(text.contains("&#60;img") || text.contains("&lt;img"), "{text}");
        assert!(text.contains("90"), "{text}");
    }
}
