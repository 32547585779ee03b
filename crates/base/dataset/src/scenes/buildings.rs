//! Plain buildings, none of which could be taken for a landmark.

use super::canvas::{Area, Canvas, Outline, Point};
use super::colour::{Colour, MASONRY, METAL, ROOFING};
use super::dice::Dice;
use super::mood::Mood;

/// Where a building stands, in pixels, and how far away it is, from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plot {
    pub(super) left: f32,
    pub(super) base: f32,
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) distance: f32,
}

impl Plot {
    /// The pixels that a building on it may cover.
    pub(super) fn area(self, canvas: &Canvas) -> Area {
        let aside = self.width * 0.45;
        let corner = (self.left - aside, self.base - self.height * 1.6);
        Area::around(corner, (self.left + self.width + aside, self.base + 1.0), canvas)
    }

    fn top(self) -> f32 {
        self.base - self.height
    }

    /// A part of it: from so far across and up, so wide and high, all as parts of the whole.
    fn part(self, (across, up): Point, (wide, high): Point) -> Self {
        let base = self.base - self.height * up;
        let (width, height) = (self.width * wide, self.height * high);
        Self { left: self.left + self.width * across, base, width, height, ..self }
    }
}

/// Paints any building.
pub(super) fn paint(canvas: &mut Canvas, mood: &Mood, plot: Plot, dice: &mut Dice) {
    let wall = dice.pick(&MASONRY).varied(dice, 0.15);
    match dice.count(0..20) {
        0..8 => block(canvas, mood, plot, wall, dice),
        8..15 => house(canvas, mood, plot, wall, dice),
        15 | 16 => church(canvas, mood, plot, wall, dice),
        17 => chimney(canvas, mood, plot, wall, dice),
        18 => crane(canvas, mood, plot, dice),
        _ => block(canvas, mood, plot, dice.pick(&METAL), dice),
    }
}

/// A block of flats or offices with a flat roof and one side in the shade.
pub(super) fn block(canvas: &mut Canvas, mood: &Mood, plot: Plot, wall: Colour, dice: &mut Dice) {
    box_of(canvas, mood, plot, wall, dice);
    windows(canvas, mood, plot, dice);
    if dice.chance(0.4) {
        let wide = dice.within(0.15..0.4);
        let hut = plot.part((dice.within(0.05..0.5), 1.0), (wide, 0.06));
        fill_box(canvas, hut, mood.seen(wall.scaled(0.8), plot.distance));
    }
}

fn box_of(canvas: &mut Canvas, mood: &Mood, plot: Plot, wall: Colour, dice: &mut Dice) {
    let aside = plot.width * dice.within(0.0..0.3) * dice.sign();
    let edge = if aside > 0.0 { plot.left + plot.width } else { plot.left };
    let lower = plot.height * dice.within(0.0..0.06);
    let mut side = Outline::default();
    let (far, top, base) = (edge + aside, plot.top(), plot.base);
    side.polygon([(edge, base), (far, base), (far, top + lower), (edge, top)]);
    canvas.fill(side, mood.seen(wall.scaled(0.62), plot.distance), 1.0);
    fill_box(canvas, plot, mood.seen(wall, plot.distance));
}

fn fill_box(canvas: &mut Canvas, plot: Plot, colour: Colour) {
    let mut outline = Outline::default();
    outline.rectangle((plot.left, plot.top()), plot.width, plot.height);
    canvas.fill(outline, colour, 1.0);
}

/// Rows of windows; by night some are lit.
fn windows(canvas: &mut Canvas, mood: &Mood, plot: Plot, dice: &mut Dice) {
    let step = (plot.width / dice.within(3.0..8.0)).max(3.2);
    let storey = (step * dice.within(0.9..1.8)).max(3.2);
    let (wide, high) = (step * dice.within(0.4..0.7), storey * dice.within(0.4..0.65));
    let (columns, rows) = ((plot.width / step) as usize, (plot.height / storey) as usize);
    let margin = (plot.width - columns as f32 * step) / 2.0 + (step - wide) / 2.0;
    let (mut panes, mut lit) = (Outline::default(), Outline::default());
    let share = if mood.is_night { dice.within(0.15..0.7) } else { 0.0 };
    for index in 0..(columns * rows).min(400) {
        let x = plot.left + margin + (index % columns) as f32 * step;
        let y = plot.top() + (index / columns) as f32 * storey + (storey - high) / 2.0;
        let kind = if dice.chance(share) { &mut lit } else { &mut panes };
        kind.rectangle((x, y), wide, high);
    }
    let dark = Colour::hex(0x262C34).mixed(mood.zenith, dice.within(0.0..0.4));
    canvas.fill(panes, mood.seen(dark, plot.distance), 0.8);
    canvas.fill(lit, mood.window(plot.distance, dice), 1.0);
}

/// A house with a gable or a hipped roof.
fn house(canvas: &mut Canvas, mood: &Mood, plot: Plot, wall: Colour, dice: &mut Dice) {
    let walls = plot.part((0.0, 0.0), (1.0, dice.within(0.6..0.78)));
    fill_box(canvas, walls, mood.seen(wall, plot.distance));
    windows(canvas, mood, walls, dice);
    let (left, right, eaves, out) = (plot.left, plot.left + plot.width, walls.top(), plot.width * 0.04);
    let inset = plot.width * dice.pick(&[0.5, 0.5, 0.2, 0.3]);
    let mut roof = Outline::default();
    let ridge = [(right - inset, plot.top()), (left + inset, plot.top())];
    roof.polygon([(left - out, eaves), (right + out, eaves), ridge[0], ridge[1]]);
    let tiles = dice.pick(&ROOFING).varied(dice, 0.15);
    canvas.fill(roof, mood.seen(tiles, plot.distance), 1.0);
    if dice.chance(0.5) {
        let stack = plot.part((dice.within(0.2..0.7), 0.78), (0.08, 0.26));
        fill_box(canvas, stack, mood.seen(wall.scaled(0.7), plot.distance));
    }
}

