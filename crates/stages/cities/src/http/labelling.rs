//! The routes of the original's labelling service, with its paths and texts. They are for the administrator, since labels
//! cost money, and so they have a listener of their own.

use std::net::IpAddr;
use std::sync::Arc;

use sightscan_http::asked::Named;
use sightscan_http::axum;
use sightscan_http::axum::extract::{FromRequestParts, State};
use sightscan_http::axum::http::request::Parts;
use sightscan_http::axum::http::{HeaderMap, Uri, header};
use sightscan_http::{Problem, RequestId, Slug};
use sightscan_types::Outcome;
use sightscan_warehouse::label_log::{self, Entry, What};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::legacy::{DONE, known, unknown};
use super::problems::{LabelLogProblems, LabelProblems, LabelServiceProblems};
use crate::Cities;
use crate::error::Error;

/// Who asks, in the history of a city.
const ACTOR: &str = "admin";
/// Lines of the log that are shown, so that the page has a size.
const LINES: u32 = 1000;
/// What the original said of a log without lines.
const NO_LINES: &str = "None so far";

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(index))
        .routes(routes!(logs))
        .routes(routes!(label_new))
        .routes(routes!(label_existing))
}

/// Says that the service is there.
#[utoipa::path(get, path = "/api/", tag = "labelling", security(("admin" = [])),
    responses((status = 200, description = "it is there", body = String, content_type = "text/plain"),
        LabelServiceProblems))]
async fn index() -> &'static str {
    DONE
}

/// Has the unlabelled pictures of a city labelled, within what is left of its budget. Asking again starts nothing twice.
#[utoipa::path(post, path = "/api/cities/{city}", tag = "labelling", security(("admin" = [])),
    params(("city" = String, Path, description = "any form of its name; `LOGS` for a city called Logs")),
    responses((status = 200, description = "its labelling is enqueued, or it has no such pictures", body = String,
            content_type = "text/plain"), LabelProblems))]
async fn label_new(
    State(cities): State<Arc<Cities>>,
    _: NoForeignPage,
    Named(city): Named<String>,
    headers: HeaderMap,
) -> Result<String, Problem> {
    label(&cities, city, "NEW", &headers).await
}

/// The same as for a new city: pictures that came after the first labels are labelled, too.
#[utoipa::path(post, path = "/api/cities/{city}/existing", tag = "labelling", security(("admin" = [])),
    params(("city" = String, Path, description = "any form of its name")),
    responses((status = 200, description = "its labelling is enqueued, or it has no such pictures", body = String,
            content_type = "text/plain"), LabelProblems))]
async fn label_existing(
    State(cities): State<Arc<Cities>>,
    _: NoForeignPage,
    Named(city): Named<String>,
    headers: HeaderMap,
) -> Result<String, Problem> {
    label(&cities, city, "EXISTING", &headers).await
}

async fn label(cities: &Cities, name: String, kind: &str, headers: &HeaderMap) -> Result<String, Problem> {
    let Some(city) = known(cities, &name).await? else { return Err(unknown(name)) };
    cities.label(city.id, ACTOR, Some(RequestId::of(headers).as_str())).await?;
    Ok(format!("[{}, {kind}] {DONE}", name.to_uppercase().replace(' ', "_")))
}

/// What labelling has done: the newest thousand lines, the newest last.
#[utoipa::path(get, path = "/api/cities/logs", tag = "labelling", security(("admin" = [])),
    responses((status = 200, description = "the log", body = String, content_type = "text/plain"), LabelLogProblems))]
async fn logs(State(cities): State<Arc<Cities>>) -> Result<String, Problem> {
    let entries = label_log::newest(cities.database(), LINES).await.map_err(Error::from)?;
    let lines: Vec<String> = entries.iter().map(line).collect();
    let lines = if lines.is_empty() { NO_LINES.to_owned() } else { lines.join("\n") };
    Ok(format!("LOGS:\n{lines}"))
}

