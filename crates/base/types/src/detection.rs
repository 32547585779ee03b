//! What is found in a picture, in the form in which the command line and HTTP answer it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PixelBox;

/// One object found in a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Detection {
    /// Class name, as the model knows it.
    pub label: String,
    /// How sure the model is, 0 to 1.
    pub confidence: f32,
    /// Where it is, in pixels of the upright picture.
    #[serde(rename = "box")]
    pub bounds: PixelBox,
}

/// One class that a classifier sees in the whole picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassScore {
    /// Class name, as the model knows it.
    pub label: String,
    /// Probability, 0 to 1.
    pub confidence: f32,
}

/// What a model finds: a detector finds boxes, a classifier ranks classes. Both are sorted by falling confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Findings {
    /// The answer of a detector.
    Detections(Vec<Detection>),
    /// The answer of a classifier.
    Classes(Vec<ClassScore>),
}

impl Findings {
    /// The label of the best box or class, and how sure the model is; none where nothing was found.
    pub fn best(&self) -> Option<(&str, f32)> {
        match self {
            Self::Detections(found) => found.first().map(|best| (best.label.as_str(), best.confidence)),
            Self::Classes(found) => found.first().map(|best| (best.label.as_str(), best.confidence)),
        }
    }

    /// The boxes; empty for a classifier.
    pub fn detections(&self) -> &[Detection] {
        match self {
            Self::Detections(detections) => detections,
            Self::Classes(_) => &[],
        }
    }
}

/// Where the time went, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PhaseTimes {
    /// From bytes to pixels.
    pub decode: f64,
    /// From pixels to the network's input.
    pub prepare: f64,
    /// The network itself.
    pub infer: f64,
    /// From the network's output to named boxes.
    pub post: f64,
}

impl PhaseTimes {
    /// The sum of all phases, in milliseconds.
    pub fn total(&self) -> f64 {
        self.decode + self.prepare + self.infer + self.post
    }
}

/// One picture and what was found in it: a line of `detect --json` and the answer of `/v1/detect`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PictureReport {
    /// Path or file name of the picture.
    pub image: String,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// Name of the model.
    pub model: String,
    /// Version of the model, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model_version: Option<String>,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
    /// Where the time went.
    pub timing_ms: PhaseTimes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_documented_shape() {
        let report = PictureReport {
            image: "bus.jpg".into(),
            width: 810,
            height: 1080,
            model: "yolov5n".into(),
            model_version: None,
            findings: Findings::Detections(vec![Detection {
                label: "bus".into(),
                confidence: 0.5,
                bounds: PixelBox { left: 1.0, top: 2.0, width: 3.0, height: 4.0 },
            }]),
            timing_ms: PhaseTimes::default(),
        };
        let json = serde_json::to_value(&report).unwrap();
        let expected = serde_json::json!({
            "image": "bus.jpg", "width": 810, "height": 1080, "model": "yolov5n",
            "detections": [{"label": "bus", "confidence": 0.5,
                            "box": {"left": 1.0, "top": 2.0, "width": 3.0, "height": 4.0}}],
            "timing_ms": {"decode": 0.0, "prepare": 0.0, "infer": 0.0, "post": 0.0}
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<PictureReport>(json).unwrap(), report);
    }

    #[test]
    fn a_classifier_answers_classes() {
        let findings = Findings::Classes(vec![ClassScore { label: "tabby".into(), confidence: 0.75 }]);
        let json = serde_json::to_value(findings).unwrap();
        assert_eq!(json, serde_json::json!({"classes": [{"label": "tabby", "confidence": 0.75}]}));
    }
}
