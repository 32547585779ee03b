//! Into the warehouse.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sightscan_dataset::{Dataset, Format, Item, Labels, Picture, Problems, Source, detect};
use sightscan_pictures::{Limits, inspect, perceptual_hash};
use sightscan_types::{CityId, ImageId, OriginKind, Producer, ProducerKind, Provenance, Review};
use sightscan_warehouse::images::{self, NewImage, Stored};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};
use sightscan_warehouse::{Error as WarehouseError, Warehouse};

use super::error::{Error, Result};
use super::progress::{Progress, Tell};

/// How far the shape of a picture may be from the one that its labels were made for: sizes are rounded.
const SHAPE: f64 = 0.02;

/// What a picture is taken for that cannot be stored.
const ADVICE: &str = "put the whole picture there, or leave it out";

/// Whether pictures under a licence are used without a person's look at them first.
pub type MayUse = Arc<dyn Fn(Option<&str>) -> bool + Send + Sync>;

/// How a data set is taken.
#[derive(Clone)]
pub struct How {
    /// Its format, or `None` to tell it by its files.
    pub format: Option<Format>,
    /// What it is called: where its pictures are from if nothing else is known.
    pub name: String,
    /// The licence of pictures whose own is not told by the data set.
    pub licence: Option<String>,
    /// The author of pictures whose own is not told by the data set.
    pub author: Option<String>,
    /// Who has labelled, where people have; otherwise `import:` and the name.
    pub by: Option<String>,
    /// How large a picture may be.
    pub limits: Limits,
    /// The licence policy; a picture that it does not let pass is quarantined.
    pub may_use: MayUse,
}

/// What was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Pictures that are in the city now, whether or not they were before.
    pub images: usize,
    /// Those of them that the city did not have.
    pub new_images: usize,
    /// Those of them that the data set has boxes of.
    pub labelled: usize,
    /// Those of them in which somebody has found nothing.
    pub negatives: usize,
    /// Labellings that nobody had made before.
    pub new_labels: usize,
    /// Pictures whose licence is not known to allow their use.
    pub quarantined: usize,
    /// What was not taken.
    pub problems: Problems,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, new_images, labelled, negatives, new_labels, quarantined, problems } = self;
        write!(
            formatter,
            "{images} pictures, {new_images} of them new: {labelled} labelled, {negatives} negatives; \
             {new_labels} new labellings"
        )?;
        if *quarantined > 0 {
            write!(formatter, "; {quarantined} quarantined for their licence")?;
        }
        match problems.total() {
            0 => Ok(()),
            left => write!(formatter, "; {left} problems"),
        }
    }
}

/// Takes a data set into a city. Each picture is decoded under limits and measured, and stored by its content; labels
/// are added to those that are there. What cannot be taken is told, and the rest goes on. What was taken before is not
/// taken again, so an import that was killed can be repeated.
///
/// # Errors
/// When the files are of no format, or the warehouse does not answer.
pub async fn import(
    warehouse: &Warehouse,
    city: CityId,
    source: Arc<dyn Source>,
    how: &How,
    tell: &Tell,
) -> Result<Report> {
    let progress = Progress::new(tell);
    let format = how.format;
    let read = tokio::task::spawn_blocking(move || {
        let format = format.or_else(|| detect(&*source)).ok_or(Error::UnknownFormat)?;
        Ok::<_, Error>(sightscan_dataset::import(format, source)?)
    });
    let imported = read.await??;
    let Dataset { classes, items } = imported.dataset;
    let report = Report { problems: imported.problems, ..Report::default() };
    let mut intake = Intake { warehouse, city, how, classes, report };
    progress.expect(items.len());
    for item in items {
        intake.take(item).await?;
        progress.step();
    }
    Ok(intake.report)
}

struct Intake<'a> {
    warehouse: &'a Warehouse,
    city: CityId,
    how: &'a How,
    classes: Vec<String>,
    report: Report,
}

/// A picture that may be stored.
struct Measured {
    bytes: Bytes,
    media_type: &'static str,
    width: u32,
    height: u32,
    perceptual_hash: u64,
}

