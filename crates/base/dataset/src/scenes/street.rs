//! What stands and moves on the ground, and gets into the way: trees, lamps, people, cars, fences.

use super::canvas::{Area, Canvas, Outline};
use super::colour::{Colour, METAL};
use super::dice::Dice;
use super::mood::Mood;

/// Where something stands: the pixel of its foot, and how many pixels a storey of a house is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) x: f32,
    pub(super) base: f32,
    pub(super) storey: f32,
    /// How far away it is, from 0 to 1.
    pub(super) distance: f32,
}

impl Spot {
    /// The pixels that something there may cover.
    pub(super) fn area(self, canvas: &Canvas) -> Area {
        let (wide, high) = (self.storey * 1.8, self.storey * 3.8);
        Area::around(
            (self.x - wide, self.base - high),
            (self.x + wide, self.base + self.storey * 0.4),
            canvas,
        )
    }
}

/// Paints anything that may stand there.
pub(super) fn paint(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    match dice.count(0..20) {
        0..6 => tree(canvas, mood, spot, dice),
        6..8 => conifer(canvas, mood, spot, dice),
        8..10 => bush(canvas, mood, spot, dice),
        10..13 => lamp(canvas, mood, spot, dice),
        13..16 => people(canvas, mood, spot, dice),
        16..18 => car(canvas, mood, spot, dice),
        18 => fence(canvas, mood, spot, dice),
        _ => sign(canvas, mood, spot, dice),
    }
}

/// The colour of leaves in any season.
pub(super) fn leaves(dice: &mut Dice) -> Colour {
    let colours =
        [0x4B6B34, 0x5C7D3E, 0x3C5A36, 0x6E7F3C, 0x8A7A34, 0xB07A34, 0x47603F, 0x55704A].map(Colour::hex);
    dice.pick(&colours).varied(dice, 0.15)
}

/// Round shapes over one another, dark ones below and behind, lit ones above.
fn foliage(
    canvas: &mut Canvas,
    mood: &Mood,
    spot: Spot,
    (middle, across, down): (f32, f32, f32),
    dice: &mut Dice,
) {
    let colour = leaves(dice);
    for (shade, lift, share) in [(0.62, 0.0, 1.0), (0.85, -0.12, 0.75), (1.1, -0.25, 0.45)] {
        let mut outline = Outline::default();
        for _ in 0..9 {
            let (x, y) = (dice.within(-0.6..0.6) * share, dice.within(-0.6..0.6) * share + lift);
            let size = dice.within(0.25..0.45) * (0.5 + share * 0.5);
            let centre = (spot.x + x * across - mood.sun[0] * lift * across * 0.6, middle + y * down);
            outline.ellipse(centre, size * across, size * down);
        }
        canvas.fill(outline, mood.seen(colour.scaled(shade), spot.distance), 1.0);
    }
}

fn tree(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let height = spot.storey * dice.within(1.6..3.2);
    let thick = height * dice.within(0.04..0.07);
    let mut trunk = Outline::default();
    let bend = height * dice.within(-0.06..0.06);
    trunk.line((spot.x, spot.base), (spot.x + bend, spot.base - height * 0.6), thick);
    for side in [-1.0, 1.0] {
        let fork = (spot.x + bend * 0.8, spot.base - height * 0.45);
        trunk.line(fork, (fork.0 + side * height * 0.18, fork.1 - height * 0.22), thick * 0.5);
    }
    canvas.fill(trunk, mood.seen(Colour::hex(0x5A4636).varied(dice, 0.2), spot.distance), 1.0);
    let across = (height * dice.within(0.28..0.45)).min(spot.storey * 1.6);
    foliage(canvas, mood, spot, (spot.base - height * 0.66, across, height * 0.34), dice);
}

fn conifer(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let (height, colour) = (spot.storey * dice.within(1.2..2.8), leaves(dice).scaled(0.75));
    for tier in 0..4 {
        let (low, high) = (0.08 + 0.2 * tier as f32, 0.45 + 0.19 * tier as f32);
        let half = height * (0.24 - 0.05 * tier as f32);
        let mut outline = Outline::default();
        let (base, top) = (spot.base - height * low, spot.base - height * high.min(1.0));
        outline.polygon([(spot.x - half, base), (spot.x + half, base), (spot.x, top)]);
        canvas.fill(outline, mood.seen(colour.scaled(0.8 + 0.1 * tier as f32), spot.distance), 1.0);
    }
}

fn bush(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let (across, down) = (spot.storey * dice.within(0.5..1.5), spot.storey * dice.within(0.25..0.5));
    foliage(canvas, mood, spot, (spot.base - down * 0.5, across, down), dice);
}

fn lamp(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let (height, thick) = (spot.storey * dice.within(1.4..2.4), (spot.storey * 0.05).max(0.8));
    let (top, side) = (spot.base - height, dice.pick(&[-1.0, 0.0, 1.0]));
    let head = (spot.x + side * spot.storey * 0.4, top);
    let mut pole = Outline::default();
    pole.line((spot.x, spot.base), (spot.x, top), thick).line((spot.x, top), head, thick * 0.8);
    canvas.fill(pole, mood.seen(dice.pick(&METAL).scaled(0.6), spot.distance), 1.0);
    let size = spot.storey * 0.1;
    let light =
        if mood.is_night { Colour::hex(0xFFE9B0) } else { mood.seen(Colour::hex(0xD8D8D0), spot.distance) };
    let glow: &[(f32, f32)] =
        if mood.is_night { &[(3.0, 0.12), (2.0, 0.2), (1.0, 1.0)] } else { &[(1.0, 1.0)] };
    for (wider, opacity) in glow {
        let mut outline = Outline::default();
        outline.ellipse(head, size * wider, size * wider);
        canvas.fill(outline, light, *opacity);
    }
}

