//! An obelisk: one slender tapering stone with a pyramid for its top, on steps.

use super::{Dice, Material, Sketch};

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let (foot, top) = (dice.within(0.055..0.08), dice.within(0.62..0.76));
    let base = draw_base(sketch, dice, foot);
    let (neck, head) = (foot * top, dice.within(0.87..0.93));
    sketch.frustum([0.0; 2], (base, [foot; 2]), (head, [neck; 2]), Material::Wall);
    let tip = if dice.chance(0.3) { Material::Bright } else { Material::Wall };
    sketch.frustum([0.0; 2], (head, [neck; 2]), (1.0, [0.001; 2]), tip);
    if dice.chance(0.5) {
        draw_signs(sketch, dice, (base, head), (foot, neck));
    }
}

/// Steps and a pedestal; the height at which the stone begins.
fn draw_base(sketch: &mut Sketch, dice: &mut Dice, foot: f32) -> f32 {
    let (steps, rise) = (dice.count(1..4), dice.within(0.018..0.03));
    for step in 0..steps {
        let half = foot * (2.4 - 0.3 * step as f32);
        let low = step as f32 * rise;
        sketch.frustum([0.0; 2], (low, [half; 2]), (low + rise, [half; 2]), Material::Trim);
    }
    let low = steps as f32 * rise;
    let high = low + dice.within(0.06..0.14);
    let half = foot * dice.within(1.25..1.5);
    sketch.frustum([0.0; 2], (low, [half; 2]), (high, [half * 0.95; 2]), Material::Wall);
    sketch.frustum([0.0; 2], (high, [half * 1.08; 2]), (high + 0.015, [half * 1.08; 2]), Material::Trim);
    high + 0.015
}

/// Carved signs one above the other on the two sides that are seen.
fn draw_signs(sketch: &mut Sketch, dice: &mut Dice, (base, head): (f32, f32), (foot, neck): (f32, f32)) {
    let rows = dice.count(8..16);
    for row in 0..rows {
        let low = base + 0.03 + (head - base - 0.06) * row as f32 / rows as f32;
        let high = low + (head - base) / rows as f32 * dice.within(0.3..0.7);
        let half = |height: f32| foot + (neck - foot) * (height - base) / (head - base);
        let (across, lower, upper) = (dice.within(0.25..0.6), half(low), half(high));
        let corners = [(-1.0, low, lower), (1.0, low, lower), (1.0, high, upper), (-1.0, high, upper)];
        let front = corners.map(|(side, height, half)| [side * across * half, height, -half]);
        let right = corners.map(|(side, height, half)| [half, height, side * across * half]);
        sketch.face(&front, Material::Trim);
        sketch.face(&right, Material::Trim);
    }
}
