//! Pictures that people give, with their consent, and take back.

use bytes::Bytes;
use sightscan_pictures::{Inspection, Limits, inspect, perceptual_hash, strip_metadata};
use sightscan_types::{ConsentId, ConsentKind, ImageId, OriginKind, Provenance, Review, Sha256};
use sightscan_warehouse::cities::City;
use sightscan_warehouse::images::{self, NewImage};
use sightscan_warehouse::consents;
use tracing::info;
use uuid::Uuid;

use crate::Cities;
use crate::error::{Error, Result};
use crate::requester::Requester;

/// The version of [`TEXT`]. Who changes the text gives it a new version: consents remember what was agreed to.
pub const VERSION: &str = "2026-11-1";

/// What a donor agrees to.
pub const TEXT: &str = "\
I took this picture myself or may pass it on. SightScan may keep it, have a person look at it, and train detectors of \
the city's sights with it. SightScan takes out everything that the file says about me, my camera and where I was; it keeps \
the picture itself, the time of the donation, and a keyed hash of my network address, and shows the picture to nobody but \
its administrators. I get a link by which I can delete the picture at any time; models that were trained with it are then \
marked, and replaced by the next training.";

/// The text by which the first clients asked.
pub const CHECKBOX: &str = "Help improving SightScan's detection quality";

/// What was agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// How.
    pub kind: ConsentKind,
    /// Which text: its version, or the text of the check box.
    pub text_version: String,
}

/// A picture that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Donation {
    /// The picture.
    pub image: ImageId,
    /// By which its donor can delete it. It is stored as its SHA-256 only and cannot be told again.
    pub token: String,
}

/// A picture that is ready to be stored.
struct Prepared {
    bytes: Bytes,
    inspection: Facts,
}

/// What is known of a picture without its pixels.
struct Facts {
    media_type: &'static str,
    width: u32,
    height: u32,
    perceptual_hash: u64,
}

impl Facts {
    fn of(inspection: &Inspection) -> Self {
        Self {
            media_type: inspection.format.media_type(),
            width: inspection.width(),
            height: inspection.height(),
            perceptual_hash: perceptual_hash(&inspection.picture),
        }
    }
}
