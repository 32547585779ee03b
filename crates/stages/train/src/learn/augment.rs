//! Pictures changed by chance, so that a network learns what they show and not what they are.

use std::sync::Arc;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use sightscan_nn::Target;

use super::example::{Example, View};

/// What surrounds a picture that does not fill its frame, as in detection.
const PAD: u8 = 114;
/// An object whose side has fewer pixels is none.
const LEAST_SIDE: f64 = 2.0;
/// Nor is one of which a smaller part is left.
const LEAST_PART: f64 = 0.1;

/// How much pictures are changed, each time anew. The defaults are those of YOLOv5.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Of so many pictures, 0 to 1, each is put together from four.
    pub mosaic: f64,
    /// In this part of the epochs, the last ones, no picture is put together from four.
    pub plain_end: f64,
    /// Hue moves by at most this part of the circle.
    pub hue: f32,
    /// Saturation is multiplied by at most one and this, and at least one less this.
    pub saturation: f32,
    /// And brightness.
    pub brightness: f32,
    /// Pictures move by at most this part of their side.
    pub translate: f64,
    /// Pictures become at most this part larger or smaller.
    pub scale: f64,
    /// Of so many pictures, 0 to 1, left and right are exchanged.
    pub flip: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            mosaic: 1.0,
            plain_end: 0.0,
            hue: 0.015,
            saturation: 0.7,
            brightness: 0.4,
            translate: 0.1,
            scale: 0.5,
            flip: 0.5,
        }
    }
}

impl Augmentation {
    /// Pictures as they are.
    pub const NONE: Self = Self {
        mosaic: 0.0,
        plain_end: 0.0,
        hue: 0.0,
        saturation: 0.0,
        brightness: 0.0,
        translate: 0.0,
        scale: 0.0,
        flip: 0.0,
    };
}

/// A picture as a network sees it, and what is in it.
pub(super) struct Seen {
    /// Red, green and blue, row by row, of a square.
    pub(super) rgb: Vec<u8>,
    /// The number of the picture is not set.
    pub(super) targets: Vec<Target>,
}

/// A picture, and where its top left corner is.
type Placed = (Arc<Example>, [f64; 2]);

/// One example in the middle of a square, or four around a point, changed by chance.
pub(super) fn seen(
    examples: &[Arc<Example>],
    side: usize,
    how: &Augmentation,
    chance: &mut Rng,
) -> Result<Seen, String> {
    let (placed, middle) = match examples {
        [one] => (vec![centred(one, side as f64)], side as f64 / 2.0),
        four => (mosaic(four, side as f64, chance), side as f64),
    };
    let scale = 1.0 + between(chance, how.scale);
    let mut shift = || (0.5 + between(chance, how.translate)) * side as f64;
    let frame = Frame { side, scale, middle, to: [shift(), shift()] };
    let mut seen = Seen { rgb: vec![PAD; 3 * side * side], targets: Vec::new() };
    for (example, corner) in &placed {
        frame.draw(example, *corner, &mut seen.rgb)?;
        seen.targets.extend(example.boxes.iter().filter_map(|(class, bounds)| {
            let (width, height) = (example.width as f64, example.height as f64);
            let [left, top] = [corner[0] + bounds.x * width, corner[1] + bounds.y * height];
            frame.target(*class, [left, top, left + bounds.w * width, top + bounds.h * height])
        }));
    }
    if chance.f64() < how.flip {
        seen.flip(side);
    }
    recolour(&mut seen.rgb, how, chance);
    Ok(seen)
}

/// A number between minus and plus this.
fn between(chance: &mut Rng, limit: f64) -> f64 {
    (chance.f64() * 2.0 - 1.0) * limit
}

fn centred(example: &Arc<Example>, side: f64) -> Placed {
    let corner = [example.width, example.height].map(|length| (side - length as f64) / 2.0);
    (Arc::clone(example), corner)
}

/// Four pictures that touch each other at a point in the inner half of a square of twice the side.
fn mosaic(four: &[Arc<Example>], side: f64, chance: &mut Rng) -> Vec<Placed> {
    let mut point = || side / 2.0 + chance.f64() * side;
    let (x, y) = (point(), point());
    let corners = four.iter().enumerate().map(|(number, example)| {
        let (width, height) = (example.width as f64, example.height as f64);
        let left = if number % 2 == 0 { x - width } else { x };
        let top = if number < 2 { y - height } else { y };
        (Arc::clone(example), [left, top])
    });
    corners.collect()
}

/// What of a canvas is seen.
struct Frame {
    side: usize,
    scale: f64,
    /// The place of the canvas that comes to `to`, the same in both directions.
    middle: f64,
    to: [f64; 2],
}

