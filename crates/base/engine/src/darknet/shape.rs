//! The shapes of the layers' outputs, and whether layers fit together.

use super::cfg::{LIMIT, Section};
use super::error::DarknetError;
use super::layer::{Convolution, Kind, Layer, MaxPool, Route, Shortcut, Yolo};

/// The greatest width and height of an input, in pixels.
const MAX_SIDE: usize = 8192;
/// The most numbers that one layer may answer: a gigabyte.
const MAX_ELEMENTS: usize = 1 << 28;
/// The most boxes that a network may answer. YOLOv4-P7 answers 150,000.
const MAX_BOXES: usize = 1_000_000;

/// Sizes of a layer's output for one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// The input that `[net]` names.
pub(super) fn input(net: &Section) -> Result<Shape, DarknetError> {
    let channels = net.count("channels", 3, 1)?;
    let side = |key| net.count(key, 0, 1);
    let (width, height) = (side("width")?, side("height")?);
    resized(Shape { channels, height, width }, width, height)
}

/// An input of another size.
pub(super) fn resized(input: Shape, width: usize, height: usize) -> Result<Shape, DarknetError> {
    let good = |side| (1..=MAX_SIDE).contains(&side);
    let size = DarknetError::Size { width, height, limit: MAX_SIDE };
    if good(width) && good(height) { Ok(Shape { width, height, ..input }) } else { Err(size) }
}

/// The shape of every layer's output. Channels of a `[yolo]` layer are those of its input.
pub(super) fn infer(layers: &[Layer], input: Shape) -> Result<Vec<Shape>, DarknetError> {
    let mut inference = Inference { layers, input, known: Vec::with_capacity(layers.len()), boxes: 0 };
    for layer in layers {
        let refused = |what| DarknetError::Layer { place: layer.place.clone(), what };
        let shape = inference.output(&layer.kind).and_then(checked).map_err(refused)?;
        inference.known.push(shape);
    }
    Ok(inference.known)
}

struct Inference<'a> {
    layers: &'a [Layer],
    input: Shape,
    known: Vec<Shape>,
    boxes: usize,
}

impl Inference<'_> {
    fn output(&mut self, kind: &Kind) -> Result<Shape, String> {
        match kind {
            Kind::Convolution(convolution) => convolved(self.previous()?, convolution),
            Kind::MaxPool(pool) => pooled(self.previous()?, pool),
            Kind::Route(route) => self.routed(route),
            Kind::Shortcut(shortcut) => self.added(shortcut),
            Kind::Upsample(stride) => Ok(upsampled(self.previous()?, *stride)),
            Kind::Dropout => self.previous(),
            Kind::Yolo(yolo) => self.detected(yolo),
        }
    }

    /// The output of the layer before, or the network's input.
    fn previous(&self) -> Result<Shape, String> {
        match self.known.len().checked_sub(1) {
            Some(index) => self.earlier(index),
            None => Ok(self.input),
        }
    }

    fn earlier(&self, index: usize) -> Result<Shape, String> {
        match self.layers[index].kind {
            Kind::Yolo(_) => {
                Err(format!("its input is layer {index} [yolo], which answers boxes, not a picture"))
            }
            _ => Ok(self.known[index]),
        }
    }

    fn routed(&self, route: &Route) -> Result<Shape, String> {
        let first = self.earlier(route.layers[0])?;
        let mut channels = 0usize;
        for &index in &route.layers {
            let shape = self.earlier(index)?;
            if (shape.width, shape.height) != (first.width, first.height) {
                return Err(format!(
                    "layers {} and {index} differ in size ({first} and {shape}); choose an input whose width and \
                     height are multiples of the network's stride, mostly 32",
                    route.layers[0]
                ));
            }
            if !shape.channels.is_multiple_of(route.groups) {
                return Err(format!(
                    "the {} channels of layer {index} do not split into {} groups",
                    shape.channels, route.groups
                ));
            }
            channels = channels.saturating_add(shape.channels / route.groups);
        }
        Ok(Shape { channels, ..first })
    }

    fn added(&self, shortcut: &Shortcut) -> Result<Shape, String> {
        let previous = self.previous()?;
        for &index in &shortcut.layers {
            let other = self.earlier(index)?;
            if other != previous {
                return Err(format!(
                    "its inputs differ in shape ({previous}, and {other} of layer {index}); only equal shapes are supported"
                ));
            }
        }
        Ok(previous)
    }

    fn detected(&mut self, yolo: &Yolo) -> Result<Shape, String> {
        let previous = self.previous()?;
        let (anchors, columns) = (yolo.anchors.len(), yolo.columns());
        if previous.channels != anchors * columns {
            return Err(format!(
                "its input has {} channels, but {anchors} anchors with {} classes need {}; mend `filters` of the layer \
                 before, `mask` or `classes`",
                previous.channels,
                yolo.classes,
                anchors * columns
            ));
        }
        self.boxes += anchors * previous.height * previous.width;
        if self.boxes > MAX_BOXES {
            return Err(format!(
                "the network answers {} boxes; at most {MAX_BOXES} are supported",
                self.boxes
            ));
        }
        Ok(previous)
    }
}

fn convolved(input: Shape, convolution: &Convolution) -> Result<Shape, String> {
    let Convolution { filters, size, stride, padding, groups, .. } = *convolution;
    if !input.channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        return Err(format!(
            "{} input channels and {filters} filters do not split into {groups} groups",
            input.channels
        ));
    }
    let (height, width) = windows(input, size, stride, 2 * padding)?;
    Ok(Shape { channels: filters, height, width })
}

fn pooled(input: Shape, pool: &MaxPool) -> Result<Shape, String> {
    let (height, width) = windows(input, pool.size, pool.stride, pool.padding)?;
    Ok(Shape { height, width, ..input })
}

/// How many windows of this size fit, from top to bottom and from left to right.
fn windows(input: Shape, size: usize, stride: usize, padding: usize) -> Result<(usize, usize), String> {
    let along = |side: usize| (side + padding).checked_sub(size).map(|room| room / stride + 1);
    along(input.height).zip(along(input.width)).ok_or_else(|| {
        format!("its window of {size}x{size} is greater than its input {input}; choose a greater input")
    })
}

fn upsampled(input: Shape, stride: usize) -> Shape {
    Shape { height: input.height * stride, width: input.width * stride, ..input }
}

/// Refuses shapes that no real network has, before anything is allocated for them.
fn checked(shape: Shape) -> Result<Shape, String> {
    let Shape { channels, height, width } = shape;
    let elements = channels.checked_mul(height).and_then(|area| area.checked_mul(width));
    let sound =
        elements.is_some_and(|elements| elements <= MAX_ELEMENTS) && channels.max(height).max(width) <= LIMIT;
    sound.then_some(shape).ok_or_else(|| {
        format!("its output {shape} is too large; at most {MAX_ELEMENTS} numbers are supported")
    })
}
