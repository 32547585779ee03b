//! What a data set holds, so that it can be had again and a model says exactly what it learnt from.

use serde::{Deserialize, Serialize};
use sightscan_blobs::Blobs;
use sightscan_dataset::{Attribution, Dataset, Item, LabelledBox, Labels, Problems, Split};
use sightscan_gather::{OnRead, picture};
use sightscan_types::{CityId, DatasetId, RelativeBox, Sha256};

use crate::city_set::{CitySet, Order};
use crate::error::Result;

/// The manifest of a data set, a JSON object.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    city: CityId,
    min_images_per_label: u32,
    /// For training, validation and testing.
    shares: [f64; 3],
    seed: u64,
    /// Images of the city with a box of any class.
    labelled: usize,
    classes: Vec<String>,
    /// Classes that had too few images, each with how many it had.
    sparse: Vec<(String, u32)>,
    /// In the order of their SHA-256.
    images: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// SHA-256 of the picture.
    sha256: Sha256,
    /// Its name: the SHA-256 and an ending that tells the format.
    file: String,
    /// In pixels.
    width: u32,
    /// In pixels.
    height: u32,
    split: String,
    /// Whether a person has labelled it.
    human: bool,
    /// The number of the class; left, top, width and height as parts of the picture.
    boxes: Vec<(usize, f64, f64, f64, f64)>,
    source: Option<String>,
    author: Option<String>,
    licence: Option<String>,
}

impl Manifest {
    pub(crate) fn of(dataset: Dataset, sparse: Vec<(String, u32)>, labelled: usize, order: &Order) -> Self {
        let Order { city, min_images_per_label, shares, seed } = *order;
        Self {
            city,
            min_images_per_label,
            shares: [shares.train, shares.validation, shares.test],
            seed,
            labelled,
            classes: dataset.classes,
            sparse,
            images: dataset.items.into_iter().filter_map(Entry::of).collect(),
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The data set that it describes; it is called on a runtime.
    pub(crate) fn set(self, id: DatasetId, blobs: &Blobs, on_read: &OnRead) -> CitySet {
        let items = self.images.into_iter().map(|entry| entry.item(blobs, on_read)).collect();
        CitySet {
            id,
            dataset: Dataset { classes: self.classes, items },
            sparse: self.sparse,
            labelled: self.labelled,
            problems: Problems::default(),
        }
    }
}

impl Entry {
    /// `None` where the name does not begin with the SHA-256, as those of a warehouse do.
    fn of(item: Item) -> Option<Self> {
        Some(Self {
            sha256: item.id().parse().ok()?,
            width: item.width,
            height: item.height,
            split: item.split.unwrap_or(Split::Train).word().to_owned(),
            human: matches!(item.labels, Labels::Annotated(_)),
            boxes: item
                .labels
                .boxes()
                .iter()
                .map(|found| (found.class, found.bounds.x, found.bounds.y, found.bounds.w, found.bounds.h))
                .collect(),
            file: item.name,
            source: item.attribution.source,
            author: item.attribution.author,
            licence: item.attribution.licence,
        })
    }

    fn item(self, blobs: &Blobs, on_read: &OnRead) -> Item {
        let labelled =
            |(class, x, y, w, h)| LabelledBox { class, bounds: RelativeBox { x, y, w, h }, score: None };
        let boxes = self.boxes.into_iter().map(labelled).collect();
        Item {
            picture: Some(picture(blobs, self.sha256, on_read)),
            name: self.file,
            width: self.width,
            height: self.height,
            labels: if self.human { Labels::Annotated(boxes) } else { Labels::Predicted(boxes) },
            split: self.split.parse().ok(),
            attribution: Attribution {
                source: self.source,
                author: self.author,
                licence: self.licence,
                ..Attribution::default()
            },
        }
    }
}
