//! How a detector is trained.

use serde::{Deserialize, Serialize};
use sightscan_nn::{LossWeights, Optimiser, Schedule, Settings};

use super::augment::Augmentation;
use crate::error::{Error, Result};

/// All that decides how a detector is trained, beside what it learns from. The defaults are those of YOLOv5's trainer,
/// which the original service ran with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How often every picture is learnt from.
    pub epochs: usize,
    /// Pictures of a step.
    pub batch: usize,
    /// Side of the pictures in pixels, a multiple of 32.
    pub size: usize,
    /// Decides all that is left to chance.
    pub seed: u64,
    /// What learns which way.
    pub optimiser: OptimiserKind,
    /// The highest rate of learning.
    pub rate: f64,
    /// What part of it is left at the end; it falls along a cosine.
    pub last_rate: f64,
    /// How much of a change is that of the change before; of `sgd` only.
    pub momentum: f64,
    /// What weights of convolutions lose of themselves, times the rate, at each change.
    pub weight_decay: f64,
    /// Epochs in which the rate of learning rises.
    pub warm_up: f64,
    /// Pictures for a change of the weights: steps are put together until there are so many.
    pub pictures_per_update: usize,
    /// The length at most of a parameter's gradient; 0 for none.
    pub clip: f32,
    /// Epochs without a better result after which training ends; 0 for never.
    pub patience: usize,
    /// Whether the layers that look at pixels stay as they are: faster, and better for few pictures.
    pub freeze_backbone: bool,
    /// Whether anchors are fitted to the boxes, where those that there are do not fit.
    pub fit_anchors: bool,
    /// How much where boxes are counts.
    pub box_loss: f64,
    /// How much whether there is an object counts.
    pub object_loss: f64,
    /// How much what it is counts; is multiplied with the share of 80 that the classes are.
    pub class_loss: f64,
    /// How many times longer or shorter than an anchor an object may be to be learnt by it.
    pub anchor_ratio: f32,
    /// How much pictures are changed.
    pub augmentation: Augmentation,
}

/// What learns which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Stochastic gradient descent with Nesterov's momentum.
    Sgd,
    /// Adam with weight decay apart.
    AdamW,
}

impl Default for Config {
    fn default() -> Self {
        let LossWeights { boxes, objects, classes, anchor_ratio } = LossWeights::default();
        Self {
            epochs: 50,
            batch: 16,
            size: 640,
            seed: 0,
            optimiser: OptimiserKind::Sgd,
            rate: 0.01,
            last_rate: 0.2,
            momentum: 0.937,
            weight_decay: 5e-4,
            warm_up: 3.0,
            pictures_per_update: 64,
            clip: 0.0,
            patience: 0,
            freeze_backbone: false,
            fit_anchors: true,
            box_loss: boxes,
            object_loss: objects,
            class_loss: classes,
            anchor_ratio,
            augmentation: Augmentation::default(),
        }
    }
}

impl Config {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// When a number is out of its range; the text says which.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str, why: String| Err(Error::Setting { what: what.to_owned(), why });
        if self.size == 0 || !self.size.is_multiple_of(32) {
            let (below, above) = ((self.size / 32 * 32).max(32), self.size / 32 * 32 + 32);
            return wrong("size", format!("{} is no multiple of 32; use {below} or {above}", self.size));
        }
        for (what, number) in [("epochs", self.epochs), ("batch", self.batch)] {
            if number == 0 {
                return wrong(what, "it is 0; use at least 1".into());
            }
        }
        let Augmentation { mosaic, plain_end, translate, scale, flip, .. } = self.augmentation;
        let parts = [("mosaic", mosaic), ("plain_end", plain_end), ("translate", translate), ("flip", flip)];
        if let Some((what, part)) = parts.into_iter().find(|(_, part)| !(0.0..=1.0).contains(part)) {
            return wrong(what, format!("{part} is no part; use 0 to 1"));
        }
        if !(0.0..1.0).contains(&scale) {
            return wrong("scale", format!("{scale} would leave nothing of a picture; use 0 to 0.9"));
        }
        let positive = [("rate", self.rate), ("anchor_ratio", f64::from(self.anchor_ratio) - 1.0)];
        match positive.into_iter().find(|(_, number)| number.is_nan() || *number <= 0.0) {
            Some((what, number)) => wrong(what, format!("{number} is too small")),
            None => Ok(()),
        }
    }

    /// Epochs at whose end pictures are no longer put together.
    pub(super) fn augmentation(&self, epoch: usize) -> Augmentation {
        let plain = (self.epochs as f64 * self.augmentation.plain_end).round() as usize;
        let mosaic = if epoch + plain >= self.epochs { 0.0 } else { self.augmentation.mosaic };
        Augmentation { mosaic, ..self.augmentation }
    }

    /// For the network, where an epoch has so many batches.
    pub(super) fn settings(&self, batches: usize) -> Settings {
        let accumulate = (self.pictures_per_update as f64 / self.batch as f64).round().max(1.0) as usize;
        let updates = batches.div_ceil(accumulate);
        let optimiser = match self.optimiser {
            OptimiserKind::Sgd => Optimiser::Sgd { momentum: self.momentum },
            OptimiserKind::AdamW => Optimiser::AdamW,
        };
        Settings {
            optimiser,
            schedule: Schedule {
                rate: self.rate,
                last: self.last_rate,
                warm_up: (self.warm_up * updates as f64).round() as usize,
                steps: self.epochs * updates,
            },
            weight_decay: self.weight_decay,
            accumulate,
            clip: (self.clip > 0.0).then_some(self.clip),
            loss: LossWeights {
                boxes: self.box_loss,
                objects: self.object_loss,
                classes: self.class_loss,
                anchor_ratio: self.anchor_ratio,
            },
            is_backbone_frozen: self.freeze_backbone,
        }
    }
}