impl Frame {
    /// Where a place of the canvas comes to.
    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [(x - self.middle) * self.scale + self.to[0], (y - self.middle) * self.scale + self.to[1]]
    }

    /// Draws what is seen of a picture.
    fn draw(&self, example: &Example, corner: [f64; 2], rgb: &mut [u8]) -> Result<(), String> {
        let [left, top] = self.place(corner);
        let whole = [example.width as f64, example.height as f64].map(|length| length * self.scale);
        // Whole pixels, at most one beyond the edge of the picture, which is filled by what is next to it.
        let pixels = |from: f64, length: f64| {
            let clip = |place: f64| place.round().clamp(0.0, self.side as f64);
            (clip(from) as usize, clip(from + length) as usize)
        };
        let ((x0, x1), (y0, y1)) = (pixels(left, whole[0]), pixels(top, whole[1]));
        if x0 >= x1 || y0 >= y1 {
            return Ok(());
        }
        let source = |from: usize, to: usize, begin: f64, length: usize| {
            let limit = length as f64;
            let from = ((from as f64 - begin) / self.scale).clamp(0.0, limit - 1.0);
            let to = ((to as f64 - begin) / self.scale).clamp(from + 0.5, limit);
            (from, to - from)
        };
        let ((sx, sw), (sy, sh)) = (source(x0, x1, left, example.width), source(y0, y1, top, example.height));
        let view = View { width: example.width, height: example.height, rgb: &example.rgb };
        let part = view.scaled([sx, sy, sw, sh], x1 - x0, y1 - y0)?;
        for (row, line) in (y0..y1).zip(part.chunks_exact(3 * (x1 - x0))) {
            rgb[3 * (row * self.side + x0)..3 * (row * self.side + x1)].copy_from_slice(line);
        }
        Ok(())
    }

    /// What is seen of an object, unless that is too little.
    fn target(&self, class: usize, [left, top, right, bottom]: [f64; 4]) -> Option<Target> {
        let ([left, top], [right, bottom]) = (self.place([left, top]), self.place([right, bottom]));
        let side = self.side as f64;
        let clip = |place: f64| place.clamp(0.0, side);
        let (x0, x1, y0, y1) = (clip(left), clip(right), clip(top), clip(bottom));
        let part = (x1 - x0) * (y1 - y0) / ((right - left) * (bottom - top)).max(f64::MIN_POSITIVE);
        let is_seen = x1 - x0 > LEAST_SIDE && y1 - y0 > LEAST_SIDE && part > LEAST_PART;
        let bounds =
            [(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0].map(|length| (length / side) as f32);
        is_seen.then_some(Target { picture: 0, class, bounds })
    }
}

impl Seen {
    /// Exchanges left and right.
    fn flip(&mut self, side: usize) {
        for row in self.rgb.chunks_exact_mut(3 * side) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
        self.targets.iter_mut().for_each(|target| target.bounds[0] = 1.0 - target.bounds[0]);
    }
}

/// Changes hue, saturation and brightness of all pixels alike.
fn recolour(rgb: &mut [u8], how: &Augmentation, chance: &mut Rng) {
    let mut by = |limit: f32| between(chance, f64::from(limit)) as f32;
    let (hue, saturation, brightness) = (by(how.hue), 1.0 + by(how.saturation), 1.0 + by(how.brightness));
    if (hue, saturation, brightness) == (0.0, 1.0, 1.0) {
        return;
    }
    let turn = Turn::new(hue);
    for pixel in rgb.as_chunks_mut::<3>().0 {
        let [red, green, blue] = turn.of(pixel.map(f32::from));
        // As in HSV: the value is the greatest part, the saturation how far the others are below it.
        let value = red.max(green).max(blue);
        let least = red.min(green).min(blue);
        let limit = if value > least { value / (value - least) } else { 1.0 };
        let saturate = |part: f32| (value - (value - part) * saturation.min(limit)) * brightness;
        *pixel = [red, green, blue].map(|part| saturate(part).clamp(0.0, 255.0) as u8);
    }
}

/// A turn of the colour circle: a rotation around the greys.
struct Turn([[f32; 3]; 3]);

impl Turn {
    /// By this part of the circle.
    fn new(part: f32) -> Self {
        let angle = part * std::f32::consts::TAU;
        let (sine, cosine) = angle.sin_cos();
        let even = (1.0 - cosine) / 3.0;
        let odd = sine / 3.0_f32.sqrt();
        Self([
            [cosine + even, even - odd, even + odd],
            [even + odd, cosine + even, even - odd],
            [even - odd, even + odd, cosine + even],
        ])
    }

