//! The picture while it is painted, and what is known of the landmarks in it.

use sightscan_types::RelativeBox;

use super::canvas::{Area, Canvas, Outline};
use super::colour::Colour;
use super::landmark::Landmark;
use super::materials::Paints;
use super::mood::Mood;
use super::placement::Plan;
use super::texture::Texture;

/// A pixel belongs to a landmark from this opacity on (a quarter). Somebody who draws a box would see it.
const SEEN: u8 = 64;
/// Not more than this part of a landmark is hidden by others.
const MOST_SHARED: f32 = 0.25;
/// Not more than this part of a landmark is hidden by all that stands before it.
const MOST_HIDDEN: f32 = 0.4;

/// A landmark that is in the picture.
#[derive(Debug, Clone)]
struct Shown {
    landmark: Landmark,
    bounds: Area,
    /// Its pixels in the picture, and how many of them something hides.
    pixels: usize,
    hidden: usize,
}

/// The picture while it is painted.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) canvas: Canvas,
    /// What is painted next, on its own. Empty in between.
    layer: Canvas,
    /// Which landmark is seen at each pixel: its number from 1 on, 0 for none.
    owners: Vec<u8>,
    shown: Vec<Shown>,
}

impl Stage {
    /// An empty one of so many pixels.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let layer = Canvas::new(width, height);
        Self { canvas: layer.clone(), layer, owners: vec![0; width * height], shown: Vec::new() }
    }

    /// Paints a landmark, unless it would hide too much of another one or nothing of it is seen.
    pub(super) fn raise(&mut self, plan: &Plan, paints: &Paints, texture: &Texture, mood: &Mood) {
        let area = plan.area(&self.canvas);
        plan.sketch.paint(&mut self.layer, plan.place, paints);
        harden(&mut self.layer, area);
        let bounds = self.layer.bounds(area, SEEN);
        if let Some(bounds) = bounds.filter(|_| self.hides_little(area, MOST_SHARED)) {
            self.shade_foot(plan);
            self.hide(area);
            self.claim(plan.landmark, bounds);
            let finish = |x: usize, y: usize, colour: Colour| {
                let (x, y) = (x as f32 - plan.place.foot.0, y as f32 - plan.place.foot.1);
                mood.hazed(colour.scaled(texture.at(x, y)), plan.distance)
            };
            self.canvas.lay(&self.layer, area, finish);
        }
        self.layer.clear(area);
    }

    /// Paints something else over the picture, unless it would hide too much of a landmark. It paints this area only.
    pub(super) fn cover(&mut self, area: Area, paint: impl FnOnce(&mut Canvas)) {
        if self.shown.is_empty() {
            return paint(&mut self.canvas);
        }
        paint(&mut self.layer);
        if self.hides_little(area, MOST_HIDDEN) {
            self.hide(area);
            self.canvas.lay(&self.layer, area, |_, _, colour| colour);
        }
        self.layer.clear(area);
    }

    /// The landmarks and the boxes around all that is in the picture of each, hidden or not.
    pub(super) fn boxes(&self) -> Vec<(Landmark, RelativeBox)> {
        let (width, height) = (self.canvas.width as f64, self.canvas.height as f64);
        let boxed = |shown: &Shown| {
            let (wide, high) = shown.bounds.size();
            let (x, y) = (shown.bounds.left as f64 / width, shown.bounds.top as f64 / height);
            (shown.landmark, RelativeBox { x, y, w: wide as f64 / width, h: high as f64 / height })
        };
        self.shown.iter().map(boxed).collect()
    }

    /// How many pixels of each landmark the layer lies on.
    fn newly_hidden(&self, area: Area) -> Vec<usize> {
        let mut counts = vec![0; self.shown.len() + 1];
        for y in area.top..area.bottom {
            for index in y * self.canvas.width + area.left..y * self.canvas.width + area.right {
                if self.layer.pixels[index][3] > 127 {
                    counts[usize::from(self.owners[index])] += 1;
                }
            }
        }
        counts.split_off(1)
    }

    fn hides_little(&self, area: Area, most: f32) -> bool {
        let newly = self.newly_hidden(area);
        newly
            .iter()
            .zip(&self.shown)
            .all(|(&newly, shown)| newly == 0 || (shown.hidden + newly) as f32 <= most * shown.pixels as f32)
    }

    /// Notes that the layer hides what lies under it.
    fn hide(&mut self, area: Area) {
        let newly = self.newly_hidden(area);
        self.shown.iter_mut().zip(newly).for_each(|(shown, newly)| shown.hidden += newly);
        self.own(area, 127, 0);
    }

    /// Notes that the layer is a landmark.
    fn claim(&mut self, landmark: Landmark, bounds: Area) {
        let number = self.shown.len() as u8 + 1;
        let pixels = self.own(bounds, SEEN, number);
        self.shown.push(Shown { landmark, bounds, pixels, hidden: 0 });
    }

    /// Gives an owner to the pixels under the layer; tells how many these are.
    fn own(&mut self, area: Area, opacity: u8, owner: u8) -> usize {
        let mut pixels = 0;
        for y in area.top..area.bottom {
            for index in y * self.canvas.width + area.left..y * self.canvas.width + area.right {
                if self.layer.pixels[index][3] >= opacity {
                    self.owners[index] = owner;
                    pixels += 1;
                }
            }
        }
        pixels
    }

    /// A shadow on the ground, so that a landmark does not float.
    fn shade_foot(&mut self, plan: &Plan) {
        let ((left, _), (right, base)) = plan.corners();
        let (half, middle) = ((right - left) / 2.0, (left + right) / 2.0);
        for (wider, opacity) in [(0.85, 0.16), (0.65, 0.2)] {
            let mut outline = Outline::default();
            let down = (half * wider * 0.12).min(plan.place.scale * 0.035);
            outline.ellipse((middle, base - down * 0.3), half * wider, down);
            self.canvas.fill(outline, Colour::hex(0x101418), opacity);
        }
    }
}

