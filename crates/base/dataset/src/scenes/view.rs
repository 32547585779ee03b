//! From where something is seen, and how the light falls on it.

use super::canvas::Point;
use super::dice::{Dice, cosine, sine};

/// A place in a landmark's own space, or a direction there: x to the right, y upwards from the ground, z away from the
/// viewer. A landmark is 1 high and stands on the origin.
pub(super) type Spot = [f32; 3];

/// How a landmark is seen: turned, from near or far, squeezed, leaning, mirrored.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Sine and cosine of the angle by which its right side is turned towards the viewer.
    turn: (f32, f32),
    /// Sine and cosine of the angle by which the camera is held askew.
    roll: (f32, f32),
    /// By how much what is nearer looks larger.
    nearness: f32,
    /// How high the camera is.
    eye: f32,
    /// By how much it narrows upwards, since the camera looks up.
    converging: f32,
    squeeze: f32,
    lean: f32,
    is_mirrored: bool,
    /// Where the light comes from, as the viewer sees it.
    sun: Spot,
}

impl View {
    /// Any view of something that reaches so far to its sides and may be turned by so many turns.
    pub(super) fn any(reach: f32, most_turned: f32, sun: Spot, dice: &mut Dice) -> Self {
        let turned = dice.within(0.0..most_turned);
        let rolled = dice.within(-0.011..0.011) * dice.within(0.0..1.0);
        Self {
            turn: (sine(turned), cosine(turned)),
            roll: (sine(rolled), cosine(rolled)),
            nearness: dice.within(0.03..0.42) / reach.max(0.6),
            eye: dice.within(0.01..0.28),
            converging: dice.within(-0.02..0.2),
            squeeze: dice.within(0.86..1.1),
            lean: dice.within(-0.035..0.035),
            is_mirrored: dice.chance(0.5),
            sun,
        }
    }

    /// A direction or place as the viewer sees it before perspective.
    pub(super) fn turned(&self, [x, y, z]: Spot) -> Spot {
        let (sine, cosine) = self.turn;
        [x * cosine + z * sine, y, z * cosine - x * sine]
    }

    /// Where a place is in the picture: 1 is the landmark's height, y grows downwards from the ground.
    pub(super) fn point(&self, spot: Spot) -> Point {
        let [x, y, z] = self.turned(spot);
        let scale = 1.0 / (1.0 + self.nearness * z).max(0.3);
        let y = self.eye + (y - self.eye) * scale;
        let narrowing = 1.0 / (1.0 + self.converging * y.max(-1.0));
        let x = x * scale * narrowing * self.squeeze + self.lean * y;
        let (sine, cosine) = self.roll;
        let (x, y) = (x * cosine - y * sine, x * sine + y * cosine);
        (if self.is_mirrored { -x } else { x }, -y)
    }

    /// Whether a surface is seen from outside, by its corners as [`View::point`] gives them, anticlockwise from
    /// outside.
    pub(super) fn faces_viewer(&self, corners: &[Point]) -> bool {
        let area: f32 = pairs(corners).map(|(one, next)| one.0 * next.1 - next.0 * one.1).sum();
        if self.is_mirrored { area > 0.0 } else { area < 0.0 }
    }

    /// How much direct light a surface gets, from 0 to 1, by its corners, anticlockwise from outside.
    pub(super) fn light_on(&self, corners: &[Spot]) -> f32 {
        let [x, y, z] = self.turned(outwards(corners));
        let length = (x * x + y * y + z * z).sqrt().max(1e-9);
        ((x * self.sun[0] + y * self.sun[1] + z * self.sun[2]) / length).clamp(0.0, 1.0)
    }
}

/// The direction that a surface faces (Newell), by its corners anticlockwise from outside.
fn outwards(corners: &[Spot]) -> Spot {
    pairs(corners).fold([0.0; 3], |[x, y, z], (one, next)| {
        [
            x - (one[1] - next[1]) * (one[2] + next[2]),
            y - (one[2] - next[2]) * (one[0] + next[0]),
            z - (one[0] - next[0]) * (one[1] + next[1]),
        ]
    })
}

/// Each of these with its next one; after the last comes the first.
pub(super) fn pairs<T: Copy>(items: &[T]) -> impl Iterator<Item = (T, T)> {
    items.iter().copied().zip(items.iter().copied().cycle().skip(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The front of a cube, anticlockwise from outside.
    const FRONT: [Spot; 4] = [[-0.5, 0.0, -0.5], [0.5, 0.0, -0.5], [0.5, 1.0, -0.5], [-0.5, 1.0, -0.5]];

    #[test]
    fn fronts_are_seen_and_backs_are_not() {
        for seed in 0..100 {
            let view = View::any(0.5, 0.125, [0.0, 0.0, -1.0], &mut Dice::new(seed));
            let mut corners = FRONT.map(|spot| view.point(spot));
            assert!(view.faces_viewer(&corners));
            corners.reverse();
            assert!(!view.faces_viewer(&corners));
        }
    }

    #[test]
    fn light_from_the_viewer_falls_on_the_front() {
        let view = View::any(0.5, 1e-9, [0.0, 0.0, -1.0], &mut Dice::new(1));
        let back = FRONT.map(|[x, y, z]| [-x, y, -z]);
        assert!((view.light_on(&FRONT) - 1.0).abs() < 0.01);
        assert_eq!(view.light_on(&back), 0.0);
    }

    #[test]
    fn a_landmark_is_about_as_high_as_it_is() {
        for seed in 0..100 {
            let view = View::any(0.5, 0.125, [0.0, 0.0, -1.0], &mut Dice::new(seed));
            let (ground, top) = (view.point([0.0; 3]), view.point([0.0, 1.0, 0.0]));
            assert!((ground.1 - top.1 - 1.0).abs() < 0.1, "seed {seed}: from {ground:?} to {top:?}");
        }
    }
}
