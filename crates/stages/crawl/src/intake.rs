//! Taking one picture in: from what a source has named to what will be stored, or why it will not.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use bytes::Bytes;
use sightscan_pictures::{Limits, hamming_distance, inspect, perceptual_hash};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Pictures of one sight whose perceptual hashes differ in at most so many of 64 bits look alike.
const ALIKE: u32 = 6;

/// What a picture is, measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its media type.
    pub media_type: &'static str,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// Pictures that look alike have hashes that differ in few bits.
    pub perceptual_hash: u64,
}

/// Why a picture is not stored. In few different words, so that they can be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// It may not be fetched, or is not there.
    Refused(String),
    /// It could not be fetched, however often it was tried.
    Unreachable,
    /// It cannot be decoded.
    Unreadable,
    /// It has too few pixels.
    TooSmall,
    /// Its sides are too unequal, as those of banners and panoramas are.
    TooLong,
    /// It looks like another picture of the same sight.
    LooksLikeAnother,
    /// Its source or its author has more bytes than is kept.
    TooMuchText,
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused(reason) => reason,
            Self::Unreachable => "could not be fetched",
            Self::Unreadable => "not readable",
            Self::TooSmall => "too small",
            Self::TooLong => "too long and narrow",
            Self::LooksLikeAnother => "looks like another picture of the sight",
            Self::TooMuchText => "its address is too long",
        })
    }
}

/// What pictures have to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands {
    /// Pixels of the shorter side, at least.
    pub min_side: u32,
    /// The longer side over the shorter one, at most.
    pub max_aspect: u32,
    /// Pixels, at most.
    pub max_pixels: u64,
}

impl Demands {
    /// As [`Demands::measure`], on a thread that may be busy for a while. No more pictures are decoded at once than there
    /// are cores: more would only take memory.
    pub(crate) async fn look_at(self, bytes: Bytes) -> Result<Measured, Flaw> {
        static CORES: LazyLock<Semaphore> =
            LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZeroUsize::get)));
        let _core = CORES.acquire().await;
        // One that makes the decoder panic is no picture.
        spawn_blocking(move || self.measure(&bytes)).await.unwrap_or(Err(Flaw::Unreadable))
    }

    /// Measures a picture; takes as long as decoding it.
    ///
    /// # Errors
    /// Why it is not wanted.
    pub fn measure(self, bytes: &Bytes) -> Result<Measured, Flaw> {
        let limits = Limits { max_pixels: self.max_pixels };
        let inspection = inspect(bytes, &limits).map_err(|_| Flaw::Unreadable)?;
        let (width, height) = (inspection.width(), inspection.height());
        let (shorter, longer) = (width.min(height), width.max(height));
        if shorter < self.min_side {
            return Err(Flaw::TooSmall);
        }
        if longer > shorter.saturating_mul(self.max_aspect) {
            return Err(Flaw::TooLong);
        }
        let perceptual_hash = perceptual_hash(&inspection.picture);
        Ok(Measured { media_type: inspection.format.media_type(), width, height, perceptual_hash })
    }
}

/// Whether a picture looks like one of those with these hashes.
pub(crate) fn looks_like_one_of(hash: u64, kept: &[u64]) -> bool {
    kept.iter().any(|other| hamming_distance(hash, *other) <= ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_pictures::{Encoding, Picture, encode};

    const DEMANDS: Demands = Demands { min_side: 32, max_aspect: 4, max_pixels: 1_000_000 };

    fn picture(width: u32, height: u32) -> Bytes {
        let rgb = (0..width * height * 3).map(|at| (at % 251) as u8).collect();
        encode(&Picture { width, height, rgb }, Encoding::Png).unwrap().into()
    }

    #[test]
    fn pictures_are_measured() {
        let measured = DEMANDS.measure(&picture(64, 48)).unwrap();
        assert_eq!((measured.media_type, measured.width, measured.height), ("image/png", 64, 48));
    }

    #[test]
    fn w_c23_what_is_no_use_is_told_before_it_is_stored() {
        let flaw = |bytes: &Bytes| DEMANDS.measure(bytes).unwrap_err();
        assert_eq!(flaw(&picture(64, 31)), Flaw::TooSmall);
        assert_eq!(flaw(&picture(132, 32)), Flaw::TooLong);
        assert_eq!(flaw(&picture(1200, 1200)), Flaw::Unreadable);
        assert_eq!(flaw(&Bytes::from_static(b"<html>")), Flaw::Unreadable);
        let whole = picture(64, 48);
        assert_eq!(flaw(&whole.slice(..whole.len() / 2)), Flaw::Unreadable);
    }

    #[test]
    fn pictures_look_alike_up_to_six_bits() {
        assert!(looks_like_one_of(0, &[u64::MAX, 0b11_1111]));
        assert!(!looks_like_one_of(0, &[u64::MAX, 0b111_1111]));
        assert!(!looks_like_one_of(0, &[]));
    }
}
