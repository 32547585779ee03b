//! What a wall is built of: patterns that make a colour lighter and darker from pixel to pixel.

use super::dice::Dice;
use super::noise::{floor, grain, smooth};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Plain,
    /// Courses of stones or bricks, each with joints around it.
    Masonry,
    /// Upright boards.
    Planks,
    /// Level boards or sheets.
    Bands,
    /// No order.
    Speckles,
}

/// A pattern, weathered unevenly.
#[derive(Debug, Clone)]
pub(super) struct Texture {
    pattern: Pattern,
    /// The height of a stone in pixels.
    size: f32,
    strength: f32,
    /// How much stains darken, and how large they are in pixels.
    stains: (f32, f32),
    seed: u32,
}

impl Texture {
    /// Any pattern, for something so many pixels high.
    pub(super) fn any(height: f32, dice: &mut Dice) -> Self {
        use Pattern::{Bands, Masonry, Plain, Planks, Speckles};
        Self {
            pattern: dice.pick(&[Plain, Masonry, Masonry, Planks, Bands, Speckles]),
            size: (height * dice.within(0.02..0.05)).max(2.0),
            strength: dice.within(0.05..0.22),
            stains: (dice.within(0.0..0.35), height * dice.within(0.08..0.3) + 2.0),
            seed: dice.bits() as u32,
        }
    }

    /// By how much a pixel is brighter or darker than its colour.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let (amount, size) = self.stains;
        let stain = 1.0 + amount * (smooth(x / size, y / size, self.seed) - 0.5);
        stain * (1.0 + self.strength * (self.pattern_at(x, y) - 0.5))
    }

    fn pattern_at(&self, x: f32, y: f32) -> f32 {
        match self.pattern {
            Pattern::Plain => 0.5,
            Pattern::Speckles => grain(x as i32, y as i32, self.seed),
            Pattern::Planks => self.cell(y / self.size * 0.1, x / self.size),
            Pattern::Bands => self.cell(x / self.size * 0.05, y / self.size),
            Pattern::Masonry => {
                let shift = if floor(y / self.size) % 2 == 0 { 0.0 } else { 0.5 };
                self.cell(x / self.size / 2.2 + shift, y / self.size)
            }
        }
    }

    /// A stone's own brightness, or the joint between two.
    fn cell(&self, along: f32, across: f32) -> f32 {
        let (column, row) = (floor(along), floor(across));
        let is_joint = across - (row as f32) < 0.22 || along - (column as f32) < 0.1;
        if is_joint { -0.6 } else { 0.3 + 0.7 * grain(column, row, self.seed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textures_change_colours_a_little_only() {
        for seed in 0..60 {
            let texture = Texture::any(120.0, &mut Dice::new(seed));
            let values =
                (0..400).map(|pixel| texture.at((pixel % 20) as f32 * 7.0, (pixel / 20) as f32 * 3.0));
            assert!(values.into_iter().all(|value| (0.5..1.5).contains(&value)), "seed {seed}");
        }
    }
}
