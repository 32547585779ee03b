//! From pixels to the network's input: fit into the network's size, then one pass into the tensor.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use crate::decode::Picture;

/// How a picture is fitted into the network's input size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Keep the aspect ratio, centre, pad the rest (YOLOv5, YOLOv8).
    Letterbox,
    /// Keep the aspect ratio, put it at the top left, pad the rest (YOLOX).
    LetterboxTopLeft,
    /// Ignore the aspect ratio (Darknet, most classifiers).
    Stretch,
}

/// The order of the colour channels that the network was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red: networks trained on OpenCV's pictures.
    Bgr,
}

/// The order of the tensor's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// The network's input: its size in pixels and how pixels become numbers.
///
/// A channel value `v` (0 to 255) becomes `(v - mean) * scale`; `mean` is in the order of `colour`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// How a picture is fitted into that size.
    pub fit: Fit,
    /// Value (0 to 255) of what a letterbox pads.
    pub pad: u8,
    /// Channel order.
    pub colour: Colour,
    /// Factor for each value.
    pub scale: f32,
    /// Subtracted from each channel before scaling.
    pub mean: [f32; 3],
    /// Dimension order.
    pub layout: Layout,
    /// Whether shrinking averages over all pixels, as Pillow and torchvision do, and with them most classifiers'
    /// training; otherwise four pixels count, as in OpenCV's `INTER_LINEAR`, which YOLO networks are trained with.
    pub antialias: bool,
}

impl Input {
    /// The shape of a tensor that holds one picture.
    pub fn shape(&self) -> [usize; 4] {
        match self.layout {
            Layout::Nchw => [1, 3, self.height, self.width],
            Layout::Nhwc => [1, self.height, self.width, 3],
        }
    }
}

/// Where the picture lies in the network's input; maps boxes back to the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    scale_x: f32,
    scale_y: f32,
}

impl Placement {
    /// Places a picture of `width` x `height` pixels into the network's input.
    ///
    /// A centred letterbox rounds as Ultralytics' does, so that both see the same pixels.
    pub fn new(width: u32, height: u32, input: &Input) -> Self {
        let (inner_width, inner_height) = match input.fit {
            Fit::Stretch => (input.width, input.height),
            Fit::Letterbox | Fit::LetterboxTopLeft => letterboxed(width, height, input),
        };
        let (left, top) = match input.fit {
            Fit::Letterbox => (margin(input.width - inner_width), margin(input.height - inner_height)),
            Fit::LetterboxTopLeft | Fit::Stretch => (0, 0),
        };
        Self {
            left,
            top,
            width: inner_width,
            height: inner_height,
            scale_x: inner_width as f32 / width as f32,
            scale_y: inner_height as f32 / height as f32,
        }
    }

    /// From the network's horizontal coordinate to the picture's, in pixels.
    pub fn picture_x(&self, x: f32) -> f32 {
        (x - self.left as f32) / self.scale_x
    }

    /// From the network's vertical coordinate to the picture's, in pixels.
    pub fn picture_y(&self, y: f32) -> f32 {
        (y - self.top as f32) / self.scale_y
    }
}

fn letterboxed(width: u32, height: u32, input: &Input) -> (usize, usize) {
    let ratio = (input.width as f64 / f64::from(width)).min(input.height as f64 / f64::from(height));
    let fitted = |size: u32, limit: usize| ((f64::from(size) * ratio).round() as usize).clamp(1, limit);
    (fitted(width, input.width), fitted(height, input.height))
}

fn margin(free: usize) -> usize {
    (free as f64 / 2.0 - 0.1).round().max(0.0) as usize
}

/// The picture could not be resized.
#[derive(Debug, thiserror::Error)]
#[error("the picture of {width}x{height} pixels could not be resized")]
pub struct PrepareError {
    width: u32,
    height: u32,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Turns pictures into tensors; keeps its buffers from one picture to the next.
pub struct Preparer {
    input: Input,
    resizer: Resizer,
    resized: Image<'static>,
    options: ResizeOptions,
}

impl std::fmt::Debug for Preparer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Preparer").field("input", &self.input).finish_non_exhaustive()
    }
}

impl Preparer {
    /// A preparer for networks with this input.
    pub fn new(input: Input) -> Self {
        let filter = FilterType::Bilinear;
        let resize =
            if input.antialias { ResizeAlg::Convolution(filter) } else { ResizeAlg::Interpolation(filter) };
        let options = ResizeOptions::new().resize_alg(resize).use_alpha(false);
        Self { input, resizer: Resizer::new(), resized: Image::new(1, 1, PixelType::U8x3), options }
    }

