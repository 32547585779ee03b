//! The average of a network over its last updates.

use crate::error::Result;
use crate::weights::Weights;
use crate::yolov5::Yolov5;

/// Of so much the average is at most the one before.
const DECAY: f64 = 0.9999;
/// Updates in which that is mostly reached: a young network changes fast, so its average follows fast.
const RAMP: f64 = 2000.0;

/// An exponential moving average of all tensors of a network.
pub(crate) struct Average {
    weights: Weights,
    updates: usize,
}

impl Average {
    pub(crate) fn new(weights: Weights) -> Self {
        Self::at(weights, 0)
    }

    /// As it was after so many updates.
    pub(crate) const fn at(weights: Weights, updates: usize) -> Self {
        Self { weights, updates }
    }

    pub(crate) const fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Moves on to what the network is now.
    pub(crate) fn follow(&mut self, network: &Yolov5) -> Result<()> {
        self.updates += 1;
        let decay = DECAY * (1.0 - (-(self.updates as f64) / RAMP).exp());
        let now = network.weights()?;
        for ((_, average), (_, now)) in self.weights.iter_mut().zip(now.iter()) {
            for (average, now) in average.values.iter_mut().zip(&now.values) {
                *average = (f64::from(*now) + (f64::from(*average) - f64::from(*now)) * decay) as f32;
            }
        }
        Ok(())
    }
}
