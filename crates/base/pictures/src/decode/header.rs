//! What a header claims, read without any decoder and without taking memory.

use crate::Format;
use crate::layout::chunk::{Chunk, riff_chunks};
use crate::layout::field::{u16_le, u24_le, u32_be, u32_le};

/// Width and height in pixels of every area that the decoder of this format takes memory for because a header says
/// so. It is empty where the header is cut off, and for JPEG and TIFF, which are read by their own modules.
pub(super) fn claimed_sizes(format: Format, bytes: &[u8]) -> Vec<(u32, u32)> {
    let size = match format {
        Format::Jpeg | Format::Tiff => None,
        Format::Png => u32_be(bytes, 16).zip(u32_be(bytes, 20)),
        Format::Gif => u16_le(bytes, 6).zip(u16_le(bytes, 8)),
        Format::Bmp => bitmap_size(bytes),
        Format::WebP => return webp_sizes(bytes),
    };
    size.into_iter().collect()
}

/// A negative height means that the first row is the top one.
fn bitmap_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match u32_le(bytes, 14)? {
        12 => u16_le(bytes, 18).zip(u16_le(bytes, 20)),
        _ => u32_le(bytes, 18).zip(u32_le(bytes, 22).map(|height| height.cast_signed().unsigned_abs())),
    }
}

/// The canvas and every frame in it: the frame inside a small canvas may claim to be a large one.
fn webp_sizes(bytes: &[u8]) -> Vec<(u32, u32)> {
    let mut sizes = Vec::new();
    for chunk in riff_chunks(bytes.get(12..).unwrap_or_default()) {
        sizes.extend(webp_size(&chunk));
        if chunk.name == *b"ANMF" {
            sizes.extend(
                riff_chunks(chunk.data.get(16..).unwrap_or_default()).filter_map(|inner| webp_size(&inner)),
            );
        }
    }
    sizes
}

fn webp_size(chunk: &Chunk<'_>) -> Option<(u32, u32)> {
    match &chunk.name {
        b"VP8X" => Some((u24_le(chunk.data, 4)? + 1, u24_le(chunk.data, 7)? + 1)),
        b"VP8 " => Some((u16_le(chunk.data, 6)? & 0x3FFF, u16_le(chunk.data, 8)? & 0x3FFF)),
        b"VP8L" => u32_le(chunk.data, 1).map(|bits| ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)),
        _ => None,
    }
}

/// Whether a RIFF file ends before the length that its header states; the last padding byte may be missing.
pub(crate) fn is_cut_off_riff(bytes: &[u8]) -> bool {
    u32_le(bytes, 4).is_none_or(|length| bytes.len() as u64 + 1 < u64::from(length) + 8)
}
