//! The album of the invented city: pictures that can be had by number, as files.

use std::ops::Range;

use sightscan_pictures::{EncodeError, Encoding, Picture, encode};
use sightscan_types::RelativeBox;

use super::{Landmark, NotScenes, Scenes};

/// Width and height of its pictures in pixels.
const SIZE: [u32; 2] = [320, 256];

/// Pictures of an invented city, each the same whenever and wherever it is asked for. Who collects them and who labels them
/// need not know each other: what is in a picture follows from its number.
#[derive(Debug, Clone)]
pub struct Album {
    scenes: Scenes,
}

/// A picture of the album.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The file, a PNG.
    pub file: Vec<u8>,
    /// The landmarks in it, the farthest one first.
    pub boxes: Vec<(Landmark, RelativeBox)>,
}

impl Album {
    /// The numbers of its pictures.
    pub const NUMBERS: Range<u64> = 0..4_000;

    /// Of all landmarks.
    ///
    /// # Errors
    /// When pictures of this size cannot be drawn, which they can.
    pub fn new() -> Result<Self, NotScenes> {
        let [width, height] = SIZE;
        Ok(Self { scenes: Scenes::new(width, height, &Landmark::ALL)? })
    }

    /// The picture of this number; those beyond [`Self::NUMBERS`] are for tests of who has learnt the others.
    ///
    /// # Errors
    /// When it cannot be written as a file.
    pub fn page(&self, number: u64) -> Result<Page, EncodeError> {
        let scene = self.scenes.scene(number);
        let picture = Picture { width: scene.width, height: scene.height, rgb: scene.pixels };
        Ok(Page { file: encode(&picture, Encoding::Png)?, boxes: scene.boxes })
    }

    /// The first number from this one on whose picture shows a landmark. As long as drawing all of those between.
    pub fn next_showing(&self, landmark: Landmark, from: u64) -> Option<u64> {
        let shows =
            |number: &u64| self.scenes.scene(*number).boxes.iter().any(|(shown, _)| *shown == landmark);
        (from..Self::NUMBERS.end).find(shows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_same_whenever_it_is_asked_for_and_shows_what_it_says() {
        let (album, other) = (Album::new().unwrap(), Album::new().unwrap());
        for landmark in Landmark::ALL {
            let number = album.next_showing(landmark, 7).unwrap();
            let page = album.page(number).unwrap();
            assert!(page.boxes.iter().any(|(shown, _)| *shown == landmark));
            assert_eq!(other.page(number).unwrap(), page);
            assert!(album.next_showing(landmark, number + 1).unwrap() > number);
        }
        assert_eq!(album.next_showing(Landmark::Tower, Album::NUMBERS.end), None);
    }
}
