//! One picture from bytes to boxes, with the model loaded once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sightscan_types::{ClassScore, Detection, Findings, PhaseTimes, PixelBox};

use crate::decode::{self, DecodeError, Limits, Picture};
use crate::family::{Family, OutputError, classifier, yolov5, yolov8, yolox};
use crate::model::{Model, Spec};
use crate::nms::{self, Candidate};
use crate::prepare::{Placement, PrepareError, Preparer};
use crate::runtime::{Network, RuntimeError, TensorView};

/// How many classes a classifier answers unless asked for more.
pub const DEFAULT_CLASSES: usize = 5;

/// Which boxes are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Boxes and classes with no more than this confidence are dropped, 0 to 1.
    pub confidence: f32,
    /// Boxes that overlap a better one by more than this intersection over union are dropped, 0 to 1.
    pub iou: f32,
    /// Whether a box suppresses boxes of other classes too.
    pub agnostic: bool,
    /// The greatest number of boxes; a classifier answers at most [`DEFAULT_CLASSES`] unless this is less.
    pub max: usize,
    /// Only these classes, by name; all when empty.
    pub classes: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { confidence: 0.25, iou: 0.45, agnostic: false, max: 300, classes: Vec::new() }
    }
}

/// What was found in one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// Boxes or classes, sorted by falling confidence.
    pub findings: Findings,
    /// Where the time went.
    pub times: PhaseTimes,
}

/// A picture could not be analysed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The bytes are not a usable picture: the sender's fault.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The picture could not be fitted into the network's input.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The network's answer has an unexpected shape.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// An instance of a model: runs on one thread at a time and keeps its buffers.
pub struct Detector {
    model: Arc<Model>,
    network: Box<dyn Network>,
    preparer: Preparer,
    tensor: Vec<f32>,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Detector").field("model", &self.model.spec().name).finish_non_exhaustive()
    }
}

impl Detector {
    /// An instance of the model that computes on `threads` threads.
    ///
    /// # Errors
    /// When the runtime fails to set it up.
    pub fn new(model: Arc<Model>, threads: NonZeroUsize) -> Result<Self, RuntimeError> {
        let network = model.program().instance(threads)?;
        Ok(Self::with(model, network))
    }

    /// As the model's instance, but another network computes: one that should answer the same.
    pub fn with(model: Arc<Model>, network: Box<dyn Network>) -> Self {
        let preparer = Preparer::new(model.spec().input);
        Self { model, network, preparer, tensor: Vec::new() }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Decodes the bytes of a picture and finds what is in it.
    ///
    /// # Errors
    /// When the bytes are no usable picture, or the network fails.
    pub fn detect(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        options: &Options,
    ) -> Result<Analysis, DetectError> {
        self.detect_and_keep(bytes, limits, options).map(|(_, analysis)| analysis)
    }

    /// As [`Self::detect`], and answers the pixels too, for who draws on them.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_and_keep(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        options: &Options,
    ) -> Result<(Picture, Analysis), DetectError> {
        let start = Instant::now();
        let picture = decode::decode(bytes, limits)?;
        let decode = milliseconds(start);
        let mut analysis = self.detect_picture(&picture, options)?;
        analysis.times.decode = decode;
        Ok((picture, analysis))
    }

    /// Finds what is in a decoded picture.
    ///
    /// # Errors
    /// When the network fails.
    pub fn detect_picture(&mut self, picture: &Picture, options: &Options) -> Result<Analysis, DetectError> {
        let Self { model, network, preparer, tensor } = self;
        let spec = model.spec();
        let start = Instant::now();
        let placement = preparer.prepare(picture, tensor)?;
        let prepare = milliseconds(start);

        let start = Instant::now();
        let mut read = Err(OutputError::missing(spec.family));
        let mut infer = 0.0;
        let input = TensorView { shape: &spec.input.shape(), data: tensor };
        network.run(input, &mut |outputs| {
            infer = milliseconds(start);
            if let Some(output) = outputs.first() {
                read = read_output(output, spec, options, picture, &placement);
            }
        })?;
        let findings = read?;
        let times = PhaseTimes { decode: 0.0, prepare, infer, post: milliseconds(start) - infer };
        Ok(Analysis { width: picture.width, height: picture.height, findings, times })
    }

    /// Runs the network once on an empty picture: the first run allocates, and shows whether it works at all.
    ///
    /// # Errors
    /// When the network fails.
    pub fn warm_up(&mut self) -> Result<(), DetectError> {
        let (width, height) = (self.model.spec().input.width as u32, self.model.spec().input.height as u32);
        let picture = Picture { width, height, rgb: vec![114; 3 * width as usize * height as usize] };
        self.detect_picture(&picture, &Options::default()).map(drop)
    }
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn read_output(
    output: &TensorView<'_>,
    spec: &Spec,
    options: &Options,
    picture: &Picture,
    placement: &Placement,
) -> Result<Findings, OutputError> {
    let (classes, confidence) = (spec.classes.len(), options.confidence);
    let size = (spec.input.width, spec.input.height);
    let candidates = match spec.family {
        Family::YoloV5 => yolov5::candidates(output, classes, confidence)?,
        Family::YoloV8 => yolov8::candidates(output, classes, confidence)?,
        Family::YoloX => yolox::candidates(output, classes, size, confidence)?,
        Family::Classifier => {
            let probabilities = classifier::probabilities(output, classes)?;
            return Ok(Findings::Classes(rank(&probabilities, spec, options)));
        }
    };
    let wanted =
        candidates.into_iter().filter(|candidate| is_wanted(&spec.classes[candidate.class], options));
    let in_picture = wanted.filter_map(|candidate| to_picture(candidate, picture, placement)).collect();
    let kept = nms::suppress(in_picture, options.iou, options.agnostic, options.max);
    Ok(Findings::Detections(kept.into_iter().map(|candidate| named(candidate, spec)).collect()))
}

fn is_wanted(label: &String, options: &Options) -> bool {
    options.classes.is_empty() || options.classes.contains(label)
}

/// Maps a box from the network's pixels to the picture's and cuts what lies outside; nothing if all of it does.
fn to_picture(candidate: Candidate, picture: &Picture, placement: &Placement) -> Option<Candidate> {
    let bounds = PixelBox::from_corners(
        placement.picture_x(candidate.bounds.left),
        placement.picture_y(candidate.bounds.top),
        placement.picture_x(candidate.bounds.right()),
        placement.picture_y(candidate.bounds.bottom()),
    )
    .clamp_to(picture.width, picture.height);
    (bounds.area() > 0.0).then_some(Candidate { bounds, ..candidate })
}

fn named(candidate: Candidate, spec: &Spec) -> Detection {
    Detection {
        label: spec.classes[candidate.class].clone(),
        confidence: candidate.confidence,
        bounds: candidate.bounds,
    }
}

/// The most probable classes. The threshold is meant for boxes: a classifier always answers its best guess.
fn rank(probabilities: &[f32], spec: &Spec, options: &Options) -> Vec<ClassScore> {
    let named = spec.classes.iter().zip(probabilities).filter(|(label, _)| is_wanted(label, options));
    let mut ranked: Vec<ClassScore> =
        named.map(|(label, &confidence)| ClassScore { label: label.clone(), confidence }).collect();
    ranked.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    ranked.truncate(options.max.min(DEFAULT_CLASSES));
    ranked
}
