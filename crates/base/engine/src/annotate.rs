//! Findings drawn on a picture, for people to look at.

mod canvas;
mod copies;

use noto_sans_mono_bitmap::RasterHeight;
use sightscan_types::{ClassScore, Detection, Findings};

pub use copies::{Copies, CopyError};
pub use sightscan_pictures::{EncodeError, Encoding, encode};

use crate::decode::Picture;
use canvas::{Area, Canvas, Colour, text_width};

/// Strong colours that differ from each other in hue or lightness, so that neighbours are told apart on any
/// background.
const PALETTE: [Colour; 12] = [
    [230, 25, 75],
    [60, 180, 75],
    [255, 225, 25],
    [0, 110, 230],
    [245, 130, 48],
    [145, 30, 180],
    [70, 220, 230],
    [240, 50, 230],
    [190, 240, 50],
    [128, 0, 0],
    [0, 128, 128],
    [0, 0, 130],
];

/// Draws every box with its label and confidence on a copy of the picture; a classifier's answer becomes lines at
/// the top left. A label has the same colour in every picture.
pub fn annotate(picture: &Picture, findings: &Findings) -> Picture {
    let mut canvas = Canvas::new(picture.clone());
    let style = Style::for_picture(picture);
    match findings {
        Findings::Detections(detections) => draw_detections(&mut canvas, style, detections),
        Findings::Classes(classes) => draw_classes(&mut canvas, style, classes),
    }
    canvas.into_picture()
}

/// Sizes in pixels that suit the picture.
#[derive(Clone, Copy)]
struct Style {
    /// Width of a box's lines.
    line: i64,
    font: RasterHeight,
}

impl Style {
    fn for_picture(picture: &Picture) -> Self {
        let (line, font) = match picture.width.max(picture.height) {
            0..500 => (2, RasterHeight::Size16),
            500..1000 => (2, RasterHeight::Size20),
            1000..1600 => (3, RasterHeight::Size24),
            _ => (4, RasterHeight::Size32),
        };
        Self { line, font }
    }

    /// Width and height of the strip behind a text, which leaves a line's width on either side.
    fn strip_size(self, text: &str) -> (i64, i64) {
        (text_width(text, self.font) + 2 * self.line, self.font.val() as i64)
    }
}

/// The least certain box comes first, so that the most certain lies on top; the strips come after all boxes.
fn draw_detections(canvas: &mut Canvas, style: Style, detections: &[Detection]) {
    for detection in detections.iter().rev() {
        canvas.outline(canvas.area_of(&detection.bounds), style.line, colour_of(&detection.label));
    }
    let mut taken = Vec::new();
    for detection in detections {
        let text = caption(&detection.label, detection.confidence);
        let object = canvas.area_of(&detection.bounds);
        let strip = place_strip(canvas.area(), object, style.strip_size(&text), &taken);
        draw_strip(canvas, style, strip, &text, colour_of(&detection.label));
        taken.push(strip);
    }
}

fn draw_classes(canvas: &mut Canvas, style: Style, classes: &[ClassScore]) {
    let mut top = 0;
    for class in classes {
        let text = caption(&class.label, class.confidence);
        let strip = Area::at(0, top, style.strip_size(&text));
        draw_strip(canvas, style, strip, &text, colour_of(&class.label));
        top = strip.bottom;
    }
}

fn draw_strip(canvas: &mut Canvas, style: Style, strip: Area, text: &str, colour: Colour) {
    canvas.fill(strip, colour);
    canvas.text(strip.left + style.line, strip.top, text, style.font, ink_on(colour));
}

fn caption(label: &str, confidence: f32) -> String {
    format!("{label} {confidence:.2}")
}

/// Finds room for a box's strip inside the picture: above the box, at its top, at its bottom, or below it, where it
/// hides no strip that is there already; the first of them that lies in the picture where all hide one.
fn place_strip(picture: Area, object: Area, (width, height): (i64, i64), taken: &[Area]) -> Area {
    let left = object.left.min(picture.right - width).max(0);
    let at = |top| Area::at(left, top, (width, height));
    let fitting: Vec<Area> = [object.top - height, object.top, object.bottom - height, object.bottom]
        .map(at)
        .into_iter()
        .filter(|place| place.top >= 0 && place.bottom <= picture.bottom)
        .collect();
    let free = fitting.iter().find(|place| taken.iter().all(|other| !place.overlaps(other)));
    free.or(fitting.first()).copied().unwrap_or_else(|| at(0))
}

/// The label's colour, by the FNV-1a hash of its bytes: the same on every machine and in every version.
fn colour_of(label: &str) -> Colour {
    let hash =
        label.bytes().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    PALETTE[hash as usize % PALETTE.len()]
}

/// Black on light colours and white on dark ones, by the luma of ITU-R BT.601.
fn ink_on([r, g, b]: Colour) -> Colour {
    let luma = (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000;
    if luma > 127 { [0; 3] } else { [255; 3] }
}

#[cfg(test)]
mod tests;