    /// Writes the picture into `tensor`, which is resized to hold one picture, and says where it lies.
    ///
    /// # Errors
    /// When the pixels do not match the picture's size.
    pub fn prepare(&mut self, picture: &Picture, tensor: &mut Vec<f32>) -> Result<Placement, PrepareError> {
        let placement = Placement::new(picture.width, picture.height, &self.input);
        tensor.resize(3 * self.input.width * self.input.height, 0.0);
        if (placement.width, placement.height) == (picture.width as usize, picture.height as usize) {
            write_tensor(&picture.rgb, &placement, &self.input, tensor);
        } else {
            self.resize(picture, &placement).map_err(|source| PrepareError {
                width: picture.width,
                height: picture.height,
                source,
            })?;
            write_tensor(self.resized.buffer(), &placement, &self.input, tensor);
        }
        Ok(placement)
    }

    fn resize(
        &mut self,
        picture: &Picture,
        placement: &Placement,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (width, height) = (placement.width as u32, placement.height as u32);
        if (self.resized.width(), self.resized.height()) != (width, height) {
            self.resized = Image::new(width, height, PixelType::U8x3);
        }
        let source = ImageRef::new(picture.width, picture.height, &picture.rgb, PixelType::U8x3)?;
        self.resizer.resize(&source, &mut self.resized, &self.options)?;
        Ok(())
    }
}

/// Pads, reorders, shifts and scales in one pass over the tensor.
fn write_tensor(rgb: &[u8], placement: &Placement, input: &Input, tensor: &mut [f32]) {
    let tables = tables(input);
    match input.layout {
        Layout::Nchw => write_planes(rgb, placement, input, &tables, tensor),
        Layout::Nhwc => write_interleaved(rgb, placement, input, &tables, tensor),
    }
}

/// For each output channel the source channel in RGB and the number of each byte value.
type Tables = [(usize, [f32; 256]); 3];

fn tables(input: &Input) -> Tables {
    std::array::from_fn(|channel| {
        let source = match input.colour {
            Colour::Rgb => channel,
            Colour::Bgr => 2 - channel,
        };
        (source, std::array::from_fn(|value| (value as f32 - input.mean[channel]) * input.scale))
    })
}

fn write_planes(rgb: &[u8], placement: &Placement, input: &Input, tables: &Tables, tensor: &mut [f32]) {
    let plane = input.width * input.height;
    for (numbers, (source, table)) in tensor.chunks_exact_mut(plane).zip(tables) {
        let pad = table[usize::from(input.pad)];
        for (y, row) in numbers.chunks_exact_mut(input.width).enumerate() {
            let Some(pixels) = picture_row(rgb, placement, y) else {
                row.fill(pad);
                continue;
            };
            let (left, rest) = row.split_at_mut(placement.left);
            let (inner, right) = rest.split_at_mut(placement.width);
            left.fill(pad);
            right.fill(pad);
            for (number, pixel) in inner.iter_mut().zip(pixels.as_chunks::<3>().0) {
                *number = table[usize::from(pixel[*source])];
            }
        }
    }
}

fn write_interleaved(rgb: &[u8], placement: &Placement, input: &Input, tables: &Tables, tensor: &mut [f32]) {
    let pad: [f32; 3] = std::array::from_fn(|channel| tables[channel].1[usize::from(input.pad)]);
    for (y, row) in tensor.chunks_exact_mut(3 * input.width).enumerate() {
        row.as_chunks_mut::<3>().0.fill(pad);
        let Some(pixels) = picture_row(rgb, placement, y) else { continue };
        let inner = &mut row.as_chunks_mut::<3>().0[placement.left..placement.left + placement.width];
        for (numbers, pixel) in inner.iter_mut().zip(pixels.as_chunks::<3>().0) {
            *numbers =
                std::array::from_fn(|channel| tables[channel].1[usize::from(pixel[tables[channel].0])]);
        }
    }
}

