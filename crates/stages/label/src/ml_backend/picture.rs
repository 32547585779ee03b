//! Which picture a task of Label Studio means. Nothing is fetched: whoever may send tasks could have us ask any address.

use std::str::FromStr;

use bytes::Bytes;
use serde_json::{Map, Value};
use sightscan_types::ImageId;

/// The address of an image's file, before and after its id.
const FILE: (&str, &str) = ("/v1/images/", "/file");
/// The key of a task's data that may name an image.
const ID: &str = "image_id";

/// The picture of a task.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// An image of the warehouse.
    Stored(ImageId),
    /// A `data:` URI (RFC 2397).
    Inline(&'a str),
}

/// Why a task has no picture that can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPicture {
    #[error("its data has no text under the key that the label config names")]
    NoAddress,
    #[error(
        "its picture is elsewhere, and nothing is fetched; use /v1/images/{{id}}/file, `image_id`, or a data: URI"
    )]
    Elsewhere,
    #[error("its data: URI is not in base64, or cannot be decoded")]
    NotBase64,
    #[error("the picture in its data: URI has more bytes than a picture may have")]
    TooLarge,
}

/// The picture that a task's data means, by the key that the label config names.
pub(super) fn source<'a>(data: &'a Map<String, Value>, key: &str) -> Result<Source<'a>, NoPicture> {
    let address = data.get(key).and_then(Value::as_str);
    let named = || data.get(ID).and_then(Value::as_str).and_then(|id| id.parse().ok());
    if let Some(id) = address.and_then(id_in).or_else(named) {
        return Ok(Source::Stored(id));
    }
    match address {
        None => Err(NoPicture::NoAddress),
        Some(address) if scheme(address).eq_ignore_ascii_case("data") => Ok(Source::Inline(address)),
        Some(_) => Err(NoPicture::Elsewhere),
    }
}

/// The image that an address of ours names, under whatever host it is reached.
fn id_in(address: &str) -> Option<ImageId> {
    let path = address.split(['?', '#']).next()?;
    let (_, id) = path.strip_suffix(FILE.1)?.rsplit_once(FILE.0)?;
    ImageId::from_str(id).ok()
}

fn scheme(address: &str) -> &str {
    address.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// The bytes in a `data:` URI, at most so many.
pub(super) fn decoded(uri: &str, greatest: u64) -> Result<Bytes, NoPicture> {
    let (head, text) = uri.split_once(',').ok_or(NoPicture::NotBase64)?;
    if !head.to_ascii_lowercase().ends_with(";base64") {
        return Err(NoPicture::NotBase64);
    }
    // Four characters are three bytes.
    if text.len() as u64 / 4 * 3 > greatest {
        return Err(NoPicture::TooLarge);
    }
    base64_simd::forgiving_decode_to_vec(text.as_bytes()).map(Bytes::from).map_err(|_| NoPicture::NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const UUID: &str = "019ab000-0000-7000-8000-000000000001";

    fn of(data: &Value) -> Result<Source<'_>, NoPicture> {
        source(data.as_object().unwrap(), "photo")
    }

    #[test]
    fn a_picture_is_ours_by_its_address_or_its_id() {
        let id = Source::Stored(UUID.parse().unwrap());
        for photo in [
            format!("http://127.0.0.1:8002/v1/images/{UUID}/file"),
            format!("https://sights.example/behind/a/proxy/v1/images/{UUID}/file?x=1#y"),
            format!("/v1/images/{UUID}/file"),
        ] {
            assert_eq!(of(&json!({"photo": photo})), Ok(Source::Stored(UUID.parse().unwrap())), "{photo}");
        }
        assert_eq!(of(&json!({"photo": "s3://bucket/a.jpg", "image_id": UUID})), Ok(id));
        let inline = "DATA:image/png;base64,AAAA";
        assert_eq!(of(&json!({"photo": inline})), Ok(Source::Inline(inline)));
    }

    #[test]
    fn w_s15_nothing_else_is_a_picture() {
        for photo in [
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "/data/upload/1/a.jpg",
            "http://host/v1/images/../../secret/file",
            "http://host/v1/images/1/file",
            "",
        ] {
            assert_eq!(of(&json!({"photo": photo})), Err(NoPicture::Elsewhere), "{photo}");
        }
        for data in [json!({}), json!({"photo": 7}), json!({"photo": null}), json!({"image": "data:,"})] {
            assert_eq!(of(&data), Err(NoPicture::NoAddress), "{data}");
        }
        assert_eq!(of(&json!({"photo": "x", "image_id": "../1"})), Err(NoPicture::Elsewhere));
    }

    #[test]
    fn a_data_uri_is_decoded_under_the_limit() {
        assert_eq!(decoded("data:image/png;base64,aGVs bG8=", 6).unwrap(), "hello");
        assert_eq!(decoded("data:;BASE64,aGVsbG8", 6).unwrap(), "hello");
        assert_eq!(decoded("data:image/png;base64,aGVsbG8=", 5), Err(NoPicture::TooLarge));
        for uri in ["data:image/png,hello", "data:image/png;base64", "data:image/png;base64,?"] {
            assert_eq!(decoded(uri, 100), Err(NoPicture::NotBase64), "{uri}");
        }
    }

    proptest! {
        #[test]
        fn no_address_makes_it_panic(address in "(data:|http:|/v1/images/)?[\\PC/;,=?#]{0,40}") {
            let data = json!({"photo": address});
            if let Ok(Source::Inline(uri)) = of(&data) {
                decoded(uri, 20).ok();
            }
        }
    }
}