impl Intake<'_> {
    async fn take(&mut self, mut item: Item) -> Result<()> {
        let Some(picture) = item.picture.take() else {
            self.tell(&item, "its picture is not there, so its labels are left out");
            return Ok(());
        };
        let limits = self.how.limits;
        let measured = match tokio::task::spawn_blocking(move || measure(&picture, &limits)).await? {
            Ok(measured) => measured,
            Err(reason) => {
                self.tell(&item, &format!("the picture is left out with its labels: {reason}"));
                return Ok(());
            }
        };
        if item.is_labelled() && !has_shape(&item, &measured) {
            let Measured { width, height, .. } = measured;
            let made_for = format!("{}x{}", item.width, item.height);
            self.tell(&item, &format!("its labels are left out: they are for a picture of {made_for} pixels, and this one has {width}x{height}"));
            item.labels = Labels::Unlabelled;
        }
        match self.store(&item, measured).await {
            Ok(stored) => self.add(&item, stored).await,
            Err(Error::Warehouse(error @ WarehouseError::TooLong { .. })) => {
                self.tell(&item, &format!("the picture is left out with its labels: {error}"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&mut self, item: &Item, fault: &str) {
        self.report.problems.about(&item.name, fault, ADVICE);
    }

    async fn store(&mut self, item: &Item, measured: Measured) -> Result<Stored> {
        let provenance = self.provenance(item);
        let is_usable = (self.how.may_use)(provenance.licence.as_deref());
        let image = NewImage {
            media_type: measured.media_type.to_owned(),
            width: measured.width,
            height: measured.height,
            perceptual_hash: Some(measured.perceptual_hash),
            review: if is_usable { Review::Accepted } else { Review::Quarantined },
            provenance,
            consent: None,
            sight: None,
        };
        let stored = images::store(self.warehouse, self.city, measured.bytes, &image).await?;
        self.report.quarantined += usize::from(!is_usable);
        Ok(stored)
    }

    /// What the data set tells of a picture, and for the rest what the flags do.
    fn provenance(&self, item: &Item) -> Provenance {
        let told = item.attribution.clone();
        let place = || format!("{}/{}", self.how.name, item.name);
        Provenance {
            kind: OriginKind::Import,
            source: told.source.unwrap_or_else(place),
            page_url: told.page,
            author: told.author.or_else(|| self.how.author.clone()),
            licence: told.licence.or_else(|| self.how.licence.clone()),
            licence_url: told.licence_url,
            retrieved_at: self.warehouse.database.now(),
        }
    }

    /// Counts a picture that is stored, and adds its labels.
    async fn add(&mut self, item: &Item, stored: Stored) -> Result<()> {
        self.report.images += 1;
        self.report.new_images += usize::from(stored.new_in_city);
        self.report.labelled += usize::from(!item.labels.boxes().is_empty());
        self.report.negatives += usize::from(item.is_negative());
        if let Some(label) = self.label(&item.labels) {
            self.report.new_labels += usize::from(add_label(self.warehouse, stored.image, &label).await?);
        }
        Ok(())
    }

    fn label(&self, labels: &Labels) -> Option<NewLabel> {
        let kind = match labels {
            Labels::Unlabelled => return None,
            Labels::Annotated(_) => ProducerKind::Human,
            Labels::Predicted(_) => ProducerKind::Import,
        };
        let by = self.how.by.clone().filter(|_| kind == ProducerKind::Human);
        let name = by.unwrap_or_else(|| format!("import:{}", self.how.name));
        let boxes = labels.boxes().iter().map(|labelled| LabelledBox {
            label: self.classes.get(labelled.class).cloned().unwrap_or_default(),
            area: labelled.bounds,
            score: labelled.score.map(f64::from),
            mid: None,
        });
        Some(NewLabel { producer: Producer { kind, name }, boxes: boxes.collect() })
    }
}

/// Adds a labelling unless the same was made before, by people or by programs as this one; whether it did.
async fn add_label(warehouse: &Warehouse, image: ImageId, label: &NewLabel) -> Result<bool> {
    let database = &warehouse.database;
    let history = labels::history(database, image).await?;
    let is_same = |known: &labels::Label| {
        known.producer.kind == label.producer.kind
            && known.reason.is_none()
            && known.withdrawn_at.is_none()
            && known.boxes.len() == label.boxes.len()
            && known.boxes.iter().zip(&label.boxes).all(|(one, other)| same(one, other))
    };
    if history.iter().any(is_same) {
        return Ok(false);
    }
    let mut transaction = database.begin().await?;
    match labels::add(&mut transaction, image, label, database.now()).await {
        Ok(_) => transaction.commit().await?,
        // Its donor has taken it back since it was stored.
        Err(WarehouseError::NoImage(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}

/// Whether two boxes say the same; no format knows the id in the Knowledge Graph.
fn same(one: &LabelledBox, other: &LabelledBox) -> bool {
    (&one.label, one.area, one.score) == (&other.label, other.area, other.score)
}

/// Proves that it is a picture and measures it; takes as long as decoding it.
fn measure(picture: &Picture, limits: &Limits) -> std::result::Result<Measured, String> {
    let bytes = picture.read().map_err(|error| error.to_string())?;
    let inspection = inspect(&bytes, limits).map_err(|error| error.to_string())?;
    Ok(Measured {
        media_type: inspection.format.media_type(),
        width: inspection.width(),
        height: inspection.height(),
        perceptual_hash: perceptual_hash(&inspection.picture),
        bytes: bytes.into(),
    })
}

/// Whether labels that are relative to the picture they were made for mean the same in this one. They do not where
/// another program has not turned the picture as its file says.
fn has_shape(item: &Item, measured: &Measured) -> bool {
    let shape = |width: u32, height: u32| f64::from(width) / f64::from(height).max(1.0);
    let (expected, found) = (shape(item.width, item.height), shape(measured.width, measured.height));
    (expected / found - 1.0).abs() <= SHAPE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_picture_has_another_shape_and_a_smaller_one_has_not() {
        let item = |width, height| Item {
            name: "a.jpg".to_owned(),
            picture: None,
            width,
            height,
            split: None,
            labels: Labels::Unlabelled,
            attribution: Default::default(),
        };
        let measured = Measured {
            bytes: Bytes::new(),
            media_type: "image/jpeg",
            width: 641,
            height: 480,
            perceptual_hash: 0,
        };
        assert!(has_shape(&item(1280, 960), &measured) && has_shape(&item(320, 240), &measured));
        assert!(!has_shape(&item(480, 641), &measured) && !has_shape(&item(600, 480), &measured));
    }
}
