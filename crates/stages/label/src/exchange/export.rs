//! Out of the warehouse.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::str::FromStr;

use sightscan_blobs::{BlobError, Blobs};
use sightscan_dataset::{
    Attribution, Dataset, Exported, Format, Item, LabelledBox, Labels, Picture, Problems, Shares, Sink,
    class_name, split,
};
use sightscan_types::{CityId, ProducerKind, RelativeBox, Sha256};
use sightscan_warehouse::labelled_images::{self, LabelledImage, Labelling};
use sightscan_warehouse::{Database, Warehouse, labels};
use tokio::runtime::Handle;

use super::alike::groups;
use super::error::Result;
use super::progress::{Progress, Tell};
use crate::names::canonical;

/// Images that are read of the database at once.
const PAGE: u32 = 500;

/// The same for all cities: a data set that was imported elsewhere is divided as it was here.
const SEED: u64 = 0;

/// Parts of a pixel: a thinner box shows nothing, and some formats would round it to none.
const THINNEST: f64 = 0.1;

/// Which images are exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Only {
    /// Those that a person has labelled.
    Human,
    /// Those that anybody has labelled, negatives too.
    #[default]
    Labelled,
    /// Those that nobody has labelled as well.
    All,
}

/// The word is that of no selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} selects no images; use human, labelled or all")]
pub struct UnknownSelection(String);

impl FromStr for Only {
    type Err = UnknownSelection;

    fn from_str(word: &str) -> std::result::Result<Self, UnknownSelection> {
        match word {
            "human" => Ok(Self::Human),
            "labelled" => Ok(Self::Labelled),
            "all" => Ok(Self::All),
            _ => Err(UnknownSelection(word.to_owned())),
        }
    }
}

impl Only {
    fn takes(self, labelling: Option<&Labelling>) -> bool {
        match self {
            Self::Human => labelling.is_some_and(|labelling| labelling.producer == ProducerKind::Human),
            Self::Labelled => labelling.is_some(),
            Self::All => true,
        }
    }
}

/// What is exported, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// As what.
    pub format: Format,
    /// Which images.
    pub only: Only,
    /// How they are divided for training, validation and testing; not at all where it is `None`.
    pub split: Option<Shares>,
}

/// Writes the accepted images of a city with the labelling that counts. Names that mean the same sight are one class;
/// classes are sorted by name and pictures by their SHA-256, which is what their files are called, so the same images
/// give the same files wherever they are. Near-duplicates stay together when images are divided.
///
/// An image whose blob is missing or damaged is left out and told, and so is a box that no format can hold.
///
/// # Errors
/// When the warehouse does not answer or the sink cannot be written.
pub async fn export(
    warehouse: &Warehouse,
    city: CityId,
    wish: &Wish,
    sink: impl Sink + Send + 'static,
    tell: &Tell,
) -> Result<Exported> {
    let (shares, format) = (wish.split, wish.format);
    let mut collection = Collection {
        blobs: warehouse.blobs.clone(),
        runtime: Handle::current(),
        progress: Progress::new(tell),
        canonical: canonical(&warehouse.database, city).await?,
        classes: BTreeMap::new(),
        images: Vec::new(),
        problems: Problems::default(),
    };
    collection.fill(&warehouse.database, city, wish.only).await?;
    collection.progress.expect(collection.images.len());
    let write = move || collection.write(shares, format, sink);
    tokio::task::spawn_blocking(write).await?
}

/// What is to be exported.
struct Collection {
    blobs: Blobs,
    runtime: Handle,
    progress: Progress,
    canonical: HashMap<String, String>,
    /// The classes so far, numbered as they came.
    classes: BTreeMap<String, usize>,
    /// The images with their perceptual hashes.
    images: Vec<(Item, Option<u64>)>,
    problems: Problems,
}

