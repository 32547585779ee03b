//! Pictures of an invented city with landmarks, for a detector to learn from.
//!
//! Each landmark has a shape of its own. All else differs from picture to picture, so that shapes are learnt and not
//! pixels: time of day and weather, light, ground, material and colour, distance and viewpoint, what stands before and
//! behind, and the camera.

mod album;
mod boats;
mod buildings;
mod camera;
mod canvas;
mod colour;
mod dice;
mod ground;
mod landmark;
mod landmarks;
mod materials;
mod mood;
mod noise;
mod placement;
mod sketch;
mod sky;
mod skyline;
mod stage;
mod street;
mod surroundings;
mod texture;
mod view;
mod weather;

use sightscan_types::RelativeBox;

pub use album::{Album, Page};
pub use landmark::{Landmark, UnknownLandmark};

use dice::Dice;
use ground::Ground;
use mood::Mood;
use placement::{Frame, Plan};
use stage::Stage;
use surroundings::Surroundings;

/// A picture, and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Red, green and blue of each pixel, row after row from the top left: `width * height * 3` bytes.
    pub pixels: Vec<u8>,
    /// The landmarks, the farthest one first; none where the picture is a negative. A box lies close around all of a
    /// landmark that is within the picture, also where something stands before it.
    pub boxes: Vec<(Landmark, RelativeBox)>,
}

/// Why there are no such pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scenes of {width}x{height} pixels cannot be drawn; use {LEAST} to {MOST} pixels for both sides")]
pub struct NotScenes {
    width: u32,
    height: u32,
}

/// Landmarks cannot be told apart in smaller pictures.
const LEAST: u32 = 32;
const MOST: u32 = 4096;

/// Pictures without landmarks, of a hundred.
const NEGATIVES: usize = 12;
/// Pictures with two or three landmarks, and with three, of a hundred.
const SEVERAL: usize = 36;
const THREE: usize = 8;

/// Draws pictures of one size. It keeps nothing from one picture to the next.
#[derive(Debug, Clone)]
pub struct Scenes {
    width: u32,
    height: u32,
    landmarks: Vec<Landmark>,
}

impl Scenes {
    /// Of so many pixels, with these landmarks. Where there is none, all pictures are negatives.
    ///
    /// # Errors
    /// Where a side is shorter than 32 pixels or longer than 4096.
    pub fn new(width: u32, height: u32, landmarks: &[Landmark]) -> Result<Self, NotScenes> {
        if [width, height].iter().any(|side| !(LEAST..=MOST).contains(side)) {
            return Err(NotScenes { width, height });
        }
        let mut landmarks = landmarks.to_vec();
        landmarks.sort_unstable();
        landmarks.dedup();
        Ok(Self { width, height, landmarks })
    }

    /// The picture of this number, with none to three different landmarks. The same number gives the same picture, byte
    /// for byte, on every machine.
    pub fn scene(&self, seed: u64) -> Scene {
        let mut dice = Dice::new(seed);
        let mut landmarks = self.landmarks.clone();
        dice.shuffle(&mut landmarks);
        landmarks.truncate(match dice.count(0..100) {
            lot if lot < NEGATIVES => 0,
            lot if lot < NEGATIVES + THREE => 3,
            lot if lot < NEGATIVES + SEVERAL => 2,
            _ => 1,
        });
        let sized = landmarks.into_iter().enumerate().map(|(index, landmark)| {
            let lot = dice.within(0.0..1.0);
            let most = if index == 0 { 0.73 } else { 0.4 };
            (landmark, 0.12 + most * lot * lot.sqrt())
        });
        let sized: Vec<_> = sized.collect();
        self.draw(&sized, &mut dice)
    }

    /// The picture of this number that shows this landmark, large and alone. It need not be one of those that the
    /// pictures were to have.
    pub fn scene_of(&self, landmark: Landmark, seed: u64) -> Scene {
        let mut dice = Dice::new(seed ^ 0x51_6874);
        let size = dice.within(0.4..0.85);
        self.draw(&[(landmark, size)], &mut dice)
    }

