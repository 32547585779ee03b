//! Rectangles and text on a picture; whatever lies outside of it is not drawn.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};

use sightscan_types::PixelBox;

use crate::decode::Picture;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// What the font shows for a character that it lacks.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// A rectangle of whole pixels; the origin is the top left corner of the picture, right and bottom lie just outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: i64,
    pub(super) top: i64,
    pub(super) right: i64,
    pub(super) bottom: i64,
}

impl Area {
    pub(super) fn at(left: i64, top: i64, (width, height): (i64, i64)) -> Self {
        Self { left, top, right: left + width, bottom: top + height }
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn clipped_to(self, bounds: Self) -> Self {
        Self {
            left: self.left.clamp(0, bounds.right),
            top: self.top.clamp(0, bounds.bottom),
            right: self.right.clamp(0, bounds.right),
            bottom: self.bottom.clamp(0, bounds.bottom),
        }
    }
}

/// The width of a text in pixels.
pub(super) fn text_width(text: &str, font: RasterHeight) -> i64 {
    (text.chars().count() * get_raster_width(FontWeight::Bold, font)) as i64
}

/// A picture that is drawn on.
pub(super) struct Canvas {
    picture: Picture,
}

impl Canvas {
    pub(super) fn new(picture: Picture) -> Self {
        Self { picture }
    }

    pub(super) fn into_picture(self) -> Picture {
        self.picture
    }

    /// All of the picture.
    pub(super) fn area(&self) -> Area {
        Area::at(0, 0, (self.picture.width.into(), self.picture.height.into()))
    }

    /// The smallest area of whole pixels that holds the part of a box that lies in the picture.
    pub(super) fn area_of(&self, bounds: &PixelBox) -> Area {
        let bounds = bounds.clamp_to(self.picture.width, self.picture.height);
        Area {
            left: bounds.left.floor() as i64,
            top: bounds.top.floor() as i64,
            right: bounds.right().ceil() as i64,
            bottom: bounds.bottom().ceil() as i64,
        }
    }

    /// Paints an area with one colour.
    pub(super) fn fill(&mut self, area: Area, colour: Colour) {
        let Area { left, top, right, bottom } = area.clipped_to(self.area());
        for y in top..bottom {
            for x in left..right {
                self.blend(x, y, colour, u8::MAX);
            }
        }
    }

    /// Draws the four sides of an area, inside of it.
    pub(super) fn outline(&mut self, area: Area, line: i64, colour: Colour) {
        let Area { left, top, right, bottom } = area;
        self.fill(Area { bottom: bottom.min(top + line), ..area }, colour);
        self.fill(Area { top: top.max(bottom - line), ..area }, colour);
        self.fill(Area { right: right.min(left + line), ..area }, colour);
        self.fill(Area { left: left.max(right - line), ..area }, colour);
    }

    /// Writes a text whose top left corner is at (x, y).
    pub(super) fn text(&mut self, x: i64, y: i64, text: &str, font: RasterHeight, colour: Colour) {
        let advance = get_raster_width(FontWeight::Bold, font);
        for (index, character) in text.chars().enumerate() {
            let glyph = get_raster(character, FontWeight::Bold, font)
                .or_else(|| get_raster(REPLACEMENT, FontWeight::Bold, font));
            if let Some(glyph) = glyph {
                self.glyph(x + (index * advance) as i64, y, glyph, colour);
            }
        }
    }

    fn glyph(&mut self, x: i64, y: i64, glyph: RasterizedChar, colour: Colour) {
        for (row, line) in glyph.rows().enumerate() {
            for (column, &coverage) in line.iter().enumerate() {
                self.blend(x + column as i64, y + row as i64, colour, coverage);
            }
        }
    }

    /// Mixes a colour into a pixel; a coverage of 255 replaces it.
    fn blend(&mut self, x: i64, y: i64, colour: Colour, coverage: u8) {
        let Area { right, bottom, .. } = self.area();
        if !(0..right).contains(&x) || !(0..bottom).contains(&y) {
            return;
        }
        let at = 3 * (y * right + x) as usize;
        for (old, new) in self.picture.rgb[at..at + 3].iter_mut().zip(colour) {
            let mixed =
                u32::from(*old) * u32::from(u8::MAX - coverage) + u32::from(new) * u32::from(coverage);
            *old = (mixed / u32::from(u8::MAX)) as u8;
        }
    }
}
