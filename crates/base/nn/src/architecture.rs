//! How large a network is.

use crate::error::{Error, Result};
use crate::weights::Weights;

/// What checkpoints call the anchors.
pub(crate) const ANCHORS: &str = "model.24.anchors";

/// Width and height of the anchors in pixels of the network's input: three for each stride, the smallest stride first.
pub type Anchors = [[[f32; 2]; 3]; 3];

/// The size of a network: YOLOv5's own sizes differ in two factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Factor of the number of channels.
    pub width: f64,
    /// Factor of the number of bottlenecks in a block.
    pub depth: f64,
    /// How many classes it tells apart.
    pub classes: usize,
    /// What boxes are predicted from.
    pub anchors: Anchors,
}

impl Architecture {
    /// Pixels of the input for each cell of the three grids.
    pub const STRIDES: [usize; 3] = [8, 16, 32];
    /// The anchors of the networks that were trained on COCO.
    pub const COCO_ANCHORS: Anchors = [
        [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]],
        [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
        [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]],
    ];

    /// YOLOv5n: 1.9 million parameters.
    pub const fn nano(classes: usize) -> Self {
        Self { width: 0.25, depth: 0.33, classes, anchors: Self::COCO_ANCHORS }
    }

    /// YOLOv5s: 7.2 million parameters.
    pub const fn small(classes: usize) -> Self {
        Self { width: 0.5, ..Self::nano(classes) }
    }

    /// The size of the network that weights are of.
    ///
    /// # Errors
    /// When they are not those of a YOLOv5 network.
    pub fn of(weights: &Weights) -> Result<Self> {
        let first = |name: &str| {
            let shape = weights.shape(name).and_then(|shape| shape.first());
            shape.copied().ok_or_else(|| Error::Missing(name.to_owned()))
        };
        let (channels, outputs) = (first("model.0.conv.weight")?, first("model.24.m.0.bias")?);
        // Each of three anchors predicts a box, whether there is an object, and at least one class.
        if channels == 0 || outputs % 3 != 0 || outputs < 3 * 6 {
            return Err(Error::NoSize { channels, outputs });
        }
        let repeats = (0..).take_while(|number| weights.shape(&bottleneck(*number)).is_some()).count();
        Ok(Self {
            width: channels as f64 / 64.0,
            depth: repeats as f64 / 9.0,
            classes: outputs / 3 - 5,
            anchors: anchors(weights)?,
        })
    }

    /// Channels where the full network has so many: a multiple of 8.
    pub(crate) fn channels(&self, full: usize) -> usize {
        (full as f64 * self.width / 8.0).ceil() as usize * 8
    }

    /// Bottlenecks where the full network has so many, at least one.
    pub fn repeats(&self, full: usize) -> usize {
        ((full as f64 * self.depth).round() as usize).max(1)
    }

    /// Numbers that an anchor predicts: a box, whether there is an object, and its class.
    pub(crate) const fn outputs(&self) -> usize {
        5 + self.classes
    }
}

/// A parameter of a bottleneck of the deepest block.
fn bottleneck(number: usize) -> String {
    format!("model.6.m.{number}.cv1.conv.weight")
}

/// Checkpoints have them in cells of their grids.
fn anchors(weights: &Weights) -> Result<Anchors> {
    let mut anchors = Anchors::default();
    let values = weights.values(ANCHORS, &[3, 3, 2])?;
    let (levels, _) = values.as_chunks::<6>();
    for ((anchors, values), stride) in anchors.iter_mut().zip(levels).zip(Architecture::STRIDES) {
        let cells = anchors.iter_mut().flatten().zip(values);
        cells.for_each(|(pixels, cells)| *pixels = cells * stride as f32);
    }
    Ok(anchors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_published_networks() {
        let (nano, small) = (Architecture::nano(80), Architecture::small(80));
        assert_eq!([64, 128, 256, 512, 1024].map(|full| nano.channels(full)), [16, 32, 64, 128, 256]);
        assert_eq!([64, 1024].map(|full| small.channels(full)), [32, 512]);
        assert_eq!([3, 6, 9].map(|full| nano.repeats(full)), [1, 2, 3]);
        assert_eq!(Architecture { width: 0.3, ..nano }.channels(64), 24);
        assert_eq!(Architecture::nano(5).outputs(), 10);
    }
}
