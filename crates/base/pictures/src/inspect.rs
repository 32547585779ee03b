//! What a picture taken in from outside is.

use crate::decode::{DecodeError, Limits, Picture, decode_as, told_format};
use crate::format::Format;

/// What whole decoding has proved about some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The format of the file.
    pub format: Format,
    /// The upright pixels, so that nobody has to decode again.
    pub picture: Picture,
}

impl Inspection {
    /// Width of the upright picture in pixels.
    pub fn width(&self) -> u32 {
        self.picture.width
    }

    /// Height of the upright picture in pixels.
    pub fn height(&self) -> u32 {
        self.picture.height
    }
}

/// Proves that bytes are a picture, by decoding all of it, and tells which.
///
/// # Errors
/// As for [`decode`](crate::decode()).
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Inspection, DecodeError> {
    let format = told_format(bytes)?;
    Ok(Inspection { format, picture: decode_as(format, bytes, limits)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use crate::samples::{exif, fixture, samples, segment, with_segments};

    #[test]
    fn an_inspection_holds_what_sniffing_and_decoding_tell() {
        for (name, bytes) in samples() {
            let inspection = inspect(&bytes, &Limits::default()).unwrap();
            assert_eq!(Some(inspection.format), crate::sniff(&bytes), "{name}");
            assert_eq!(inspection.picture, decode(&bytes, &Limits::default()).unwrap(), "{name}");
        }
    }

    #[test]
    fn the_size_is_that_of_the_upright_picture() {
        let mut wide = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut wide);
        encoder.encode_image(&image::GrayImage::new(20, 3)).unwrap();
        let body = [b"Exif\0\0".as_slice(), &exif(6, true)].concat();
        let inspection = inspect(&with_segments(&wide, &segment(0xE1, &body)), &Limits::default()).unwrap();
        assert_eq!((inspection.width(), inspection.height()), (3, 20));
    }

    #[test]
    fn a_header_alone_is_no_picture() {
        let whole = fixture("quadrants-restarts.jpg");
        assert!(inspect(&whole[..whole.len() / 2], &Limits::default()).is_err());
        assert_eq!(inspect(b"", &Limits::default()), Err(DecodeError::Empty));
        assert_eq!(inspect(b"GIF88a", &Limits::default()), Err(DecodeError::NotAPicture));
    }
}
