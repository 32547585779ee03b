//! The time of day and the weather of a picture: which colours its sky has and how everything is lit.

use super::colour::Colour;
use super::dice::{Dice, cosine, sine};
use super::view::Spot;

/// What falls from the sky or lies in the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    Rain,
    Snow,
    Fog,
}

/// The sky and the light at a time of day.
#[derive(Debug, Clone, Copy)]
struct Hour {
    zenith: Colour,
    horizon: Colour,
    ambient: Colour,
    direct: Colour,
    is_night: bool,
}

impl Hour {
    const fn day(zenith: u32, horizon: u32, ambient: u32, direct: u32) -> Self {
        let (zenith, horizon) = (Colour::hex(zenith), Colour::hex(horizon));
        Self { zenith, horizon, ambient: Colour::hex(ambient), direct: Colour::hex(direct), is_night: false }
    }

    const fn night(zenith: u32, horizon: u32, ambient: u32, direct: u32) -> Self {
        Self { is_night: true, ..Self::day(zenith, horizon, ambient, direct) }
    }
}

/// Those that are frequent more than once.
const HOURS: [Hour; 16] = [
    Hour::day(0x4E8CCC, 0xCBDFEE, 0x8A92A6, 0xB0A89A),
    Hour::day(0x3A78C4, 0xA8CCEC, 0x848CA2, 0xB8B09C),
    Hour::day(0x8FB4DC, 0xE6E6DC, 0x9498A2, 0x989084),
    Hour::day(0x3E7CC0, 0xBBD7EC, 0x8089A0, 0xA0988A),
    Hour::day(0x3E7CC0, 0xBBD7EC, 0x8089A0, 0xA0988A),
    Hour::day(0x2F66AE, 0x9CC4E6, 0x70788E, 0xB0A68F),
    Hour::day(0x6FA3D6, 0xDDE8EE, 0x8C92A0, 0x958E84),
    Hour::day(0x9AA3AC, 0xC9CED2, 0xA4A6AA, 0x40403E),
    Hour::day(0xB9BEC2, 0xDDDEDD, 0xA8A8A8, 0x484846),
    Hour::day(0x5E86B4, 0xF2CB94, 0x6E6A74, 0xD69A5C),
    Hour::day(0x7C90B8, 0xEFC4C0, 0x7A7684, 0xB08A78),
    Hour::day(0x55606B, 0x99A1A5, 0x80868C, 0x48484A),
    Hour::day(0x34406E, 0xE08A6A, 0x6A667C, 0x8C5A4C),
    Hour::day(0x2A3358, 0x8A6C8E, 0x686A82, 0x685464),
    Hour::night(0x0B1020, 0x27304A, 0x3C4256, 0xE0B070),
    Hour::night(0x141826, 0x40364A, 0x444252, 0xD8D0C0),
];

/// The time of day and the weather of one picture.
#[derive(Debug, Clone)]
pub(super) struct Mood {
    pub(super) zenith: Colour,
    pub(super) horizon: Colour,
    /// Light from everywhere.
    pub(super) ambient: Colour,
    /// Light from the sun; by night that of the lamps, which is on the landmarks only.
    pub(super) direct: Colour,
    /// The direction of the light as the viewer sees it, 1 long.
    pub(super) sun: Spot,
    /// How much of the sky clouds cover, from 0 to 1.
    pub(super) cover: f32,
    /// How much of what is far away the air hides, from 0 to 1.
    pub(super) haze: f32,
    pub(super) is_night: bool,
    pub(super) weather: Weather,
}

impl Mood {
    /// Any hour and any weather.
    pub(super) fn any(dice: &mut Dice) -> Self {
        use Weather::{Fair, Fog, Rain, Snow};
        let hour = dice.pick(&HOURS);
        let weather = dice.pick(&[Fair, Fair, Fair, Fair, Fair, Fair, Fair, Rain, Snow, Fog]);
        let haze = if weather == Fog { dice.within(0.5..0.85) } else { dice.within(0.05..0.5) };
        let mut mood = Self {
            zenith: hour.zenith.varied(dice, 0.14),
            horizon: hour.horizon.varied(dice, 0.1),
            ambient: hour.ambient.scaled(dice.within(0.85..1.15)),
            direct: hour.direct.varied(dice, 0.15),
            sun: sun(dice),
            cover: dice.within(0.0..1.0),
            haze,
            is_night: hour.is_night,
            weather,
        };
        if weather != Fair && !mood.is_night {
            mood.darken();
        }
        mood
    }

    /// Rain, snow and fog come from a grey sky and leave no shadows.
    fn darken(&mut self) {
        let grey = Colour([self.horizon.0.iter().sum::<f32>() / 3.0; 3]);
        self.zenith = self.zenith.mixed(grey, 0.7);
        self.horizon = self.horizon.mixed(grey, 0.6);
        self.ambient = self.ambient.mixed(grey, 0.3);
        self.direct = self.direct.scaled(0.45);
        self.cover = 0.4 + self.cover * 0.6;
    }

    /// What a thing of this colour looks like that is as far away as this, from 0 to 1.
    pub(super) fn seen(&self, colour: Colour, distance: f32) -> Colour {
        let direct = if self.is_night { 0.08 } else { 0.55 };
        self.hazed(colour.under(self.ambient.plus(self.direct.scaled(direct))), distance)
    }

    /// What the air makes of a colour from as far away as this, from 0 to 1.
    pub(super) fn hazed(&self, colour: Colour, distance: f32) -> Colour {
        colour.mixed(self.horizon, self.haze * distance)
    }

    /// The colour of a window, with or without a lamp behind it.
    pub(super) fn window(&self, distance: f32, dice: &mut Dice) -> Colour {
        let lamps =
            [Colour::hex(0xFFD890), Colour::hex(0xFFEBC0), Colour::hex(0xFFC070), Colour::hex(0xDDEBFF)];
        let glass = Colour::hex(0x2C3540).mixed(self.zenith, dice.within(0.0..0.5));
        if self.is_night { self.hazed(dice.pick(&lamps), distance * 0.5) } else { self.seen(glass, distance) }
    }
}

/// From anywhere above, more often from behind the viewer than towards them.
fn sun(dice: &mut Dice) -> Spot {
    let (around, above) = (dice.within(-0.34..0.34), dice.within(0.03..0.18));
    let level = cosine(above);
    [sine(around) * level, sine(above), -cosine(around) * level]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_comes_from_above_and_colours_stay_colours() {
        for seed in 0..200 {
            let mood = Mood::any(&mut Dice::new(seed));
            let [x, y, z] = mood.sun;
            assert!(y > 0.0 && (x * x + y * y + z * z - 1.0).abs() < 0.01, "seed {seed}");
            let colours = [mood.zenith, mood.horizon, mood.seen(Colour::hex(0xFFFFFF), 0.5)];
            assert!(colours.iter().flat_map(|colour| colour.0).all(|part| (0.0..2.0).contains(&part)));
        }
    }
}
