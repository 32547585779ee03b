//! PNG: chunks that are known to matter, and a new `eXIf` for the orientation.

use image::metadata::Orientation;

use crate::Format;
use crate::decode::orientation::{stated_in, to_exif};
use crate::layout::chunk::png_chunks;

/// Pixels, colours (the third edition's too), density, and animation; not the end, which is written anew.
const KEPT: [&[u8; 4]; 17] = [
    b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI",
    b"sBIT", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

/// `None` where a chunk that matters is cut off, or where there are no pixels.
pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let (signature, rest) = bytes.split_at_checked(8)?;
    let orientation = stated_in(Format::Png, bytes);
    let mut file = signature.to_vec();
    let mut has_pixels = false;
    for chunk in png_chunks(rest).filter(|chunk| KEPT.contains(&&chunk.name)) {
        if chunk.cut_off {
            return None;
        }
        file.extend_from_slice(chunk.whole);
        has_pixels |= chunk.name == *b"IDAT";
        if chunk.name == *b"IHDR" && orientation != Orientation::NoTransforms {
            write_chunk(b"eXIf", &to_exif(orientation), &mut file);
        }
    }
    write_chunk(b"IEND", &[], &mut file);
    has_pixels.then_some(file)
}

fn write_chunk(name: &[u8; 4], data: &[u8], file: &mut Vec<u8>) {
    let named = [name.as_slice(), data].concat();
    file.extend_from_slice(&(data.len() as u32).to_be_bytes());
    file.extend_from_slice(&named);
    file.extend_from_slice(&crc32fast::hash(&named).to_be_bytes());
}
