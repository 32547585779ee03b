//! What a city's detector learns from, frozen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use sightscan_dataset::{Dataset, Item, Labels, Problems, Shares, Split, split};
use sightscan_gather::{Gathered, OnRead, Only, gather};
use sightscan_types::{CityId, DatasetId, ImageId};
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::datasets::{self, NewDataset};

use crate::error::{Error, Result};
use crate::manifest::Manifest;

/// What a data set is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// The city.
    pub city: CityId,
    /// Classes with fewer images are left out (`MIN_IMAGE_NUMBER_PER_LABEL`).
    pub min_images_per_label: u32,
    /// How images are divided.
    pub shares: Shares,
    /// Decides among equal divisions.
    pub seed: u64,
}

/// What a detector learns from and is judged by.
#[derive(Debug)]
pub struct CitySet {
    /// Under which the warehouse knows it.
    pub id: DatasetId,
    /// Pictures, labels and splits.
    pub dataset: Dataset,
    /// Classes with too few images, each with how many it has.
    pub sparse: Vec<(String, u32)>,
    /// Images of the city that had a box of any class, also of those that were left out.
    pub labelled: usize,
    /// What had to be left out; it is told once, when the data set is chosen.
    pub problems: Problems,
}

/// Chooses what a city's detector learns from and writes it down, with a manifest that says it all: SHA-256s, splits and
/// boxes. The same labelled images and the same order give the same manifest.
///
/// Images whose boxes are all of sparse classes are left out; negatives are kept. Near-duplicates are never on both
/// sides of a division; what the city's detectors were tested with before stays for testing, and what they have learnt from is
/// never for testing.
///
/// # Errors
/// [`Error::TooFewImages`] when no class has enough images; otherwise when the warehouse does not answer.
pub async fn choose(warehouse: &Warehouse, order: &Order) -> Result<CitySet> {
    let order = *order;
    let gathered = gather(warehouse, order.city, Only::Labelled, Arc::new(|| {})).await?;
    let used = datasets::used(&warehouse.database, order.city).await?;
    let composed = tokio::task::spawn_blocking(move || compose(gathered, &used, &order)).await??;
    let Composed { dataset, images, labelled, sparse, problems } = composed;
    let splits = dataset.items.iter().map(|item| column(item.split.unwrap_or(Split::Train)));
    let new = NewDataset {
        city: order.city,
        classes: dataset.classes.clone(),
        images: images.into_iter().zip(splits).collect(),
    };
    let manifest: Bytes = serde_json::to_vec(&Manifest::of(dataset, sparse, labelled, &order))?.into();
    let id = datasets::store(warehouse, &new, manifest.clone()).await?;
    // Read from what was written, so that whoever opens it later has the same numbers to the last digit.
    let on_read: OnRead = Arc::new(|| {});
    Ok(CitySet { problems, ..Manifest::read(&manifest)?.set(id, &warehouse.blobs, &on_read) })
}

/// A data set as it was chosen.
///
/// # Errors
/// [`Error::NoDataset`] when there is none of this id; otherwise when the warehouse does not answer.
pub async fn open(warehouse: &Warehouse, id: DatasetId) -> Result<CitySet> {
    let manifest = datasets::manifest(&warehouse.database, id).await?.ok_or(Error::NoDataset(id))?;
    let bytes = warehouse.blobs.get(&manifest).await.map_err(sightscan_warehouse::Error::from)?;
    Ok(Manifest::read(&bytes)?.set(id, &warehouse.blobs, &(Arc::new(|| {}) as OnRead)))
}

/// What the warehouse calls a split: in full, where files say `val`.
const fn column(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validation => "validation",
        Split::Test => "test",
    }
}

/// A data set that is not yet written down.
struct Composed {
    dataset: Dataset,
    images: Vec<ImageId>,
    labelled: usize,
    sparse: Vec<(String, u32)>,
    problems: Problems,
}

fn compose(gathered: Gathered, used: &HashMap<ImageId, bool>, order: &Order) -> Result<Composed> {
    let groups = gathered.near_duplicates();
    let Gathered { dataset, images, problems, .. } = gathered;
    let counts = images_of_classes(&dataset);
    let labelled = dataset.items.iter().filter(|item| !item.labels.boxes().is_empty()).count();
    let numbers = numbers(&counts, order.min_images_per_label);
    if numbers.iter().all(Option::is_none) {
        return Err(too_few(&dataset.classes, &counts, order.min_images_per_label));
    }
    let mut kept: Vec<(Item, ImageId, u64)> = Vec::with_capacity(images.len());
    for ((mut item, image), group) in dataset.items.into_iter().zip(images).zip(groups) {
        if keep_classes(&mut item.labels, &numbers) {
            // So that it is neither learnt and tested with by one, nor by one after the other.
            let was = |is_tested: &bool| if *is_tested { Split::Test } else { Split::Train };
            item.split = used.get(&image).map(was);
            kept.push((item, image, group));
        }
    }
    let groups: Vec<u64> = kept.iter().map(|(_, _, group)| *group).collect();
    let (items, images): (Vec<Item>, Vec<ImageId>) =
        kept.into_iter().map(|(item, image, _)| (item, image)).unzip();
    let (mut classes, mut sparse) = (Vec::new(), Vec::new());
    for ((name, count), number) in dataset.classes.into_iter().zip(counts).zip(numbers) {
        if number.is_some() { classes.push(name) } else { sparse.push((name, count)) }
    }
    let mut dataset = Dataset { classes, items };
    let splits = split(&dataset, &groups, order.shares, order.seed)?;
    dataset.items.iter_mut().zip(splits).for_each(|(item, split)| item.split = Some(split));
    Ok(Composed { dataset, images, labelled, sparse, problems })
}

/// How many images have a box of each class.
fn images_of_classes(dataset: &Dataset) -> Vec<u32> {
    let mut counts = vec![0; dataset.classes.len()];
    for item in &dataset.items {
        let classes: HashSet<usize> = item.labels.boxes().iter().map(|labelled| labelled.class).collect();
        classes.into_iter().for_each(|class| counts[class] += 1);
    }
    counts
}

/// The number that each class gets; `None` for a sparse one.
fn numbers(counts: &[u32], min: u32) -> Vec<Option<usize>> {
    let mut next = 0..;
    counts.iter().map(|&count| if count >= min.max(1) { next.next() } else { None }).collect()
}

/// Takes boxes of sparse classes away and numbers the others anew; whether the image is still of use: one that shows only
/// sparse classes is no negative.
fn keep_classes(labels: &mut Labels, numbers: &[Option<usize>]) -> bool {
    let (Labels::Annotated(boxes) | Labels::Predicted(boxes)) = labels else { return false };
    let is_negative = boxes.is_empty();
    boxes.retain_mut(|labelled| {
        let number = numbers[labelled.class];
        labelled.class = number.unwrap_or_default();
        number.is_some()
    });
    is_negative || !boxes.is_empty()
}

fn too_few(classes: &[String], counts: &[u32], needed: u32) -> Error {
    let best = classes.iter().zip(counts).max_by_key(|(_, count)| **count);
    let best = best.map_or_else(
        || "no image has a label".to_owned(),
        |(name, count)| format!("`{name}` has most of them: {count}"),
    );
    Error::TooFewImages { needed, best }
}
