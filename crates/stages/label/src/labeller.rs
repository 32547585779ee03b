//! What looks at pictures and names the sights in them.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sightscan_types::{ImageId, Producer, RelativeBox};

/// A picture to be labelled.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// The image that it is of.
    pub id: ImageId,
    /// Its file.
    pub bytes: Bytes,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
}

impl fmt::Debug for Picture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, bytes, width, height } = self;
        write!(formatter, "Picture({id}, {width}x{height}, {} bytes)", bytes.len())
    }
}

/// A sight that was found in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its name as the labeller writes it.
    pub label: String,
    /// Where it is in the upright picture.
    pub area: RelativeBox,
    /// How sure the labeller is, 0 to 1.
    pub score: Option<f64>,
    /// Its id in Google's Knowledge Graph, `/m/01g5v`.
    pub mid: Option<String>,
    /// Where the sight itself is: degrees north, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees east, WGS 84.
    pub longitude: Option<f64>,
}

/// What became of one picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was looked at; nothing was found where this is empty.
    Labelled(Vec<Found>),
    /// It could not be labelled.
    Failed {
        /// Why, and what to do.
        reason: String,
        /// Whether another try may succeed.
        is_transient: bool,
        /// Whether it has to be paid for, or may have to be: its answer was lost, or says nothing of use. `false` is
        /// certain.
        was_billed: bool,
    },
    /// No picture can be labelled for now: the key is wrong, the quota is used up, nobody pays.
    Exhausted {
        /// Why, and what to do.
        reason: String,
        /// As of [`Answer::Failed`]; a picture that was not sent is not billed.
        was_billed: bool,
    },
}

impl Answer {
    /// Whether a service that is paid for each picture takes money for this one, or may.
    pub const fn was_billed(&self) -> bool {
        match self {
            Self::Labelled(_) => true,
            Self::Failed { was_billed, .. } | Self::Exhausted { was_billed, .. } => *was_billed,
        }
    }
}

/// Looks at pictures.
pub trait Labeller: Send + Sync {
    /// Who will have made the labels.
    fn producer(&self) -> Producer;

    /// How many pictures are best given at once; more are allowed and take longer.
    fn most_at_once(&self) -> usize;

    /// Labels pictures: one answer for each, in their order.
    ///
    /// A picture is looked at once at most; whether it is to be tried again is the caller's decision, because that may
    /// cost again. Whoever stops waiting must take every picture for billed.
    fn label(&self, pictures: Vec<Picture>) -> BoxFuture<'_, Vec<Answer>>;
}
