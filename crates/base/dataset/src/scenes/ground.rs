//! The ground between the viewer and the horizon.

use super::canvas::{Canvas, Outline, Point};
use super::colour::Colour;
use super::dice::{Dice, sine};
use super::mood::{Mood, Weather};
use super::noise::{cloudy, floor, grain, smooth};

/// Blotches are looked up at every so manyth pixel.
const STEP: usize = 8;

/// What the ground is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    Grass,
    Paving,
    Street,
    Sand,
    Water,
    Snow,
}

impl Surface {
    /// Any that goes with the weather.
    pub(super) fn any(mood: &Mood, dice: &mut Dice) -> Self {
        if mood.weather == Weather::Snow && dice.chance(0.7) {
            return Self::Snow;
        }
        dice.pick(&[
            Self::Grass,
            Self::Grass,
            Self::Paving,
            Self::Paving,
            Self::Street,
            Self::Sand,
            Self::Water,
        ])
    }

    fn colour(self, dice: &mut Dice) -> Colour {
        let colour = match self {
            Self::Grass => dice.pick(&[Colour::hex(0x6F8F4A), Colour::hex(0x86A05A), Colour::hex(0xA39A5E)]),
            Self::Paving => dice.pick(&[Colour::hex(0xA8A29A), Colour::hex(0xC2B8A6), Colour::hex(0x93877C)]),
            Self::Street => Colour::hex(0x6A6A6E),
            Self::Sand => dice.pick(&[Colour::hex(0xCDB68A), Colour::hex(0xB89C74)]),
            Self::Water => dice.pick(&[Colour::hex(0x4F6F80), Colour::hex(0x3C6A78), Colour::hex(0x6F7F78)]),
            Self::Snow => Colour::hex(0xE8ECF0),
        };
        colour.varied(dice, 0.12)
    }
}

/// The ground of one picture: far away and near, which may be two surfaces.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    far: Patch,
    near: Patch,
    /// The pixel row that the near one begins at.
    seam: f32,
}

#[derive(Debug, Clone)]
struct Patch {
    surface: Surface,
    colour: Colour,
    /// How strong its pattern is.
    strength: f32,
    seed: u32,
}

impl Patch {
    fn of(surface: Surface, dice: &mut Dice) -> Self {
        Self {
            surface,
            colour: surface.colour(dice),
            strength: dice.within(0.4..1.0),
            seed: dice.bits() as u32,
        }
    }

    /// How much brighter blotches make a spot: so far across and so far away.
    fn rough(&self, across: f32, away: f32) -> f32 {
        1.0 + 0.35 * self.strength * (cloudy(across * 3.0, away * 6.0, self.seed) - 0.5)
    }

    /// How much brighter its pattern makes a spot: so far across and so far away.
    fn pattern(&self, across: f32, away: f32) -> f32 {
        let pattern = match self.surface {
            Surface::Grass | Surface::Sand | Surface::Snow => {
                let blades = grain((across * 90.0) as i32, (away * 150.0) as i32, self.seed) - 0.5;
                0.25 * blades * self.strength
            }
            Surface::Paving => {
                if is_joint(across * 6.0) || is_joint(away * 9.0) {
                    -0.22
                } else {
                    0.0
                }
            }
            Surface::Street => grain((across * 60.0) as i32, (away * 100.0) as i32, self.seed) * 0.08,
            Surface::Water => {
                0.7 * (smooth(across * 3.0, away * 45.0, self.seed) - 0.5) + 0.1 * sine(away * 21.0)
            }
        };
        pattern * self.strength
    }
}

fn is_joint(at: f32) -> bool {
    at - (floor(at) as f32) < 0.08
}

