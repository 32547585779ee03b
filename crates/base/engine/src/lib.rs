//! From the bytes of a picture to boxes.
//!
//! The order of the flow is the order of the modules: [`decode`] turns bytes into pixels under limits,
//! [`prepare`] turns pixels into the network's input, a [`runtime`] runs the network, a [`family`] reads its
//! output, [`nms`] keeps the best boxes, and [`detector`] ties them together for one [`model`].
//!
//! `unsafe` is denied rather than forbidden here, for one call into the C library's allocator.

pub mod annotate;
pub mod darknet;
pub mod detector;
pub mod family;
mod files;
pub mod many;
pub mod model;
pub mod nms;
pub mod onnx;
pub mod pictures;
pub mod prepare;
pub mod runtime;

/// Bytes to pixels, under limits: the work of `sightscan-pictures`.
pub mod decode {
    pub use sightscan_pictures::{DecodeError, Format, Limits, Picture, decode, sniff};
}

pub use decode::{DecodeError, Limits, Picture};
pub use detector::{Analysis, DetectError, Detector, Options};
pub use model::{Model, ModelError};
pub use runtime::{EngineChoice, RuntimeKind};
