//! The id that ties a request, its answer and its log line together.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries the id in both directions.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// A longer id from a client is replaced: it would fill the logs.
const GREATEST_LENGTH: usize = 128;

/// The id of one request: the client's own where it sent a sane one, else a UUID version 7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id of a request with these headers.
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get(HEADER).filter(|value| is_sane(value)).map_or_else(Self::new, |value| Self(value.clone()))
    }

    fn new() -> Self {
        let id = Uuid::now_v7().hyphenated().to_string();
        Self(HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("unknown")))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the value of a header.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_sane(value: &HeaderValue) -> bool {
    (1..=GREATEST_LENGTH).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(sent: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(sent).unwrap());
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_sane_id_is_taken_over() {
        assert_eq!(id_for("abc-123"), "abc-123");
        assert_eq!(id_for(&"x".repeat(128)), "x".repeat(128));
    }

    #[test]
    fn a_missing_long_or_odd_id_is_replaced_by_a_uuid() {
        for sent in ["", "two words", "a\tb", &"x".repeat(129)] {
            let id = id_for(sent);
            assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7, "{sent:?} became {id}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
