//! PNG, WebP, GIF, BMP and TIFF: the decoders of the `image` crate, and their pixels brought to RGB in place.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageResult};

use super::{DecodeError, Limits, Picture, header, orientation, tiff};
use crate::Format;

/// What a decoder may allocate besides pixels: rows, tables, colour profiles.
const WORKING_BYTES: u64 = 16 << 20;

/// The most bytes that one pixel takes on its way: 16-bit RGBA.
const BYTES_PER_PIXEL: u64 = 8;

/// Decodes a picture as it is stored, and tells which way up it belongs.
pub(super) fn decode(
    format: Format,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(Picture, Orientation), DecodeError> {
    for (width, height) in header::claimed_sizes(format, bytes) {
        limits.check(width, height)?;
    }
    // The decoder overlooks a cut behind the image data, where the orientation is.
    if format == Format::WebP && header::is_cut_off_riff(bytes) {
        return Err(DecodeError::corrupt(format, "it is cut off"));
    }
    let picture = match format {
        Format::Png => PngDecoder::with_limits(Cursor::new(bytes), allocations(limits))
            .map_err(|error| corrupt(format, error))
            .and_then(|decoder| read(decoder, format, limits)),
        Format::WebP => open(WebPDecoder::new(Cursor::new(bytes)), format, limits),
        Format::Gif => open(GifDecoder::new(Cursor::new(bytes)), format, limits),
        Format::Tiff => open(TiffDecoder::new(Cursor::new(tiff::first_page(bytes, limits)?)), format, limits),
        // JPEG has its own module and does not come here; its bytes would be refused as a bitmap.
        Format::Bmp | Format::Jpeg => open(BmpDecoder::new(Cursor::new(bytes)), format, limits),
    }?;
    Ok((picture, orientation::stated_in(format, bytes)))
}

fn open(
    decoder: ImageResult<impl ImageDecoder>,
    format: Format,
    limits: &Limits,
) -> Result<Picture, DecodeError> {
    let mut decoder = decoder.map_err(|error| corrupt(format, error))?;
    decoder.set_limits(allocations(limits)).map_err(|error| corrupt(format, error))?;
    read(decoder, format, limits)
}

fn allocations(limits: &Limits) -> image::Limits {
    let mut allocations = image::Limits::no_limits();
    allocations.max_alloc =
        Some(limits.max_pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(WORKING_BYTES));
    allocations
}

/// Reads the pixels to the end of a buffer that is large enough for RGB, and moves them to its start as RGB.
fn read(decoder: impl ImageDecoder, format: Format, limits: &Limits) -> Result<Picture, DecodeError> {
    let (width, height) = decoder.dimensions();
    limits.check(width, height)?;
    if width == 0 || height == 0 {
        return Err(DecodeError::corrupt(format, "it has no pixels"));
    }
    let color = decoder.color_type();
    let pixels = width as usize * height as usize;
    let stored = pixels * usize::from(color.bytes_per_pixel());
    let mut rgb = vec![0; stored.max(3 * pixels)];
    let start = rgb.len() - stored;
    decoder.read_image(&mut rgb[start..]).map_err(|error| corrupt(format, error))?;
    to_rgb(color, &mut rgb, start)
        .ok_or_else(|| DecodeError::corrupt(format, format!("colours of type {color:?}")))?;
    rgb.truncate(3 * pixels);
    Ok(Picture { width, height, rgb })
}

/// Brings the pixels that begin at `start` to RGB at the start of the buffer; `None` for colours that no format of
/// ours has. 16-bit channels are in the machine's byte order.
fn to_rgb(color: ColorType, buffer: &mut [u8], start: usize) -> Option<()> {
    match color {
        ColorType::Rgb8 => {}
        ColorType::L8 => repack(buffer, start, |[l]| [l; 3]),
        ColorType::La8 => repack(buffer, start, |[l, _]| [l; 3]),
        ColorType::Rgba8 => repack(buffer, start, |[r, g, b, _]| [r, g, b]),
        ColorType::L16 => repack(buffer, start, |[l, m]| [upper(l, m); 3]),
        ColorType::La16 => repack(buffer, start, |[l, m, _, _]| [upper(l, m); 3]),
        ColorType::Rgb16 => {
            repack(buffer, start, |[r, s, g, h, b, c]| [upper(r, s), upper(g, h), upper(b, c)])
        }
        ColorType::Rgba16 => {
            repack(buffer, start, |[r, s, g, h, b, c, _, _]| [upper(r, s), upper(g, h), upper(b, c)]);
        }
        _ => return None,
    }
    Some(())
}

fn upper(first: u8, second: u8) -> u8 {
    u16::from_ne_bytes([first, second]).to_be_bytes()[0]
}

/// Moves every pixel from behind `start` to the front. No pixel is overwritten before it is read: narrow pixels
/// begin so far behind that their widening never overtakes them, wide ones only shrink.
fn repack<const STEP: usize>(buffer: &mut [u8], start: usize, rgb: impl Fn([u8; STEP]) -> [u8; 3]) {
    for index in 0..(buffer.len() - start) / STEP {
        let from = start + index * STEP;
        let mut pixel = [0; STEP];
        pixel.copy_from_slice(&buffer[from..from + STEP]);
        buffer[3 * index..3 * index + 3].copy_from_slice(&rgb(pixel));
    }
}

/// Sizes have passed the limit by now, so what is left to complain about is the data.
fn corrupt(format: Format, error: ImageError) -> DecodeError {
    match error {
        ImageError::Decoding(error) => DecodeError::corrupt(format, error),
        error => DecodeError::corrupt(format, error),
    }
}
