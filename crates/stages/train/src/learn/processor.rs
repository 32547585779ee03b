//! What computes a training.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sightscan_nn::Device;

use crate::error::Result;

/// What computes a training. Detection, by which each epoch is judged, is always computed by the serving engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Processor {
    /// The processor.
    #[default]
    Cpu,
    /// A graphics processor, by Vulkan.
    Gpu,
}

impl Processor {
    /// The device, and its name where it is one of several that there may be.
    ///
    /// # Errors
    /// When there is no graphics processor that can be used; the text says why.
    pub(super) fn open(self) -> Result<(Device, Option<String>)> {
        match self {
            Self::Cpu => Ok((Device::flex(), None)),
            Self::Gpu => {
                let (device, name) = sightscan_nn::gpu()?;
                Ok((device, Some(name)))
            }
        }
    }
}
