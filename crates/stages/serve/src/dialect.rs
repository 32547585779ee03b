//! The forms in which pictures come in: what the dialects share.

pub(crate) mod iweblens;
pub(crate) mod stream;
pub(crate) mod upload;
pub(crate) mod v1;

use bytes::Bytes;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::{FromRequest, Multipart, Request};
use sightscan_http::axum::http::header;
use sightscan_http::axum::http::request::Parts;
use sightscan_http::{Problem, Slug};

use crate::http::NamedPicture;

/// One part of a multipart body.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) field: String,
    pub(crate) picture: NamedPicture,
}

/// The media type that a request declares, in lower case and without its parameters.
pub(crate) fn media_type(parts: &Parts) -> String {
    let value = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Whether the media type is the one of forms with files.
pub(crate) fn is_multipart(media_type: &str) -> bool {
    media_type == "multipart/form-data"
}

/// Whether the media type is JSON's.
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// The parts of a `multipart/form-data` body (RFC 7578) that is in memory; no more than `greatest`.
pub(crate) async fn multipart(parts: &Parts, body: Bytes, greatest: usize) -> Result<Vec<Part>, Problem> {
    let request = Request::from_parts(parts.clone(), Body::from(body));
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|error| bad_form(&error.body_text()))?;
    let mut found = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| bad_form(&error.body_text()))? {
        if found.len() == greatest {
            return Err(too_many(greatest));
        }
        let name = field.file_name().filter(|name| !name.is_empty()).map(str::to_owned);
        let field_name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(|error| bad_form(&error.body_text()))?;
        found.push(Part { field: field_name, picture: NamedPicture { name, bytes } });
    }
    Ok(found)
}

fn bad_form(reason: &str) -> Problem {
    let what = format!("the body is no valid multipart/form-data ({reason}); send one part a picture");
    Problem::new(Slug::Malformed, what)
}

/// The request holds more pictures than one may.
pub(crate) fn too_many(greatest: usize) -> Problem {
    let what = format!("one request may hold {greatest} pictures; send the others in further requests");
    Problem::new(Slug::TooManyPictures, what)
}

/// The bytes that a base64 text stands for: the standard alphabet with padding (RFC 4648, section 4), in which
/// line breaks are skipped; the head of a `data:` address is skipped too.
pub(crate) fn base64(text: &str) -> Result<Bytes, Problem> {
    let digits = without_data_head(text)?;
    let decode = |digits: &[u8]| base64_simd::STANDARD.decode_to_vec(digits);
    // Line breaks are rare, and looking for them costs as much as decoding.
    let decoded = decode(digits.as_bytes()).or_else(|_| decode(&without_white_space(digits.as_bytes())));
    let bytes = decoded.map_err(|_| {
        Problem::new(
            Slug::Malformed,
            "the picture is no valid base64; use the standard alphabet with padding",
        )
    })?;
    if bytes.is_empty() {
        return Err(Problem::new(Slug::Malformed, "the picture is empty; send its bytes in base64"));
    }
    Ok(Bytes::from(bytes))
}

fn without_data_head(text: &str) -> Result<&str, Problem> {
    let Some(rest) = text.strip_prefix("data:") else { return Ok(text) };
    let split = rest.split_once(',').filter(|(head, _)| head.ends_with(";base64"));
    split.map(|(_, digits)| digits).ok_or_else(|| {
        Problem::new(
            Slug::Malformed,
            "the picture's `data:` address is not in base64; end its head with `;base64,`",
        )
    })
}

fn without_white_space(digits: &[u8]) -> Vec<u8> {
    digits.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// The JSON of a request cannot be read.
pub(crate) fn bad_json(error: &serde_json::Error, expected: &str) -> Problem {
    Problem::new(Slug::Malformed, format!("the body is not as expected ({error}); send {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_breaks_and_data_heads_are_skipped() {
        for text in ["aGVsbG8=", "aGVs\nbG8=\n", "aGVs\r\nbG8=", "data:image/jpeg;base64,aGVsbG8="] {
            assert_eq!(&base64(text).unwrap()[..], b"hello", "{text:?}");
        }
    }

    #[test]
    fn what_is_not_base64_is_malformed() {
        for text in
            ["aGVsbG8", "aGVsbG8==", "aGVsbG8!", "aGV-bG8_", "", "\n", "=", "data:image/png,abc", "data:"]
        {
            assert_eq!(base64(text).unwrap_err().slug(), Slug::Malformed, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn base64_gives_back_what_was_encoded(bytes in prop::collection::vec(any::<u8>(), 1..300), width in 1usize..80) {
            let text = base64_simd::STANDARD.encode_to_string(&bytes);
            prop_assert_eq!(&base64(&text).unwrap()[..], &bytes[..]);
            let lines: Vec<&str> = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            prop_assert_eq!(&base64(&lines.join("\n")).unwrap()[..], &bytes[..]);
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = base64(&text);
        }
    }
}
