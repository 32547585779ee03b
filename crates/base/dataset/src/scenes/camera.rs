//! What a camera does to a picture: exposure, contrast, white balance, vignetting, softness, noise.

use super::canvas::Canvas;
use super::dice::Dice;

/// The standard deviation of the sum of two bytes.
const NOISE_OF_LOTS: f32 = 104.0;

/// The settings and faults of one camera.
#[derive(Debug, Clone)]
struct Camera {
    /// By how much each channel is brighter.
    gains: [f32; 3],
    contrast: f32,
    saturation: f32,
    /// How much darker the corners are.
    vignette: f32,
    /// How much of each pixel its neighbours on both sides get, of 256.
    blur: u32,
    /// In steps of brightness.
    noise: f32,
}

impl Camera {
    fn any(dice: &mut Dice) -> Self {
        let (exposure, tint) = (dice.within(0.85..1.3), dice.within(-0.09..0.09));
        let noise = if dice.chance(0.8) { dice.within(0.0..6.0) } else { dice.within(6.0..12.0) };
        Self {
            gains: [
                exposure * (1.0 + tint),
                exposure * (1.0 + dice.within(-0.03..0.03)),
                exposure * (1.0 - tint),
            ],
            contrast: dice.within(0.78..1.25),
            saturation: if dice.chance(0.04) { 0.0 } else { dice.within(0.6..1.25) },
            vignette: dice.within(-0.15..0.35_f32).max(0.0),
            blur: if dice.chance(0.45) { dice.count(10..80) as u32 } else { 0 },
            noise,
        }
    }

    /// What becomes of each of the 256 values of a channel.
    fn curve(&self, channel: usize) -> [f32; 256] {
        std::array::from_fn(|value| (value as f32 * self.gains[channel] - 128.0) * self.contrast + 128.0)
    }
}

/// Takes the picture: red, green and blue of each pixel, row after row from the top left.
pub(super) fn take(canvas: &mut Canvas, dice: &mut Dice) -> Vec<u8> {
    let camera = Camera::any(dice);
    if camera.blur > 0 {
        blur(canvas, camera.blur);
    }
    let curves = [0, 1, 2].map(|channel| camera.curve(channel));
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let mut pixels = vec![[0; 3]; canvas.pixels.len()];
    let noise = camera.noise / NOISE_OF_LOTS;
    for (y, shown) in pixels.chunks_mut(canvas.width).enumerate() {
        let down = 2.0 * y as f32 / height - 1.0;
        for (x, (pixel, shown)) in canvas.row(y).iter().zip(shown).enumerate() {
            let across = 2.0 * x as f32 / width - 1.0;
            let light = 1.0 - camera.vignette * 0.5 * (across * across + down * down);
            let seen: [f32; 3] = std::array::from_fn(|channel| curves[channel][usize::from(pixel[channel])]);
            let grey = (seen[0] + seen[1] + seen[2]) / 3.0;
            let lots = dice.bits().to_le_bytes();
            *shown = std::array::from_fn(|channel| {
                let value = (grey + (seen[channel] - grey) * camera.saturation) * light;
                let lots = i32::from(lots[channel]) + i32::from(lots[channel + 3]) - 255;
                (value + lots as f32 * noise) as u8
            });
        }
    }
    pixels.into_flattened()
}

/// Gives the neighbours above, below, left and right a part of each pixel, of 256.
fn blur(canvas: &mut Canvas, part: u32) {
    let (width, height) = (canvas.width, canvas.height);
    for y in 0..height {
        smear(canvas.row(y), part);
    }
    let mut above: Vec<[u8; 4]> = canvas.row(0).to_vec();
    for y in 0..height.saturating_sub(1) {
        let (upper, lower) = canvas.pixels[y * width..(y + 2) * width].split_at_mut(width);
        for ((above, own), below) in above.iter_mut().zip(upper).zip(lower) {
            let before = *own;
            *own = weighed(*above, before, *below, part);
            *above = before;
        }
    }
}

fn smear(row: &mut [[u8; 4]], part: u32) {
    let Some(mut left) = row.first().copied() else {
        return;
    };
    for x in 0..row.len() - 1 {
        let own = row[x];
        row[x] = weighed(left, own, row[x + 1], part);
        left = own;
    }
}

fn weighed(one: [u8; 4], own: [u8; 4], other: [u8; 4], part: u32) -> [u8; 4] {
    std::array::from_fn(|channel| {
        let sides = u32::from(one[channel]) + u32::from(other[channel]);
        ((u32::from(own[channel]) * (256 - 2 * part) + sides * part + 128) >> 8) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_three_bytes_a_pixel() {
        let mut canvas = Canvas::new(7, 5);
        canvas.pixels.fill([100, 150, 200, 255]);
        assert_eq!(take(&mut canvas, &mut Dice::new(1)).len(), 7 * 5 * 3);
    }

    #[test]
    fn blurring_keeps_the_brightness() {
        let mut canvas = Canvas::new(5, 5);
        canvas.pixels.fill([0, 0, 0, 255]);
        canvas.pixels[12] = [240, 240, 240, 255];
        blur(&mut canvas, 64);
        let sum: u32 = canvas.pixels.iter().map(|pixel| u32::from(pixel[0])).sum();
        assert!((236..=244).contains(&sum), "{sum}");
        assert_eq!(canvas.pixels[12][0], 60);
        assert_eq!(canvas.pixels[7][0], canvas.pixels[11][0]);
    }
}
