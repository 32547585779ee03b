//! What Vision answers: `BatchAnnotateImagesResponse`, as far as landmarks are concerned.

use serde::Deserialize;
use sightscan_types::ImageId;

use super::polygon::{Vertex, around};
use super::sent::Sent;
use crate::{Answer, Found};

#[derive(Debug, Deserialize)]
pub(super) struct Responses {
    pub(super) responses: Vec<Response>,
}

/// What became of one picture.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Response {
    landmark_annotations: Vec<Landmark>,
    error: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Landmark {
    mid: Option<String>,
    description: String,
    score: Option<f64>,
    bounding_poly: Polygon,
    locations: Vec<Location>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Polygon {
    vertices: Vec<Vertex>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Location {
    lat_lng: Option<LatLng>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct LatLng {
    latitude: f64,
    longitude: f64,
}

/// `google.rpc.Status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: i32,
    message: String,
}

impl Status {
    /// PERMISSION_DENIED, RESOURCE_EXHAUSTED and UNAUTHENTICATED will meet the next picture as well.
    const fn is_about_us(&self) -> bool {
        matches!(self.code, 7 | 8 | 16)
    }

    /// CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL and UNAVAILABLE say nothing about the picture.
    const fn is_transient(&self) -> bool {
        matches!(self.code, 1 | 2 | 4 | 10 | 13 | 14)
    }
}

/// Reads the answer to a picture. Whatever it says, somebody may have looked at the picture, so it is taken for billed.
pub(super) fn read(response: Option<Response>, sent: &Sent) -> Answer {
    let failed = |reason: String, is_transient| Answer::Failed { reason, is_transient, was_billed: true };
    let Some(Response { landmark_annotations: landmarks, error }) = response else {
        return failed("Google Vision did not answer for this picture; try again".to_owned(), true);
    };
    // What is found counts even beside an error, says the reference.
    match error {
        Some(error) if landmarks.is_empty() => refused(&error),
        _ => {
            let count = landmarks.len();
            let found: Vec<Found> =
                landmarks.into_iter().filter_map(|landmark| landmark.kept(sent)).collect();
            if found.is_empty() && count > 0 {
                return failed(
                    format!("none of the {count} landmarks can be used; look at the picture"),
                    false,
                );
            }
            Answer::Labelled(found)
        }
    }
}

fn refused(error: &Status) -> Answer {
    let Status { code, message } = error;
    let message = super::refusal::shortened(message);
    if error.is_about_us() {
        let reason = format!(
            "Google Vision refuses to look at pictures (code {code}: {message}); check the project's quota and billing"
        );
        return Answer::Exhausted { reason, was_billed: true };
    }
    let reason = format!("Google Vision could not look at the picture (code {code}: {message})");
    Answer::Failed { reason, is_transient: error.is_transient(), was_billed: true }
}

impl Landmark {
    /// The landmark, unless it cannot be used; the log says why.
    fn kept(self, sent: &Sent) -> Option<Found> {
        let mid = self.mid.clone();
        self.found(sent).map_err(|reason| log_dropped(sent.picture, mid.as_deref(), &reason)).ok()
    }

    fn found(self, sent: &Sent) -> Result<Found, String> {
        let label = self.description.trim();
        if label.is_empty() {
            return Err("it has no name".to_owned());
        }
        let area = around(&self.bounding_poly.vertices, sent.width, sent.height)
            .map_err(|error| error.to_string())?;
        let position = self.locations.iter().find_map(|location| location.lat_lng);
        Ok(Found {
            label: label.to_owned(),
            area,
            score: self.score.filter(|score| (0.0..=1.0).contains(score)),
            mid: self.mid.filter(|mid| !mid.is_empty()),
            latitude: position.map(|position| position.latitude),
            longitude: position.map(|position| position.longitude),
        })
    }
}

fn log_dropped(picture: ImageId, mid: Option<&str>, reason: &str) {
    tracing::warn!(%picture, mid, reason, "a landmark is dropped");
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_types::RelativeBox;

    fn answer(json: &str) -> Answer {
        let sent = Sent { place: 0, picture: ImageId::new(), content: String::new(), width: 100, height: 50 };
        read(Some(serde_json::from_str(json).unwrap()), &sent)
    }

    #[test]
    fn w_c10_names_may_hold_commas_and_brackets_and_be_long() {
        let long = format!("Rathaus (\\\"Rotes\\\"), {}", "x".repeat(200));
        let json = format!(
            r#"{{"landmarkAnnotations": [{{"mid": "/m/1", "description": "{long}", "score": 0.75,
                "boundingPoly": {{"vertices": [{{}}, {{"x": 50, "y": 25}}]}},
                "locations": [{{"latLng": {{"latitude": 52.5}}}}]}}]}}"#
        );
        let Answer::Labelled(found) = answer(&json) else { panic!("{json}") };
        let expected = Found {
            label: long.replace('\\', ""),
            area: RelativeBox { x: 0.0, y: 0.0, w: 0.5, h: 0.5 },
            score: Some(0.75),
            mid: Some("/m/1".to_owned()),
            latitude: Some(52.5),
            longitude: Some(0.0),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn landmarks_that_cannot_be_used_are_dropped_but_are_not_nothing() {
        let (bad, good) = (
            r#"{"description": "Dom", "boundingPoly": {"vertices": [{"x": 5}]}}"#,
            r#"{"description": "Tor", "score": 7, "boundingPoly": {"vertices": [{}, {"x": 5, "y": 5}]}}"#,
        );
        let Answer::Labelled(found) = answer(&format!(r#"{{"landmarkAnnotations": [{bad}, {good}]}}"#))
        else {
            panic!("the second one is good");
        };
        assert_eq!((found.len(), &*found[0].label, found[0].score), (1, "Tor", None));
        let none = answer(&format!(r#"{{"landmarkAnnotations": [{bad}, {{"description": " "}}]}}"#));
        assert!(matches!(&none, Answer::Failed { is_transient: false, was_billed: true, .. }), "{none:?}");
    }

    #[test]
    fn w_c49_errors_are_not_nothing() {
        assert_eq!(answer("{}"), Answer::Labelled(vec![]));
        for (code, is_transient) in [(3, false), (14, true), (99, false)] {
            let answer = answer(&format!(r#"{{"error": {{"code": {code}, "message": "Bad image data."}}}}"#));
            let Answer::Failed { reason, is_transient: transient, was_billed: true } = answer else {
                panic!("{answer:?}");
            };
            assert!(transient == is_transient && reason.contains("Bad image data."), "{reason}");
        }
        for code in [7, 8, 16] {
            let answer = answer(&format!(r#"{{"error": {{"code": {code}, "message": "No."}}}}"#));
            assert!(matches!(answer, Answer::Exhausted { was_billed: true, .. }), "{answer:?}");
        }
        let sent = Sent { place: 0, picture: ImageId::new(), content: String::new(), width: 1, height: 1 };
        assert!(matches!(read(None, &sent), Answer::Failed { is_transient: true, was_billed: true, .. }));
    }

    #[test]
    fn what_is_found_counts_even_beside_an_error() {
        let json = r#"{"error": {"code": 4, "message": "slow"}, "landmarkAnnotations":
            [{"description": "Tor", "boundingPoly": {"vertices": [{}, {"x": 5, "y": 5}]}}]}"#;
        assert!(matches!(answer(json), Answer::Labelled(found) if found.len() == 1));
    }
}
