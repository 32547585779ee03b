//! Pixels written as files.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};

use crate::Picture;

/// JPEG quality of annotated pictures and thumbnails: text stays sharp, and a file stays about as large as a camera's.
const JPEG_QUALITY: u8 = 90;

/// The file formats that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JPEG of quality 90.
    Jpeg,
    /// PNG, lossless.
    Png,
}

/// A picture could not be written in a file format, for instance because JPEG has no room for its size.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be written as {encoding:?}: try the other format")]
pub struct EncodeError {
    /// The format that was asked for.
    pub encoding: Encoding,
    source: ImageError,
}

/// Writes the picture as a file.
///
/// # Errors
/// Where the format has no room for the picture: JPEG ends at 65,535 pixels a side.
pub fn encode(picture: &Picture, format: Encoding) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    let written = match format {
        Encoding::Jpeg => write(picture, JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        Encoding::Png => {
            let (compression, filter) = (CompressionType::Fast, FilterType::Adaptive);
            write(picture, PngEncoder::new_with_quality(&mut bytes, compression, filter))
        }
    };
    written.map_err(|source| EncodeError { encoding: format, source })?;
    Ok(bytes)
}

fn write(picture: &Picture, encoder: impl ImageEncoder) -> Result<(), ImageError> {
    encoder.write_image(&picture.rgb, picture.width, picture.height, ExtendedColorType::Rgb8)
}