/// Makes the layer more opaque by a third: two surfaces that meet leave no gap, though each covers a pixel in part.
fn harden(layer: &mut Canvas, area: Area) {
    for y in area.top..area.bottom {
        for pixel in &mut layer.row(y)[area.left..area.right.max(area.left)] {
            let opacity = u32::from(pixel[3]);
            if (1..255).contains(&opacity) {
                let harder = (opacity * 4 / 3).min(255);
                *pixel = pixel.map(|part| (u32::from(part) * harder / opacity).min(255) as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::dice::Dice;
    use crate::scenes::placement::Frame;
    use crate::scenes::{landmarks, materials};

    /// A stage with a gate on it.
    fn stage() -> Stage {
        let (mut stage, mut dice) = (Stage::new(80, 80), Dice::new(4));
        let mood = Mood::any(&mut dice);
        let frame = Frame { width: 80.0, height: 80.0, horizon: 40.0 };
        let sketch = landmarks::sketch(Landmark::Gate, mood.sun, &mut dice);
        let plan = Plan::any(Landmark::Gate, sketch, frame, 0.6, &mut dice);
        let paints = materials::any(Landmark::Gate, &mood, &mut dice);
        stage.raise(&plan, &paints, &Texture::any(48.0, &mut dice), &mood);
        stage
    }

    /// Covers a part of the gate's width with a wall from top to bottom.
    fn cover(stage: &mut Stage, part: f32) {
        let area = stage.canvas.area();
        let bounds = stage.shown[0].bounds;
        let (wide, _) = bounds.size();
        stage.cover(area, |canvas| {
            let mut outline = Outline::default();
            outline.rectangle((bounds.left as f32, 0.0), wide as f32 * part, 80.0);
            canvas.fill(outline, Colour([1.0; 3]), 1.0);
        });
    }

    #[test]
    fn what_would_hide_too_much_is_not_painted() {
        let mut stage = stage();
        let before = stage.canvas.pixels.clone();
        cover(&mut stage, 0.9);
        assert_eq!(stage.canvas.pixels, before);
        assert_eq!(stage.shown[0].hidden, 0);
        assert_eq!(stage.layer.bounds(stage.canvas.area(), 1), None, "nothing is left on the layer");
    }

    #[test]
    fn what_is_hidden_is_counted_once_and_the_box_stays() {
        let mut stage = stage();
        let before = stage.boxes();
        cover(&mut stage, 0.2);
        let hidden = stage.shown[0].hidden;
        assert!(hidden > 0 && (hidden as f32) < MOST_HIDDEN * stage.shown[0].pixels as f32);
        cover(&mut stage, 0.2);
        assert_eq!((stage.shown[0].hidden, stage.boxes()), (hidden, before));
    }
}
