//! Small copies of pictures, to look at in lists.

use crate::Picture;
use crate::encode::{EncodeError, Encoding, encode};
use crate::resize::{ResizeError, resized};

/// A thumbnail could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThumbnailError {
    /// No side was allowed.
    #[error("a thumbnail of 0 pixels shows nothing: ask for at least 1 pixel a side")]
    NoSide,
    /// The picture's bytes are not those of its size.
    #[error("the picture of {width}x{height} pixels cannot be shrunk: its bytes must be 3 a pixel")]
    Resize {
        /// Width that the picture states, in pixels.
        width: u32,
        /// Height that the picture states, in pixels.
        height: u32,
        /// What the resizer found.
        source: ResizeError,
    },
    /// JPEG has no room for it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A JPEG copy whose longer side has at most `max_side` pixels. The aspect is kept but for rounding to whole pixels,
/// and a picture that is small already is not enlarged.
///
/// # Errors
/// Where `max_side` is 0, or where it lets a picture through that JPEG has no room for.
pub fn thumbnail(picture: &Picture, max_side: u32) -> Result<Vec<u8>, ThumbnailError> {
    if max_side == 0 {
        return Err(ThumbnailError::NoSide);
    }
    let (width, height) = fitting(picture.width, picture.height, max_side);
    if (width, height) == (picture.width, picture.height) {
        return Ok(encode(picture, Encoding::Jpeg)?);
    }
    let small = resized(picture, width, height).map_err(|source| ThumbnailError::Resize {
        width: picture.width,
        height: picture.height,
        source,
    })?;
    Ok(encode(&small, Encoding::Jpeg)?)
}

/// The size in which the longer side is at most `max_side`, the shorter one at least 1.
fn fitting(width: u32, height: u32, max_side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= max_side {
        return (width, height);
    }
    let scaled = |side: u32| {
        let rounded = (u64::from(side) * u64::from(max_side) + u64::from(longer) / 2) / u64::from(longer);
        (rounded as u32).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples::{QUARTERS, close, quarters_of, samples};
    use crate::{Format, Limits, inspect};

    fn plain(width: u32, height: u32) -> Picture {
        Picture { width, height, rgb: [90, 120, 30].repeat(width as usize * height as usize) }
    }

    #[test]
    fn a_thumbnail_shows_the_picture_in_small() {
        let (_, bytes) = samples().remove(0);
        let large = resized(&inspect(&bytes, &Limits::default()).unwrap().picture, 400, 300).unwrap();
        let small = inspect(&thumbnail(&large, 100).unwrap(), &Limits::default()).unwrap();
        assert_eq!((small.format, small.width(), small.height()), (Format::Jpeg, 100, 75));
        assert!(close(&quarters_of(&small.picture), &QUARTERS), "{:?}", quarters_of(&small.picture));
    }

    #[test]
    fn a_small_picture_keeps_its_size() {
        let small = inspect(&thumbnail(&plain(30, 20), 100).unwrap(), &Limits::default()).unwrap();
        assert_eq!((small.width(), small.height()), (30, 20));
    }

    #[test]
    fn what_has_no_thumbnail_is_an_error() {
        assert!(matches!(thumbnail(&plain(3, 2), 0), Err(ThumbnailError::NoSide)));
        assert!(matches!(thumbnail(&plain(70_000, 1), 70_000), Err(ThumbnailError::Encode(_))));
        let short = Picture { rgb: vec![0; 5], ..plain(30, 20) };
        assert!(matches!(thumbnail(&short, 10), Err(ThumbnailError::Resize { .. })));
    }

    proptest! {
        #[test]
        fn the_aspect_is_kept_to_the_pixel(width in 1..100_000_u32, height in 1..100_000_u32, side in 1..3000_u32) {
            let (w, h) = fitting(width, height, side);
            prop_assert!(w >= 1 && h >= 1 && w <= width && h <= height && w.max(h) <= side);
            if width.max(height) > side {
                prop_assert_eq!(w.max(h), side);
                let exact = f64::from(side) / f64::from(width.max(height));
                prop_assert!((f64::from(w) - exact * f64::from(width)).abs() <= 1.0);
                prop_assert!((f64::from(h) - exact * f64::from(height)).abs() <= 1.0);
            }
        }
    }
}
