//! Darknet networks: a `.cfg` that describes the layers and a `.weights` file with their numbers.
//!
//! They are turned into an ONNX graph, so that every runtime can run them and other tools can load them. The
//! graph decodes the boxes itself and answers in YOLOv5's layout, see [`Network::to_onnx`].
//!
//! Sources: the `.cfg` and `.weights` formats are those of Darknet (Redmon, "Darknet: Open Source Neural Networks
//! in C") with the extensions of the fork that YOLOv4 was published with. Boxes follow Redmon and Farhadi,
//! "YOLOv3: An Incremental Improvement" (2018), section 2.1; `scale_x_y` is the grid sensitivity of Bochkovskiy et
//! al., "YOLOv4" (2020); `new_coords` is the box form of Wang et al., "Scaled-YOLOv4" (2021).

mod cfg;
mod error;
mod graph;
mod layer;
mod shape;
mod weights;

use crate::onnx::ModelProto;
pub use error::{DarknetError, Place};
use layer::{Layer, Yolo};
use shape::Shape;
use weights::Folded;

/// A Darknet detector: its layers and their weights, with batch normalisation folded into the convolutions.
#[derive(Debug)]
pub struct Network {
    input: Shape,
    layers: Vec<Layer>,
    /// One entry a layer; `None` for those without weights.
    weights: Vec<Option<Folded>>,
    classes: usize,
}

/// Reads a network from the text of its `.cfg` and the bytes of its `.weights`.
///
/// # Errors
/// When the text is no Darknet configuration, holds anything that is not supported, describes layers that do not fit
/// together or no `[yolo]` layer, or when the weights are not exactly as many as the layers need.
pub fn parse(cfg: &str, weights: &[u8]) -> Result<Network, DarknetError> {
    let (net, sections) = cfg::sections(cfg)?;
    let input = shape::input(&net)?;
    let layers = layer::layers(&sections)?;
    let shapes = shape::infer(&layers, input)?;
    let classes = classes(&layers)?;
    let weights = weights::read(weights, &layers, &shapes, input)?;
    Ok(Network { input, layers, weights, classes })
}

impl Network {
    /// Width of the input that the configuration names, in pixels.
    pub fn width(&self) -> usize {
        self.input.width
    }

    /// Height of the input that the configuration names, in pixels.
    pub fn height(&self) -> usize {
        self.input.height
    }

    /// Number of classes that the network tells apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The network as an ONNX model for inputs of this size in pixels.
    ///
    /// The input is `images` `[batch, channels, height, width]`. The output is `output0` `[batch, boxes, 5 + classes]`:
    /// centre x, centre y, width and height of a box in pixels of the input from its top left, the objectness,
    /// and the probability of each class given that there is an object. The boxes of the `[yolo]` layers follow one
    /// another in the order of the configuration; within one, the order is row, column, anchor.
    ///
    /// Anchors are pixels of the input, whatever its size: as in Darknet, they do not grow with it.
    ///
    /// `names` are the class names; none may be given, and then the file has no `names` entry. The metadata has the
    /// form of Ultralytics' exporter: `names`, `stride`, `imgsz` and `task`.
    ///
    /// # Errors
    /// When the layers do not fit together at this size, or the names are not as many as the classes.
    pub fn to_onnx(&self, width: usize, height: usize, names: &[String]) -> Result<ModelProto, DarknetError> {
        if !names.is_empty() && names.len() != self.classes {
            return Err(DarknetError::Names { found: names.len(), needed: self.classes });
        }
        let input = shape::resized(self.input, width, height)?;
        let shapes = shape::infer(&self.layers, input)?;
        Ok(graph::build(self, input, &shapes, names))
    }

    fn yolo_layers(&self) -> impl Iterator<Item = (usize, &Yolo)> {
        yolo_layers(&self.layers).map(|(index, _, yolo)| (index, yolo))
    }
}

/// The number of classes that all `[yolo]` layers agree on.
fn classes(layers: &[Layer]) -> Result<usize, DarknetError> {
    let mut heads = yolo_layers(layers);
    let Some((_, _, first)) = heads.next() else { return Err(DarknetError::NoDetector) };
    match heads.find(|(_, _, other)| other.classes != first.classes) {
        None => Ok(first.classes),
        Some((_, place, other)) => Err(DarknetError::Layer {
            place: place.clone(),
            what: format!(
                "it has {} classes, but the first [yolo] layer has {}",
                other.classes, first.classes
            ),
        }),
    }
}

fn yolo_layers(layers: &[Layer]) -> impl Iterator<Item = (usize, &Place, &Yolo)> {
    layers.iter().enumerate().filter_map(|(index, layer)| match &layer.kind {
        layer::Kind::Yolo(yolo) => Some((index, &layer.place, yolo)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
