//! Boxes, detections, cities, ids and job payloads: the words that every part of SightScan shares.
//!
//! Plain data without input or output: other crates compute with these types, and the wire forms of
//! the command line and of HTTP are these types in JSON.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

pub mod detection;
pub mod geometry;
pub mod ids;
pub mod life;
pub mod names;
pub mod provenance;
pub mod sha256;
pub mod work;

pub use detection::{ClassScore, Detection, Findings, PhaseTimes, PictureReport};
pub use geometry::{PixelBox, RelativeBox};
pub use ids::{CityId, ConsentId, DatasetId, DetectionId, ImageId, JobId, LabelId, ModelId, SightId};
pub use life::{CityState, ModelAction, ModelState, Stage, UnknownWord};
pub use names::{CityName, NameError, Slug, SlugError};
pub use provenance::{ConsentKind, OriginKind, Outcome, Producer, ProducerKind, Provenance, Review};
pub use sha256::{NotASha256, Sha256};
pub use work::{CrawlCity, JobState, LabelCity, TrainCity, Watcher};
