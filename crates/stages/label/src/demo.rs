//! Labels of the invented city's pictures: whoever can draw them knows what is in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sightscan_dataset::{Album, Landmark, NotScenes};
use sightscan_types::{Producer, ProducerKind, RelativeBox, Sha256};

use crate::{Answer, Found, Labeller, Picture};

const NAME: &str = "demo";
/// Pictures that are best given at once.
const AT_ONCE: usize = 16;

/// Knows the pictures of the invented city by their bytes. It costs nothing but time.
#[derive(Debug)]
pub struct DemoLabeller {
    known: Arc<Mutex<Known>>,
}

/// The pictures that were drawn until now, and what is in them.
#[derive(Debug)]
struct Known {
    album: Album,
    next: u64,
    pages: HashMap<Sha256, Vec<(Landmark, RelativeBox)>>,
}

impl DemoLabeller {
    /// One that has drawn nothing yet.
    ///
    /// # Errors
    /// When the pictures cannot be drawn.
    pub fn new() -> Result<Self, NotScenes> {
        let known = Known { album: Album::new()?, next: Album::NUMBERS.start, pages: HashMap::new() };
        Ok(Self { known: Arc::new(Mutex::new(known)) })
    }
}

impl Known {
    fn answer(&mut self, picture: &Picture) -> Answer {
        let sha256 = Sha256::of(&picture.bytes);
        while !self.pages.contains_key(&sha256) && self.next < Album::NUMBERS.end {
            match self.album.page(self.next) {
                Ok(page) => drop(self.pages.insert(Sha256::of(&page.file), page.boxes)),
                Err(error) => return failed(error.to_string()),
            }
            self.next += 1;
        }
        match self.pages.get(&sha256) {
            Some(boxes) => {
                Answer::Labelled(boxes.iter().map(|(landmark, area)| found(*landmark, *area)).collect())
            }
            None => {
                failed("it is no picture of the invented city; label it with another labeller".to_owned())
            }
        }
    }
}

impl Labeller for DemoLabeller {
    fn producer(&self) -> Producer {
        Producer { kind: ProducerKind::Import, name: NAME.to_owned() }
    }

    fn most_at_once(&self) -> usize {
        AT_ONCE
    }

    fn label(&self, pictures: Vec<Picture>) -> BoxFuture<'_, Vec<Answer>> {
        async move {
            let (known, count) = (Arc::clone(&self.known), pictures.len());
            let look = move || {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                pictures.iter().map(|picture| known.answer(picture)).collect()
            };
            let answers = tokio::task::spawn_blocking(look).await;
            answers.unwrap_or_else(|error| vec![failed(error.to_string()); count])
        }
        .boxed()
    }
}

fn found(landmark: Landmark, area: RelativeBox) -> Found {
    let label = landmark.name().to_owned();
    Found { label, area, score: None, mid: None, latitude: None, longitude: None }
}

fn failed(reason: String) -> Answer {
    Answer::Failed { reason, is_transient: false, was_billed: false }
}

#[cfg(test)]
mod tests {
    use sightscan_types::ImageId;

    use super::*;

    #[tokio::test]
    async fn it_knows_its_pictures_in_any_order_and_no_others() {
        let album = Album::new().unwrap();
        let picture =
            |bytes: Vec<u8>| Picture { id: ImageId::new(), bytes: bytes.into(), width: 320, height: 256 };
        let pages = [9, 2].map(|number| album.page(number).unwrap());
        let labeller = DemoLabeller::new().unwrap();
        let answers = labeller.label(pages.iter().map(|page| picture(page.file.clone())).collect()).await;
        for (page, answer) in pages.iter().zip(answers) {
            let expected = page.boxes.iter().map(|(landmark, area)| found(*landmark, *area)).collect();
            assert_eq!(answer, Answer::Labelled(expected));
        }
        let mut full = labeller.known.lock().unwrap();
        // All others were drawn, so that the test need not.
        full.next = Album::NUMBERS.end;
        let other = full.answer(&picture(b"another".to_vec()));
        assert!(matches!(other, Answer::Failed { is_transient: false, .. }), "{other:?}");
    }
}