impl Ground {
    /// Any ground; where something stands in water, the water reaches from the horizon to the viewer's side.
    pub(super) fn any(mood: &Mood, is_water: bool, (horizon, bottom): (f32, f32), dice: &mut Dice) -> Self {
        let far = if is_water { Surface::Water } else { Surface::any(mood, dice) };
        let far = if far == Surface::Water && !is_water { Surface::Grass } else { far };
        let near = if is_water { Surface::Water } else { Surface::any(mood, dice) };
        let from = if near == Surface::Water { 0.7 } else { 0.1 };
        let seam = horizon + (bottom - horizon) * dice.within(from..1.3);
        Self { far: Patch::of(far, dice), near: Patch::of(near, dice), seam }
    }

    /// Whether this pixel row is water.
    pub(super) fn is_water(&self, y: f32) -> bool {
        let patch = if y < self.seam { &self.far } else { &self.near };
        patch.surface == Surface::Water
    }

    /// Paints a quay in the water under something that lies between these corners.
    pub(super) fn paint_quay(
        &self,
        canvas: &mut Canvas,
        mood: &Mood,
        ((left, top), (right, base)): (Point, Point),
    ) {
        let (aside, deep) = ((right - left) * 0.14, (base - top) * 0.05);
        let stone = Colour::hex(0xA09888);
        let (mut level, mut front) = (Outline::default(), Outline::default());
        let near = base + deep * 0.8;
        let edge = [(left - aside * 2.0, near), (right + aside * 2.0, near)];
        level.polygon([(left - aside, base - deep), (right + aside, base - deep), edge[1], edge[0]]);
        front.rectangle(edge[0], edge[1].0 - edge[0].0, deep);
        canvas.fill(level, mood.seen(stone, 0.2), 1.0);
        canvas.fill(front, mood.seen(stone.scaled(0.6), 0.2), 1.0);
    }

    /// Paints everything below the pixel row of the horizon.
    pub(super) fn paint(&self, canvas: &mut Canvas, mood: &Mood, horizon: f32, dice: &mut Dice) {
        let (width, height) = (canvas.width, canvas.height);
        let (vanishing, first) = (width as f32 * dice.within(0.2..0.8), horizon.max(0.0) as usize);
        for y in first..height {
            let down = (y as f32 - horizon + 0.5) / (height as f32 - horizon).max(1.0);
            let away = 1.0 / (down.max(0.0) + 0.08);
            let patch = if (y as f32) < self.seam { &self.far } else { &self.near };
            let colour = patch.colour_at(mood, 1.0 - down);
            let across = |x: usize| (x as f32 - vanishing) / width as f32 * away * 2.0;
            for (start, part) in (0..width).step_by(STEP).zip(canvas.row(y).chunks_mut(STEP)) {
                let (from, to) = (patch.rough(across(start), away), patch.rough(across(start + STEP), away));
                for (index, pixel) in part.iter_mut().enumerate() {
                    let rough = from + (to - from) * index as f32 / STEP as f32;
                    let light = rough + patch.pattern(across(start + index), away);
                    let [red, green, blue] = colour.scaled(light).bytes();
                    *pixel = [red, green, blue, 255];
                }
            }
        }
    }
}

impl Patch {
    /// Water mirrors the sky, all else has a colour of its own.
    fn colour_at(&self, mood: &Mood, distance: f32) -> Colour {
        let seen = mood.seen(self.colour, distance * 0.6);
        if self.surface != Surface::Water {
            return seen;
        }
        seen.mixed(mood.zenith.mixed(mood.horizon, distance), 0.45)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_below_the_horizon_is_ground() {
        for seed in 0..20 {
            let (mut canvas, mut dice) = (Canvas::new(40, 40), Dice::new(seed));
            let mood = Mood::any(&mut dice);
            let ground = Ground::any(&mood, seed % 2 == 0, (22.3, 40.0), &mut dice);
            assert!(seed % 2 == 1 || ground.is_water(39.0));
            ground.paint(&mut canvas, &mood, 22.3, &mut dice);
            assert!(canvas.pixels[22 * 40..].iter().all(|pixel| pixel[3] == 255), "seed {seed}");
        }
    }
}
