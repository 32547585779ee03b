//! Everything that must be known to use a network, and where that knowledge comes from.

use serde::{Deserialize, Serialize};

use crate::detector::Options;
use crate::family::{Family, cells};
use crate::onnx::{Dimension, ModelProto, Port, ultralytics};
use crate::prepare::{Colour, Fit, Input, Layout};

/// Everything that must be known to use a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name of the model.
    pub name: String,
    /// Version of the model, where it has one.
    pub version: Option<String>,
    /// SHA-256 of the model file, in hexadecimal.
    pub sha256: String,
    /// How the output is read.
    pub family: Family,
    /// Class names, in the order of the network's classes.
    pub classes: Vec<String>,
    /// How pictures become input.
    pub input: Input,
    /// Which boxes are kept unless a caller says otherwise.
    pub thresholds: Thresholds,
}

impl Spec {
    /// The options that hold unless a caller says otherwise.
    pub fn options(&self) -> Options {
        let Thresholds { confidence, iou, agnostic, max } = self.thresholds;
        Options { confidence, iou, agnostic, max, classes: Vec::new() }
    }

    /// Whether these options make sense for this model.
    ///
    /// # Errors
    /// When a threshold or the maximum is out of its range, or a class is not the model's.
    pub fn check(&self, options: &Options) -> Result<(), SpecError> {
        share("confidence", options.confidence)?;
        share("iou", options.iou)?;
        at_least_one("max", options.max)?;
        match options.classes.iter().find(|class| !self.classes.contains(class)) {
            Some(class) => {
                Err(SpecError::UnknownClass { class: class.clone(), known: sample(&self.classes) })
            }
            None => Ok(()),
        }
    }
}

/// The first of these names, for an error message.
fn sample(names: &[String]) -> String {
    let shown = names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown} and {} more", names.len() - 10) } else { shown }
}

/// Which boxes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Least confidence, 0 to 1.
    pub confidence: f32,
    /// Greatest overlap (intersection over union), 0 to 1.
    pub iou: f32,
    /// Whether overlap counts between classes too.
    pub agnostic: bool,
    /// Greatest number of boxes.
    pub max: usize,
}

/// What a user says about a model, in `model.toml` or by flags; everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Name of the model; default the file's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 that the model file must have, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How the output is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Class names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// How pictures become input.
    #[serde(default)]
    pub input: InputOverrides,
    /// Which boxes are kept.
    #[serde(default)]
    pub thresholds: ThresholdOverrides,
}

/// What a user says about a model's input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputOverrides {
    /// Width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<usize>,
    /// Order of the dimensions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Order of the colour channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// Factor for each value after the mean is subtracted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// Mean of each channel, 0 to 255, in the order of `colour`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f32; 3]>,
    /// Value of padding, 0 to 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<u8>,
    /// How a picture is fitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Whether shrinking averages over all pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub antialias: Option<bool>,
}

/// What a user says about which boxes are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdOverrides {
    /// Least confidence, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// Greatest overlap, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iou: Option<f32>,
    /// Whether overlap counts between classes too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agnostic: Option<bool>,
    /// Greatest number of boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<usize>,
}

impl Overrides {
    /// These, and where they say nothing, the others.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let (a, b) = (self.input, other.input);
        let (c, d) = (self.thresholds, other.thresholds);
        Self {
            name: self.name.or(other.name),
            version: self.version.or(other.version),
            sha256: self.sha256.or(other.sha256),
            family: self.family.or(other.family),
            classes: self.classes.or(other.classes),
            input: InputOverrides {
                width: a.width.or(b.width),
                height: a.height.or(b.height),
                layout: a.layout.or(b.layout),
                colour: a.colour.or(b.colour),
                scale: a.scale.or(b.scale),
                mean: a.mean.or(b.mean),
                pad: a.pad.or(b.pad),
                fit: a.fit.or(b.fit),
                antialias: a.antialias.or(b.antialias),
            },
            thresholds: ThresholdOverrides {
                confidence: c.confidence.or(d.confidence),
                iou: c.iou.or(d.iou),
                agnostic: c.agnostic.or(d.agnostic),
                max: c.max.or(d.max),
            },
        }
    }
}

