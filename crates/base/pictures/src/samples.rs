//! Small pictures of every format and kind, and damage to them: what several tests here need.

use std::path::PathBuf;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbImage};
use proptest::prelude::*;

use crate::Picture;

/// The colours of the four quarters that most test pictures consist of: top left, top right, bottom left, bottom
/// right.
pub(crate) const QUARTERS: [[u8; 3]; 4] = [[220, 30, 40], [30, 180, 60], [40, 60, 200], [230, 220, 210]];

pub(crate) const SIDE: u32 = 16;

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures");
    fs_err::read(folder.join(name)).unwrap()
}

pub(crate) fn quarters() -> RgbImage {
    RgbImage::from_fn(SIDE, SIDE, |x, y| image::Rgb(QUARTERS[(x / 8 + 2 * (y / 8)) as usize]))
}

pub(crate) fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn jpeg() -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&quarters()).unwrap();
    bytes
}

/// One small picture of every format and of every kind of JPEG, PNG, WebP and TIFF that the tests know.
pub(crate) fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let picture = DynamicImage::from(quarters());
    let mut samples = vec![
        ("baseline.jpg", jpeg()),
        ("rgb.png", encoded(&picture, ImageFormat::Png)),
        ("rgba16.png", encoded(&DynamicImage::from(picture.to_rgba16()), ImageFormat::Png)),
        ("lossless.webp", encoded(&picture, ImageFormat::WebP)),
        ("still.gif", encoded(&picture, ImageFormat::Gif)),
        ("rgb.bmp", encoded(&picture, ImageFormat::Bmp)),
        ("plain.tiff", encoded(&picture, ImageFormat::Tiff)),
        ("rgb16.tiff", encoded(&DynamicImage::from(picture.to_rgb16()), ImageFormat::Tiff)),
        ("tiled.tiff", tiff(true, &TILED, &quarters())),
    ];
    let made = ["cmyk.jpg", "ycck.jpg", "progressive.jpg", "restarts.jpg"];
    let drawn = ["interlaced.png", "palette.png", "lossy.webp", "animated.webp"];
    let packed = ["lzw.tiff", "deflate.tiff", "packbits.tiff"];
    samples.extend(
        made.into_iter().chain(drawn).chain(packed).map(|name| (name, fixture(&format!("quadrants-{name}")))),
    );
    samples
}

pub(crate) fn pixel(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let at = 3 * (y * picture.width + x) as usize;
    picture.rgb[at..at + 3].try_into().unwrap()
}

/// The colours at the middle of the four quarters.
pub(crate) fn quarters_of(picture: &Picture) -> [[u8; 3]; 4] {
    let (right, bottom) = (3 * picture.width / 4, 3 * picture.height / 4);
    let (left, top) = (picture.width / 4, picture.height / 4);
    [(left, top), (right, top), (left, bottom), (right, bottom)].map(|(x, y)| pixel(picture, x, y))
}

pub(crate) fn close(found: &[[u8; 3]], expected: &[[u8; 3]]) -> bool {
    found.iter().flatten().zip(expected.iter().flatten()).all(|(a, b)| a.abs_diff(*b) <= 10)
}

/// Exif data with nothing but the orientation, in either byte order.
pub(crate) fn exif(orientation: u8, big_endian: bool) -> Vec<u8> {
    if big_endian {
        let mut exif = b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
        exif[19] = orientation;
        exif
    } else {
        let mut exif = b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        exif[18] = orientation;
        exif
    }
}

pub(crate) fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let mut segment = vec![0xFF, marker];
    segment.extend((body.len() as u16 + 2).to_be_bytes());
    segment.extend(body);
    segment
}

/// Puts segments right behind a JPEG's first marker.
pub(crate) fn with_segments(jpeg: &[u8], segments: &[u8]) -> Vec<u8> {
    [&jpeg[..2], segments, &jpeg[2..]].concat()
}

pub(crate) fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), data].concat();
    let mut crc = u32::MAX;
    for byte in &named {
        crc =
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()));
    }
    [&(data.len() as u32).to_be_bytes()[..], &named, &(!crc).to_be_bytes()].concat()
}