    fn of(&self, [red, green, blue]: [f32; 3]) -> [f32; 3] {
        self.0.map(|row| (row[0] * red + row[1] * green + row[2] * blue).clamp(0.0, 255.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_types::RelativeBox;

    /// A white object on black: its left, top, right and bottom pixel.
    fn example(side: usize, [left, top, right, bottom]: [usize; 4]) -> Arc<Example> {
        let is_object = |x, y| (left..right).contains(&x) && (top..bottom).contains(&y);
        let pixel = |x, y| if is_object(x, y) { [255; 3] } else { [0; 3] };
        let rgb = (0..side).flat_map(|y| (0..side).flat_map(move |x| pixel(x, y))).collect();
        let part = |pixels: usize| pixels as f64 / side as f64;
        let bounds =
            RelativeBox { x: part(left), y: part(top), w: part(right - left), h: part(bottom - top) };
        Arc::new(Example { width: side, height: side, rgb, boxes: vec![(7, bounds)] })
    }

    /// The bounds of what is white, as targets have them.
    fn white(seen: &Seen, side: usize) -> [f32; 4] {
        let bright: Vec<(usize, usize)> = (0..side * side)
            .filter(|at| seen.rgb[3 * at..3 * at + 3].iter().all(|value| *value > 200))
            .map(|at| (at % side, at / side))
            .collect();
        let range = |of: fn(&(usize, usize)) -> usize| {
            let (least, most) =
                (bright.iter().map(of).min().unwrap(), bright.iter().map(of).max().unwrap() + 1);
            ((least + most) as f32 / 2.0 / side as f32, (most - least) as f32 / side as f32)
        };
        let ((x, width), (y, height)) = (range(|at| at.0), range(|at| at.1));
        [x, y, width, height]
    }

    #[test]
    fn boxes_stay_on_their_objects() {
        let moved = Augmentation { hue: 0.0, saturation: 0.0, brightness: 0.0, ..Augmentation::default() };
        for seed in 0..60 {
            let four = [0, 1, 2, 3].map(|number| example(96, [10 + number * 9, 20, 60, 70 - number * 5]));
            let mut chance = Rng::with_seed(seed);
            // One bright object at a time, so that what is white is its box.
            let dark = |at: usize| {
                let example =
                    Example { rgb: vec![0; four[at].rgb.len()], boxes: Vec::new(), ..(*four[at]).clone() };
                Arc::new(example)
            };
            let lit = (seed % 4) as usize;
            let some: Vec<Arc<Example>> =
                (0..4).map(|at| if at == lit { Arc::clone(&four[at]) } else { dark(at) }).collect();
            let some = if seed % 3 == 0 { &some[lit..=lit] } else { &some[..] };
            let seen = seen(some, 96, &moved, &mut chance).unwrap();
            assert!(seen.targets.len() <= 1);
            for target in &seen.targets {
                assert_eq!(target.class, 7);
                let found = white(&seen, 96);
                let apart = found.iter().zip(target.bounds).map(|(one, other)| (one - other).abs());
                assert!(apart.fold(0.0, f32::max) < 0.035, "{seed}: {found:?} {:?}", target.bounds);
            }
        }
    }

    #[test]
    fn nothing_changes_where_nothing_is_to_change() {
        let one = example(64, [16, 8, 48, 40]);
        let seen = seen(&[Arc::clone(&one)], 64, &Augmentation::NONE, &mut Rng::with_seed(1)).unwrap();
        assert_eq!(seen.rgb, one.rgb);
        assert_eq!(seen.targets, [Target { picture: 0, class: 7, bounds: [0.5, 0.375, 0.5, 0.5] }]);
    }

    #[test]
    fn colours_turn_and_grey_stays() {
        let how = Augmentation { hue: 0.5, ..Augmentation::NONE };
        for seed in 0..20 {
            let mut rgb = vec![100, 100, 100, 250, 10, 10];
            recolour(&mut rgb, &how, &mut Rng::with_seed(seed));
            assert!(rgb[..3].iter().all(|value| value.abs_diff(100) <= 1), "{rgb:?}");
        }
        let third = Turn::new(1.0 / 3.0).of([240.0, 0.0, 0.0]);
        assert!(
            third.iter().zip([0.0, 240.0, 0.0]).all(|(found, wanted)| (found - wanted).abs() < 1.0),
            "{third:?}"
        );
    }

    #[test]
    fn what_is_hardly_seen_is_no_target() {
        let frame = Frame { side: 100, scale: 1.0, middle: 50.0, to: [50.0, 50.0] };
        assert!(frame.target(0, [95.0, 10.0, 195.0, 60.0]).is_none());
        assert!(frame.target(0, [40.0, 10.0, 41.0, 60.0]).is_none());
        let cut = frame.target(0, [50.0, 10.0, 150.0, 60.0]).unwrap();
        assert_eq!(cut.bounds, [0.75, 0.35, 0.5, 0.5]);
    }
}
