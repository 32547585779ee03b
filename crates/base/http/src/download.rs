//! Bytes that are known by their digest: sent whole, in part, or not at all when the client has them
//! (RFC 9110, sections 13 and 14).

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_range_header::{EndPosition, StartPosition, SyntacticallyCorrectRange, parse_range_header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sightscan_types::Sha256;

use crate::problem::{Problem, Slug};

/// What is written as it is in an extended parameter (`attr-char` of RFC 8187, section 3.2.1).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Something that can be downloaded.
#[derive(Debug, Clone)]
pub struct Download {
    /// The SHA-256 of all bytes, by which caches know them.
    pub sha256: Sha256,
    /// How many bytes there are.
    pub size: u64,
    /// What they are.
    pub media_type: HeaderValue,
    /// The name under which a browser saves them; without a name it shows them, where it can.
    pub file_name: Option<String>,
    /// Further headers of the answer, such as `cache-control`.
    pub headers: HeaderMap,
}

/// What is sent of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Extent {
    Unchanged,
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

impl Download {
    /// Answers GET or HEAD with these headers; `open` gives the bytes of a range (counted from 0, without its end), and
    /// is only asked for bytes that are sent.
    ///
    /// # Errors
    /// When the range lies beyond the end, and whenever `open` fails.
    pub async fn answer<F, B>(self, method: &Method, asked: &HeaderMap, open: F) -> Result<Response, Problem>
    where
        F: FnOnce(Range<u64>) -> B,
        B: Future<Output = Result<Body, Problem>>,
    {
        let size = self.size;
        let (status, range) = match self.extent(method, asked) {
            Extent::Unchanged => return Ok(self.unchanged()),
            Extent::Unsatisfiable => return Err(unsatisfiable(size)),
            Extent::Whole => (StatusCode::OK, 0..size),
            Extent::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        };
        let body = if *method == Method::HEAD { Body::empty() } else { open(range.clone()).await? };
        let mut response = (status, self.into_headers(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
        if status == StatusCode::PARTIAL_CONTENT {
            headers.insert(header::CONTENT_RANGE, content_range(&range, size));
        }
        Ok(response)
    }

    /// In the order of RFC 9110, section 13.2.2. Ranges are defined for GET only (section 14.2).
    fn extent(&self, method: &Method, asked: &HeaderMap) -> Extent {
        let tag = self.tag();
        if has(asked, &tag) {
            return Extent::Unchanged;
        }
        // The comparison is strong; a date never fits, since there is none of the bytes.
        let still_same = asked.get(header::IF_RANGE).is_none_or(|value| value == tag.as_str());
        if *method != Method::GET || !still_same {
            return Extent::Whole;
        }
        asked.get(header::RANGE).map_or(Extent::Whole, |value| part(value, self.size))
    }

    /// The strong entity tag.
    fn tag(&self) -> String {
        format!("\"{}\"", self.sha256)
    }

    fn unchanged(self) -> Response {
        let tag = self.tag();
        let mut headers = self.headers;
        insert(&mut headers, header::ETAG, tag);
        (StatusCode::NOT_MODIFIED, headers).into_response()
    }

    fn into_headers(self) -> HeaderMap {
        let tag = self.tag();
        let mut headers = self.headers;
        insert(&mut headers, header::ETAG, tag);
        headers.insert(header::CONTENT_TYPE, self.media_type);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        // Bytes from elsewhere must not become a page of ours.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(name) = self.file_name {
            insert(&mut headers, header::CONTENT_DISPOSITION, attachment(&name));
        }
        headers
    }
}

/// Inserts a value of printable ASCII.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Whether the client has the bytes of this tag already; the comparison is weak (RFC 9110, section 13.1.2).
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let lists = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // Our tag holds no comma, so that tags that do may be cut without becoming it.
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|theirs| theirs == "*" || theirs.strip_prefix("W/").unwrap_or(theirs) == tag)
}

/// One range is sent; several, and what cannot be read, are answered with everything (RFC 9110, section 14.2).
fn part(value: &HeaderValue, size: u64) -> Extent {
    let ranges = value.to_str().ok().and_then(|text| parse_range_header(text).ok());
    match ranges.as_ref().map(|ranges| ranges.ranges.as_slice()) {
        Some([range]) => resolve(range, size),
        _ => Extent::Whole,
    }
}

/// The bytes that a range means of so many; an end or a suffix that is too long is cut (RFC 9110, section 14.1.2).
fn resolve(range: &SyntacticallyCorrectRange, size: u64) -> Extent {
    let start = match range.start {
        StartPosition::Index(first) => first,
        StartPosition::FromLast(length) => size.saturating_sub(length),
    };
    let end = match range.end {
        // A range that ends before it begins is none.
        EndPosition::Index(last) if last < start => return Extent::Whole,
        EndPosition::Index(last) => last.saturating_add(1).min(size),
        EndPosition::LastByte => size,
    };
    if start < end { Extent::Part(start..end) } else { Extent::Unsatisfiable }
}

