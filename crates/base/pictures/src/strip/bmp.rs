//! BMP: has no metadata; only what lies behind the picture goes.

use crate::layout::field::{u16_le, u32_le};

const FILE_HEADER: usize = 14;
const V5_HEADER: u32 = 124;

/// `bV5CSType` of a file that brings its colour profile.
const PROFILE_EMBEDDED: u32 = u32::from_be_bytes(*b"MBED");

/// The file's own statement of its length stays as it is: decoders do not read it, and damaged files show it as pixels.
pub(super) fn strip(bytes: &[u8]) -> Vec<u8> {
    let end = end_of_pixels(bytes).map_or(bytes.len(), |end| end.max(end_of_profile(bytes)).min(bytes.len()));
    bytes[..end].to_vec()
}

/// Where the image data ends, or `None` where that cannot be told.
fn end_of_pixels(bytes: &[u8]) -> Option<usize> {
    let start = u32_le(bytes, 10)? as usize;
    let (width, height, bits, compression) = if u32_le(bytes, FILE_HEADER)? == 12 {
        (u16_le(bytes, 18)?, u16_le(bytes, 20)?, u16_le(bytes, 24)?, 0)
    } else {
        let height = u32_le(bytes, 22)?.cast_signed().unsigned_abs();
        (u32_le(bytes, 18)?, height, u16_le(bytes, 28)?, u32_le(bytes, 30)?)
    };
    let size = match compression {
        // Plain pixels, also with bit masks: rows are padded to four bytes.
        0 | 3 | 6 => {
            let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
            usize::try_from(row.checked_mul(height.into())?).ok()?
        }
        1 => run_lengths(bytes.get(start..)?, 1)?,
        2 => run_lengths(bytes.get(start..)?, 2)?,
        _ => return None,
    };
    start.checked_add(size)
}

/// Bytes of run-length encoded image data up to the mark of its end, where a byte holds one or two pixels.
fn run_lengths(data: &[u8], pixels_per_byte: usize) -> Option<usize> {
    let mut at = 0;
    loop {
        let &[count, value] = data.get(at..)?.first_chunk()?;
        at += 2;
        match (count, value) {
            (0, 1) => return Some(at),
            (0, 2) => at += 2,
            (0, pixels @ 3..) => at += usize::from(pixels).div_ceil(pixels_per_byte).next_multiple_of(2),
            _ => {}
        }
    }
}

fn end_of_profile(bytes: &[u8]) -> usize {
    let is_embedded =
        u32_le(bytes, FILE_HEADER) == Some(V5_HEADER) && u32_le(bytes, 70) == Some(PROFILE_EMBEDDED);
    let profile = u32_le(bytes, 126).zip(u32_le(bytes, 130)).filter(|_| is_embedded);
    profile
        .map_or(0, |(place, size)| FILE_HEADER.saturating_add(place as usize).saturating_add(size as usize))
}