impl From<&Spec> for Overrides {
    /// The whole of a model's description, as it is written into a `model.toml`.
    fn from(spec: &Spec) -> Self {
        Self {
            name: Some(spec.name.clone()),
            version: spec.version.clone(),
            sha256: Some(spec.sha256.clone()),
            family: Some(spec.family),
            classes: Some(spec.classes.clone()),
            input: spec.input.into(),
            thresholds: spec.thresholds.into(),
        }
    }
}

impl From<Input> for InputOverrides {
    /// All of it.
    fn from(input: Input) -> Self {
        let Input { width, height, fit, pad, colour, scale, mean, layout, antialias } = input;
        Self {
            width: Some(width),
            height: Some(height),
            layout: Some(layout),
            colour: Some(colour),
            scale: Some(scale),
            mean: Some(mean),
            pad: Some(pad),
            fit: Some(fit),
            antialias: Some(antialias),
        }
    }
}

impl From<Thresholds> for ThresholdOverrides {
    /// All of them.
    fn from(thresholds: Thresholds) -> Self {
        let Thresholds { confidence, iou, agnostic, max } = thresholds;
        Self { confidence: Some(confidence), iou: Some(iou), agnostic: Some(agnostic), max: Some(max) }
    }
}

/// How to use a network is not known, or what was said about it is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The network does not take one picture and answer one tensor.
    #[error(
        "the network takes {inputs} and answers {outputs}: SightScan needs one input of shape [batch,3,height,width] or [batch,height,width,3]"
    )]
    Ports {
        /// The inputs found.
        inputs: String,
        /// The outputs found.
        outputs: String,
    },
    /// No family answers such shapes.
    #[error("no model family is known from the output {output}; set `family` in model.toml or --family ({})", Family::ALL.map(Family::name).join(", "))]
    Family {
        /// The output found.
        output: String,
    },
    /// The output cannot be of the family that was said.
    #[error("the output {output} is not {family}'s; set another `family` in model.toml or --family")]
    NotFamily {
        /// The output found.
        output: String,
        /// The family said.
        family: Family,
    },
    /// The class names are not known.
    #[error(
        "the model names no classes, and its output {output} needs {count}; set `classes` in model.toml, or --classes FILE with a name a line"
    )]
    NoClasses {
        /// The output found.
        output: String,
        /// How many there must be.
        count: usize,
    },
    /// The number of class names is wrong.
    #[error(
        "there are {found} class names, but the output {output} has {count} classes; mend `classes` in model.toml or --classes"
    )]
    ClassCount {
        /// The names found.
        found: usize,
        /// How many there must be.
        count: usize,
        /// The output found.
        output: String,
    },
    /// The input size is not known or not allowed.
    #[error("{what}; set `input.width` and `input.height` in model.toml, or --size")]
    Size {
        /// What is wrong with the size.
        what: String,
    },
    /// A number is out of its range.
    #[error("`{field}` is {value}, but must be {range}")]
    Range {
        /// The field in `model.toml`.
        field: &'static str,
        /// The value said.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// A class was asked for that the model does not know.
    #[error("the model has no class `{class}`; it knows {known}")]
    UnknownClass {
        /// The class asked for.
        class: String,
        /// Some that it knows.
        known: String,
    },
    /// The shape of the output could not be found out by running the network.
    #[error(
        "the network failed on an empty picture of {width}x{height} pixels: {reason}; set `input.width` and `input.height` in model.toml, or --size"
    )]
    Probe {
        /// Width tried.
        width: usize,
        /// Height tried.
        height: usize,
        /// What the runtime says.
        reason: String,
    },
}

/// The side of YOLO networks that take any size and say nothing else.
const YOLO_SIDE: usize = 640;
/// The side of classifiers that take any size and say nothing else.
const CLASSIFIER_SIDE: usize = 224;
/// The greatest stride of YOLO networks: their sides must be multiples of it.
const STRIDE: usize = 32;
/// No side of an input may be longer, so that a typing error cannot ask for terabytes.
const GREATEST_SIDE: usize = 8192;

