//! The layers of a network, as its sections describe them. Missing keys have Darknet's defaults.

use super::cfg::{LIMIT, Section};
use super::error::{DarknetError, Place};

const SECTIONS: &str = "[convolutional], [maxpool], [route], [shortcut], [upsample], [dropout], [yolo]";

/// A layer and where it is described.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// What a layer computes.
#[derive(Debug)]
pub(super) enum Kind {
    Convolution(Convolution),
    MaxPool(MaxPool),
    Route(Route),
    Shortcut(Shortcut),
    /// Repeats every pixel this many times in both directions.
    Upsample(usize),
    /// Does nothing once the network is trained.
    Dropout,
    Yolo(Yolo),
}

/// A convolution with a square kernel.
#[derive(Debug)]
pub(super) struct Convolution {
    pub(super) filters: usize,
    pub(super) size: usize,
    pub(super) stride: usize,
    /// Zeros on each side.
    pub(super) padding: usize,
    pub(super) groups: usize,
    pub(super) batch_normalize: bool,
    pub(super) activation: Activation,
}

/// The greatest number in a square window.
#[derive(Debug)]
pub(super) struct MaxPool {
    pub(super) size: usize,
    pub(super) stride: usize,
    /// In all: the smaller half is left and above, the greater half right and below.
    pub(super) padding: usize,
}

/// Channels of earlier layers, one after the other.
#[derive(Debug)]
pub(super) struct Route {
    /// Numbers of the layers.
    pub(super) layers: Vec<usize>,
    /// Every layer's channels are cut into this many parts…
    pub(super) groups: usize,
    /// …of which this one is taken.
    pub(super) group: usize,
}

/// The sum of the previous layer and earlier ones.
#[derive(Debug)]
pub(super) struct Shortcut {
    /// Numbers of the earlier layers.
    pub(super) layers: Vec<usize>,
    pub(super) activation: Activation,
}

/// Reads boxes from a grid of cells.
#[derive(Debug)]
pub(super) struct Yolo {
    /// Width and height of the anchors of this layer, in pixels of the network's input.
    pub(super) anchors: Vec<[f32; 2]>,
    pub(super) classes: usize,
    /// Grid sensitivity.
    pub(super) scale: f32,
    /// The box form of Scaled-YOLOv4.
    pub(super) new_coords: bool,
}

impl Yolo {
    /// Numbers a box.
    pub(super) fn columns(&self) -> usize {
        5 + self.classes
    }
}

/// The function after a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Linear,
    /// Slope 0.1 below zero.
    Leaky,
    Relu,
    Mish,
    Swish,
    Logistic,
}

/// Reads all layers.
pub(super) fn layers(sections: &[Section]) -> Result<Vec<Layer>, DarknetError> {
    sections.iter().enumerate().map(|(number, section)| layer(section, number)).collect()
}

fn layer(section: &Section, number: usize) -> Result<Layer, DarknetError> {
    let kind = match section.place.section.as_str() {
        "convolutional" | "conv" => Kind::Convolution(convolution(section)?),
        "maxpool" | "max" => Kind::MaxPool(max_pool(section)?),
        "route" => Kind::Route(route(section, number)?),
        "shortcut" => Kind::Shortcut(shortcut(section, number)?),
        "upsample" => Kind::Upsample(upsample(section)?),
        "dropout" => Kind::Dropout,
        "yolo" => Kind::Yolo(yolo(section)?),
        other => return Err(section.unsupported(format!("[{other}]"), SECTIONS.to_owned())),
    };
    Ok(Layer { place: section.place.clone(), kind })
}

/// Switches that change what a convolution computes.
const CONVOLUTION_SWITCHES: [&str; 10] = [
    "antialiasing",
    "binary",
    "bin_output",
    "coordconv",
    "flipped",
    "rotate",
    "stretch",
    "stretch_sway",
    "sway",
    "xnor",
];

fn convolution(section: &Section) -> Result<Convolution, DarknetError> {
    CONVOLUTION_SWITCHES.iter().try_for_each(|key| section.only(key, "0"))?;
    section.only("dilation", "1")?;
    if let Some(index) = section.text("share_index") {
        return Err(
            section.unsupported(format!("share_index={index}"), "a layer with weights of its own".into())
        );
    }
    let size = section.count("size", 1, 1)?;
    let padding = section.count("padding", 0, 0)?;
    Ok(Convolution {
        filters: section.count("filters", 1, 1)?,
        size,
        stride: stride(section)?,
        padding: if section.flag("pad")? { size / 2 } else { padding },
        groups: section.count("groups", 1, 1)?,
        batch_normalize: section.flag("batch_normalize")? || section.flag("cbn")?,
        activation: activation(section, "logistic")?,
    })
}

