//! What happened in each epoch.

use std::fmt;

use serde::{Deserialize, Serialize};
use sightscan_nn::Losses;

use crate::evaluation::Report;

/// An epoch that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, the first one being 1.
    pub epoch: usize,
    /// The mean loss of where boxes are.
    pub box_loss: f64,
    /// The mean loss of whether there is an object.
    pub object_loss: f64,
    /// The mean loss of what it is.
    pub class_loss: f64,
    /// Mean average precision on the pictures for validation at an intersection over union of 0.5, 0 to 1.
    pub map50: Option<f64>,
    /// Mean of those at 0.5, 0.55 … 0.95.
    pub map50_95: Option<f64>,
    /// The rate of learning at its end.
    pub rate: f64,
    /// Pictures that were learnt from in a second.
    pub images_per_second: f64,
}

impl Epoch {
    /// How good the detector is: what the best epoch is chosen by. As in YOLOv5, mostly COCO's main number.
    pub fn fitness(&self) -> Option<f64> {
        Some(0.1 * self.map50? + 0.9 * self.map50_95?)
    }

    /// Numbers are rounded, so that they are the same when they are read again.
    pub(super) fn new(
        epoch: usize,
        losses: Losses,
        rate: f64,
        images_per_second: f64,
        report: Option<&Report>,
    ) -> Self {
        Self {
            epoch,
            box_loss: rounded(losses.boxes, 6),
            object_loss: rounded(losses.objects, 6),
            class_loss: rounded(losses.classes, 6),
            map50: report.and_then(|report| report.map50).map(|map| rounded(map, 6)),
            map50_95: report.and_then(|report| report.map50_95).map(|map| rounded(map, 6)),
            rate: rounded(rate, 9),
            images_per_second: rounded(images_per_second, 1),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, box_loss, object_loss, class_loss, .. } = self;
        write!(
            formatter,
            "epoch {epoch:>3}: loss of boxes {box_loss:.4}, objects {object_loss:.4}, classes {class_loss:.4}"
        )?;
        match (self.map50, self.map50_95) {
            (Some(map50), Some(map)) => write!(formatter, "; mAP@0.5 {map50:.3}, mAP@0.5:0.95 {map:.3}"),
            _ => Ok(()),
        }
    }
}

fn rounded(number: f64, places: i32) -> f64 {
    let scale = 10.0_f64.powi(places);
    (number * scale).round() / scale
}

/// The epoch whose weights are kept: the first one of the best, or the last one where nothing was judged.
pub(super) fn best(history: &[Epoch]) -> Option<&Epoch> {
    let judged = history.iter().filter(|epoch| epoch.fitness().is_some());
    judged
        .reduce(|best, epoch| if epoch.fitness() > best.fitness() { epoch } else { best })
        .or(history.last())
}
