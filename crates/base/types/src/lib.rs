//! Boxes and detections: the words that every part of SightScan shares.
//!
//! Plain data without input or output: other crates compute with these types, and the wire forms of
//! the command line and of HTTP are these types in JSON.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

pub mod detection;
pub mod geometry;

pub use detection::{ClassScore, Detection, Findings, PhaseTimes, PictureReport};
pub use geometry::PixelBox;
