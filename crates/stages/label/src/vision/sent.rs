//! Pictures as they are sent.

use std::fmt::Display;

use sightscan_pictures::{Format, Limits, decode, sniff, thumbnail};
use sightscan_types::ImageId;

use super::VisionConfig;
use crate::{Answer, Picture};

/// A picture as it is sent.
pub(super) struct Sent {
    /// The place of its answer.
    pub(super) place: usize,
    pub(super) picture: ImageId,
    /// Its file in Base64.
    pub(super) content: String,
    /// Of what is sent, in pixels: what Vision's coordinates refer to.
    pub(super) width: u32,
    pub(super) height: u32,
}

/// How to make what is sent.
#[derive(Clone, Copy)]
struct Sizes {
    max_side: u32,
    max_bytes: usize,
}

/// Makes what is sent of each picture, and an answer for each: for now that it was not sent.
///
/// # Errors
/// The answers when nothing could be made.
pub(super) async fn prepared(
    pictures: Vec<Picture>,
    config: &VisionConfig,
) -> Result<(Vec<Answer>, Vec<Sent>), Vec<Answer>> {
    let count = pictures.len();
    let sizes = Sizes { max_side: config.max_side, max_bytes: config.max_bytes };
    let making = tokio::task::spawn_blocking(move || all(&pictures, sizes));
    making.await.map_err(|error| vec![not_sent(&error, true); count])
}

fn all(pictures: &[Picture], sizes: Sizes) -> (Vec<Answer>, Vec<Sent>) {
    let mut answers = Vec::with_capacity(pictures.len());
    let mut sent = Vec::with_capacity(pictures.len());
    for (place, picture) in pictures.iter().enumerate() {
        match one(place, picture, sizes) {
            Ok(one) => {
                answers.push(not_sent(&"nothing was sent yet", true));
                sent.push(one);
            }
            Err(reason) => answers.push(not_sent(&reason, false)),
        }
    }
    (answers, sent)
}

fn not_sent(reason: &dyn Display, is_transient: bool) -> Answer {
    Answer::Failed { reason: reason.to_string(), is_transient, was_billed: false }
}

fn one(place: usize, picture: &Picture, sizes: Sizes) -> Result<Sent, String> {
    let Picture { id, bytes, width, height } = picture;
    let encoded = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
    if goes_as_it_is(picture, sizes) {
        return Ok(Sent { place, picture: *id, content: encoded(bytes), width: *width, height: *height });
    }
    let upright = decode(bytes, &Limits::default()).map_err(|error| error.to_string())?;
    let copy = thumbnail(&upright, sizes.max_side).map_err(|error| error.to_string())?;
    let (width, height) = fitting(upright.width, upright.height, sizes.max_side);
    Ok(Sent { place, picture: *id, content: encoded(&copy), width, height })
}

/// Whether the file itself is sent. Vision may take a turned picture as it is stored, and what is not read at all is
/// no reason to pay.
fn goes_as_it_is(picture: &Picture, sizes: Sizes) -> bool {
    let is_read = matches!(sniff(&picture.bytes), Some(Format::Jpeg | Format::Png | Format::WebP));
    is_read
        && picture.width.max(picture.height) <= sizes.max_side
        && picture.bytes.len() <= sizes.max_bytes
        && !may_be_turned(&picture.bytes)
}

/// Whether the file may have an orientation: those of JPEG, PNG and WebP are in Exif blocks of these names. The same
/// letters may stand in the pixels by chance; then a copy is sent needlessly.
fn may_be_turned(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|name| name.eq_ignore_ascii_case(b"exif"))
}

/// The size of a thumbnail of a picture of this size.
fn fitting(width: u32, height: u32, max_side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= max_side {
        return (width, height);
    }
    let rounded = |side: u32| {
        let doubled =
            (2 * u64::from(side) * u64::from(max_side) + u64::from(longer)) / (2 * u64::from(longer));
        u32::try_from(doubled).unwrap_or(max_side).max(1)
    };
    (rounded(width), rounded(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sightscan_pictures::{Encoding, encode, inspect};

    fn plain(width: u32, height: u32) -> sightscan_pictures::Picture {
        sightscan_pictures::Picture { width, height, rgb: vec![90; 3 * width as usize * height as usize] }
    }

    fn picture(width: u32, height: u32, encoding: Encoding) -> Picture {
        let bytes = encode(&plain(width, height), encoding).unwrap().into();
        Picture { id: ImageId::new(), bytes, width, height }
    }

    const SIZES: Sizes = Sizes { max_side: 60, max_bytes: 10_000 };

    fn bytes(sent: &Sent) -> Vec<u8> {
        base64_simd::STANDARD.decode_to_vec(&sent.content).unwrap()
    }

    #[test]
    fn a_small_picture_is_sent_byte_by_byte() {
        for encoding in [Encoding::Jpeg, Encoding::Png] {
            let picture = picture(60, 20, encoding);
            let sent = one(0, &picture, SIZES).unwrap();
            assert_eq!((sent.width, sent.height), (60, 20));
            assert_eq!(bytes(&sent), picture.bytes);
        }
    }

    #[test]
    fn large_pictures_and_those_that_may_be_turned_are_sent_as_upright_copies() {
        let large = picture(61, 20, Encoding::Png);
        let mut heavy = picture(30, 20, Encoding::Png);
        heavy.bytes = [&heavy.bytes[..], &[0; 10_000]].concat().into();
        let mut turned = picture(30, 20, Encoding::Jpeg);
        let exif =
            b"\xFF\xE1\0\x22Exif\0\0II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        turned.bytes = [&turned.bytes[..2], exif, &turned.bytes[2..]].concat().into();
        for (picture, size) in [(large, (60, 20)), (heavy, (30, 20)), (turned, (20, 30))] {
            let sent = one(0, &picture, SIZES).unwrap();
            let seen = inspect(&bytes(&sent), &Limits::default()).unwrap();
            assert_eq!((seen.format, seen.width(), seen.height()), (Format::Jpeg, size.0, size.1));
            assert_eq!((sent.width, sent.height), size);
        }
    }

    #[test]
    fn what_is_no_picture_is_not_sent() {
        let broken = Picture { bytes: b"<html>".as_slice().into(), ..picture(9, 9, Encoding::Png) };
        let (answers, sent) = all(&[broken], SIZES);
        assert!(sent.is_empty());
        let [Answer::Failed { is_transient: false, was_billed: false, reason }] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert!(reason.contains("not a picture"), "{reason}");
    }

    proptest! {
        #[test]
        fn the_size_of_a_copy_is_known(width in 1..200_u32, height in 1..200_u32, side in 1..100_u32) {
            let copy = inspect(&thumbnail(&plain(width, height), side).unwrap(), &Limits::default()).unwrap();
            prop_assert_eq!((copy.width(), copy.height()), fitting(width, height, side));
        }
    }
}