/// The input of a network with one input that holds a picture: its port and dimension order.
pub(crate) fn picture_input(proto: &ModelProto) -> Result<(Port, Layout), SpecError> {
    let (inputs, outputs) = (proto.inputs(), proto.outputs());
    let three = |port: &Port, index: usize| port.shape.get(index) == Some(&Dimension::Fixed(3));
    match inputs.as_slice() {
        [port] if port.shape.len() == 4 && !outputs.is_empty() && three(port, 1) => {
            Ok((port.clone(), Layout::Nchw))
        }
        [port] if port.shape.len() == 4 && !outputs.is_empty() && three(port, 3) => {
            Ok((port.clone(), Layout::Nhwc))
        }
        _ => Err(SpecError::Ports { inputs: listed(&inputs), outputs: listed(&outputs) }),
    }
}

fn listed(ports: &[Port]) -> String {
    let texts: Vec<String> = ports.iter().map(Port::to_string).collect();
    if texts.is_empty() { "nothing".into() } else { texts.join(" and ") }
}

/// Width and height of the input: from the user, the network or its metadata, else the usual ones.
pub(crate) fn input_size(
    proto: &ModelProto,
    port: &Port,
    layout: Layout,
    overrides: &Overrides,
) -> Result<(usize, usize), SpecError> {
    let (rows, columns) = match layout {
        Layout::Nchw => (port.shape[2], port.shape[3]),
        Layout::Nhwc => (port.shape[1], port.shape[2]),
    };
    let exported = proto.metadata("imgsz").and_then(ultralytics::size);
    let side = if looks_like_classifier(proto, overrides) { CLASSIFIER_SIDE } else { YOLO_SIDE };
    let (high, wide) = exported.unwrap_or((side, side));
    let height = side_of("height", rows, overrides.input.height, high)?;
    let width = side_of("width", columns, overrides.input.width, wide)?;
    Ok((width, height))
}

fn looks_like_classifier(proto: &ModelProto, overrides: &Overrides) -> bool {
    let said = overrides.family.map(|family| family == Family::Classifier);
    let flat = || proto.outputs().first().is_some_and(|output| output.shape.len() == 2);
    said.unwrap_or_else(|| proto.metadata("task") == Some("classify") || flat())
}

fn side_of(name: &str, declared: Dimension, said: Option<usize>, usual: usize) -> Result<usize, SpecError> {
    let wrong = |what: String| Err(SpecError::Size { what });
    match (declared, said) {
        (Dimension::Fixed(fixed), Some(said)) if fixed != said => {
            wrong(format!("the network's {name} is fixed at {fixed} pixels and cannot be {said}"))
        }
        (Dimension::Dynamic, Some(said)) if said == 0 || said > GREATEST_SIDE => {
            wrong(format!("the {name} cannot be {said} pixels"))
        }
        (Dimension::Fixed(fixed), _) => Ok(fixed),
        (Dimension::Dynamic, said) => Ok(said.unwrap_or(usual)),
    }
}

/// The family: what the user says, else what metadata and shapes of the output tell.
///
/// `output` has the sizes that the network really answers for an input of `width` x `height` pixels.
pub(crate) fn family(
    proto: &ModelProto,
    overrides: &Overrides,
    output: &Port,
    (width, height): (usize, usize),
) -> Result<Family, SpecError> {
    if let Some(family) = overrides.family {
        let fits = family.classes(&output.shape).is_some();
        return if fits {
            Ok(family)
        } else {
            Err(SpecError::NotFamily { output: output.to_string(), family })
        };
    }
    let names = class_names(proto, overrides).map(|names| names.len());
    let fits = |family: &Family| match (family.classes(&output.shape), names) {
        (None, _) => false,
        (Some(classes), Some(names)) if *family != Family::YoloX => classes == names,
        (Some(classes), names) => {
            names.is_none_or(|n| n == classes) && rows_fit(*family, &output.shape, width, height)
        }
    };
    let order = [Family::YoloX, Family::YoloV5, Family::YoloV8, Family::Classifier];
    order.into_iter().find(fits).ok_or_else(|| SpecError::Family { output: output.to_string() })
}

