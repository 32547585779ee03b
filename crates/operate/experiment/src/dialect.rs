//! The form of a request: our own, and those of the two generations of the iWebLens course's client.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a picture is put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&str", try_from = "String")]
pub enum Dialect {
    /// `iweblens-2020`: multipart form data with one part named `image`, as the course's client of 2020 sends it.
    Iweblens2020,
    /// `iweblens-2021`: a JSON string that itself holds JSON (`image` in base64, `id` from the path), as the
    /// course's clients since 2021 send it.
    Iweblens2021,
    /// `iraas-2021`: multipart form data with one part named `myfile`, as the workload generator of "Image Recognition as a
    /// Service" (ASU CSE 546) sends it from 2021 to 2023.
    Iraas2021,
    /// `iraas-2024`: the same with a part named `inputFile`, as its generators since 2024 do.
    Iraas2024,
    /// `v1`: the picture itself is the body.
    V1,
}

/// A name that is no dialect.
#[derive(Debug, thiserror::Error)]
#[error("unknown dialect {0:?}; use iweblens-2020, iweblens-2021, iraas-2021, iraas-2024 or v1")]
pub struct UnknownDialect(String);

/// A ready body, made before the clock starts.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: String,
    /// The id inside the body, which the answer has to repeat.
    pub(crate) id: Option<String>,
}

impl Dialect {
    /// Every dialect, in the order that help shows them.
    pub const ALL: [Self; 5] =
        [Self::Iweblens2020, Self::Iweblens2021, Self::Iraas2021, Self::Iraas2024, Self::V1];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iweblens2020 => "iweblens-2020",
            Self::Iweblens2021 => "iweblens-2021",
            Self::Iraas2021 => "iraas-2021",
            Self::Iraas2024 => "iraas-2024",
            Self::V1 => "v1",
        }
    }

    /// The path that answers it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Iweblens2020 | Self::Iweblens2021 => "/api/object_detection",
            Self::Iraas2021 | Self::Iraas2024 => "/",
            Self::V1 => "/v1/detect",
        }
    }

    /// Whether this is a form of the iWebLens course's client, which sends only `*.jpg`.
    pub fn is_course(self) -> bool {
        matches!(self, Self::Iweblens2020 | Self::Iweblens2021)
    }

    /// Whether this is a form of a workload generator of "Image Recognition as a Service".
    pub fn is_generator(self) -> bool {
        matches!(self, Self::Iraas2021 | Self::Iraas2024)
    }

    /// Whether this is a form of somebody else's client: all of them open a connection per request and look at each answer.
    pub(crate) fn is_other_client(self) -> bool {
        self != Self::V1
    }

    /// The body for a picture; `path` is the path as the user gave it, since the id of 2021 is made from it.
    pub(crate) fn encode(self, path: &str, picture: Vec<u8>) -> Payload {
        match self {
            Self::Iweblens2020 => multipart("image", path, &picture),
            Self::Iraas2021 => multipart("myfile", path, &picture),
            Self::Iraas2024 => multipart("inputFile", path, &picture),
            Self::Iweblens2021 => json_in_json(path, &picture),
            Self::V1 => {
                Payload { bytes: picture.into(), content_type: media_type(path).to_owned(), id: None }
            }
        }
    }

    /// An upper bound for the size of a body of a picture of `bytes` bytes.
    pub(crate) fn encoded_bytes(self, bytes: u64) -> u64 {
        const FRAME: u64 = 1024;
        match self {
            Self::Iweblens2021 => bytes.div_ceil(3) * 4 + FRAME,
            Self::Iweblens2020 | Self::Iraas2021 | Self::Iraas2024 | Self::V1 => bytes + FRAME,
        }
    }
}

/// One part without a content type, as Python's `requests` writes `files={field: open(path, 'rb')}`.
fn multipart(field: &str, path: &str, picture: &[u8]) -> Payload {
    let boundary = Uuid::new_v4().simple().to_string();
    let name = file_name(path).replace('"', "%22").replace('\n', "%0A").replace('\r', "%0D");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n"
    );
    let bytes = [head.as_bytes(), picture, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    Payload {
        bytes: bytes.into(),
        content_type: format!("multipart/form-data; boundary={boundary}"),
        id: None,
    }
}

