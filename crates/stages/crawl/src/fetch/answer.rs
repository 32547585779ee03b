//! Reading what was answered.

use bytes::{Bytes, BytesMut};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sightscan_pictures::sniff;

use super::call::Kind;
use super::trouble::Trouble;

/// RFC 9309 asks for at least this of a robots.txt; the rest is not read.
const ROBOTS_BYTES: u64 = 500 << 10;

/// Why a service does not answer is told in so many bytes.
const EXPLANATION_BYTES: u64 = 64 << 10;

/// Longer explanations are cut, in characters.
const EXPLANATION_LENGTH: usize = 200;

/// After so many bytes it is known whether a picture begins.
const BEGINNING: usize = 64;

/// So much is set aside for a body before it comes, whatever its length is said to be.
const ROOM: u64 = 1 << 20;

/// A good answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) bytes: Bytes,
    /// Where it was in the end.
    pub(super) url: Url,
}

impl Answer {
    /// Text that is no JSON may be a page of something on the way; JSON of another shape rarely is.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let reason = shortened(&format!("its answer is not understood: {error}"));
            if error.is_data() { Trouble::Doubtful(reason) } else { Trouble::Passing(reason) }
        })
    }
}

/// Reads a body to its end, or until it is known to be of no use.
pub(super) async fn read(mut response: Response, kind: Kind, limit: u64) -> Result<Bytes, Trouble> {
    let limit = if kind == Kind::Robots { ROBOTS_BYTES } else { limit };
    let length = response.content_length().unwrap_or_default();
    if kind != Kind::Robots && length > limit {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(usize::try_from(length.min(ROOM)).unwrap_or_default());
    while let Some(chunk) = response.chunk().await.map_err(Trouble::of)? {
        // Whether it begins as a picture is asked once: by the chunk with which the beginning is complete.
        let is_beginning = body.len() < BEGINNING;
        body.extend_from_slice(&chunk);
        if kind == Kind::Picture && is_beginning && body.len() >= BEGINNING {
            check_picture(&body)?;
        }
        if body.len() as u64 > limit {
            return if kind == Kind::Robots { Ok(body.freeze()) } else { Err(too_large()) };
        }
    }
    if kind == Kind::Picture {
        check_picture(&body)?;
    }
    Ok(body.freeze())
}

fn too_large() -> Trouble {
    Trouble::last("too large")
}

fn check_picture(beginning: &[u8]) -> Result<(), Trouble> {
    sniff(beginning).map(drop).ok_or_else(|| Trouble::doubtful("not a picture"))
}

/// What a service says about why it does not answer: a wrong key, a quota.
pub(super) async fn explanation(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > EXPLANATION_BYTES {
            return None;
        }
    }
    explained(&serde_json::from_slice(&body).ok()?)
}

/// The usual places.
fn explained(answer: &Value) -> Option<String> {
    let places = ["/error/message", "/error/info", "/error_message", "/message", "/detail", "/error"];
    let text = places.iter().find_map(|place| answer.pointer(place)?.as_str())?;
    Some(shortened(text))
}

fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(EXPLANATION_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json_of(text: &'static str) -> Result<Vec<u8>, Trouble> {
        let url = "https://example.org/".parse().unwrap();
        Answer { bytes: Bytes::from_static(text.as_bytes()), url }.json()
    }

    #[test]
    fn pages_and_halves_of_answers_pass_but_other_shapes_stay() {
        assert_eq!(json_of("[1,2]"), Ok(vec![1, 2]));
        for broken in ["<html>", "[1,", ""] {
            assert!(matches!(json_of(broken), Err(Trouble::Passing(_))), "{broken}");
        }
        assert!(matches!(json_of("{\"error\":1}"), Err(Trouble::Doubtful(_))));
    }

    #[test]
    fn explanations_are_found_and_short() {
        let google = json!({"error": {"code": 403, "message": "API key not valid."}});
        assert_eq!(explained(&google).as_deref(), Some("API key not valid."));
        assert_eq!(explained(&json!({"detail": "Invalid\ntoken"})).as_deref(), Some("Invalidtoken"));
        assert_eq!(explained(&json!({"error": {"code": 403}})), None);
        let long = explained(&json!({"message": "ü".repeat(1000)})).unwrap();
        assert_eq!(long.chars().count(), EXPLANATION_LENGTH);
    }
}
