//! The bytes of a picture to upright RGB pixels, under limits.
//!
//! The size is read from the header and checked before any memory for pixels is taken, so that a few bytes cannot
//! claim gigabytes.
//! Every [`Picture`] is upright: the EXIF orientation is applied where the format carries one. Alpha is dropped,
//! not blended, as OpenCV's `IMREAD_COLOR` does, because that is how detectors see pictures in training; of
//! 16-bit channels the upper byte is kept. Of an animation the first frame is decoded, of several pages the first.
//!
//! Sources: JPEG is ITU-T T.81, JFIF is ITU-T T.871, the Adobe marker APP14 is Adobe Technical Note 5116; PNG is
//! the W3C recommendation (third edition); WebP is RFC 9649; GIF is the GIF89a specification; BMP is Microsoft's
//! `BITMAPINFOHEADER` family; TIFF is Adobe's revision 6.0; the orientation is tag 0x0112 of Exif (CIPA DC-008).

pub(crate) mod header;
pub(crate) mod jpeg;
pub(crate) mod orientation;
mod raster;
pub(crate) mod tiff;

use std::fmt;
use std::panic;

use crate::format::{Format, sniff};

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The greatest number of pixels, width times height.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 50 megapixels, which is 150 MB of RGB.
    fn default() -> Self {
        Self { max_pixels: 50_000_000 }
    }
}

impl Limits {
    /// For what takes no memory for pixels.
    pub(crate) const NONE: Self = Self { max_pixels: u64::MAX };

    fn check(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooManyPixels { width, height, max_pixels: self.max_pixels });
        }
        Ok(())
    }
}

/// An upright picture; the origin is the top left corner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Red, green and blue of every pixel, row by row, without padding: exactly `3 * width * height` bytes.
    pub rgb: Vec<u8>,
}

/// Why bytes did not become a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the picture is empty (0 bytes): send the bytes of a picture")]
    Empty,
    /// The first bytes are those of no format that is read.
    #[error("the bytes are not a picture of a known format: send JPEG, PNG, WebP, GIF, BMP or TIFF")]
    NotAPicture,
    /// The header claims more pixels than the limit.
    #[error(
        "the picture has {width}x{height} pixels, and at most {max_pixels} pixels are allowed: send a smaller one"
    )]
    TooManyPixels {
        /// Claimed width in pixels.
        width: u32,
        /// Claimed height in pixels.
        height: u32,
        /// The limit that was exceeded.
        max_pixels: u64,
    },
    /// The format is known, but its data is damaged, cut off, or of a variant that is not read.
    #[error(
        "the {format} picture cannot be decoded ({reason}): send it again whole, or saved by another program"
    )]
    Corrupt {
        /// The format that the first bytes announce.
        format: Format,
        /// What the decoder found.
        reason: String,
    },
}

impl DecodeError {
    pub(crate) fn corrupt(format: Format, reason: impl fmt::Display) -> Self {
        Self::Corrupt { format, reason: reason.to_string().trim().to_owned() }
    }
}

/// Decodes a picture of any known format.
///
/// A JPEG whose image data ends early is refused rather than answered half grey; a missing end marker and bytes
/// after the end are accepted, as other decoders do.
///
/// # Errors
/// [`DecodeError`], for any bytes: this function does not panic.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    decode_as(told_format(bytes)?, bytes, limits)
}

/// The format of bytes that should be a picture.
pub(crate) fn told_format(bytes: &[u8]) -> Result<Format, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    sniff(bytes).ok_or(DecodeError::NotAPicture)
}

/// Decodes a picture whose format is known.
pub(crate) fn decode_as(format: Format, bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    // The decoders below are third-party code that meets hostile bytes; the JPEG decoder's arithmetic, for one,
    // overflows on damaged coefficients, which panics where overflow checks are on.
    panic::catch_unwind(|| upright(format, bytes, limits))
        .unwrap_or_else(|_| Err(DecodeError::corrupt(format, "the data makes no sense to its decoder")))
}

fn upright(format: Format, bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    let (picture, orientation) = match format {
        Format::Jpeg => jpeg::decode(bytes, limits)?,
        _ => raster::decode(format, bytes, limits)?,
    };
    Ok(orientation::upright(picture, orientation))
}

#[cfg(test)]
mod tests;
