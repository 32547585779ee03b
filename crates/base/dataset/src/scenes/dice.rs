//! Chance, and the arithmetic that goes with it, the same on every machine.

use std::ops::Range;

/// Draws lots. The same seed gives the same lots on every machine.
#[derive(Debug, Clone)]
pub(super) struct Dice(fastrand::Rng);

impl Dice {
    /// Seeds that lie side by side give lots that have nothing in common.
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(mixed(seed)))
    }

    /// A number of the range, all equally probable.
    pub(super) fn within(&mut self, range: Range<f32>) -> f32 {
        range.start + (range.end - range.start) * self.0.f32()
    }

    /// A whole number of the range; the start of one that is empty. Drawn as one of 64 bits, whatever the machine.
    pub(super) fn count(&mut self, range: Range<usize>) -> usize {
        if range.is_empty() {
            return range.start;
        }
        self.0.u64(range.start as u64..range.end as u64) as usize
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.0.f32() < probability
    }

    /// 1 or -1.
    pub(super) fn sign(&mut self) -> f32 {
        if self.0.bool() { 1.0 } else { -1.0 }
    }

    /// One of these. Of none there is no choice to make, which does not compile.
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        const { assert!(N > 0) };
        choices[self.count(0..N)]
    }

    /// Puts these in any order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.count(0..place + 1));
        }
    }

    /// A number that other things may be seeded with.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.u64(..)
    }
}

/// The finaliser of SplitMix64.
fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    seed ^ (seed >> 31)
}

/// Sine of an angle in turns, right to a thousandth. The one of the standard library differs from machine to machine.
pub(super) fn sine(turns: f32) -> f32 {
    let half_turns = 2.0 * (turns - (turns + 0.5).floor());
    let parabola = 4.0 * half_turns * (1.0 - half_turns.abs());
    0.225 * (parabola * parabola.abs() - parabola) + parabola
}

/// Cosine of an angle in turns, right to a thousandth.
pub(super) fn cosine(turns: f32) -> f32 {
    sine(turns + 0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_right_to_a_thousandth() {
        for step in -200..200 {
            let turns = step as f32 * 0.017;
            let radians = turns * std::f32::consts::TAU;
            assert!((sine(turns) - radians.sin()).abs() < 0.0012, "sine of {turns} turns");
            assert!((cosine(turns) - radians.cos()).abs() < 0.0012, "cosine of {turns} turns");
        }
    }

    #[test]
    fn lots_are_within_their_range_and_differ_from_seed_to_seed() {
        let mut dice = Dice::new(7);
        assert!((0..100).all(|_| (2.0..3.0).contains(&dice.within(2.0..3.0))));
        assert_eq!(dice.count(4..4), 4);
        assert_ne!(Dice::new(0).bits(), Dice::new(1).bits());
        assert_eq!(Dice::new(5).bits(), Dice::new(5).bits());
    }
}