/// The resized picture's row that lies in row `y` of the network's input.
fn picture_row<'a>(rgb: &'a [u8], placement: &Placement, y: usize) -> Option<&'a [u8]> {
    let row = y.checked_sub(placement.top).filter(|row| *row < placement.height)?;
    rgb.get(3 * row * placement.width..3 * (row + 1) * placement.width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn input(width: usize, height: usize, fit: Fit) -> Input {
        Input {
            width,
            height,
            fit,
            pad: 114,
            colour: Colour::Rgb,
            scale: 1.0,
            mean: [0.0; 3],
            layout: Layout::Nchw,
            antialias: false,
        }
    }

    fn plain(width: u32, height: u32, rgb: [u8; 3]) -> Picture {
        Picture { width, height, rgb: rgb.repeat((width * height) as usize) }
    }

    fn tensor_of(picture: &Picture, input: Input) -> Vec<f32> {
        let mut tensor = Vec::new();
        Preparer::new(input).prepare(picture, &mut tensor).unwrap();
        tensor
    }

    #[test]
    fn a_wide_picture_is_padded_above_and_below() {
        let tensor = tensor_of(&plain(8, 4, [10, 20, 30]), input(4, 4, Fit::Letterbox));
        let red: Vec<f32> = tensor[..16].to_vec();
        assert_eq!(red[..4], [114.0; 4]);
        assert_eq!(red[4..12], [10.0; 8]);
        assert_eq!(red[12..], [114.0; 4]);
    }

    #[test]
    fn a_top_left_letterbox_pads_right_and_below_only() {
        let tensor = tensor_of(&plain(4, 8, [10, 20, 30]), input(4, 4, Fit::LetterboxTopLeft));
        for row in tensor[..16].chunks(4) {
            assert_eq!(row, [10.0, 10.0, 114.0, 114.0]);
        }
    }

    #[test]
    fn channels_are_ordered_shifted_and_scaled() {
        let bgr =
            Input { colour: Colour::Bgr, mean: [1.0, 2.0, 3.0], scale: 0.5, ..input(2, 2, Fit::Stretch) };
        let tensor = tensor_of(&plain(2, 2, [10, 20, 30]), bgr);
        assert_eq!(tensor[..4], [14.5; 4]);
        assert_eq!(tensor[4..8], [9.0; 4]);
        assert_eq!(tensor[8..], [3.5; 4]);
    }

    #[test]
    fn interleaved_and_planar_tensors_hold_the_same_numbers() {
        let picture = Picture { width: 5, height: 3, rgb: (0..45).collect() };
        let planar = tensor_of(&picture, input(8, 8, Fit::Letterbox));
        let interleaved = tensor_of(&picture, Input { layout: Layout::Nhwc, ..input(8, 8, Fit::Letterbox) });
        for (index, pixel) in interleaved.chunks(3).enumerate() {
            for channel in 0..3 {
                assert_eq!(pixel[channel], planar[channel * 64 + index]);
            }
        }
    }

    #[test]
    fn antialiasing_averages_over_all_pixels() {
        // A white line that two-tap interpolation to a third of the size steps over.
        let line = Picture { width: 9, height: 1, rgb: [[0; 3], [0; 3], [255; 3]].concat().repeat(3) };
        let stretched = |antialias| tensor_of(&line, Input { antialias, ..input(3, 1, Fit::Stretch) })[1];
        assert_eq!(stretched(false), 0.0);
        assert!((stretched(true) - 85.0).abs() < 30.0, "{}", stretched(true));
    }

    #[test]
    fn a_preparer_forgets_the_picture_before() {
        let mut preparer = Preparer::new(input(6, 6, Fit::Letterbox));
        let mut reused = Vec::new();
        preparer.prepare(&plain(6, 6, [200; 3]), &mut reused).unwrap();
        preparer.prepare(&plain(12, 6, [9; 3]), &mut reused).unwrap();
        assert_eq!(reused, tensor_of(&plain(12, 6, [9; 3]), input(6, 6, Fit::Letterbox)));
    }

    proptest! {
        #[test]
        fn corners_map_back_to_the_picture(
            width in 1u32..3000, height in 1u32..3000, side in 1usize..40, which in 0..3,
        ) {
            let fit = [Fit::Letterbox, Fit::LetterboxTopLeft, Fit::Stretch][which as usize];
            let input = input(side * 32, side * 32, fit);
            let placement = Placement::new(width, height, &input);
            prop_assert!(placement.left + placement.width <= input.width);
            prop_assert!(placement.top + placement.height <= input.height);
            prop_assert!(placement.picture_x(placement.left as f32).abs() < 1e-2);
            let right = placement.picture_x((placement.left + placement.width) as f32);
            prop_assert!((right - width as f32).abs() < 0.01 * width as f32 + 0.1);
            let bottom = placement.picture_y((placement.top + placement.height) as f32);
            prop_assert!((bottom - height as f32).abs() < 0.01 * height as f32 + 0.1);
        }
    }
}
