//! Pictures with the boxes in them, as they are learnt from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use sightscan_dataset::Item;
use sightscan_engine::{Limits, decode::decode};
use sightscan_types::RelativeBox;

/// Bytes of pictures that are kept decoded, at most.
const KEPT: usize = 512 << 20;

/// A picture and the boxes in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red, green and blue of every pixel, row by row from the top left.
    pub rgb: Vec<u8>,
    /// The class and the place of each object.
    pub boxes: Vec<(usize, RelativeBox)>,
}

/// What examples come from: a data set, or a renderer that draws each anew.
pub trait Examples: Send + Sync {
    /// How many examples an epoch has.
    fn count(&self) -> usize;

    /// An example, its longer side of this many pixels. `draw` tells apart what is asked for more than once: a source that
    /// makes pictures makes another one for another draw.
    ///
    /// # Errors
    /// When it cannot be read; the text says why.
    fn example(&self, number: usize, side: usize, draw: u64) -> Result<Arc<Example>, String>;

    /// Width and height of the objects, in pixels of examples whose longer side has so many.
    fn sizes(&self, side: usize) -> Vec<[f32; 2]>;
}

/// The items of a data set. As many as fit into half a gibibyte stay decoded.
pub struct Items {
    items: Vec<Item>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    examples: HashMap<(usize, usize), Arc<Example>>,
    bytes: usize,
}

impl Items {
    /// Labelled items; others are passed over.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let items = items.into_iter().filter(|item| item.is_labelled() && item.picture.is_some()).collect();
        Self { items, kept: Mutex::default() }
    }

    fn keep(&self, key: (usize, usize), example: &Arc<Example>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + example.rgb.len() <= KEPT {
            kept.bytes += example.rgb.len();
            kept.examples.insert(key, Arc::clone(example));
        }
    }
}

impl Examples for Items {
    fn count(&self) -> usize {
        self.items.len()
    }

    fn example(&self, number: usize, side: usize, _draw: u64) -> Result<Arc<Example>, String> {
        let key = (number, side);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).examples.get(&key).cloned();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let item = &self.items[number];
        let example = read(item, side).map_err(|why| format!("{}: {why}", item.name))?;
        let example = Arc::new(example);
        self.keep(key, &example);
        Ok(example)
    }

    fn sizes(&self, side: usize) -> Vec<[f32; 2]> {
        let boxes = |item: &Item| {
            let (width, height) = fitted(item.width as usize, item.height as usize, side);
            let size = move |bounds: RelativeBox| {
                [(bounds.w * width as f64) as f32, (bounds.h * height as f64) as f32]
            };
            item.labels.boxes().iter().map(|found| size(found.bounds)).collect::<Vec<_>>()
        };
        self.items.iter().flat_map(boxes).collect()
    }
}

fn read(item: &Item, side: usize) -> Result<Example, String> {
    let picture = item.picture.as_ref().ok_or("there are only labels, no picture")?;
    let bytes = picture.read().map_err(|error| error.to_string())?;
    let picture = decode(&bytes, &Limits::default()).map_err(|error| error.to_string())?;
    let (width, height) = fitted(picture.width as usize, picture.height as usize, side);
    let from = View { width: picture.width as usize, height: picture.height as usize, rgb: &picture.rgb };
    let rgb = from.scaled([0.0, 0.0, from.width as f64, from.height as f64], width, height)?;
    let boxes = item.labels.boxes().iter().map(|found| (found.class, found.bounds)).collect();
    Ok(Example { width, height, rgb, boxes })
}

/// The size that has the longer side so long.
fn fitted(width: usize, height: usize, side: usize) -> (usize, usize) {
    let factor = side as f64 / width.max(height) as f64;
    let scaled = |length: usize| ((length as f64 * factor).round() as usize).clamp(1, side);
    (scaled(width), scaled(height))
}

/// Pixels of a picture.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: &'a [u8],
}

impl View<'_> {
    /// A part (left, top, width, height) of the picture in another size; averages over all pixels where it shrinks.
    pub(crate) fn scaled(
        self,
        [left, top, w, h]: [f64; 4],
        width: usize,
        height: usize,
    ) -> Result<Vec<u8>, String> {
        let wrong = |error: &dyn std::fmt::Display| error.to_string();
        let source = ImageRef::new(self.width as u32, self.height as u32, self.rgb, PixelType::U8x3);
        let source = source.map_err(|error| wrong(&error))?;
        let mut target = Image::new(width as u32, height as u32, PixelType::U8x3);
        let filter = ResizeAlg::Convolution(FilterType::Bilinear);
        let options = ResizeOptions::new().resize_alg(filter).crop(left, top, w, h);
        Resizer::new().resize(&source, &mut target, &options).map_err(|error| wrong(&error))?;
        Ok(target.into_vec())
    }
}