/// A nave with a gable, and one square steeple at its end.
fn church(canvas: &mut Canvas, mood: &Mood, plot: Plot, wall: Colour, dice: &mut Dice) {
    house(canvas, mood, plot.part((0.25, 0.0), (0.75, 0.6)), wall, dice);
    let steeple = plot.part((0.0, 0.0), (0.3, 0.85));
    fill_box(canvas, steeple, mood.seen(wall.scaled(0.9), plot.distance));
    let slit = steeple.part((0.35, 0.7), (0.3, 0.12));
    fill_box(canvas, slit, mood.seen(Colour::hex(0x2A2A30), plot.distance));
    let (left, right, eaves) = (steeple.left, steeple.left + steeple.width, steeple.top());
    let mut spire = Outline::default();
    spire.polygon([
        (left - 1.0, eaves),
        (right + 1.0, eaves),
        ((left + right) / 2.0, eaves - plot.height * 0.5),
    ]);
    canvas.fill(spire, mood.seen(dice.pick(&ROOFING), plot.distance), 1.0);
}

/// A factory: a low hall, and a round chimney with a ring of paint and smoke above it.
fn chimney(canvas: &mut Canvas, mood: &Mood, plot: Plot, wall: Colour, dice: &mut Dice) {
    let hall = plot.part((0.0, 0.0), (1.0, 0.3));
    box_of(canvas, mood, hall, wall, dice);
    windows(canvas, mood, hall, dice);
    let x = plot.left + plot.width * dice.within(0.2..0.8);
    let (thick, top) = (plot.height * 0.035 + 1.0, plot.top());
    let stack = dice.pick(&[Colour::hex(0x9C5B45), Colour::hex(0xC8C4BC), Colour::hex(0x8A8A86)]);
    for (from, to, colour) in
        [(0.0, 1.0, stack), (0.02, 0.09, Colour::hex(0xB03A2C)), (0.16, 0.23, Colour::hex(0xB03A2C))]
    {
        let (upper, lower) = (top + plot.height * from, top + plot.height * to);
        let mut outline = Outline::default();
        outline.polygon([
            (x - thick, lower),
            (x + thick, lower),
            (x + thick * 0.8, upper),
            (x - thick * 0.8, upper),
        ]);
        canvas.fill(outline, mood.seen(colour, plot.distance), 1.0);
    }
    let mut smoke = Outline::default();
    for puff in 1..6 {
        let (size, drift) = (thick * (0.7 + 0.4 * puff as f32), plot.width * 0.05 * puff as f32);
        smoke.ellipse((x + drift, top - thick * puff as f32 * 0.9), size, size * 0.7);
    }
    canvas.fill(smoke, mood.seen(Colour::hex(0xD0D0D0), plot.distance), 0.35);
}

/// A building crane beside the shell of a block.
fn crane(canvas: &mut Canvas, mood: &Mood, plot: Plot, dice: &mut Dice) {
    let shell = plot.part((0.1, 0.0), (0.7, 0.5));
    fill_box(canvas, shell, mood.seen(Colour::hex(0x9A968E), plot.distance));
    windows(canvas, mood, shell, dice);
    let (x, side) = (plot.left + plot.width * dice.within(0.3..0.7), dice.sign());
    let (top, thick) = (plot.base - plot.height * 1.35, (plot.height * 0.02).max(0.9));
    let (jib, back) = (x + side * plot.width * 0.75, x - side * plot.width * 0.3);
    let arm = top + plot.height * 0.12;
    let mut lines = Outline::default();
    lines.line((x, plot.base), (x, top), thick * 1.5).line((back, arm), (jib, arm), thick);
    lines.line((x, top), (jib, arm), thick * 0.4).line((x, top), (back, arm), thick * 0.4);
    lines.line((back, arm - thick), (back, arm + thick * 3.0), thick * 3.0);
    let hook = x + (jib - x) * dice.within(0.4..0.95);
    lines.line((hook, arm), (hook, arm + plot.height * dice.within(0.1..0.5)), thick * 0.4);
    let paint = dice.pick(&[Colour::hex(0xD9A42E), Colour::hex(0xB8452F), Colour::hex(0xD8D8D8)]);
    canvas.fill(lines, mood.seen(paint, plot.distance), 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildings_stay_where_their_plot_says() {
        for seed in 0..200 {
            let (mut canvas, mut dice) = (Canvas::new(120, 120), Dice::new(seed));
            let mood = Mood::any(&mut dice);
            let plot = Plot { left: 40.0, base: 100.0, width: 30.0, height: 40.0, distance: 0.4 };
            paint(&mut canvas, &mood, plot, &mut dice);
            let (bounds, allowed) = (canvas.bounds(canvas.area(), 1).unwrap(), plot.area(&canvas));
            assert_eq!(bounds.shared(allowed), bounds, "seed {seed}");
        }
    }
}
