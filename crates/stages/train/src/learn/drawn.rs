//! Examples of an invented city, drawn when they are wanted.

use std::ops::Range;
use std::sync::Arc;

use sightscan_dataset::{Attribution, Dataset, Item, LabelledBox, Labels, Landmark, Picture, Scene, Scenes};
use sightscan_pictures::{Encoding, encode};

use super::example::{Example, Examples};

/// Scenes that tell how large landmarks are.
const SAMPLE: u64 = 200;

/// Scenes, each drawn anew, so that none is learnt from twice. The classes are the landmarks, in this order.
pub struct Drawn {
    landmarks: Vec<Landmark>,
    count: usize,
}

impl Drawn {
    /// Scenes with these landmarks, so many an epoch.
    pub fn new(landmarks: &[Landmark], count: usize) -> Self {
        Self { landmarks: landmarks.to_vec(), count }
    }

    fn scene(&self, side: usize, seed: u64) -> Result<Scene, String> {
        let scenes = Scenes::new(side as u32, side as u32, &self.landmarks);
        scenes.map(|scenes| scenes.scene(seed)).map_err(|error| error.to_string())
    }
}

impl Examples for Drawn {
    fn count(&self) -> usize {
        self.count
    }

    fn example(&self, _number: usize, side: usize, draw: u64) -> Result<Arc<Example>, String> {
        // The seeds below are those of sets for validation.
        let scene = self.scene(side, draw | 1 << 63)?;
        let boxes = scene.boxes.iter().filter_map(|(landmark, bounds)| {
            Some((self.landmarks.iter().position(|known| known == landmark)?, *bounds))
        });
        let boxes = boxes.collect();
        Ok(Arc::new(Example { width: side, height: side, rgb: scene.pixels, boxes }))
    }

    fn sizes(&self, side: usize) -> Vec<[f32; 2]> {
        let scenes = (0..SAMPLE).filter_map(|seed| self.scene(side, seed).ok());
        let size = |length: f64| (length * side as f64) as f32;
        scenes.flat_map(|scene| scene.boxes).map(|(_, bounds)| [size(bounds.w), size(bounds.h)]).collect()
    }
}

/// The scenes of these seeds as a data set whose pictures, of so many pixels a side, are drawn when they are read. No
/// training sees them.
pub fn drawn_set(
    landmarks: &[Landmark],
    seeds: Range<u64>,
    side: u32,
) -> Result<Dataset, sightscan_dataset::NotScenes> {
    let scenes = Scenes::new(side, side, landmarks)?;
    let classes = landmarks.iter().map(|landmark| landmark.name().to_owned()).collect();
    Ok(Dataset { classes, items: seeds.map(|seed| item(&scenes, landmarks, seed)).collect() })
}

fn item(scenes: &Scenes, landmarks: &[Landmark], seed: u64) -> Item {
    let scene = scenes.scene(seed);
    let boxes = scene.boxes.iter().filter_map(|(landmark, bounds)| {
        let class = landmarks.iter().position(|known| known == landmark)?;
        Some(LabelledBox { class, bounds: *bounds, score: None })
    });
    let again = scenes.clone();
    Item {
        name: format!("scene-{seed}.png"),
        picture: Some(Picture::new(move || png(again.scene(seed)))),
        width: scene.width,
        height: scene.height,
        split: None,
        labels: Labels::Annotated(boxes.collect()),
        attribution: Attribution::default(),
    }
}

fn png(scene: Scene) -> std::io::Result<Vec<u8>> {
    let Scene { width, height, pixels, .. } = scene;
    let picture = sightscan_pictures::Picture { width, height, rgb: pixels };
    encode(&picture, Encoding::Png).map_err(std::io::Error::other)
}