impl Collection {
    async fn fill(&mut self, database: &Database, city: CityId, only: Only) -> Result<()> {
        let mut after = None;
        loop {
            let page = labelled_images::page(database, city, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            for image in page.into_iter().filter(|image| only.takes(image.labelling.as_ref())) {
                self.take(image);
            }
        }
    }

    fn take(&mut self, image: LabelledImage) {
        let name = format!("{}.{}", image.sha256, extension(&image.media_type));
        if image.width == 0 || image.height == 0 {
            let fault = "the image is left out: its size is not known";
            return self.problems.about(&name, fault, "remove the image and store it again");
        }
        let item = Item {
            labels: self.labels(&name, &image),
            picture: Some(self.picture(image.sha256)),
            name,
            width: image.width,
            height: image.height,
            split: None,
            attribution: Attribution {
                source: Some(image.provenance.source),
                page: image.provenance.page_url,
                author: image.provenance.author,
                licence: image.provenance.licence,
                licence_url: image.provenance.licence_url,
            },
        };
        self.images.push((item, image.perceptual_hash));
    }

    fn labels(&mut self, name: &str, image: &LabelledImage) -> Labels {
        let Some(labelling) = &image.labelling else { return Labels::Unlabelled };
        let mut boxes = Vec::with_capacity(labelling.boxes.len());
        for labelled in &labelling.boxes {
            match self.labelled_box(labelled, image) {
                Ok(labelled) => boxes.push(labelled),
                Err(fault) => self.problems.about(name, fault, "correct the labels of the image"),
            }
        }
        if boxes.is_empty() && !labelling.boxes.is_empty() {
            // Something was seen: it is no negative.
            return Labels::Unlabelled;
        }
        match labelling.producer {
            ProducerKind::Human => Labels::Annotated(boxes),
            ProducerKind::Vision | ProducerKind::Model | ProducerKind::Import => Labels::Predicted(boxes),
        }
    }

    fn labelled_box(
        &mut self,
        labelled: &labels::LabelledBox,
        image: &LabelledImage,
    ) -> std::result::Result<LabelledBox, String> {
        let read_as = self.canonical.get(&labelled.label).unwrap_or(&labelled.label);
        let name = class_name(read_as).ok_or("a box is left out: its label is empty")?;
        let bounds = inside(labelled.area, image.width, image.height)
            .ok_or_else(|| format!("a box of {name} is left out: there is nothing of it in the picture"))?;
        let next = self.classes.len();
        let class = *self.classes.entry(name).or_insert(next);
        Ok(LabelledBox { class, bounds, score: labelled.score.map(|score| score as f32) })
    }

    /// The bytes of a blob, for a thread that may wait.
    fn picture(&self, sha256: Sha256) -> Picture {
        let (blobs, runtime, progress) = (self.blobs.clone(), self.runtime.clone(), self.progress.clone());
        Picture::new(move || {
            let read = runtime.block_on(blobs.get(&sha256));
            progress.step();
            read.map(Into::into).map_err(told)
        })
    }

    fn write(self, shares: Option<Shares>, format: Format, sink: impl Sink) -> Result<Exported> {
        let (mut images, names) = (self.images, self.classes);
        images.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        let (mut items, hashes): (Vec<Item>, Vec<Option<u64>>) = images.into_iter().unzip();
        // By the number that a class had when it came.
        let mut sorted = vec![0; names.len()];
        names.values().enumerate().for_each(|(place, &number)| sorted[number] = place);
        items.iter_mut().for_each(|item| renumber(&mut item.labels, &sorted));
        let mut dataset = Dataset { classes: names.into_keys().collect(), items };
        if let Some(shares) = shares {
            let splits = split(&dataset, &groups(&hashes), shares, SEED)?;
            dataset.items.iter_mut().zip(splits).for_each(|(item, split)| item.split = Some(split));
        }
        let mut exported = sightscan_dataset::export(&dataset, format, sink)?;
        let mut problems = self.problems;
        problems.append(std::mem::take(&mut exported.problems));
        Ok(Exported { problems, ..exported })
    }
}

fn renumber(labels: &mut Labels, numbers: &[usize]) {
    if let Labels::Annotated(boxes) | Labels::Predicted(boxes) = labels {
        boxes.iter_mut().for_each(|labelled| labelled.class = numbers[labelled.class]);
    }
}

/// The part of a box that is in the picture, where there is anything to be seen. What lies inside stays exactly as it is.
fn inside(area: RelativeBox, width: u32, height: u32) -> Option<RelativeBox> {
    let cut = |start: f64, length: f64| {
        let (start, end) = (start.clamp(0.0, 1.0), (start + length).clamp(0.0, 1.0));
        (start, end - start)
    };
    let ((x, w), (y, h)) = (cut(area.x, area.w), cut(area.y, area.h));
    let area = if area.is_valid() { area } else { RelativeBox { x, y, w, h } };
    let is_seen = |length: f64, pixels: u32| length * f64::from(pixels) >= THINNEST;
    (is_seen(area.w, width) && is_seen(area.h, height)).then_some(area)
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/bmp" => "bmp",
        "image/tiff" => "tiff",
        _ => "jpg",
    }
}

/// Tells what is lost for good from what another try may read.
fn told(error: BlobError) -> io::Error {
    let kind = match &error {
        BlobError::Missing(_) => io::ErrorKind::NotFound,
        BlobError::Damaged { .. } => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn boxes_are_cut_to_the_picture_and_what_shows_nothing_is_left_out() {
        let area = |x, y, w, h| RelativeBox { x, y, w, h };
        assert_eq!(inside(area(-0.5, 0.25, 1.0, 2.0), 100, 100), Some(area(0.0, 0.25, 0.5, 0.75)));
        for nothing in [
            area(0.5, 0.5, 0.0, 0.5),
            area(0.5, 0.5, -0.1, 0.5),
            area(1.5, 0.5, 0.2, 0.5),
            area(0.5, 0.5, 0.5, 0.000_5),
            area(f64::NAN, 0.5, 0.5, 0.5),
            area(0.5, 0.5, 0.5, f64::INFINITY * 0.0),
        ] {
            assert_eq!(inside(nothing, 100, 100), None, "{nothing:?}");
        }
    }

    #[test]
    fn selections_are_read_and_take_what_they_say() {
        let labelling = |producer| Labelling { producer, boxes: vec![] };
        let (human, model) = (labelling(ProducerKind::Human), labelling(ProducerKind::Model));
        for (word, expected) in
            [("human", [true, false, false]), ("labelled", [true, true, false]), ("all", [true; 3])]
        {
            let only: Only = word.parse().unwrap();
            assert_eq!([Some(&human), Some(&model), None].map(|labelling| only.takes(labelling)), expected);
        }
        assert!("machine".parse::<Only>().unwrap_err().to_string().contains("human, labelled or all"));
    }

    proptest! {
        #[test]
        fn what_is_left_of_a_box_is_one_that_formats_hold(x in -2.0..2.0f64, y in -2.0..2.0f64, w in -1.0..3.0f64, h in 0.0..3.0f64) {
            let area = RelativeBox { x, y, w, h };
            if let Some(left) = inside(area, 640, 480) {
                prop_assert!(left.is_valid(), "{left:?}");
            }
        }
    }
}
