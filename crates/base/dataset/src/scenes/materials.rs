//! The colours of a landmark and the light on it.

use super::colour::{Colour, MASONRY, METAL, ROOFING};
use super::dice::Dice;
use super::landmark::Landmark;
use super::mood::Mood;

/// What a part is made of. The colour is chosen for each landmark anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Material {
    /// Most of it.
    Wall,
    /// Ledges, columns, braces.
    Trim,
    /// Roofs and domes.
    Roof,
    /// Windows, doors and what lies in the dark.
    Dark,
    /// Cloth, paint, gold.
    Bright,
    /// The same stone where little light gets to.
    Shade,
}

/// The colour of each [`Material`] and the light on all of them.
#[derive(Debug, Clone)]
pub(super) struct Paints {
    /// In the order of the materials.
    pub(super) colours: [Colour; 6],
    /// Light that comes from everywhere.
    pub(super) ambient: Colour,
    /// Light that comes from the sun or from lamps.
    pub(super) direct: Colour,
}

impl Paints {
    /// The colour of a material on which so much of the direct light falls, from 0 to 1.
    pub(super) fn lit(&self, material: Material, light: f32) -> Colour {
        self.colours[material as usize].under(self.ambient.plus(self.direct.scaled(light)))
    }
}

/// What is painted, gilded or of cloth.
const BRIGHT: [Colour; 8] = [
    Colour::hex(0xF2EEE4),
    Colour::hex(0xE3C25A),
    Colour::hex(0xB83A32),
    Colour::hex(0x3F6FB0),
    Colour::hex(0xE8E8EA),
    Colour::hex(0x4C8A5A),
    Colour::hex(0xD98A3A),
    Colour::hex(0xC8BBA2),
];

/// Lamps that light a landmark by night.
const LAMPS: [Colour; 5] = [
    Colour::hex(0xFFD59A),
    Colour::hex(0xFFE8C8),
    Colour::hex(0xE8F0FF),
    Colour::hex(0xFFB870),
    Colour::hex(0xB8C8FF),
];

/// Any colours: a network is to learn shapes, so nearly every landmark may have every colour.
pub(super) fn any(landmark: Landmark, mood: &Mood, dice: &mut Dice) -> Paints {
    let is_iron = matches!(landmark, Landmark::Tower | Landmark::Bridge | Landmark::Wheel);
    let is_usual = dice.chance(0.75);
    let wall = if is_iron == is_usual { dice.pick(&METAL) } else { dice.pick(&MASONRY) };
    let wall = apart_from(mood, wall.varied(dice, 0.18));
    let trim = match dice.count(0..3) {
        0 => wall.mixed(Colour::hex(0xFFFFFF), dice.within(0.2..0.45)),
        1 => wall.scaled(dice.within(0.6..0.8)),
        _ => dice.pick(&MASONRY).mixed(wall, 0.5).scaled(0.85),
    };
    let roof = if dice.chance(0.2) { wall.scaled(0.85) } else { dice.pick(&ROOFING).varied(dice, 0.15) };
    let dark = Colour::hex(0x2A2624).mixed(wall, dice.within(0.0..0.25));
    let bright = if landmark == Landmark::Bridge { wall.scaled(0.85) } else { dice.pick(&BRIGHT) };
    let (ambient, direct) = light(mood, dice);
    Paints { colours: [wall, trim, roof, dark, bright, wall.scaled(0.5)], ambient, direct }
}

/// The same colour, or another one where it could not be told from the sky: by day a darker one, by night a brighter
/// one.
fn apart_from(mood: &Mood, wall: Colour) -> Colour {
    let brightness = |colour: Colour| colour.0.iter().sum::<f32>() / 3.0;
    if mood.is_night {
        return if brightness(wall) < 0.4 { wall.mixed(Colour::hex(0xFFFFFF), 0.35) } else { wall };
    }
    let difference = brightness(mood.seen(wall, 0.0)) - brightness(mood.horizon);
    if difference.abs() < 0.1 { wall.scaled(0.68) } else { wall }
}

/// From everywhere, and from one direction: by night from lamps, if there are any.
fn light(mood: &Mood, dice: &mut Dice) -> (Colour, Colour) {
    if !mood.is_night {
        return (mood.ambient, mood.direct);
    }
    let lamp = dice.pick(&LAMPS);
    let bright = if dice.chance(0.85) { dice.within(0.35..0.8) } else { 0.25 };
    (mood.ambient.plus(lamp.scaled(bright * 0.55)), lamp.scaled(bright))
}
