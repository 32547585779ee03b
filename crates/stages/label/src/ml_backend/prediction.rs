//! What is in the picture of a task: what is known of it, else what the labellers that cost nothing see.

use std::collections::HashMap;

use bytes::Bytes;
use sightscan_dataset::{Interface, Marked};
use sightscan_engine::Limits;
use sightscan_http::{Problem, Slug};
use sightscan_pictures::inspect;
use sightscan_types::{ImageId, Outcome, RelativeBox};
use sightscan_warehouse::images::Image;
use sightscan_warehouse::labels::Label;
use sightscan_warehouse::{images, labels};
use tracing::{info, warn};

use super::picture::{NoPicture, Source, decoded, source};
use super::{MlBackend, Prediction, Task};
use crate::error::{Error, Result};
use crate::labeller::{Answer, Found, Picture};
use crate::work::Step;
use sightscan_warehouse::labelling::canonical;

/// What names of labels are read as.
type Names = HashMap<String, String>;

/// What was found in a picture of this size.
#[derive(Debug, Default)]
struct Sighting {
    size: (u32, u32),
    boxes: Vec<Seen>,
}

/// A sight in it.
#[derive(Debug)]
struct Seen {
    /// As its producer writes it.
    label: String,
    /// What that is read as in the picture's city.
    name: String,
    area: RelativeBox,
    score: Option<f64>,
}

impl MlBackend {
    /// A prediction, which is empty where the picture cannot be looked at; the log tells why.
    ///
    /// # Errors
    /// When the warehouse does not answer.
    pub(super) async fn predict(&self, task: &Task, interface: &Interface) -> Result<Prediction, Problem> {
        let sighting = match source(&task.data, interface.key()) {
            Ok(Source::Stored(id)) => self.stored(id).await.map_err(|error| problem(&error))?,
            Ok(Source::Inline(uri)) => match decoded(uri, self.greatest) {
                Ok(bytes) => self.inline(bytes).await.map_err(|error| problem(&error))?,
                Err(reason) => passed_over(task, &reason),
            },
            Err(reason) => passed_over(task, &reason),
        };
        Ok(self.prediction(task, interface, &sighting.unwrap_or_default()))
    }

    fn prediction(&self, task: &Task, interface: &Interface, sighting: &Sighting) -> Prediction {
        let marked: Vec<Marked<'_>> =
            sighting.boxes.iter().filter_map(|seen| seen.marked(interface)).collect();
        let unknown = sighting.boxes.len() - marked.len();
        if unknown > 0 {
            info!(task = %task.id, unknown, "boxes whose label the label config does not offer are left out");
        }
        Prediction {
            model_version: self.version.clone(),
            score: mean(marked.iter().filter_map(|marked| marked.score)),
            result: interface.result(&marked, sighting.size),
        }
    }

    /// An image of ours: the labelling that counts, else the newest one, else what models see.
    async fn stored(&self, id: ImageId) -> Result<Option<Sighting>> {
        let database = &self.warehouse.database;
        let Some(image) = images::get(database, id).await? else {
            info!(image = %id, "a task is passed over: there is no such image");
            return Ok(None);
        };
        let Some(label) = counting(&image, labels::history(database, id).await?) else {
            return self.unlabelled(&image).await;
        };
        let names = self.names(id).await?;
        let boxes = label.boxes.into_iter();
        let boxes = boxes.map(|found| Seen::new(found.label, found.area, found.score, &names)).collect();
        Ok(Some(Sighting { size: size(&image), boxes }))
    }

    async fn unlabelled(&self, image: &Image) -> Result<Option<Sighting>> {
        if self.steps.is_empty() {
            return Ok(None);
        }
        let bytes =
            self.warehouse.blobs.get(&image.sha256).await.map_err(sightscan_warehouse::Error::from)?;
        let (width, height) = size(image);
        let names = self.names(image.id).await?;
        let found = self.look(Picture { id: image.id, bytes, width, height }).await;
        Ok(Some(Sighting::of(found, &names, (width, height))))
    }

    /// A picture that came with the task.
    async fn inline(&self, bytes: Bytes) -> Result<Option<Sighting>> {
        let (limits, looked) = (self.limits, bytes.clone());
        let Some((width, height)) = tokio::task::spawn_blocking(move || measured(&looked, &limits)).await?
        else {
            return Ok(None);
        };
        let found = self.look(Picture { id: ImageId::new(), bytes, width, height }).await;
        Ok(Some(Sighting::of(found, &Names::new(), (width, height))))
    }

    /// What the first labeller finds that can look at a picture.
    async fn look(&self, picture: Picture) -> Vec<Found> {
        for Step { labeller, min_score, .. } in &self.steps {
            match labeller.label(vec![picture.clone()]).await.pop() {
                Some(Answer::Labelled(mut found)) => {
                    found.retain(|found| found.score.is_none_or(|score| score >= *min_score));
                    return found;
                }
                Some(Answer::Failed { reason, .. } | Answer::Exhausted { reason, .. }) => {
                    warn!(image = %picture.id, reason, "a labeller could not look at the picture of a task");
                }
                None => {}
            }
        }
        Vec::new()
    }

    /// What names of labels are read as in the cities of an image.
    async fn names(&self, image: ImageId) -> Result<Names> {
        let database = &self.warehouse.database;
        let mut names = Names::new();
        for city in images::cities(database, image).await? {
            for (label, name) in canonical(database, city).await? {
                names.entry(label).or_insert(name);
            }
        }
        Ok(names)
    }
}

impl Sighting {
    fn of(found: Vec<Found>, names: &Names, size: (u32, u32)) -> Self {
        let boxes = found.into_iter().map(|found| Seen::new(found.label, found.area, found.score, names));
        Self { size, boxes: boxes.collect() }
    }
}

impl Seen {
    fn new(label: String, area: RelativeBox, score: Option<f64>, names: &Names) -> Self {
        let name = names.get(&label).unwrap_or(&label).clone();
        Self { label, name, area, score }
    }

    /// As a box for Label Studio, by whichever of its names the label config offers.
    fn marked(&self, interface: &Interface) -> Option<Marked<'_>> {
        let label = [&self.name, &self.label].into_iter().find(|name| interface.offers(name))?;
        Some(Marked { label, bounds: self.area, score: self.score })
    }
}

/// The labelling that counts, else the newest one that did not fail.
fn counting(image: &Image, history: Vec<Label>) -> Option<Label> {
    let mut good = history.into_iter().filter(|label| label.outcome != Outcome::Failed);
    match image.label {
        Some(id) => good.find(|label| label.id == id),
        None => good.next(),
    }
}

fn passed_over(task: &Task, reason: &NoPicture) -> Option<Sighting> {
    info!(task = %task.id, %reason, "a task is passed over");
    None
}

/// The size of the upright picture, where it is one.
fn measured(bytes: &[u8], limits: &Limits) -> Option<(u32, u32)> {
    match inspect(bytes, limits) {
        Ok(inspection) => Some((inspection.width(), inspection.height())),
        Err(error) => {
            info!(%error, "the picture of a task cannot be read");
            None
        }
    }
}

fn size(image: &Image) -> (u32, u32) {
    let pixels = |side: i64| u32::try_from(side).unwrap_or(0);
    (pixels(image.width), pixels(image.height))
}

fn mean(scores: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = scores.fold((0.0, 0.0), |(sum, count), score| (sum + score, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

fn problem(error: &Error) -> Problem {
    let is_transient = matches!(error, Error::Warehouse(error) if error.is_transient());
    let slug = if is_transient { Slug::Unavailable } else { Slug::Internal };
    Problem::new(slug, error.to_string())
}
