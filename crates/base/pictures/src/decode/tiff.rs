//! TIFF: what its directory claims, before the decoder believes it, and the bytes that make pixels.

mod page;

use super::{DecodeError, Limits};
use crate::Format;
use crate::layout::tiff::{
    BITS_PER_SAMPLE, COMPRESSION, Directory, IMAGE_LENGTH, IMAGE_WIDTH, NEW_SUBFILE_TYPE, SAMPLES_PER_PIXEL,
    TILE_LENGTH, TILE_WIDTH,
};

/// None, LZW, Deflate, PackBits, Deflate's older number. JPEG's data would bring sizes of its own past the limits,
/// and fax codes are for pages of text.
const COMPRESSIONS: [u32; 5] = [1, 5, 8, 32_773, 32_946];

/// CMYK and one extra channel.
const MOST_SAMPLES: u32 = 5;

const MOST_BITS: u32 = 16;

/// The reduced-resolution bit of `NewSubfileType`.
const REDUCED: u32 = 1;

/// The first page as a file of its own, which is what is decoded: what else the file holds cannot reach the decoder,
/// and a file without it shows the same pixels. Writing it twice changes nothing.
///
/// # Errors
/// Where the page claims too much, or its image data is not all there.
pub(crate) fn first_page(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, DecodeError> {
    check(bytes, limits)?;
    page::rewritten(bytes).ok_or_else(|| corrupt("its image data is missing, cut off or outside of the file"))
}

/// Checks everything that the decoder takes memory for.
fn check(bytes: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    let directory = Directory::read(bytes)
        .ok_or_else(|| corrupt("its first directory is cut off or gives a field twice"))?;
    check_sizes(&directory, limits)?;
    let first = |tag, default| directory.number(tag).unwrap_or(default);
    if first(NEW_SUBFILE_TYPE, 0) & REDUCED != 0 {
        return Err(corrupt("its first page is a preview of another one, as in a camera's raw files"));
    }
    if !COMPRESSIONS.contains(&first(COMPRESSION, 1)) {
        return Err(corrupt(format!("its compression, number {}, is not read", first(COMPRESSION, 1))));
    }
    if first(SAMPLES_PER_PIXEL, 1) > MOST_SAMPLES
        || directory.numbers(BITS_PER_SAMPLE).any(|bits| bits > MOST_BITS)
    {
        return Err(corrupt("its pixels have more than five channels or more than 16 bits a channel"));
    }
    Ok(())
}

/// Checks the page and its tiles; the decoder would believe a small page's tile that claims to be a large one.
fn check_sizes(directory: &Directory<'_>, limits: &Limits) -> Result<(), DecodeError> {
    let sized =
        [IMAGE_WIDTH, IMAGE_LENGTH, TILE_WIDTH, TILE_LENGTH, SAMPLES_PER_PIXEL, BITS_PER_SAMPLE, COMPRESSION];
    let is_unreadable = |tag| directory.entry(tag).is_some_and(|entry| entry.numbers().next().is_none());
    if sized.into_iter().any(is_unreadable) {
        return Err(corrupt("its directory gives a size that is no number"));
    }
    let size = |width, length| directory.number(width).zip(directory.number(length));
    let (width, height) = size(IMAGE_WIDTH, IMAGE_LENGTH).ok_or_else(|| corrupt("it has no size"))?;
    limits.check(width, height)?;
    size(TILE_WIDTH, TILE_LENGTH).map_or(Ok(()), |(width, height)| limits.check(width, height))
}

fn corrupt(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::corrupt(Format::Tiff, reason)
}
