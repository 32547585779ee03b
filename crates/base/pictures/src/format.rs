//! Which format a file has, told by its first bytes alone: never by a name or a declared content type.

use std::fmt;

use crate::layout::{field, tiff};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Baseline and progressive; grey, YCbCr, RGB, CMYK and YCCK.
    Jpeg,
    /// All depths and colour types, interlaced too; the default image of an animation.
    Png,
    /// Lossy and lossless; the first frame of an animation.
    WebP,
    /// The first frame.
    Gif,
    /// Windows bitmaps of either row order.
    Bmp,
    /// The first page: grey, RGB and CMYK of up to 16 bits, in strips or tiles; plain, PackBits, LZW or Deflate.
    Tiff,
}

impl Format {
    /// The registered media type, as in a `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
        }
    }

    /// The usual ending of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        })
    }
}

/// Tells the format by the first bytes.
///
/// Two letters are too few to tell a bitmap from a text that begins with "BM", so the size of its information
/// header must be a known one too.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Format::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::WebP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
        [b'B', b'M', ..] if is_bitmap(bytes) => Some(Format::Bmp),
        _ if tiff::ByteOrder::of(bytes).is_some() => Some(Format::Tiff),
        _ => None,
    }
}

/// Sizes of the information headers that Microsoft defined, from `BITMAPCOREHEADER` to `BITMAPV5HEADER`.
const BITMAP_HEADERS: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

/// Whether bytes that begin with "BM" go on as a bitmap does.
fn is_bitmap(bytes: &[u8]) -> bool {
    field::u32_le(bytes, 14).is_some_and(|size| BITMAP_HEADERS.contains(&size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples;

    #[test]
    fn the_first_bytes_alone_tell_the_format() {
        for (name, bytes) in samples() {
            let format = sniff(&bytes).unwrap();
            assert!(name.ends_with(&format!(".{}", format.extension())), "{name} is no {format}");
        }
    }

    #[test]
    fn a_media_type_names_its_format() {
        assert_eq!(Format::Jpeg.media_type(), "image/jpeg");
        for (_, bytes) in samples() {
            let format = sniff(&bytes).unwrap();
            assert_eq!(format.media_type(), format!("image/{}", format.to_string().to_lowercase()));
        }
    }
}