pub(crate) fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend_from_slice(*name);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// The fields of a TIFF file of [`quarters`] in one tile and in one strip.
pub(crate) const TILED: [(u16, &[u32]); 10] = [
    (256, &[SIDE]),
    (257, &[SIDE]),
    (258, &[8, 8, 8]),
    (259, &[1]),
    (262, &[2]),
    (277, &[3]),
    (322, &[SIDE]),
    (323, &[SIDE]),
    (324, &[8]),
    (325, &[3 * SIDE * SIDE]),
];
pub(crate) const STRIP: [(u16, &[u32]); 9] = [
    (256, &[SIDE]),
    (257, &[SIDE]),
    (258, &[8, 8, 8]),
    (259, &[1]),
    (262, &[2]),
    (273, &[8]),
    (277, &[3]),
    (278, &[SIDE]),
    (279, &[3 * SIDE * SIDE]),
];

/// A TIFF file of these fields, with the data at place 8. The values are shorts where all of a field fit.
pub(crate) fn tiff(big_endian: bool, fields: &[(u16, &[u32])], data: &[u8]) -> Vec<u8> {
    let short =
        |number: u32| if big_endian { (number as u16).to_be_bytes() } else { (number as u16).to_le_bytes() };
    let long = |number: u32| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    let mut file = if big_endian { b"MM\0\x2A".to_vec() } else { b"II\x2A\0".to_vec() };
    file.extend([0; 4]);
    file.extend(data);
    file.resize(file.len().next_multiple_of(2), 0);
    let mut directory = short(fields.len() as u32).to_vec();
    for (tag, values) in fields {
        let fits = values.iter().all(|&value| value <= 0xFFFF);
        let (kind, mut value) = if fits {
            (3, values.iter().flat_map(|&value| short(value)).collect::<Vec<u8>>())
        } else {
            (4, values.iter().flat_map(|&value| long(value)).collect())
        };
        if value.len() > 4 {
            let place = long(file.len() as u32);
            file.extend(std::mem::replace(&mut value, place.to_vec()));
        }
        value.resize(4, 0);
        directory
            .extend([&short(u32::from(*tag))[..], &short(kind), &long(values.len() as u32), &value].concat());
    }
    let place = long(file.len() as u32);
    file[4..8].copy_from_slice(&place);
    file.extend(directory);
    file.extend([0; 4]);
    file
}

/// [`STRIP`] or [`TILED`] with these fields in place of those with the same tags, or added.
pub(crate) fn fields_with<'a>(
    fields: &[(u16, &'a [u32])],
    others: &[(u16, &'a [u32])],
) -> Vec<(u16, &'a [u32])> {
    let is_kept = |(tag, _): &&(u16, &[u32])| others.iter().all(|(other, _)| other != tag);
    let mut fields: Vec<_> = fields.iter().filter(is_kept).chain(others).copied().collect();
    fields.sort_by_key(|(tag, _)| *tag);
    fields
}

/// How a sample is damaged: bytes replaced, then a stretch removed, then the end.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    sample: prop::sample::Index,
    replaced: Vec<(prop::sample::Index, u8)>,
    removed: (prop::sample::Index, usize),
    kept: Option<prop::sample::Index>,
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    let replaced = prop::collection::vec((index(), prop_oneof![any::<u8>(), Just(0), Just(0xFF)]), 0..6);
    (index(), replaced, (index(), 0..9_usize), prop::option::weighted(0.3, index()))
        .prop_map(|(sample, replaced, removed, kept)| Damage { sample, replaced, removed, kept })
}

impl Damage {
    pub(crate) fn apply(&self, samples: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = self.sample.get(samples).1.clone();
        for (at, byte) in &self.replaced {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let start = self.removed.0.index(bytes.len());
        bytes.drain(start..bytes.len().min(start + self.removed.1));
        bytes.truncate(self.kept.map_or(bytes.len(), |kept| kept.index(bytes.len())));
        bytes
    }
}
