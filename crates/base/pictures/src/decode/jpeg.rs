//! JPEG: the hot path. The segments are read once, here; the pixels are zune-jpeg's work.

pub(crate) mod segments;

use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{DecodeError, Limits, Picture};
use crate::Format;
use segments::Segments;

/// Decodes a picture as it is stored, and tells which way up it belongs.
///
/// CMYK and YCCK are taken as inverted (0 is full ink), with or without an Adobe marker, as every widespread
/// decoder does.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(Picture, Orientation), DecodeError> {
    let segments = Segments::read(bytes, limits)?;
    // Strict, or else zune-jpeg fills what is missing with grey.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let file = segments.for_decoder();
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file.as_slice()), options);
    let rgb = decoder.decode().map_err(corrupt)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| corrupt("it has no size"))?;
    Ok((Picture { width: width as u32, height: height as u32, rgb }, segments.orientation()))
}

fn corrupt(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::corrupt(Format::Jpeg, reason)
}
