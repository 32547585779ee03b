//! What the landmarks look like.

mod arch;
mod bridge;
mod dome;
mod gate;
mod obelisk;
mod tower;
mod wheel;
mod windmill;

use super::dice::Dice;
use super::landmark::Landmark;
use super::materials::Material;
use super::sketch::{Axis, Sketch, opening};
use super::view::{Spot, View};

/// A landmark of this kind, no two of which are alike, seen from anywhere in the light of this sun.
pub(super) fn sketch(landmark: Landmark, sun: Spot, dice: &mut Dice) -> Sketch {
    let (reach, most_turned) = match landmark {
        Landmark::Bridge => (2.0, 0.1),
        Landmark::Wheel => (0.5, 0.135),
        Landmark::Arch => (0.6, 0.075),
        Landmark::Gate => (0.6, 0.1),
        Landmark::Windmill => (0.5, 0.12),
        Landmark::Tower | Landmark::Dome | Landmark::Obelisk => (0.5, 0.125),
    };
    let mut sketch = Sketch::new(View::any(reach, most_turned, sun, dice));
    let draw = match landmark {
        Landmark::Tower => tower::draw,
        Landmark::Arch => arch::draw,
        Landmark::Dome => dome::draw,
        Landmark::Bridge => bridge::draw,
        Landmark::Obelisk => obelisk::draw,
        Landmark::Wheel => wheel::draw,
        Landmark::Windmill => windmill::draw,
        Landmark::Gate => gate::draw,
    };
    draw(&mut sketch, dice);
    sketch
}

/// A way through a wall whose front is in the plane of the contour, so deep: what is seen of its inside.
fn passage(sketch: &mut Sketch, contour: &[Spot], depth: f32) {
    let behind = |[x, y, z]: Spot| [x, y, z + depth];
    // The first edge is on the ground.
    for (one, next) in contour.iter().zip(contour.iter().skip(1)).skip(1) {
        sketch.face(&[*one, *next, behind(*next), behind(*one)], Material::Shade);
    }
    if let Some((first, last)) = contour.first().zip(contour.last()) {
        sketch.face(&[*last, *first, behind(*first), behind(*last)], Material::Shade);
    }
}

/// A box with ways through it from the front to the back: half its width, from one height to another, half its depth.
fn pierced(sketch: &mut Sketch, half: f32, heights: (f32, f32), deep: f32, openings: &[Vec<Spot>]) {
    let (low, high) = heights;
    openings.iter().for_each(|contour| passage(sketch, contour, 2.0 * deep));
    let front = [[-half, low, -deep], [half, low, -deep], [half, high, -deep], [-half, high, -deep]];
    let contours: Vec<&[Spot]> =
        std::iter::once(front.as_slice()).chain(openings.iter().map(Vec::as_slice)).collect();
    sketch.face_with_holes(&contours, Material::Wall);
    sketch.face(
        &[[half, low, -deep], [half, low, deep], [half, high, deep], [half, high, -deep]],
        Material::Wall,
    );
    let top = [[-half, high, -deep], [half, high, -deep], [half, high, deep], [-half, high, deep]];
    sketch.face(&top, Material::Wall);
}

/// Windows of one size side by side in a front.
fn windows(sketch: &mut Sketch, from: Spot, size: (f32, f32), (count, step): (usize, f32)) {
    for index in 0..count {
        let middle = [from[0] + index as f32 * step, from[1], from[2]];
        sketch.face(&opening(middle, size, size.0 / 2.0), Material::Dark);
    }
}
