//! Noise without memory: the same place always has the same value.

/// A number from 0 to 1 that belongs to a cell.
pub(super) fn grain(x: i32, y: i32, seed: u32) -> f32 {
    (scrambled(x, y, seed) >> 8) as f32 / (1 << 24) as f32
}

fn scrambled(x: i32, y: i32, seed: u32) -> u32 {
    let hash = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    let hash = (hash ^ (hash >> 12)).wrapping_mul(0x297A_2D39);
    hash ^ (hash >> 15)
}

/// The whole number below. That of the standard library is a call into another one on many machines.
pub(super) fn floor(number: f32) -> i32 {
    let whole = number as i32;
    if whole as f32 > number { whole - 1 } else { whole }
}

/// A number from 0 to 1 that changes smoothly from cell to cell.
pub(super) fn smooth(x: f32, y: f32, seed: u32) -> f32 {
    let (left, top) = (floor(x), floor(y));
    let (across, down) = (eased(x - left as f32), eased(y - top as f32));
    let row = |y: i32| {
        let (from, to) = (grain(left, y, seed), grain(left + 1, y, seed));
        from + (to - from) * across
    };
    let (upper, lower) = (row(top), row(top + 1));
    upper + (lower - upper) * down
}

/// Smooth noise of three sizes on top of one another, from 0 to 1: clouds, blotches, hills.
pub(super) fn cloudy(x: f32, y: f32, seed: u32) -> f32 {
    let fine = smooth(x * 4.3, y * 4.3, seed ^ 0x5bd1) * 0.18;
    smooth(x, y, seed) * 0.52 + smooth(x * 2.1, y * 2.1, seed ^ 0x1f35) * 0.3 + fine
}

fn eased(part: f32) -> f32 {
    part * part * (3.0 - 2.0 * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_below_are_as_those_of_the_standard_library() {
        for number in [-2.0_f32, -1.5, -0.1, 0.0, 0.1, 7.0, 7.9] {
            assert_eq!(floor(number), number.floor() as i32);
        }
    }

    #[test]
    fn noise_is_between_nought_and_one_and_has_no_jumps() {
        let mut last = cloudy(-4.0, 0.3, 9);
        for step in 1..800 {
            let value = cloudy(-4.0 + step as f32 * 0.01, 0.3, 9);
            assert!((0.0..=1.0).contains(&value) && (value - last).abs() < 0.1);
            last = value;
        }
    }
}
