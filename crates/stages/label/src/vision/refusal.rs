//! Why a request was not answered, and what that means for its pictures and their price.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::Answer;

/// Characters of what the service says that are passed on.
const LONGEST_MESSAGE: usize = 300;

/// What a request got instead of labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// Nobody looked at the pictures, and the same request may succeed later.
    Busy {
        reason: String,
        /// How long to wait, as the service says.
        wait: Option<Duration>,
        /// Whether too much was asked for.
        is_quota: bool,
    },
    /// Nobody looked at them: the token or the key is not accepted.
    Unauthorised(String),
    /// Nobody looked at them: something in the request is wrong, maybe one of the pictures.
    Malformed(String),
    /// Nobody looked at them, and nobody will look at others.
    Exhausted(String),
    /// Somebody may have looked at them, but the answer is lost.
    Lost(String),
}

impl Refusal {
    /// From an answer that is not 200. 503 and 429 come from the front of the service; behind the other errors of
    /// servers somebody may have worked.
    pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let told = Told::read(body);
        let reason = format!("Google answers {status}{}", told.text());
        match status.as_u16() {
            429 | 503 => Self::Busy { reason, wait: wait(headers), is_quota: status.as_u16() == 429 },
            // A proxy or a captive portal; Google does not redirect.
            300..=399 => Self::Busy { reason, wait: None, is_quota: false },
            401 => Self::Unauthorised(reason),
            400 | 413 if !told.is_about_us() => Self::Malformed(reason),
            408 | 500..=599 => Self::Lost(reason),
            _ => Self::Exhausted(reason),
        }
    }

    /// From what went wrong on the network. Only a connection that was not made is certain to have carried nothing.
    pub(super) fn of_network(error: reqwest::Error) -> Self {
        let is_unsent = error.is_connect() || error.is_builder();
        let reason = format!("Google cannot be reached: {}", causes(&error.without_url()));
        if is_unsent { Self::Busy { reason, wait: None, is_quota: false } } else { Self::Lost(reason) }
    }

    /// What is told for each picture of the request.
    pub(super) fn into_answer(self) -> Answer {
        match self {
            Self::Busy { reason, is_quota: true, .. } => {
                exhausted(format!("{reason}; wait, or ask for a higher quota"))
            }
            Self::Unauthorised(reason) | Self::Exhausted(reason) => exhausted(format!(
                "{reason}; check the key or service account, the API and the project's billing"
            )),
            Self::Busy { reason, .. } => failed(format!("{reason}; try again later"), true, false),
            Self::Malformed(reason) => failed(format!("{reason}; look at the picture"), false, false),
            Self::Lost(reason) => {
                failed(format!("{reason}; the picture may be billed though its answer is lost"), true, true)
            }
        }
    }
}

fn exhausted(reason: String) -> Answer {
    Answer::Exhausted { reason, was_billed: false }
}

fn failed(reason: String, is_transient: bool, was_billed: bool) -> Answer {
    Answer::Failed { reason, is_transient, was_billed }
}

/// How long the service says to wait: so many seconds, or until a date.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = || text.parse().ok().map(Duration::from_secs);
    seconds().or_else(|| until(text))
}

fn until(date: &str) -> Option<Duration> {
    let then = u64::try_from(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp()).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(then).saturating_sub(now))
}

/// What an error of Google's says: `google.rpc.Status` in `error`, or OAuth's words.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    error: Words,
    error_description: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Status {
        #[serde(default)]
        message: String,
        #[serde(default)]
        status: String,
        #[serde(default)]
        details: Vec<Detail>,
    },
    OAuth(String),
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
}

impl Default for Words {
    fn default() -> Self {
        Self::OAuth(String::new())
    }
}

impl Told {
    /// Says nothing where the body is something else, such as a page.
    fn read(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    /// ` (PERMISSION_DENIED: Billing is disabled.)`
    fn text(&self) -> String {
        let (word, message) = match &self.error {
            Words::Status { message, status, .. } => (status, message),
            Words::OAuth(word) => (word, &self.error_description),
        };
        match (word.as_str(), shortened(message).as_str()) {
            ("", "") => String::new(),
            ("", said) | (said, "") => format!(" ({})", shortened(said)),
            (word, message) => format!(" ({}: {message})", shortened(word)),
        }
    }

    /// Whether a request is called wrong though it is the key, or who pays, that is wrong.
    fn is_about_us(&self) -> bool {
        match &self.error {
            Words::Status { message, status, details } => {
                status == "FAILED_PRECONDITION"
                    || message.starts_with("API key")
                    || details.iter().any(|detail| detail.reason.starts_with("API_KEY_"))
            }
            Words::OAuth(_) => false,
        }
    }
}

/// A message on one line that is not too long.
pub(super) fn shortened(message: &str) -> String {
    let plain = message.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(LONGEST_MESSAGE).collect::<String>().trim().to_owned()
}

/// An error with its causes: reqwest's own text says only where it failed.
fn causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::of_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body)
    }

    #[test]
    fn w_c49_quota_and_permission_stop_and_are_not_billed() {
        let billing =
            r#"{"error": {"code": 403, "message": "Billing is disabled.", "status": "PERMISSION_DENIED"}}"#;
        let key = r#"{"error": {"code": 400, "message": "It has expired.", "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_EXPIRED"}]}}"#;
        let old =
            r#"{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}"#;
        for (status, body, said) in [
            (403, billing, "403 Forbidden (PERMISSION_DENIED: Billing is disabled.)"),
            (400, key, "400 Bad Request (INVALID_ARGUMENT: It has expired.)"),
            (400, old, "400 Bad Request (INVALID_ARGUMENT: API key not valid.)"),
            (401, "", "401 Unauthorized;"),
            (429, "<html>", "429 Too Many Requests;"),
            (404, "", "404 Not Found;"),
        ] {
            let answer = refusal(status, body).into_answer();
            let Answer::Exhausted { reason, was_billed: false } = answer else { panic!("{answer:?}") };
            assert!(reason.contains(said), "{reason}");
        }
    }

    #[test]
    fn what_may_have_been_looked_at_is_taken_for_billed() {
        for (status, is_transient, was_billed) in [
            (400, false, false),
            (413, false, false),
            (302, true, false),
            (503, true, false),
            (500, true, true),
            (504, true, true),
        ] {
            let answer = refusal(status, "").into_answer();
            let Answer::Failed { is_transient: transient, was_billed: billed, .. } = answer else {
                panic!("{status}: {answer:?}");
            };
            assert_eq!((transient, billed), (is_transient, was_billed), "{status}");
        }
    }

    #[test]
    fn oauth_says_why_in_its_own_form() {
        let body = r#"{"error": "invalid_grant", "error_description": "Invalid JWT\n Signature."}"#;
        let text = Told::read(body).text();
        assert_eq!(text, " (invalid_grant: Invalid JWT  Signature.)");
        assert_eq!(Told::read(r#"{"error": "invalid_scope"}"#).text(), " (invalid_scope)");
    }

    #[test]
    fn the_service_says_how_long_to_wait() {
        let waiting = |text: &str| wait(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(waiting("7"), Some(Duration::from_secs(7)));
        assert_eq!(waiting("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO), "it is over");
        assert!(waiting("Fri, 31 Dec 2100 23:59:59 GMT").unwrap() > Duration::from_hours(24));
        assert_eq!(waiting("soon"), None);
    }
}
