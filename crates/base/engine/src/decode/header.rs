//! What a header claims, read without any decoder and without taking memory.

use super::Format;

/// Sizes of the information headers that Microsoft defined, from `BITMAPCOREHEADER` to `BITMAPV5HEADER`.
const BITMAP_HEADERS: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

/// Whether bytes that begin with "BM" go on as a bitmap does.
pub(super) fn is_bitmap(bytes: &[u8]) -> bool {
    u32_le(bytes, 14).is_some_and(|size| BITMAP_HEADERS.contains(&size))
}

/// Width and height in pixels of every area that the decoder of this format takes memory for because a header says
/// so. It is empty where the header is cut off, and for JPEG, whose segments are read by their own module.
pub(super) fn claimed_sizes(format: Format, bytes: &[u8]) -> Vec<(u32, u32)> {
    let size = match format {
        Format::Jpeg => None,
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
pub(super) fn is_cut_off_riff(bytes: &[u8]) -> bool {
    u32_le(bytes, 4).is_none_or(|length| bytes.len() as u64 + 1 < u64::from(length) + 8)
}

/// A named piece of a PNG or RIFF file; the data is shorter than announced where the file is cut off.
pub(super) struct Chunk<'a> {
    pub(super) name: [u8; 4],
    pub(super) data: &'a [u8],
}

/// The chunks of a PNG file after its signature: length, name, data, check sum.
pub(super) fn png_chunks(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let length = u32_be(rest, 0)? as usize;
        let (head, body) = rest.split_at_checked(8)?;
        rest = body.get(length.saturating_add(4)..).unwrap_or_default();
        Some(Chunk { name: head[4..].try_into().ok()?, data: &body[..length.min(body.len())] })
    })
}

/// The chunks of a RIFF file after its form type: name, length, data, padding to an even length.
pub(super) fn riff_chunks(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let length = u32_le(rest, 4)? as usize;
        let (head, body) = rest.split_at_checked(8)?;
        rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
        Some(Chunk { name: head[..4].try_into().ok()?, data: &body[..length.min(body.len())] })
    })
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_le(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(|bytes| u16::from_le_bytes(bytes).into())
}

fn u24_le(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_le_bytes)
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_be_bytes)
}