fn people(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    for _ in 0..dice.count(1..5) {
        let x = spot.x + spot.storey * dice.within(-1.2..1.2);
        let height = spot.storey * dice.within(0.48..0.62);
        let clothes = |dice: &mut Dice| Colour(std::array::from_fn(|_| dice.within(0.08..0.85)));
        let (coat, trousers) = (clothes(dice), clothes(dice).scaled(0.6));
        let skin = dice.pick(&[0xE0B090, 0xC08A64, 0x8A5A3C, 0x5A3A28].map(Colour::hex));
        let at = |part: f32| spot.base - height * part;
        let (mut legs, mut body, mut head) = (Outline::default(), Outline::default(), Outline::default());
        let stride = height * dice.within(0.02..0.1);
        for side in [-1.0, 1.0] {
            legs.line((x + side * stride, at(0.0)), (x, at(0.5)), height * 0.09);
        }
        body.ellipse((x, at(0.65)), height * 0.13, height * 0.21);
        head.ellipse((x, at(0.92)), height * 0.075, height * 0.085);
        for (outline, colour) in [(legs, trousers), (body, coat), (head, skin)] {
            canvas.fill(outline, mood.seen(colour, spot.distance), 1.0);
        }
    }
}

fn car(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let (x, base, unit) = (spot.x, spot.base, spot.storey * dice.within(0.45..0.6));
    let is_bus = dice.chance(0.25);
    let (half, roof) = if is_bus { (unit * 2.2, unit * 1.5) } else { (unit * 1.3, unit * 0.95) };
    let paint = Colour(std::array::from_fn(|_| dice.within(0.1..0.9)));
    let (mut body, mut glass, mut wheels) = (Outline::default(), Outline::default(), Outline::default());
    let waist = base - unit * 0.55;
    body.rectangle((x - half, waist), half * 2.0, unit * 0.45);
    let cabin = if is_bus { 0.99 } else { 0.62 };
    let pillars = [(x - half * cabin, waist), (x + half * cabin, waist)];
    let slope = if is_bus { 0.0 } else { half * 0.2 };
    body.polygon([
        pillars[0],
        pillars[1],
        (pillars[1].0 - slope, base - roof),
        (pillars[0].0 + slope, base - roof),
    ]);
    glass.rectangle(
        (x - half * cabin * 0.72, base - roof * 0.94),
        half * cabin * 1.44,
        roof * 0.94 - unit * 0.55,
    );
    for side in [-0.62, 0.62] {
        wheels.ellipse((x + half * side, base - unit * 0.16), unit * 0.2, unit * 0.2);
    }
    canvas.fill(body, mood.seen(paint, spot.distance), 1.0);
    canvas.fill(glass, mood.window(spot.distance, dice), 0.9);
    canvas.fill(wheels, mood.seen(Colour::hex(0x1C1C1E), spot.distance), 1.0);
}

fn fence(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let (half, height) = (spot.storey * dice.within(0.8..1.6), spot.storey * dice.within(0.3..0.5));
    let (thick, posts) = ((spot.storey * 0.035).max(0.7), dice.count(4..12));
    let mut outline = Outline::default();
    for post in 0..=posts {
        let x = spot.x - half + 2.0 * half * post as f32 / posts as f32;
        outline.line((x, spot.base), (x, spot.base - height), thick);
    }
    for part in [0.35, 0.95] {
        let y = spot.base - height * part;
        outline.line((spot.x - half, y), (spot.x + half, y), thick);
    }
    canvas.fill(outline, mood.seen(dice.pick(&METAL), spot.distance), 1.0);
}

/// A traffic sign or a flag on a pole.
fn sign(canvas: &mut Canvas, mood: &Mood, spot: Spot, dice: &mut Dice) {
    let (is_flag, unit) = (dice.chance(0.4), spot.storey);
    let height = if is_flag { unit * dice.within(1.6..2.8) } else { unit * dice.within(0.7..0.9) };
    let top = spot.base - height;
    let (mut pole, mut board) = (Outline::default(), Outline::default());
    pole.line((spot.x, spot.base), (spot.x, top), (unit * 0.04).max(0.8));
    match (is_flag, dice.chance(0.5)) {
        (true, _) => board.rectangle((spot.x, top), unit * 0.5, unit * 0.3),
        (false, true) => board.ellipse((spot.x, top), unit * 0.16, unit * 0.16),
        (false, false) => board.rectangle((spot.x - unit * 0.2, top), unit * 0.4, unit * 0.28),
    };
    let paint = Colour(std::array::from_fn(|_| dice.within(0.1..0.95)));
    canvas.fill(pole, mood.seen(Colour::hex(0x707478), spot.distance), 1.0);
    canvas.fill(board, mood.seen(paint, spot.distance), 1.0);
}

#[cfg(test)]
mod tests {
    use super::super::boats;
    use super::*;

    type Painter = fn(&mut Canvas, &Mood, Spot, &mut Dice);

    #[test]
    fn things_and_boats_stay_near_their_spot() {
        for (seed, paint) in (0..300).flat_map(|seed| [(seed, paint as Painter), (seed, boats::paint)]) {
            let (mut canvas, mut dice) = (Canvas::new(120, 120), Dice::new(seed));
            let mood = Mood::any(&mut dice);
            let spot = Spot { x: 60.0, base: 100.0, storey: 20.0, distance: 0.2 };
            paint(&mut canvas, &mood, spot, &mut dice);
            let (bounds, allowed) = (canvas.bounds(canvas.area(), 1).unwrap(), spot.area(&canvas));
            assert_eq!(bounds.shared(allowed), bounds, "seed {seed}");
        }
    }
}
