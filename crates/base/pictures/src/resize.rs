//! Pixels brought to another size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::Picture;

/// Why fast_image_resize refuses: a picture whose pixels are not as many as its size says.
pub(crate) type ResizeError = Box<dyn std::error::Error + Send + Sync>;

/// Stretches or shrinks the picture; shrinking averages over all pixels (Catmull and Rom's cubic filter).
pub(crate) fn resized(picture: &Picture, width: u32, height: u32) -> Result<Picture, ResizeError> {
    let source = ImageRef::new(picture.width, picture.height, &picture.rgb, PixelType::U8x3)?;
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new().resize(&source, &mut target, &options)?;
    Ok(Picture { width, height, rgb: target.into_vec() })
}
