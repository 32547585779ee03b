//! A city's labelled images as a data set.
//!
//! [`gather`] reads the accepted images of a city with the labelling that counts. Names that mean the same sight are one
//! class; classes are sorted by name and pictures by their SHA-256, which is what their files are called, so the same
//! images give the same data set wherever they are. What is exported and what detectors are trained on is the same.
//!
//! Memory holds the labels of a city; pictures are read when they are asked for.
#![forbid(unsafe_code)]

mod only;
mod visible;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use sightscan_blobs::{BlobError, Blobs};
use sightscan_dataset::{
    Attribution, Dataset, Item, LabelledBox, Labels, Picture, Problems, class_name, near_duplicates,
};
use sightscan_types::{CityId, ImageId, ProducerKind, Sha256};
use sightscan_warehouse::labelled_images::{self, LabelledImage};
use sightscan_warehouse::{Result, Warehouse, labelling, labels};
use tokio::runtime::Handle;

pub use only::{Only, UnknownSelection};
use visible::visible;

/// Images that are read of the database at once.
const PAGE: u32 = 500;

/// Hears of each picture that was read.
pub type OnRead = Arc<dyn Fn() + Send + Sync>;

/// The images of a city as a data set.
#[derive(Debug)]
pub struct Gathered {
    /// The data set, not divided.
    pub dataset: Dataset,
    /// The images' ids, in the order of the items.
    pub images: Vec<ImageId>,
    /// What had to be left out.
    pub problems: Problems,
    hashes: Vec<Option<u64>>,
}

impl Gathered {
    /// A number for each item, the same for those that look alike. Takes some tenths of a second for 20,000 images.
    pub fn near_duplicates(&self) -> Vec<u64> {
        near_duplicates(&self.hashes)
    }
}

/// Gathers the accepted images of a city. Pictures of the data set are read on threads that may wait, never on those of the
/// runtime.
///
/// A box that shows nothing of its picture is left out and told.
///
/// # Errors
/// When the warehouse does not answer.
pub async fn gather(warehouse: &Warehouse, city: CityId, only: Only, on_read: OnRead) -> Result<Gathered> {
    let mut gathering = Gathering {
        blobs: warehouse.blobs.clone(),
        on_read,
        canonical: labelling::canonical(&warehouse.database, city).await?,
        classes: BTreeMap::new(),
        images: Vec::new(),
        problems: Problems::default(),
    };
    let mut after = None;
    loop {
        let page = labelled_images::page(&warehouse.database, city, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(gathering.finish()) };
        after = Some(last.id);
        page.into_iter()
            .filter(|image| only.takes(image.labelling.as_ref()))
            .for_each(|image| gathering.take(image));
    }
}

/// The bytes of a blob, for a thread that may wait. It is called on a runtime.
pub fn picture(blobs: &Blobs, sha256: Sha256, on_read: &OnRead) -> Picture {
    let (blobs, runtime, on_read) = (blobs.clone(), Handle::current(), Arc::clone(on_read));
    Picture::new(move || {
        let read = runtime.block_on(blobs.get(&sha256));
        on_read();
        read.map(Into::into).map_err(told)
    })
}

/// What is gathered until now.
struct Gathering {
    blobs: Blobs,
    on_read: OnRead,
    canonical: HashMap<String, String>,
    /// The classes so far, numbered as they came.
    classes: BTreeMap<String, usize>,
    images: Vec<Image>,
    problems: Problems,
}

struct Image {
    item: Item,
    id: ImageId,
    hash: Option<u64>,
}

impl Gathering {
    fn take(&mut self, image: LabelledImage) {
        let name = format!("{}.{}", image.sha256, extension(&image.media_type));
        if image.width == 0 || image.height == 0 {
            let fault = "the image is left out: its size is not known";
            return self.problems.about(&name, fault, "remove the image and store it again");
        }
        let item = Item {
            labels: self.labels(&name, &image),
            picture: Some(picture(&self.blobs, image.sha256, &self.on_read)),
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
        self.images.push(Image { item, id: image.id, hash: image.perceptual_hash });
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
        let bounds = visible(labelled.area, image.width, image.height)
            .ok_or_else(|| format!("a box of {name} is left out: there is nothing of it in the picture"))?;
        let next = self.classes.len();
        let class = *self.classes.entry(name).or_insert(next);
        Ok(LabelledBox { class, bounds, score: labelled.score.map(|score| score as f32) })
    }

    fn finish(self) -> Gathered {
        let (mut images, names) = (self.images, self.classes);
        images.sort_by(|one, other| one.item.name.cmp(&other.item.name));
        // By the number that a class had when it came.
        let mut sorted = vec![0; names.len()];
        names.values().enumerate().for_each(|(place, &number)| sorted[number] = place);
        images.iter_mut().for_each(|image| renumber(&mut image.item.labels, &sorted));
        Gathered {
            images: images.iter().map(|image| image.id).collect(),
            hashes: images.iter().map(|image| image.hash).collect(),
            dataset: Dataset {
                classes: names.into_keys().collect(),
                items: images.into_iter().map(|image| image.item).collect(),
            },
            problems: self.problems,
        }
    }
}

fn renumber(labels: &mut Labels, numbers: &[usize]) {
    if let Labels::Annotated(boxes) | Labels::Predicted(boxes) = labels {
        boxes.iter_mut().for_each(|labelled| labelled.class = numbers[labelled.class]);
    }
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
