//! Fingerprints by which the same picture is found in other sizes and files.

use image::RgbImage;
use image_hasher::{BitOrder, HashAlg, HasherConfig};

use crate::Picture;
use crate::resize::resized;

/// Pictures are shrunk to this many pixels a side before they are hashed; the hash sees details of a sixteenth of a
/// side at most.
const SIDE: u32 = 64;

/// A 64-bit hash of what the picture looks like: pHash, which is 8x8 low frequencies of the discrete cosine
/// transform of the luma, each compared with their median (image_hasher's `Median` with `preproc_dct`).
///
/// Copies of a picture in another size or with stronger compression differ in a few bits, see [`hamming_distance`];
/// different pictures in about half of them. A mirrored, turned or cut copy counts as different. The hash is 0 where the
/// picture's bytes are not those of its size, which no decoded picture's are.
pub fn perceptual_hash(picture: &Picture) -> u64 {
    resized(picture, SIDE, SIDE).ok().and_then(hash).unwrap_or(0)
}

fn hash(small: Picture) -> Option<u64> {
    let pixels = RgbImage::from_raw(small.width, small.height, small.rgb)?;
    let hasher = HasherConfig::with_bytes_type::<[u8; 8]>()
        .hash_alg(HashAlg::Median)
        .preproc_dct()
        .bit_order(BitOrder::MsbFirst)
        .to_hasher();
    hasher.hash_image(&pixels).as_bytes().first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// In how many of their 64 bits two hashes differ.
pub fn hamming_distance(one: u64, other: u64) -> u32 {
    (one ^ other).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waves, so that no frequency is empty.
    fn waves(width: u32, height: u32, pitch: f32) -> Picture {
        let value = |x: u32, y: u32| {
            let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
            ((pitch * x + 3.0 * y * y).sin() * (2.0 * y + pitch * x * y).cos()).mul_add(120.0, 128.0) as u8
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Picture {
            width,
            height,
            rgb: pixels.flat_map(|(x, y)| [value(x, y), value(y % width, x % height), 90]).collect(),
        }
    }

    #[test]
    fn the_distance_counts_bits() {
        assert_eq!(hamming_distance(0, 0), 0);
        assert_eq!(hamming_distance(0b1010, 0b0110), 2);
        assert_eq!(hamming_distance(0, u64::MAX), 64);
    }

    #[test]
    fn a_hash_depends_on_what_is_seen_and_not_on_the_size() {
        let hash = |width, height, pitch| perceptual_hash(&waves(width, height, pitch));
        assert!(hamming_distance(hash(640, 480, 5.0), hash(320, 240, 5.0)) <= 4);
        assert!(hamming_distance(hash(640, 480, 5.0), hash(640, 480, 17.0)) >= 16);
    }

    #[test]
    fn every_picture_has_a_hash() {
        for (width, height) in [(1, 1), (1, 500), (500, 1), (2, 3)] {
            let rgb = vec![77; 3 * (width * height) as usize];
            perceptual_hash(&Picture { width, height, rgb });
        }
        assert_eq!(perceptual_hash(&Picture { width: 9, height: 9, rgb: vec![] }), 0);
    }
}