/// What Python's `json.dumps(json.dumps({'image': …, 'id': …}))` writes: its separators are `", "` and `": "`, and
/// neither base64 nor a UUID holds a character that JSON escapes.
fn json_in_json(path: &str, picture: &[u8]) -> Payload {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, path.as_bytes()).to_string();
    let image = base64_simd::STANDARD.encode_to_string(picture);
    let body = format!(r#""{{\"image\": \"{image}\", \"id\": \"{id}\"}}""#);
    Payload { bytes: body.into(), content_type: "application/json".to_owned(), id: Some(id) }
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The media type by the ending of the name; servers of ours sniff the bytes anyway.
fn media_type(path: &str) -> &'static str {
    let ending = Path::new(path).extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        Some("bmp") => "image/bmp",
        _ => "application/octet-stream",
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl From<Dialect> for &str {
    fn from(dialect: Dialect) -> Self {
        dialect.name()
    }
}

impl TryFrom<String> for Dialect {
    type Error = UnknownDialect;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.name() == name)
            .ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_id_of_2021_depends_on_the_path_exactly_as_given() {
        let id = |path| Dialect::Iweblens2021.encode(path, vec![]).id.unwrap();
        assert_eq!(id("inputfolder/000000007454.jpg"), "ebc3f668-730d-5e67-8f07-4f1e1bbc3ab8");
        assert_eq!(id("client/inputfolder/000000007454.jpg"), "e43367ac-c6af-5ea1-9369-7792d6040f69");
    }

    #[test]
    fn the_body_of_2021_is_the_text_that_python_writes() {
        let payload = Dialect::Iweblens2021.encode("inputfolder/000000007454.jpg", b"\xff\xd8\xff".to_vec());
        let expected =
            concat!(r#""{\"image\": \"/9j/\", "#, r#"\"id\": \"ebc3f668-730d-5e67-8f07-4f1e1bbc3ab8\"}""#);
        assert_eq!(payload.bytes, expected);
        assert_eq!(payload.content_type, "application/json");
    }

    #[test]
    fn the_body_of_2020_has_one_part_with_the_base_name_and_no_content_type() {
        let payload = Dialect::Iweblens2020.encode("folder/a \"b\".jpg", b"\xff\xd8".to_vec());
        let boundary = payload.content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert_eq!(boundary.len(), 32);
        let mut expected = format!("--{boundary}\r\n").into_bytes();
        expected
            .extend(b"Content-Disposition: form-data; name=\"image\"; filename=\"a %22b%22.jpg\"\r\n\r\n");
        expected.extend(b"\xff\xd8\r\n");
        expected.extend(format!("--{boundary}--\r\n").as_bytes());
        assert_eq!(payload.bytes, expected);
    }

    #[test]
    fn the_body_of_v1_is_the_picture() {
        let payload = Dialect::V1.encode("x/y.PNG", vec![1, 2, 3]);
        assert_eq!((&payload.bytes[..], payload.content_type.as_str()), (&[1, 2, 3][..], "image/png"));
    }

    #[test]
    fn names_are_read_back_and_others_refused() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse::<Dialect>().unwrap(), dialect);
        }
        assert!("iweblens".parse::<Dialect>().unwrap_err().to_string().contains("iweblens-2021"));
    }

    proptest! {
        #[test]
        fn a_body_is_never_larger_than_its_bound(
            picture in prop::collection::vec(any::<u8>(), 0..4000), name in "[a-z\"]{1,100}"
        ) {
            for dialect in Dialect::ALL {
                let bound = dialect.encoded_bytes(picture.len() as u64);
                let payload = dialect.encode(&format!("folder/{name}.jpg"), picture.clone());
                prop_assert!(payload.bytes.len() as u64 <= bound);
            }
        }

        #[test]
        fn the_json_of_2021_decodes_twice_to_the_picture(picture in prop::collection::vec(any::<u8>(), 0..500)) {
            let payload = Dialect::Iweblens2021.encode("a/b.jpg", picture.clone());
            let inner: String = serde_json::from_slice(&payload.bytes).unwrap();
            let object: serde_json::Value = serde_json::from_str(&inner).unwrap();
            let image = object["image"].as_str().unwrap();
            prop_assert_eq!(base64_simd::STANDARD.decode_to_vec(image).unwrap(), picture);
            prop_assert_eq!(object["id"].as_str(), payload.id.as_deref());
        }
    }
}