/// Whether the number of boxes is one that the family has: one a grid cell, or three for YOLOv5.
fn rows_fit(family: Family, shape: &[Dimension], width: usize, height: usize) -> bool {
    let is = |index: usize, count: usize| shape.get(index) == Some(&Dimension::Fixed(count));
    match family {
        Family::YoloX => is(1, cells(width, height)),
        Family::YoloV5 => is(1, 3 * cells(width, height)),
        Family::YoloV8 => is(2, cells(width, height)),
        Family::Classifier => true,
    }
}

/// The class names, where anybody says them.
pub(crate) fn class_names(proto: &ModelProto, overrides: &Overrides) -> Option<Vec<String>> {
    overrides.classes.clone().or_else(|| proto.metadata("names").and_then(ultralytics::names))
}

/// The class names, as many as the output has.
pub(crate) fn classes(
    proto: &ModelProto,
    overrides: &Overrides,
    family: Family,
    output: &Port,
) -> Result<Vec<String>, SpecError> {
    let count =
        family.classes(&output.shape).ok_or(SpecError::NotFamily { output: output.to_string(), family })?;
    let names = class_names(proto, overrides)
        .ok_or_else(|| SpecError::NoClasses { output: output.to_string(), count })?;
    if names.len() == count {
        Ok(names)
    } else {
        Err(SpecError::ClassCount { found: names.len(), count, output: output.to_string() })
    }
}

/// How pictures become input: what the user says, else what the family was trained with.
pub(crate) fn input(
    family: Family,
    layout: Layout,
    (width, height): (usize, usize),
    overrides: &InputOverrides,
) -> Result<Input, SpecError> {
    let usual = usual_input(family);
    let input = Input {
        width,
        height,
        layout: overrides.layout.unwrap_or(layout),
        fit: overrides.fit.unwrap_or(usual.fit),
        pad: overrides.pad.unwrap_or(usual.pad),
        colour: overrides.colour.unwrap_or(usual.colour),
        scale: overrides.scale.unwrap_or(usual.scale),
        mean: overrides.mean.unwrap_or(usual.mean),
        antialias: overrides.antialias.unwrap_or(usual.antialias),
    };
    let odd = family != Family::Classifier && (width % STRIDE != 0 || height % STRIDE != 0);
    if odd {
        return Err(SpecError::Size {
            what: format!("{width}x{height} is not a multiple of {STRIDE} pixels, as YOLO networks need"),
        });
    }
    Ok(input)
}

fn usual_input(family: Family) -> Input {
    let ultralytics = Input {
        width: YOLO_SIDE,
        height: YOLO_SIDE,
        layout: Layout::Nchw,
        fit: Fit::Letterbox,
        pad: 114,
        colour: Colour::Rgb,
        scale: 1.0 / 255.0,
        mean: [0.0; 3],
        antialias: false,
    };
    match family {
        Family::YoloV5 | Family::YoloV8 => ultralytics,
        Family::YoloX => Input { fit: Fit::LetterboxTopLeft, colour: Colour::Bgr, scale: 1.0, ..ultralytics },
        Family::Classifier => Input { fit: Fit::Stretch, antialias: true, ..ultralytics },
    }
}

/// Which boxes are kept: what the user says, else the usual 0.25 and 0.45, class by class.
pub(crate) fn thresholds(overrides: &ThresholdOverrides) -> Result<Thresholds, SpecError> {
    let usual = Options::default();
    Ok(Thresholds {
        confidence: share("thresholds.confidence", overrides.confidence.unwrap_or(usual.confidence))?,
        iou: share("thresholds.iou", overrides.iou.unwrap_or(usual.iou))?,
        agnostic: overrides.agnostic.unwrap_or(usual.agnostic),
        max: at_least_one("thresholds.max", overrides.max.unwrap_or(usual.max))?,
    })
}

fn at_least_one(field: &'static str, value: usize) -> Result<usize, SpecError> {
    let none = || SpecError::Range { field, value: value.to_string(), range: "at least 1" };
    (value > 0).then_some(value).ok_or_else(none)
}

fn share(field: &'static str, value: f32) -> Result<f32, SpecError> {
    let good = (0.0..=1.0).contains(&value);
    good.then_some(value).ok_or_else(|| SpecError::Range {
        field,
        value: value.to_string(),
        range: "between 0 and 1",
    })
}
