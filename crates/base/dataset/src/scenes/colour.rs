//! Colours, and how light changes them.

use super::dice::Dice;

/// Red, green and blue as a screen shows them, from 0 to 1; light may be brighter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Colour(pub(super) [f32; 3]);

impl Colour {
    /// Of a colour as designers write it, such as `0xB5_65_4A`.
    pub(super) const fn hex(code: u32) -> Self {
        Self([
            (code >> 16 & 255) as f32 / 255.0,
            (code >> 8 & 255) as f32 / 255.0,
            (code & 255) as f32 / 255.0,
        ])
    }

    /// Of three bytes.
    pub(super) fn of_bytes(bytes: [u8; 3]) -> Self {
        Self(bytes.map(|byte| f32::from(byte) / 255.0))
    }

    /// As bytes; what is too bright is white.
    pub(super) fn bytes(self) -> [u8; 3] {
        self.0.map(|part| (part * 255.0 + 0.5) as u8)
    }

    /// Between this one (0) and the other (1).
    pub(super) fn mixed(self, other: Self, part: f32) -> Self {
        self.with(other, |own, other| own + (other - own) * part)
    }

    /// Brighter or darker.
    pub(super) fn scaled(self, by: f32) -> Self {
        Self(self.0.map(|part| part * by))
    }

    /// What this colour looks like in that light.
    pub(super) fn under(self, light: Self) -> Self {
        self.with(light, |own, light| own * light)
    }

    /// Both lights together.
    pub(super) fn plus(self, other: Self) -> Self {
        self.with(other, |own, other| own + other)
    }

    /// A little of another hue and brightness.
    pub(super) fn varied(self, dice: &mut Dice, by: f32) -> Self {
        let brightness = 1.0 + dice.within(-by..by);
        let parts = self.0.map(|part| part * brightness + dice.within(-by..by) * 0.3);
        Self(parts.map(|part| part.clamp(0.0, 1.0)))
    }

    fn with(self, other: Self, combine: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|channel| combine(self.0[channel], other.0[channel])))
    }
}

/// Stone, plaster and brick.
pub(super) const MASONRY: [Colour; 14] = [
    Colour::hex(0xD8C9A8),
    Colour::hex(0xC2B59B),
    Colour::hex(0xE9E2D0),
    Colour::hex(0xB08D6A),
    Colour::hex(0x9C5B45),
    Colour::hex(0xB5654A),
    Colour::hex(0x8A8A86),
    Colour::hex(0xA9A39A),
    Colour::hex(0xD9B98C),
    Colour::hex(0xC98F6B),
    Colour::hex(0xEFEDE8),
    Colour::hex(0x7A6A5C),
    Colour::hex(0xCBB6B0),
    Colour::hex(0xE2C98F),
];

/// Iron, paint and glass.
pub(super) const METAL: [Colour; 12] = [
    Colour::hex(0x6B5842),
    Colour::hex(0x4A3F35),
    Colour::hex(0x8C8F93),
    Colour::hex(0xB0402F),
    Colour::hex(0xE4E4E2),
    Colour::hex(0x3F6B57),
    Colour::hex(0x2E3A46),
    Colour::hex(0x55708C),
    Colour::hex(0xC76B2E),
    Colour::hex(0x7B7F6A),
    Colour::hex(0xD5C27A),
    Colour::hex(0x5C5C60),
];

/// Tiles, slate, copper and gold.
pub(super) const ROOFING: [Colour; 10] = [
    Colour::hex(0xA4503A),
    Colour::hex(0x7E3B2E),
    Colour::hex(0x4E5660),
    Colour::hex(0x6FA08B),
    Colour::hex(0x86B09C),
    Colour::hex(0xC9A54A),
    Colour::hex(0x5A4A3E),
    Colour::hex(0x9BA3A8),
    Colour::hex(0x3E4C5E),
    Colour::hex(0xB98A5E),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_bytes_and_never_wrap() {
        assert_eq!(Colour::hex(0x12_80_FF).bytes(), [0x12, 0x80, 0xFF]);
        assert_eq!(Colour([2.0, -1.0, 0.5]).bytes(), [255, 0, 128]);
        assert_eq!(Colour::of_bytes([1, 2, 3]).bytes(), [1, 2, 3]);
    }
}