fn content_range(range: &Range<u64>, size: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

fn unsatisfiable(size: u64) -> Problem {
    let problem = Problem::new(
        Slug::RangeNotSatisfiable,
        format!("there are only {size} bytes; ask for a range of them"),
    );
    match HeaderValue::try_from(format!("bytes */{size}")) {
        Ok(value) => problem.header(header::CONTENT_RANGE, value),
        Err(_) => problem,
    }
}

/// To be saved under this name: once for old clients, once in full (RFC 6266, section 4.3).
fn attachment(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || " -._".contains(letter);
    let ascii: String = name.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}\"");
    }
    let full = utf8_percent_encode(name, ATTR_CHAR);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{full}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    const BYTES: &[u8] = b"0123456789";

    fn download(size: u64) -> Download {
        Download {
            sha256: Sha256::of(BYTES),
            size,
            media_type: HeaderValue::from_static("image/jpeg"),
            file_name: None,
            headers: HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]),
        }
    }

    async fn answer(
        method: Method,
        asked: &[(header::HeaderName, &str)],
    ) -> Result<(HeaderMap, u16, Vec<u8>), Problem> {
        let asked: HeaderMap =
            asked.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        let open = async |range: Range<u64>| Ok(Body::from(&BYTES[range.start as usize..range.end as usize]));
        let response = download(10).answer(&method, &asked, open).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Ok((parts.headers, parts.status.as_u16(), body.to_vec()))
    }

    #[tokio::test]
    async fn everything_is_sent_to_who_asks_for_everything() {
        let (headers, status, body) = answer(Method::GET, &[]).await.unwrap();
        assert_eq!((status, body.as_slice()), (200, BYTES));
        for (name, value) in [
            ("etag", "\"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882\""),
            ("content-length", "10"),
            ("content-type", "image/jpeg"),
            ("accept-ranges", "bytes"),
            ("cache-control", "max-age=60"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        assert!(!headers.contains_key("content-range") && !headers.contains_key("content-disposition"));
    }

    #[tokio::test]
    async fn ranges_are_sent_cut_to_what_is_there() {
        for (range, content_range, body) in [
            ("bytes=0-0", "bytes 0-0/10", "0"),
            ("bytes=3-5", "bytes 3-5/10", "345"),
            ("bytes=7-", "bytes 7-9/10", "789"),
            ("bytes=7-99999999999999999", "bytes 7-9/10", "789"),
            ("bytes=0-18446744073709551615", "bytes 0-9/10", "0123456789"),
            ("bytes=-3", "bytes 7-9/10", "789"),
            ("bytes=-11", "bytes 0-9/10", "0123456789"),
        ] {
            let (headers, status, sent) = answer(Method::GET, &[(header::RANGE, range)]).await.unwrap();
            assert_eq!((status, sent.as_slice()), (206, body.as_bytes()), "{range}");
            assert_eq!(headers["content-range"], content_range);
            assert_eq!(headers["content-length"], body.len().to_string());
        }
    }

    #[tokio::test]
    async fn ranges_that_are_none_or_several_are_answered_with_everything() {
        for range in ["bytes=5-3", "bytes=a-b", "bytes=", "lines=1-2", "bytes=0-1,3-4", "0-1"] {
            let (_, status, body) = answer(Method::GET, &[(header::RANGE, range)]).await.unwrap();
            assert_eq!((status, body.as_slice()), (200, BYTES), "{range}");
        }
    }

    #[tokio::test]
    async fn ranges_beyond_the_end_are_a_problem_that_tells_the_size() {
        for range in ["bytes=10-", "bytes=10-12"] {
            let problem = answer(Method::GET, &[(header::RANGE, range)]).await.unwrap_err();
            let response = problem.into_response();
            assert_eq!(response.status(), 416, "{range}");
            assert_eq!(response.headers()["content-range"], "bytes */10");
        }
    }

    #[tokio::test]
    async fn who_has_the_bytes_gets_none() {
        let tag = download(10).tag();
        for value in [tag.clone(), format!("W/{tag}"), format!("\"other,\", {tag}"), "*".to_owned()] {
            for method in [Method::GET, Method::HEAD] {
                let asked = [(header::IF_NONE_MATCH, value.as_str()), (header::RANGE, "bytes=0-1")];
                let (headers, status, body) = answer(method, &asked).await.unwrap();
                assert_eq!((status, body.len()), (304, 0), "{value}");
                assert_eq!(
                    (&headers["etag"], &headers["cache-control"]),
                    (&HeaderValue::from_str(&tag).unwrap(), &HeaderValue::from_static("max-age=60"))
                );
            }
        }
        let (_, status, _) = answer(Method::GET, &[(header::IF_NONE_MATCH, "\"other\"")]).await.unwrap();
        assert_eq!(status, 200);
    }

    #[tokio::test]
    async fn a_download_goes_on_only_when_the_bytes_are_the_same() {
        let tag = download(10).tag();
        let weak = format!("W/{tag}");
        for (if_range, expected) in [
            (tag.as_str(), 206),
            (weak.as_str(), 200),
            ("\"other\"", 200),
            ("Sat, 29 Oct 1994 19:43:31 GMT", 200),
        ] {
            let asked = [(header::IF_RANGE, if_range), (header::RANGE, "bytes=3-")];
            assert_eq!(answer(Method::GET, &asked).await.unwrap().1, expected, "{if_range}");
        }
    }

    #[tokio::test]
    async fn head_tells_the_length_and_opens_nothing() {
        let asked = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-1"))]);
        let open = async |_| Err(Problem::internal("opened"));
        let response = download(10).answer(&Method::HEAD, &asked, open).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["content-length"]), (200, &10.into()));
    }

    #[test]
    fn file_names_are_written_for_old_and_new_clients() {
        for (name, expected) in [
            ("paris v2.onnx", "attachment; filename=\"paris v2.onnx\""),
            (
                "Zürich \"1\".onnx",
                "attachment; filename=\"Z_rich _1_.onnx\"; filename*=UTF-8''Z%C3%BCrich%20%221%22.onnx",
            ),
            ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
        ] {
            assert_eq!(attachment(name), expected);
        }
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_bytes(text in "bytes=[0-9]{0,3}-[0-9]{0,3}|\\PC{0,20}", size in 0u64..300) {
            let Ok(value) = HeaderValue::from_str(&text) else { return Ok(()) };
            if let Extent::Part(range) = part(&value, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
