//! What is in the messages: JSON, so that people can read what waits.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sightscan_types::{DetectionId, PictureReport};

/// What is asked for beyond the picture. Whoever knows the model fills in what is not said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Name of the model, or `name@version`; the worker's first one unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Least confidence, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// Greatest overlap (intersection over union), 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iou: Option<f32>,
    /// Whether overlap counts between classes too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agnostic: Option<bool>,
    /// Greatest number of boxes or classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<usize>,
    /// Only these classes; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Media type of the picture that is drawn with its boxes, where one is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawing: Option<String>,
}

/// What is written into the output bucket for a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputForm {
    /// `(name, label)`, as the course has asked for since 2021.
    #[default]
    Pair,
    /// The label alone, as it has asked for since 2024.
    Label,
}

/// A picture that is to be looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Tells requests apart, whatever their pictures are called.
    pub id: DetectionId,
    /// The queue of answers of the web tier that waits.
    pub reply_to: String,
    /// What the request calls the picture.
    pub name: String,
    /// Key of the picture in the input bucket.
    pub input: String,
    /// Key of the label in the output bucket.
    pub output: String,
    /// What is written there.
    #[serde(default)]
    pub form: OutputForm,
    /// The picture itself, where it is small enough; then nobody need fetch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Base64>,
    /// What is asked for.
    #[serde(default)]
    pub wanted: Wanted,
    /// When it was sent, in milliseconds since 1970-01-01 UTC.
    pub sent_at: i64,
    /// After this time nobody wants the answer any more, in milliseconds since 1970-01-01 UTC.
    pub deadline: i64,
}

/// Why a picture has no findings: the problem that the sender is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of problem, as in `docs/errors.md`.
    pub slug: String,
    /// What, why, and what to do.
    pub detail: String,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// The picture was looked at.
    Done {
        /// What was found.
        report: PictureReport,
        /// The drawn picture, where it was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drawn: Option<Base64>,
    },
    /// The picture or the request is to blame.
    Failed(Refusal),
    /// It was tried as often as may be, and given up.
    Dead {
        /// Why the last try failed, as far as is known.
        reason: String,
    },
}

impl Outcome {
    /// The word that people see.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Failed(_) => "failed",
            Self::Dead { .. } => "dead",
        }
    }
}

/// A request that has ended. What is in the bucket of results is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Which request.
    pub id: DetectionId,
    /// What the request calls the picture.
    pub name: String,
    /// The worker that ended it.
    pub worker: String,
    /// How long the request waited for it, in milliseconds.
    pub queued_ms: f64,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub finished_at: i64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a web tier hears of a request that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Which request.
    pub id: DetectionId,
    /// How it ended; where it is too large for a message, it is in the bucket of results only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
}

/// Bytes that are written as base64 (RFC 4648, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Bytes);

impl Base64 {
    /// How many bytes of JSON so many bytes take.
    pub fn written(bytes: usize) -> usize {
        bytes.div_ceil(3) * 4 + 2
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let bytes = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).map_err(de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_reply_has_the_documented_shape() {
        let reply = Reply {
            id: DetectionId::new(),
            name: "a.jpg".into(),
            worker: "w".into(),
            queued_ms: 1.5,
            finished_at: 7,
            outcome: Outcome::Failed(Refusal { slug: "not-a-picture".into(), detail: "no".into() }),
        };
        let value = serde_json::to_value(&reply).unwrap();
        let expected = json!({"id": reply.id, "name": "a.jpg", "worker": "w", "queued_ms": 1.5, "finished_at": 7,
                              "state": "failed", "slug": "not-a-picture", "detail": "no"});
        assert_eq!(value, expected);
        assert_eq!(serde_json::from_value::<Reply>(value).unwrap(), reply);
    }

    proptest! {
        #[test]
        fn bytes_come_back_and_their_length_is_known(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let base64 = Base64(Bytes::from(bytes));
            let text = serde_json::to_string(&base64).unwrap();
            prop_assert_eq!(text.len(), Base64::written(base64.0.len()));
            prop_assert_eq!(serde_json::from_str::<Base64>(&text).unwrap(), base64);
        }
    }
}
