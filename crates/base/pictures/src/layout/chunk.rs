//! The named pieces of PNG and RIFF files.

use super::field::{u32_be, u32_le};

/// A piece and its name.
pub(crate) struct Chunk<'a> {
    pub(crate) name: [u8; 4],
    /// Shorter than announced where the file is cut off.
    pub(crate) data: &'a [u8],
    /// Everything from the chunk's first byte to its last: length, name, check sum or padding too.
    pub(crate) whole: &'a [u8],
    /// Whether the file ends inside of the chunk.
    pub(crate) cut_off: bool,
}

/// The chunks of a PNG file after its signature, up to the one that ends the picture: length, name, data, check sum.
pub(crate) fn png_chunks(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let length = u32_be(rest, 0)? as usize;
        let (head, body) = rest.split_at_checked(8)?;
        let name: [u8; 4] = head[4..].try_into().ok()?;
        let size = length.saturating_add(12);
        let whole = &rest[..size.min(rest.len())];
        let cut_off = whole.len() < size;
        rest = if name == *b"IEND" { &[] } else { &rest[whole.len()..] };
        Some(Chunk { name, data: &body[..length.min(body.len())], whole, cut_off })
    })
}

/// The chunks of a WebP file, as far as the length in its header reaches.
pub(crate) fn webp_chunks(file: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let end = u32_le(file, 4).map_or(0, |length| (length as usize).saturating_add(8)).min(file.len());
    riff_chunks(file[..end].get(12..).unwrap_or_default())
}

/// The chunks of a part of a RIFF file: name, length, data, padding to an even length. The last padding byte may be
/// missing.
pub(crate) fn riff_chunks(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let length = u32_le(rest, 4)? as usize;
        let (head, body) = rest.split_at_checked(8)?;
        let name = head[..4].try_into().ok()?;
        let size = length.saturating_add(length % 2).saturating_add(8);
        let whole = &rest[..size.min(rest.len())];
        rest = &rest[whole.len()..];
        let data = &body[..length.min(body.len())];
        Some(Chunk { name, data, whole, cut_off: data.len() < length })
    })
}
