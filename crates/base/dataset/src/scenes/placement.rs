//! Where in the picture a landmark is put, and how large.

use super::canvas::{Area, Canvas, Point};
use super::dice::Dice;
use super::landmark::Landmark;
use super::landmarks;
use super::sketch::{Place, Sketch};
use super::view::Spot;

/// The measures of a picture in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: f32,
    pub(super) height: f32,
    /// The row that ground and sky meet at.
    pub(super) horizon: f32,
}

/// A landmark that is to be painted.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) landmark: Landmark,
    pub(super) sketch: Sketch,
    pub(super) place: Place,
    /// The pixel row that it stands on.
    pub(super) base: f32,
    /// From 0 to 1.
    pub(super) distance: f32,
}

impl Plan {
    /// Puts a landmark somewhere. It is about `size` of the picture's height high, a bridge that much of its width wide
    /// and more. It is cut off by an edge sometimes, but more than half of it is in the picture.
    pub(super) fn any(landmark: Landmark, sketch: Sketch, frame: Frame, size: f32, dice: &mut Dice) -> Self {
        let (from, to) = sketch.extent();
        let scale = scale(landmark, (to.0 - from.0, to.1 - from.1), frame, size);
        let (width, height) = ((to.0 - from.0) * scale, (to.1 - from.1) * scale);
        let left = left(width, frame.width, most_cut(landmark), dice);
        let base = base(height, frame, size, dice);
        let foot = (left - from.0 * scale, base - to.1 * scale);
        let distance = (0.9 - size) * dice.within(0.4..0.85);
        Self { landmark, sketch, place: Place { scale, foot }, base, distance: distance.max(0.03) }
    }

    /// The corners between which all of it lies, in the picture or not.
    pub(super) fn corners(&self) -> (Point, Point) {
        let (from, to) = self.sketch.extent();
        (self.place.pixel(from), self.place.pixel(to))
    }

    /// The pixels that it may cover.
    pub(super) fn area(&self, canvas: &Canvas) -> Area {
        let (from, to) = self.corners();
        Area::around(from, to, canvas)
    }

    /// The pixels that a quay under it may cover.
    pub(super) fn quay_area(&self, canvas: &Canvas) -> Area {
        let ((left, _), (right, base)) = self.corners();
        let (wide, high) = ((right - left) * 0.4, self.place.scale * 0.2);
        Area::around((left - wide, base - high), (right + wide, base + high), canvas)
    }

    /// Whether the box of neither covers more than a quarter of that of the other.
    pub(super) fn is_clear_of(&self, other: &Self) -> bool {
        let ((one_from, one_to), (other_from, other_to)) = (self.corners(), other.corners());
        let shared = |from: f32, to: f32, other_from: f32, other_to: f32| {
            (to.min(other_to) - from.max(other_from)).max(0.0)
        };
        let across = shared(one_from.0, one_to.0, other_from.0, other_to.0);
        let down = shared(one_from.1, one_to.1, other_from.1, other_to.1);
        let area = |from: Point, to: Point| (to.0 - from.0) * (to.1 - from.1);
        across * down <= 0.25 * area(one_from, one_to).min(area(other_from, other_to))
    }
}

/// Where landmarks of these sizes are to be, the farthest one first. One that finds no room is left out.
pub(super) fn plans(sized: &[(Landmark, f32)], frame: Frame, sun: Spot, dice: &mut Dice) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for &(landmark, size) in sized {
        let sketch = landmarks::sketch(landmark, sun, dice);
        for _ in 0..6 {
            let plan = Plan::any(landmark, sketch.clone(), frame, size, dice);
            if plans.iter().all(|other| other.is_clear_of(&plan)) {
                plans.push(plan);
                break;
            }
        }
    }
    plans.sort_by(|one, other| one.base.total_cmp(&other.base));
    plans
}

/// Pixels for a landmark's height, from the size of its sketch.
fn scale(landmark: Landmark, (wide, high): Point, frame: Frame, size: f32) -> f32 {
    if landmark == Landmark::Bridge {
        return (frame.width * (0.3 + 0.95 * size) / wide).min(frame.height * 0.8 / high);
    }
    (frame.height * size / high).min(frame.width * 0.96 / wide)
}

/// By how much of its width it may be cut off. A gate with one tower only would be no gate.
fn most_cut(landmark: Landmark) -> f32 {
    if landmark == Landmark::Gate { 0.18 } else { 0.34 }
}

/// Where it begins on the left: now and then it is cut off by an edge.
fn left(width: f32, most: f32, cut: f32, dice: &mut Dice) -> f32 {
    let out = if dice.chance(0.2) { width * cut } else { 0.0 };
    let (from, to) = (-out, most - width + out);
    dice.within(from.min(to)..from.max(to) + 0.01)
}

/// The row that it stands on: what is large stands near, and all but a sixth of it is in the picture.
fn base(height: f32, frame: Frame, size: f32, dice: &mut Dice) -> f32 {
    let near = dice.within(0.04..0.3) + size * dice.within(0.2..0.7);
    let usual = frame.horizon + (frame.height - frame.horizon) * near.min(0.95);
    let cut = if dice.chance(0.12) { height * 0.16 } else { 0.0 };
    let (highest, lowest) = (height * 1.02 - cut, frame.height * 0.985 + cut * 0.8);
    usual.max(highest).min(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_wished_and_most_of_a_landmark_is_in_the_picture() {
        let frame = Frame { width: 224.0, height: 224.0, horizon: 150.0 };
        for seed in 0..400 {
            let mut dice = Dice::new(seed);
            let landmark = dice.pick(&Landmark::ALL);
            let sketch = landmarks::sketch(landmark, [0.0, 0.6, -0.8], &mut dice);
            let size = dice.within(0.12..0.85);
            let plan = Plan::any(landmark, sketch, frame, size, &mut dice);
            let ((left, top), (right, bottom)) = plan.corners();
            let inside = |from: f32, to: f32| (to.min(224.0) - from.max(0.0)) / (to - from);
            assert!(inside(left, right) > 0.6 && inside(top, bottom) > 0.8, "seed {seed}: {landmark}");
            assert!(landmark == Landmark::Bridge || bottom - top < 0.86 * 224.0, "seed {seed}: {landmark}");
            assert!(bottom - top > 0.06 * 224.0 && !plan.is_clear_of(&plan));
        }
    }
}
