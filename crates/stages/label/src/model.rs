//! Labels by a detector of ours: for pictures of sights that a model knows already.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sightscan_engine::{Detector, Limits, Model, Options};
use sightscan_types::{Detection, PixelBox, Producer, ProducerKind, RelativeBox};

use crate::{Answer, Found, Labeller, Picture};

/// Pictures that are best given at once: others need not wait long.
const AT_ONCE: usize = 8;

/// A model that labels pictures. It costs nothing but time.
pub struct ModelLabeller {
    detector: Arc<Mutex<Detector>>,
    producer: Producer,
    limits: Limits,
}

impl ModelLabeller {
    /// A model of this name on this many threads.
    ///
    /// # Errors
    /// When the runtime fails to set it up.
    pub fn new(
        model: Arc<Model>,
        name: String,
        threads: NonZeroUsize,
        limits: Limits,
    ) -> Result<Self, sightscan_engine::runtime::RuntimeError> {
        let detector = Arc::new(Mutex::new(Detector::new(model, threads)?));
        Ok(Self { detector, producer: Producer { kind: ProducerKind::Model, name }, limits })
    }
}

impl std::fmt::Debug for ModelLabeller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ModelLabeller").field("producer", &self.producer).finish_non_exhaustive()
    }
}

impl Labeller for ModelLabeller {
    fn producer(&self) -> Producer {
        self.producer.clone()
    }

    fn most_at_once(&self) -> usize {
        AT_ONCE
    }

    fn label(&self, pictures: Vec<Picture>) -> BoxFuture<'_, Vec<Answer>> {
        async move {
            let (detector, limits, count) = (Arc::clone(&self.detector), self.limits, pictures.len());
            let detect = move || {
                let mut detector = detector.lock().unwrap_or_else(PoisonError::into_inner);
                pictures.iter().map(|picture| answer(&mut detector, picture, &limits)).collect()
            };
            let answers = tokio::task::spawn_blocking(detect).await;
            answers.unwrap_or_else(|error| vec![failed(error.to_string()); count])
        }
        .boxed()
    }
}

fn answer(detector: &mut Detector, picture: &Picture, limits: &Limits) -> Answer {
    match detector.detect(&picture.bytes, limits, &Options::default()) {
        Ok(analysis) => {
            let (width, height) = (analysis.width, analysis.height);
            let detections = analysis.findings.detections().iter();
            Answer::Labelled(detections.map(|detection| found(detection, width, height)).collect())
        }
        Err(error) => failed(error.to_string()),
    }
}

fn found(detection: &Detection, width: u32, height: u32) -> Found {
    Found {
        label: detection.label.clone(),
        area: relative(&detection.bounds, width, height),
        score: Some(f64::from(detection.confidence)),
        mid: None,
        latitude: None,
        longitude: None,
    }
}

/// The part of the box that is inside the picture.
fn relative(bounds: &PixelBox, width: u32, height: u32) -> RelativeBox {
    let inside = |start: f32, length: f32, size: u32| {
        let size = f64::from(size).max(1.0);
        let (start, end) = (f64::from(start) / size, f64::from(start + length) / size);
        let start = start.clamp(0.0, 1.0);
        (start, end.clamp(start, 1.0) - start)
    };
    let (x, w) = inside(bounds.left, bounds.width, width);
    let (y, h) = inside(bounds.top, bounds.height, height);
    RelativeBox { x, y, w, h }
}

fn failed(reason: String) -> Answer {
    Answer::Failed { reason, is_transient: false, was_billed: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_reach_over_the_edge_are_cut() {
        let bounds = PixelBox { left: -10.0, top: 50.0, width: 60.0, height: 100.0 };
        let area = relative(&bounds, 100, 100);
        assert_eq!(area, RelativeBox { x: 0.0, y: 0.5, w: 0.5, h: 0.5 });
        assert!(area.is_valid());
    }
}
