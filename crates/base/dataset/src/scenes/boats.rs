//! What swims on the water.

use super::canvas::{Canvas, Outline};
use super::colour::Colour;
use super::dice::Dice;
use super::mood::Mood;
use super::street::Spot;

/// Paints a boat with a cabin or with sails.
pub(super) fn paint(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let half = spot.storey * dice.within(0.35..1.0);
    hull(canvas, mood, spot, half, dice);
    if dice.chance(0.5) {
        cabin(canvas, mood, spot, half, dice)
    } else {
        sails(canvas, mood, spot, half, dice)
    }
}

fn any_paint(dice: &mut Dice) -> Colour {
    Colour(std::array::from_fn(|_| dice.within(0.15..0.95)))
}

fn hull(canvas: &mut Canvas, mood: &Mood, spot: Spot, half: f32, dice: &mut Dice) {
    let (left, right, deck) = (spot.x - half, spot.x + half, spot.base - half * 0.3);
    let mut outline = Outline::default();
    outline.polygon([
        (left, deck),
        (right, deck),
        (right - half * 0.35, spot.base),
        (left + half * 0.2, spot.base),
    ]);
    canvas.fill(outline, mood.seen(any_paint(dice), spot.distance), 1.0);
    let mut wake = Outline::default();
    wake.rectangle((left, spot.base), half * 2.0, (half * 0.08).max(0.5));
    canvas.fill(wake, mood.horizon, 0.4);
}

fn cabin(canvas: &mut Canvas, mood: &Mood, spot: Spot, half: f32, dice: &mut Dice) {
    let (deck, high) = (spot.base - half * 0.3, half * dice.within(0.2..0.4));
    let (mut walls, mut panes) = (Outline::default(), Outline::default());
    walls.rectangle((spot.x - half * 0.5, deck - high), half * dice.within(0.6..1.1), high);
    panes.rectangle((spot.x - half * 0.42, deck - high * 0.8), half * 0.45, high * 0.4);
    canvas.fill(walls, mood.seen(any_paint(dice), spot.distance), 1.0);
    canvas.fill(panes, mood.window(spot.distance, dice), 1.0);
}

fn sails(canvas: &mut Canvas, mood: &Mood, spot: Spot, half: f32, dice: &mut Dice) {
    let (deck, top) = (spot.base - half * 0.34, spot.base - half * dice.within(1.3..2.0));
    let (mut mast, mut cloth) = (Outline::default(), Outline::default());
    mast.line((spot.x, spot.base - half * 0.2), (spot.x, top), (half * 0.05).max(0.7));
    cloth.polygon([(spot.x + half * 0.06, deck), (spot.x + half * 0.8, deck), (spot.x + half * 0.06, top)]);
    cloth.polygon([
        (spot.x - half * 0.06, deck),
        (spot.x - half * 0.7, deck),
        (spot.x - half * 0.06, top + half * 0.2),
    ]);
    canvas.fill(mast, mood.seen(Colour::hex(0x6A5A48), spot.distance), 1.0);
    canvas.fill(cloth, mood.seen(any_paint(dice).mixed(Colour::hex(0xFFFFFF), 0.5), spot.distance), 1.0);
}
