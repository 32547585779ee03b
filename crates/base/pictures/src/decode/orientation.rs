//! Which way up: tag 0x0112 of Exif, values 1 to 8.

use image::metadata::Orientation;

use super::Picture;
use crate::Format;
use crate::layout::chunk::{png_chunks, webp_chunks};

/// Copies go tile by tile, because a turned picture reads columns: 32x32 pixels of both sides fit the first cache.
const TILE: usize = 32;

/// The orientation that a PNG or WebP file states, or that of a file that states none. Other formats carry none;
/// JPEG states it in a segment, see [`from_exif`].
pub(crate) fn stated_in(format: Format, bytes: &[u8]) -> Orientation {
    let exif = match format {
        Format::Png => png_chunks(&bytes[8..]).find(|chunk| chunk.name == *b"eXIf").map(|chunk| chunk.data),
        Format::WebP => webp_chunks(bytes).find(|chunk| chunk.name == *b"EXIF").map(|chunk| chunk.data),
        // Exif data is a TIFF file without a picture.
        Format::Tiff => Some(bytes),
        Format::Jpeg | Format::Gif | Format::Bmp => None,
    };
    exif.map_or(Orientation::NoTransforms, from_exif)
}

/// The orientation in a block of Exif data. Some writers repeat JPEG's prefix in front of it.
pub(super) fn from_exif(data: &[u8]) -> Orientation {
    let tiff = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}

/// Exif data with nothing but the orientation: a big-endian TIFF header, one directory, one field.
pub(crate) fn to_exif(orientation: Orientation) -> [u8; 26] {
    let mut exif = *b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    exif[19] = orientation.to_exif();
    exif
}

/// Turns and mirrors the picture so that its top is up.
pub(super) fn upright(picture: Picture, orientation: Orientation) -> Picture {
    let (width, height) = (picture.width as isize, picture.height as isize);
    let last = width * height - 1;
    // Which stored pixel comes to the top left corner, and how far on in the store lies the pixel to its right and
    // the one below it.
    let (first, right, down) = match orientation {
        Orientation::NoTransforms => return picture,
        Orientation::FlipHorizontal => (width - 1, -1, width),
        Orientation::Rotate180 => (last, -1, -width),
        Orientation::FlipVertical => (last + 1 - width, 1, -width),
        Orientation::Rotate90FlipH => (0, width, 1),
        Orientation::Rotate90 => (last + 1 - width, -width, 1),
        Orientation::Rotate270FlipH => (last, -width, -1),
        Orientation::Rotate270 => (width - 1, width, -1),
    };
    let turned = orientation.to_exif() >= 5;
    let (width, height) =
        if turned { (picture.height, picture.width) } else { (picture.width, picture.height) };
    Picture { width, height, rgb: gather(&picture.rgb, width as usize, (first, right, down)) }
}

/// Copies pixels into a picture of this width, where the pixel at (x, y) is the stored one at
/// `first + x * right + y * down`.
fn gather(stored: &[u8], width: usize, (first, right, down): (isize, isize, isize)) -> Vec<u8> {
    let mut rgb = vec![0; stored.len()];
    let (stored, _) = stored.as_chunks::<3>();
    let (pixels, _) = rgb.as_chunks_mut::<3>();
    let height = pixels.len() / width;
    for (top, left) in tiles(width, height) {
        for y in top..height.min(top + TILE) {
            let row = first + y as isize * down;
            for x in left..width.min(left + TILE) {
                pixels[y * width + x] = stored[(row + x as isize * right) as usize];
            }
        }
    }
    rgb
}

fn tiles(width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).step_by(TILE).flat_map(move |top| (0..width).step_by(TILE).map(move |left| (top, left)))
}
