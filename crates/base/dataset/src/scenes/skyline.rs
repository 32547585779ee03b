//! What lies between the sky and the ground: hills, a row of houses far away, some nearer, trees.

use super::buildings::{Plot, paint as paint_building};
use super::canvas::{Canvas, Outline};
use super::colour::Colour;
use super::dice::Dice;
use super::mood::Mood;
use super::noise::cloudy;
use super::street;

/// Paints what stands on the horizon, which is this pixel row. It lies behind all landmarks.
pub(super) fn paint(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    if dice.chance(0.4) {
        hills(canvas, mood, horizon, dice);
    }
    if dice.chance(0.75) {
        row(canvas, mood, horizon, dice);
    }
    if dice.chance(0.5) {
        hedge(canvas, mood, horizon, dice);
    }
}

fn hills(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    let (width, seed) = (canvas.width as f32, dice.bits() as u32);
    let (height, scale) = (canvas.height as f32 * dice.within(0.05..0.3), dice.within(1.5..4.0));
    let crest = (0..=40).map(|step| step as f32 / 40.0).map(|part| {
        let rise = (cloudy(part * scale, 0.5, seed) - 0.3).max(0.0);
        (part * width, horizon - height * rise)
    });
    let mut outline = Outline::default();
    outline.polygon([(0.0, horizon + 2.0)].into_iter().chain(crest).chain([(width, horizon + 2.0)]));
    let colour = dice.pick(&[Colour::hex(0x5E7560), Colour::hex(0x6A7080), Colour::hex(0x7A7262)]);
    canvas.fill(outline, mood.seen(colour, 0.95).mixed(mood.horizon, 0.35), 1.0);
}

/// Houses side by side, with gaps here and there.
fn row(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    let (wide, high) = (canvas.width as f32, canvas.height as f32);
    let (usual, crowded, distance) = (dice.within(0.04..0.17), dice.within(0.4..1.0), dice.within(0.55..1.0));
    let mut left = -0.05 * wide;
    while left < wide {
        let width = wide * usual * dice.within(0.5..1.5);
        let height = high * usual * dice.within(0.5..2.2) * if dice.chance(0.12) { 1.7 } else { 1.0 };
        if dice.chance(crowded) {
            let plot = Plot { left, base: horizon + 2.0, width, height, distance };
            paint_building(canvas, mood, plot, dice);
        }
        left += width * dice.within(0.8..1.2);
    }
}

/// Bushes and trees in the distance.
fn hedge(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    let (wide, size) = (canvas.width as f32, canvas.height as f32 * dice.within(0.01..0.035));
    let mut outline = Outline::default();
    let (from, to) = (dice.within(-0.2..0.5), dice.within(0.5..1.2));
    let mut x = from * wide;
    while x < to * wide {
        let radius = size * dice.within(0.6..1.4);
        outline.ellipse((x, horizon + 1.0 - radius * 0.4), radius, radius);
        x += radius * dice.within(0.7..1.8);
    }
    canvas.fill(outline, mood.seen(street::leaves(dice), 0.7), 1.0);
}