    fn draw(&self, landmarks: &[(Landmark, f32)], dice: &mut Dice) -> Scene {
        let (mut stage, _) = self.staged(landmarks, dice);
        let pixels = camera::take(&mut stage.canvas, dice);
        Scene { width: self.width, height: self.height, pixels, boxes: stage.boxes() }
    }

    /// The picture before it goes through the camera, and the landmarks that were to be in it, the farthest one first.
    fn staged(&self, landmarks: &[(Landmark, f32)], dice: &mut Dice) -> (Stage, Vec<Plan>) {
        let (width, height) = (self.width as f32, self.height as f32);
        let frame = Frame { width, height, horizon: height * dice.within(0.42..0.85) };
        let mood = Mood::any(dice);
        let plans = placement::plans(landmarks, frame, mood.sun, dice);
        let mut stage = Stage::new(self.width as usize, self.height as usize);
        let is_bridge = plans.iter().any(|plan| plan.landmark == Landmark::Bridge);
        let is_water = is_bridge && dice.chance(0.8);
        let ground = Ground::any(&mood, is_water, (frame.horizon, height), dice);
        sky::paint(&mut stage.canvas, &mood, frame.horizon, dice);
        ground.paint(&mut stage.canvas, &mood, frame.horizon, dice);
        skyline::paint(&mut stage.canvas, &mood, frame.horizon, dice);
        let view = Surroundings { frame, mood, ground };
        view.populate(&mut stage, &plans, dice);
        weather::paint(&mut stage.canvas, &view.mood, frame.horizon, dice);
        (stage, plans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canvas::Canvas;
    use colour::Colour;
    use materials::Paints;
    use sketch::Place;

    fn scenes(side: u32) -> Scenes {
        Scenes::new(side, side, &Landmark::ALL).unwrap()
    }

    /// The landmarks of a picture and where they were to be, with its stage.
    fn staged(seed: u64) -> (Stage, Vec<Plan>) {
        let mut dice = Dice::new(seed);
        let mut sized = Landmark::ALL.map(|landmark| (landmark, dice.within(0.2..0.8)));
        dice.shuffle(&mut sized);
        scenes(64).staged(&sized[..2], &mut dice)
    }

    /// A landmark on its own, all in one colour, moved by so many pixels.
    fn mask(plan: &Plan, (width, height): (usize, usize), moved: f32) -> Canvas {
        let mut canvas = Canvas::new(width, height);
        let white = Colour([1.0; 3]);
        let paints = Paints { colours: [white; 6], ambient: white, direct: white };
        let foot = (plan.place.foot.0 + moved, plan.place.foot.1 + moved);
        plan.sketch.paint(&mut canvas, Place { foot, ..plan.place }, &paints);
        canvas
    }

    #[test]
    fn the_same_number_gives_the_same_picture_and_another_one_another() {
        let scenes = scenes(64);
        for seed in 0..20 {
            assert_eq!(scenes.scene(seed), scenes.scene(seed));
            assert_ne!(scenes.scene(seed).pixels, scenes.scene(seed + 1).pixels);
        }
    }

    /// Where the drawing was changed on purpose, the sum is to be changed, too.
    #[test]
    fn pictures_are_the_same_on_every_machine() {
        let pixels = (0..24).flat_map(|seed| scenes(64).scene(seed).pixels);
        let sum = pixels.fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        assert_eq!(sum, 0x0E63_4142_D577_C7B6, "the checksum (FNV-1a) of these pictures is {sum:#x}");
    }

    #[test]
    fn boxes_lie_in_their_picture_and_all_landmarks_and_negatives_appear() {
        let scenes = Scenes::new(64, 48, &Landmark::ALL).unwrap();
        let (mut counts, mut negatives) = ([0; 8], 0);
        for seed in 0..240 {
            let scene = scenes.scene(seed);
            assert_eq!(scene.pixels.len(), 64 * 48 * 3);
            negatives += usize::from(scene.boxes.is_empty());
            assert!(scene.boxes.len() <= 3);
            for (landmark, bounds) in scene.boxes {
                assert!(
                    bounds.is_valid() && bounds.w * bounds.h > 0.001,
                    "seed {seed}: {landmark} {bounds:?}"
                );
                counts[landmark as usize] += 1;
            }
        }
        assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
        assert!((14..50).contains(&negatives), "{negatives} of 240");
    }

    #[test]
    fn a_box_lies_close_around_what_is_in_the_picture() {
        for seed in 0..100 {
            let (stage, plans) = staged(seed);
            for (landmark, bounds) in stage.boxes() {
                let plan = plans.iter().find(|plan| plan.landmark == landmark).unwrap();
                let mask = mask(plan, (64, 64), 0.0);
                let seen: Vec<usize> = (0..64 * 64).filter(|index| mask.pixels[*index][3] >= 64).collect();
                let (xs, ys) = (seen.iter().map(|index| index % 64), seen.iter().map(|index| index / 64));
                let edges =
                    [xs.clone().min(), ys.clone().min(), xs.max().map(|x| x + 1), ys.max().map(|y| y + 1)];
                let boxed = [bounds.x, bounds.y, bounds.x + bounds.w, bounds.y + bounds.h];
                for (edge, boxed) in edges.into_iter().zip(boxed) {
                    assert!((edge.unwrap() as f64 - boxed * 64.0).abs() <= 1.001, "seed {seed}: {landmark}");
                }
            }
        }
    }

    #[test]
    fn more_than_a_third_of_a_landmark_is_in_the_picture() {
        for seed in 0..100 {
            let (_, plans) = staged(seed);
            for plan in plans {
                let mask = mask(&plan, (192, 192), 64.0);
                let all = mask.pixels.iter().filter(|pixel| pixel[3] > 127).count();
                let is_inside =
                    |index: &usize| (64..128).contains(&(index % 192)) && (64..128).contains(&(index / 192));
                let inside =
                    (0..192 * 192).filter(is_inside).filter(|index| mask.pixels[*index][3] > 127).count();
                assert!(inside * 3 > all, "seed {seed}: {inside} of {all} pixels of the {}", plan.landmark);
            }
        }
    }

    #[test]
    fn landmarks_do_not_hide_each_other() {
        for seed in 0..60 {
            let (_, plans) = staged(seed);
            assert!(plans.len() < 2 || plans[0].is_clear_of(&plans[1]), "seed {seed}");
        }
    }

    #[test]
    fn a_scene_of_a_landmark_shows_it_large() {
        let scenes = Scenes::new(64, 64, &[]).unwrap();
        for (landmark, seed) in
            Landmark::ALL.into_iter().flat_map(|landmark| (0..4).map(move |seed| (landmark, seed)))
        {
            let [(shown, bounds)] = scenes.scene_of(landmark, seed).boxes[..] else { panic!("one landmark") };
            assert_eq!(shown, landmark);
            assert!(bounds.h > 0.3 || bounds.w > 0.3, "seed {seed}: {landmark} {bounds:?}");
        }
        assert!(
            (0..20).all(|seed| scenes.scene(seed).boxes.is_empty()),
            "there are no landmarks to choose from"
        );
    }

    #[test]
    fn only_the_landmarks_that_were_asked_for_appear() {
        let scenes = Scenes::new(64, 64, &[Landmark::Gate, Landmark::Gate, Landmark::Dome]).unwrap();
        let mut seen: Vec<_> =
            (0..40).flat_map(|seed| scenes.scene(seed).boxes).map(|(shown, _)| shown).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [Landmark::Dome, Landmark::Gate]);
    }

    #[test]
    fn pictures_are_neither_tiny_nor_huge() {
        assert!(Scenes::new(31, 64, &Landmark::ALL).is_err());
        let error = Scenes::new(64, 5000, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "scenes of 64x5000 pixels cannot be drawn; use 32 to 4096 pixels for both sides"
        );
    }
}
