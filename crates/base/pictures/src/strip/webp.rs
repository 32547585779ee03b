//! WebP: chunks that are known to matter, and a new `EXIF` for the orientation.

use image::metadata::Orientation;

use crate::Format;
use crate::decode::header::is_cut_off_riff;
use crate::decode::orientation::{stated_in, to_exif};
use crate::layout::chunk::{Chunk, riff_chunks, webp_chunks};

const PIXELS: [&[u8; 4]; 3] = [b"ALPH", b"VP8 ", b"VP8L"];

/// Bits of the first byte of `VP8X` (RFC 9649, section 2.7).
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;

/// `None` where a chunk that matters is cut off, or where there are no pixels.
pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    if is_cut_off_riff(bytes) {
        return None;
    }
    let orientation = stated_in(Format::WebP, bytes);
    let turned = orientation != Orientation::NoTransforms;
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    let mut shows = false;
    for chunk in webp_chunks(bytes) {
        let Some(data) = kept(&chunk, turned) else { continue };
        if !is_whole(&chunk) {
            return None;
        }
        shows |= has_pixels(&chunk) || chunk.name == *b"ANMF";
        write_chunk(chunk.name, &data, &mut file);
    }
    if turned {
        write_chunk(*b"EXIF", &to_exif(orientation), &mut file);
    }
    let length = u32::try_from(file.len() - 8).ok()?;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    shows.then_some(file)
}

/// What stays of a chunk.
fn kept(chunk: &Chunk<'_>, turned: bool) -> Option<Vec<u8>> {
    match &chunk.name {
        b"VP8X" => Some(with_flags(chunk.data, turned)),
        b"ANMF" => Some(frame(chunk.data)),
        b"ICCP" | b"ANIM" => Some(chunk.data.to_vec()),
        _ => has_pixels(chunk).then(|| chunk.data.to_vec()),
    }
}

/// Whether the file ends behind the chunk, and a frame of an animation behind its pixels.
fn is_whole(chunk: &Chunk<'_>) -> bool {
    let mut pixels = riff_chunks(chunk.data.get(16..).unwrap_or_default()).filter(has_pixels).peekable();
    !chunk.cut_off
        && (chunk.name != *b"ANMF" || pixels.peek().is_some() && pixels.all(|inner| !inner.cut_off))
}

fn has_pixels(chunk: &Chunk<'_>) -> bool {
    PIXELS.contains(&&chunk.name)
}

/// The header of an extended file with flags for the metadata that is left.
fn with_flags(header: &[u8], turned: bool) -> Vec<u8> {
    let mut header = header.to_vec();
    if let Some(flags) = header.first_mut() {
        *flags = *flags & !(HAS_EXIF | HAS_XMP) | if turned { HAS_EXIF } else { 0 };
    }
    header
}

/// A frame of an animation: sixteen bytes of place and time, then chunks of its own.
fn frame(data: &[u8]) -> Vec<u8> {
    let (head, chunks) = data.split_at_checked(16).unwrap_or((data, &[]));
    let mut frame = head.to_vec();
    for chunk in riff_chunks(chunks).filter(has_pixels) {
        write_chunk(chunk.name, chunk.data, &mut frame);
    }
    frame
}

fn write_chunk(name: [u8; 4], data: &[u8], file: &mut Vec<u8>) {
    file.extend_from_slice(&name);
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file.extend_from_slice(&[0][..data.len() % 2]);
}
