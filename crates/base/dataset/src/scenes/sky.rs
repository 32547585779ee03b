//! The sky: a gradient, clouds, sun and moon, stars.

use super::canvas::{Canvas, Outline};
use super::colour::Colour;
use super::dice::Dice;
use super::mood::Mood;
use super::noise::cloudy;

/// Clouds are looked up on a grid of so many cells across the picture.
const CELLS: usize = 56;

/// Paints the sky down to the pixel row of the horizon.
pub(super) fn paint(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    let rows = (horizon.max(0.0) as usize + 1).min(canvas.height);
    for y in 0..rows {
        let down = y as f32 / horizon.max(1.0);
        let [red, green, blue] = mood.zenith.mixed(mood.horizon, down * (0.4 + 0.6 * down)).bytes();
        canvas.row(y).fill([red, green, blue, 255]);
    }
    if mood.is_night {
        stars(canvas, rows, dice);
    }
    if dice.chance(0.25) {
        disc(canvas, mood, horizon, dice);
    }
    clouds(canvas, mood, rows, dice);
}

fn stars(canvas: &mut Canvas, rows: usize, dice: &mut Dice) {
    for _ in 0..dice.count(0..70) {
        let (x, y) = (dice.count(0..canvas.width), dice.count(0..rows));
        canvas.blend(x, y, Colour::hex(0xFFFFFF), dice.within(0.1..0.7));
    }
}

/// The sun or the moon with a glow around it.
fn disc(canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
    let radius = canvas.width as f32 * dice.within(0.012..0.035);
    let centre = (canvas.width as f32 * dice.within(0.0..1.0), horizon * dice.within(0.1..0.9));
    let colour = Colour::hex(0xFFF6D8).mixed(mood.horizon, dice.within(0.0..0.3));
    for (wider, opacity) in [(4.0, 0.1), (2.4, 0.16), (1.5, 0.25), (1.0, 0.9)] {
        let mut outline = Outline::default();
        outline.ellipse(centre, radius * wider, radius * wider);
        canvas.fill(outline, colour, opacity);
    }
}

/// Clouds as they look from below: the nearer to the horizon, the flatter.
struct Clouds {
    /// Density at the corners of the cells, row after row.
    density: Vec<f32>,
    cell: f32,
}

impl Clouds {
    fn any(canvas: &Canvas, mood: &Mood, rows: usize, dice: &mut Dice) -> Self {
        let cell = (canvas.width as f32 / CELLS as f32).max(1.0);
        let (scale, flat) = (dice.within(2.0..7.0), dice.within(1.2..3.5));
        let (seed, wisps) = (dice.bits() as u32, dice.within(2.0..6.0));
        let down = (rows as f32 / cell) as usize + 2;
        let corner = |index: usize| {
            let (x, y) = ((index % (CELLS + 2)) as f32, (index / (CELLS + 2)) as f32);
            let (x, y) = (x / CELLS as f32, y / CELLS as f32);
            let value = cloudy(x * scale, y * scale * flat, seed);
            ((value - 0.78 + 0.55 * mood.cover) * wisps).clamp(0.0, 1.0)
        };
        Self { density: (0..(CELLS + 2) * down).map(corner).collect(), cell }
    }

    /// The density at each pixel of a row.
    fn row(&self, y: usize, width: usize) -> Vec<f32> {
        let down = y as f32 / self.cell;
        let top = down as usize;
        let down = down - top as f32;
        let corner = |x: usize, y: usize| self.density.get(y * (CELLS + 2) + x).copied().unwrap_or(0.0);
        let edge: Vec<f32> =
            (0..CELLS + 2).map(|x| corner(x, top) + (corner(x, top + 1) - corner(x, top)) * down).collect();
        let at = |x: usize| {
            let across = x as f32 / self.cell;
            let left = (across as usize).min(CELLS);
            edge[left] + (edge[left + 1] - edge[left]) * (across - left as f32)
        };
        (0..width).map(at).collect()
    }
}

/// The colours of clouds.
struct Palette {
    lit: Colour,
    shade: Colour,
    opacity: f32,
}

impl Palette {
    fn any(mood: &Mood, dice: &mut Dice) -> Self {
        let opacity = dice.within(0.4..0.95);
        if mood.is_night {
            return Self { lit: mood.horizon.scaled(1.3), shade: mood.zenith.scaled(0.8), opacity };
        }
        let lit = mood.horizon.plus(mood.direct.scaled(0.3)).mixed(Colour::hex(0xFFFFFF), 0.25);
        let shade = mood.zenith.mixed(mood.horizon, 0.5).scaled(dice.within(0.6..0.95));
        Self { lit, shade, opacity }
    }
}

fn clouds(canvas: &mut Canvas, mood: &Mood, rows: usize, dice: &mut Dice) {
    let clouds = Clouds::any(canvas, mood, rows, dice);
    let palette = Palette::any(mood, dice);
    let lift = clouds.cell as usize * 2;
    for y in 0..rows {
        let (own, above) = (clouds.row(y, canvas.width), clouds.row(y.saturating_sub(lift), canvas.width));
        for (x, (density, above)) in own.into_iter().zip(above).enumerate() {
            if density > 0.01 {
                // Thick parts are dark below.
                let part = (density * 0.5 + (above - density) * 0.7).clamp(0.0, 1.0);
                canvas.blend(x, y, palette.lit.mixed(palette.shade, part), density * palette.opacity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_above_the_horizon_is_sky_and_none_below() {
        for seed in 0..20 {
            let (mut canvas, mut dice) = (Canvas::new(40, 40), Dice::new(seed));
            let mood = Mood::any(&mut dice);
            paint(&mut canvas, &mood, 24.5, &mut dice);
            assert!(canvas.pixels[..25 * 40].iter().all(|pixel| pixel[3] == 255), "seed {seed}");
        }
    }
}
