//! The bytes of pictures, without anything that runs a network.
//!
//! [`sniff`] tells a file's [`Format`], [`decode()`] turns it into an upright [`Picture`] under [`Limits`], and
//! [`inspect()`] does both for whoever takes pictures in. [`perceptual_hash`] finds the same picture in other files,
//! [`strip_metadata`] takes out of a file what is not needed to show it, [`thumbnail()`] and [`encode()`] write files.
//!
//! All of these meet hostile bytes: they answer with an error, take memory in proportion to the limits or to the
//! bytes, and do not panic.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod fingerprint;
mod format;
mod inspect;
mod layout;
mod resize;
mod strip;
mod thumbnail;

#[cfg(test)]
mod samples;

pub use decode::{DecodeError, Limits, Picture, decode};
pub use encode::{EncodeError, Encoding, encode};
pub use fingerprint::{hamming_distance, perceptual_hash};
pub use format::{Format, sniff};
pub use inspect::{Inspection, inspect};
pub use strip::strip_metadata;
pub use thumbnail::{ThumbnailError, thumbnail};
