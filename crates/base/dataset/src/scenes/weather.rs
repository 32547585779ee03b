//! What falls from the sky and lies in the air, before everything else.

use super::canvas::{Canvas, Outline};
use super::colour::Colour;
use super::dice::Dice;
use super::mood::{Mood, Weather};

/// Paints the weather over a picture.
pub(super) fn paint(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    match mood.weather {
        Weather::Fair => {}
        Weather::Rain => rain(canvas, mood, dice),
        Weather::Snow => snow(canvas, dice),
        Weather::Fog => fog(canvas, mood, horizon, dice),
    }
}

fn rain(canvas: &mut Canvas, mood: &Mood, dice: &mut Dice) {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let (slant, length) = (dice.within(-0.3..0.3), height * dice.within(0.03..0.09));
    let mut outline = Outline::default();
    for _ in 0..dice.count(60..260) {
        let (x, y) = (dice.within(0.0..width), dice.within(-length..height));
        let reach = length * dice.within(0.5..1.2);
        outline.line((x, y), (x + reach * slant, y + reach), height * 0.003 + 0.3);
    }
    canvas.fill(outline, mood.horizon.mixed(Colour::hex(0xFFFFFF), 0.3), dice.within(0.12..0.4));
}

fn snow(canvas: &mut Canvas, dice: &mut Dice) {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let mut outline = Outline::default();
    for _ in 0..dice.count(40..220) {
        let size = height * dice.within(0.0015..0.007);
        outline.ellipse((dice.within(0.0..width), dice.within(0.0..height)), size, size);
    }
    canvas.fill(outline, Colour::hex(0xF6F8FA), dice.within(0.4..0.9));
}

/// Fog lies thickest on the horizon and thinner before the viewer's feet.
fn fog(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    let (most, reach) = (dice.within(0.15..0.4), canvas.height as f32 * dice.within(0.3..0.9));
    for y in 0..canvas.height {
        let away = ((y as f32 - horizon).abs() / reach).min(1.0);
        let opacity = most * (1.0 - 0.7 * away);
        for x in 0..canvas.width {
            canvas.blend(x, y, mood.horizon, opacity);
        }
    }
}
