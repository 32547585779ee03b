//! What is not needed to show a picture, taken out of its file without touching the image data.
//!
//! Every format is an allow-list: what is known to matter for the pixels, their colours, their density on paper or
//! the animation is copied byte by byte, and everything else goes, known or not: Exif, XMP, IPTC, places, comments,
//! thumbnails, maker's notes, and whatever lies behind the end of the picture. The orientation alone is kept out of
//! the Exif data, in a block of its own.

mod bmp;
mod gif;
mod jpeg;
mod png;
mod webp;

#[cfg(test)]
mod tests;

use crate::Format;
use crate::decode::{DecodeError, Limits, tiff, told_format};

/// Removes metadata without loss: the answer has the same format and decodes to exactly the same upright pixels.
/// Stripping again changes nothing.
///
/// Of a TIFF file the first page alone is kept. The bytes are not decoded, so use [`inspect`](crate::inspect()) where
/// it matters whether they are a picture; every file that decodes is stripped, unless a part that the decoder does
/// not come to is damaged, such as a later frame.
///
/// # Errors
/// Where the bytes are of no known format, or the structure of the file is damaged or cut off.
pub fn strip_metadata(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let format = told_format(bytes)?;
    let stripped = match format {
        Format::Jpeg => return jpeg::strip(bytes),
        Format::Tiff => return tiff::first_page(bytes, &Limits::NONE),
        Format::Png => png::strip(bytes),
        Format::WebP => webp::strip(bytes),
        Format::Gif => gif::strip(bytes),
        Format::Bmp => Some(bmp::strip(bytes)),
    };
    stripped.ok_or_else(|| DecodeError::corrupt(format, "its structure is damaged or cut off"))
}