/// The stride, which must be the same in both directions.
fn stride(section: &Section) -> Result<usize, DarknetError> {
    let stride = section.count("stride", 1, 1)?;
    let same = stride.to_string();
    section.only("stride_x", &same)?;
    section.only("stride_y", &same)?;
    Ok(stride)
}

fn max_pool(section: &Section) -> Result<MaxPool, DarknetError> {
    section.only("antialiasing", "0")?;
    section.only("maxpool_depth", "0")?;
    let stride = stride(section)?;
    let size = section.count("size", stride, 1)?;
    let padding = section.count("padding", size - 1, 0)?;
    // Otherwise windows could lie in the padding alone.
    if padding.div_ceil(2) >= size && padding > 0 {
        return Err(section.wrong("padding", format!("less than twice the size, which is {size}")));
    }
    Ok(MaxPool { size, stride, padding })
}

fn route(section: &Section, number: usize) -> Result<Route, DarknetError> {
    let groups = section.count("groups", 1, 1)?;
    let group = section.count("group_id", 0, 0)?;
    if group >= groups {
        return Err(section.wrong("group_id", format!("less than groups, which is {groups}")));
    }
    Ok(Route { layers: earlier(section, "layers", number)?, groups, group })
}

fn shortcut(section: &Section, number: usize) -> Result<Shortcut, DarknetError> {
    section.only("weights_type", "none")?;
    Ok(Shortcut { layers: earlier(section, "from", number)?, activation: activation(section, "linear")? })
}

/// Numbers of earlier layers; negative ones count back from this layer.
fn earlier(section: &Section, key: &'static str, number: usize) -> Result<Vec<usize>, DarknetError> {
    let expected =
        format!("numbers of layers before layer {number}, or negative numbers that count back from it");
    let found: Vec<i64> = section.list(key, &expected)?.unwrap_or_default();
    let resolve = |&given: &i64| {
        let index = if given < 0 {
            number.checked_sub(usize::try_from(given.unsigned_abs()).ok()?)
        } else {
            given.try_into().ok()
        };
        index.filter(|index| *index < number)
    };
    let layers: Option<Vec<usize>> = found.iter().map(resolve).collect();
    layers.filter(|layers| !layers.is_empty()).ok_or_else(|| section.wrong(key, expected))
}

fn upsample(section: &Section) -> Result<usize, DarknetError> {
    section.only("scale", "1")?;
    section.count("stride", 2, 1)
}

fn yolo(section: &Section) -> Result<Yolo, DarknetError> {
    Ok(Yolo {
        anchors: anchors(section)?,
        classes: section.count("classes", 20, 1)?,
        scale: section.float("scale_x_y", 1.0)?,
        new_coords: section.flag("new_coords")?,
    })
}

/// The anchors that the mask chooses; all where there is no mask.
fn anchors(section: &Section) -> Result<Vec<[f32; 2]>, DarknetError> {
    let numbers: Vec<f32> = section.list("anchors", "pairs of numbers")?.unwrap_or_default();
    let sound = numbers.iter().all(|number| number.is_finite() && *number > 0.0);
    let (pairs, rest) = numbers.as_chunks::<2>();
    if pairs.is_empty() || pairs.len() > LIMIT || !rest.is_empty() || !sound {
        return Err(
            section.wrong("anchors", "pairs of positive numbers: width and height in pixels".to_owned())
        );
    }
    let expected = format!("numbers of anchors from 0 to {}", pairs.len() - 1);
    let Some(mask) = section.list::<usize>("mask", &expected)? else { return Ok(pairs.to_vec()) };
    let chosen: Option<Vec<[f32; 2]>> = mask.iter().map(|index| pairs.get(*index).copied()).collect();
    chosen.filter(|chosen| !chosen.is_empty()).ok_or_else(|| section.wrong("mask", expected))
}

fn activation(section: &Section, usual: &str) -> Result<Activation, DarknetError> {
    let name = section.text("activation").unwrap_or(usual);
    Ok(match name {
        "linear" => Activation::Linear,
        "leaky" => Activation::Leaky,
        "relu" => Activation::Relu,
        "mish" => Activation::Mish,
        "swish" => Activation::Swish,
        "logistic" => Activation::Logistic,
        _ => {
            let supported = "linear, leaky, relu, mish, swish, logistic".to_owned();
            return Err(section.unsupported(format!("activation={name}"), supported));
        }
    })
}