/// One line, whatever names and reasons hold.
fn line(entry: &Entry) -> String {
    let line = format!("[{}] {}", label_log::written(entry.at), message(entry));
    line.replace(char::is_control, " ")
}

fn message(Entry { city, what, .. }: &Entry) -> String {
    let city = city.as_deref().unwrap_or("-");
    let (image, producer, outcome, boxes, reason) = match what {
        What::Idle(message) => return message.clone(),
        What::GivenUp(reason) => return format!("Labelling was given up [city: {city}]: {reason}"),
        What::Labelling { image, producer, outcome, boxes, reason } => {
            (image, producer, outcome, boxes, reason.as_deref().unwrap_or_default())
        }
    };
    let by = format!("by {} {}", producer.kind, producer.name);
    match outcome {
        Outcome::Found => {
            format!(
                "Retrieving and persisting labels successful for image {image} [city: {city}]: {boxes} {by}."
            )
        }
        Outcome::Nothing => format!("Identified no landmark for image {image} [city: {city}], {by}."),
        Outcome::Failed => format!("Labelling failed for image {image} [city: {city}], {by}: {reason}"),
    }
}

/// Whoever asks is no page of another site. Requests from this machine need no token, and a browser on it sends such
/// requests for any page; they have no body that would make it ask first.
struct NoForeignPage;

impl<S: Sync> FromRequestParts<S> for NoForeignPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let headers = &parts.headers;
        let is_own = || headers.get(header::ORIGIN).is_none_or(|origin| is_local(origin.as_bytes()));
        if headers.contains_key(header::AUTHORIZATION) || is_own() {
            return Ok(Self);
        }
        let what = "a page of another site asks for this; send the administrator's token in the header \
                    `authorization: Bearer …`";
        Err(Problem::new(Slug::Unauthorized, what))
    }
}

/// Whether an origin (RFC 6454) is on this machine.
fn is_local(origin: &[u8]) -> bool {
    let Ok(origin) = Uri::try_from(origin) else { return false };
    let host = origin.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_types::{ImageId, Producer, ProducerKind};

    fn entry(outcome: Outcome, reason: Option<&str>) -> Entry {
        let producer = Producer { kind: ProducerKind::Vision, name: "landmarks".to_owned() };
        let reason = reason.map(str::to_owned);
        let what = What::Labelling { image: ImageId::new(), producer, outcome, boxes: 2, reason };
        Entry { at: 0, city: Some("KÖLN".to_owned()), what }
    }

    #[test]
    fn row_25_found_nothing_and_failed_are_told_apart() {
        let texts = [(Outcome::Found, None), (Outcome::Nothing, None), (Outcome::Failed, Some("no quota"))]
            .map(|(outcome, reason)| line(&entry(outcome, reason)));
        let expected = [
            ("Retrieving and persisting", "2 by vision landmarks."),
            ("Identified no landmark", "landmarks."),
            ("Labelling failed", ": no quota"),
        ];
        for (text, (begin, end)) in texts.iter().zip(expected) {
            assert!(text.starts_with(&format!("[1970-01-01 00:00:00 UTC] {begin}")), "{text}");
            assert!(text.ends_with(end) && text.contains("[city: KÖLN]"), "{text}");
        }
    }

    #[test]
    fn a_reason_cannot_forge_lines() {
        let text =
            line(&entry(Outcome::Failed, Some("bad\n[2026-01-01 00:00:00 UTC] all is well\r\u{1b}[2J")));
        assert!(!text.contains(char::is_control), "{text:?}");
    }

    #[test]
    fn origins_on_this_machine_are_known() {
        for local in
            ["http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001", "http://127.1.2.3"]
        {
            assert!(is_local(local.as_bytes()), "{local}");
        }
        for foreign in
            ["http://evil.example", "null", "", "http://10.0.0.1:8001", "http://localhost.evil.example"]
        {
            assert!(!is_local(foreign.as_bytes()), "{foreign}");
        }
    }
}
