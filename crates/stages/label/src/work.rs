//! Labelling the images of a city.
//!
//! Labellers are asked in their order; each sees what those before it have not labelled. Paid ones take every picture out of
//! the city's lifetime budget before it is sent, so no crash and no other worker can exceed it.

use std::sync::Arc;

use sightscan_blobs::BlobError;
use sightscan_types::{CityId, LabelId};
use sightscan_warehouse::labelling::{self, Unlabelled};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};
use sightscan_warehouse::{Transaction, Warehouse};
use tracing::{info, warn};

use crate::error::{Error, Result};
use crate::labeller::{Answer, Found, Labeller, Picture};
use crate::selection::{Group, groups, spread};
use crate::tidy::tidy;

/// A labeller and how it is used.
#[derive(Clone)]
pub struct Step {
    /// Who labels.
    pub labeller: Arc<dyn Labeller>,
    /// Whether each picture that it looks at is paid for, out of the city's budget.
    pub is_paid: bool,
    /// What it is less sure of is left out; 0 keeps everything.
    pub min_score: f64,
}

/// What is to be labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The city.
    pub city: CityId,
    /// Pictures that paid labellers may look at in the city's lifetime.
    pub budget: u32,
}

/// What a labelling has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Images without a label when it began.
    pub images: usize,
    /// Images that have one now.
    pub labelled: usize,
    /// Those of them in which nothing was found.
    pub empty: usize,
    /// Images that could not be looked at.
    pub failed: usize,
    /// Pictures that were paid for.
    pub paid: usize,
    /// Pictures for which no budget was left.
    pub without_budget: usize,
}

/// Hears how far a labelling is.
pub type Tell = Arc<dyn Fn(&Tally) + Send + Sync>;

/// Labels images of cities.
pub struct Labelling {
    /// Where they are.
    pub warehouse: Warehouse,
    /// Who labels, in order.
    pub steps: Vec<Step>,
}

/// One labeller's part of a labelling.
struct Part<'a> {
    warehouse: &'a Warehouse,
    step: &'a Step,
    order: &'a Order,
    tally: &'a mut Tally,
    tell: &'a Tell,
    /// Why pictures are left that may be labelled later.
    hindrance: Option<String>,
}

impl Labelling {
    /// Labels what has no label yet.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when some images may be labelled later, [`Error::Exhausted`] when a labeller cannot be used for
    /// now. What was labelled until then stays labelled.
    pub async fn label(&self, order: &Order, tell: &Tell) -> Result<Tally> {
        let mut tally = Tally::default();
        for step in &self.steps {
            let images = labelling::unlabelled(&self.warehouse.database, order.city).await?;
            tally.images = tally.images.max(images.len());
            let city = order.city;
            let groups = tokio::task::spawn_blocking(move || spread(groups(images), city)).await?;
            let mut part =
                Part { warehouse: &self.warehouse, step, order, tally: &mut tally, tell, hindrance: None };
            part.run(groups).await?;
        }
        tidy(&self.warehouse.database, order.city).await?;
        Ok(tally)
    }
}

impl Part<'_> {
    async fn run(&mut self, groups: Vec<Group>) -> Result<()> {
        let mut left = groups.into_iter();
        loop {
            let batch: Vec<Group> = left.by_ref().take(self.step.labeller.most_at_once()).collect();
            if batch.is_empty() {
                break;
            }
            let granted = self.reserve(batch.len()).await?;
            if granted < batch.len() {
                self.tally.without_budget += batch.len() - granted + left.len();
                info!(left = self.tally.without_budget, "the budget of paid calls is used up");
                left = Vec::new().into_iter();
            }
            self.label(batch.into_iter().take(granted).collect()).await?;
            (self.tell)(self.tally);
        }
        self.hindrance.take().map_or(Ok(()), |reason| Err(Error::Incomplete(reason)))
    }

    /// How many pictures may be looked at now.
    async fn reserve(&self, wanted: usize) -> Result<usize> {
        if !self.step.is_paid {
            return Ok(wanted);
        }
        let (city, budget) = (self.order.city, self.order.budget);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let mut transaction = self.warehouse.database.begin().await?;
        let granted = labelling::reserve_calls(&mut transaction, city, wanted, budget).await?;
        transaction.commit().await?;
        Ok(granted as usize)
    }

    /// Labels groups whose calls are reserved.
    async fn label(&mut self, mut groups: Vec<Group>) -> Result<()> {
        let reserved = groups.len();
        let pictures = match self.pictures(&mut groups).await {
            Ok(pictures) => pictures,
            Err(error) => {
                self.refund(reserved).await?;
                return Err(error);
            }
        };
        let answers = match pictures.is_empty() {
            true => Vec::new(),
            false => self.step.labeller.label(pictures).await,
        };
        let mut exhausted = None;
        let mut transaction = self.warehouse.database.begin().await?;
        for (group, answer) in groups.iter().zip(&answers) {
            self.write(&mut transaction, group, answer).await?;
            if let Answer::Exhausted { reason, .. } = answer {
                exhausted.get_or_insert_with(|| reason.clone());
            }
        }
        transaction.commit().await?;
        let billed = answers.iter().filter(|answer| answer.was_billed()).count();
        self.tally.paid += if self.step.is_paid { billed } else { 0 };
        self.refund(reserved - billed).await?;
        exhausted.map_or(Ok(()), |reason| Err(Error::Exhausted(reason)))
    }

    /// The first pictures of groups. A group whose picture is lost leaves: the others are labelled all the same.
    async fn pictures(&mut self, groups: &mut Vec<Group>) -> Result<Vec<Picture>> {
        let mut pictures = Vec::new();
        for group in std::mem::take(groups) {
            let Unlabelled { id, sha256, width, height, .. } = group[0];
            match self.warehouse.blobs.get(&sha256).await {
                Ok(bytes) => pictures.push(Picture { id, bytes, width, height }),
                Err(error @ (BlobError::Missing(_) | BlobError::Damaged { .. })) => {
                    self.give_up(&group, &error.to_string()).await?;
                    continue;
                }
                Err(error) => return Err(sightscan_warehouse::Error::from(error).into()),
            }
            groups.push(group);
        }
        Ok(pictures)
    }

    async fn give_up(&mut self, group: &Group, reason: &str) -> Result<()> {
        let mut transaction = self.warehouse.database.begin().await?;
        self.fail(&mut transaction, group, reason).await?;
        Ok(transaction.commit().await?)
    }

    /// Writes down that the first image of a group cannot be labelled.
    async fn fail(&mut self, transaction: &mut Transaction, group: &Group, reason: &str) -> Result<()> {
        let (image, producer) = (group[0].id, self.step.labeller.producer());
        warn!(%image, reason, "an image cannot be labelled");
        self.tally.failed += 1;
        let now = self.warehouse.database.now();
        unless_gone(labels::add_failure(transaction, image, &producer, reason, now).await)
    }

    async fn refund(&self, calls: usize) -> Result<()> {
        if !self.step.is_paid || calls == 0 {
            return Ok(());
        }
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let mut transaction = self.warehouse.database.begin().await?;
        labelling::refund_calls(&mut transaction, self.order.city, calls).await?;
        Ok(transaction.commit().await?)
    }

    /// Writes down what was answered for the first image of a group.
    async fn write(&mut self, transaction: &mut Transaction, group: &Group, answer: &Answer) -> Result<()> {
        match answer {
            Answer::Labelled(found) => {
                let producer = self.step.labeller.producer();
                let boxes: Vec<LabelledBox> = self.wanted(found).map(labelled_box).collect();
                self.tally.labelled += group.len();
                self.tally.empty += if boxes.is_empty() { group.len() } else { 0 };
                let label = NewLabel { producer, boxes };
                for image in group {
                    let now = self.warehouse.database.now();
                    unless_gone(labels::add(transaction, image.id, &label, now).await)?;
                }
            }
            Answer::Failed { reason, is_transient: false, .. } => {
                self.fail(transaction, group, reason).await?;
            }
            Answer::Failed { reason, .. } => self.hindrance = Some(reason.clone()),
            Answer::Exhausted { .. } => {}
        }
        Ok(())
    }

    fn wanted<'a>(&self, found: &'a [Found]) -> impl Iterator<Item = &'a Found> + use<'a> {
        let min_score = self.step.min_score;
        found.iter().filter(move |found| found.score.is_none_or(|score| score >= min_score))
    }
}

/// Who gave an image may have taken it back since it was selected: the labels of the others count all the same.
fn unless_gone(added: sightscan_warehouse::Result<LabelId>) -> Result<()> {
    match added {
        Ok(_) | Err(sightscan_warehouse::Error::NoImage(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn labelled_box(found: &Found) -> LabelledBox {
    LabelledBox { label: found.label.clone(), area: found.area, score: found.score, mid: found.mid.clone() }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { images, labelled, empty, failed, paid, without_budget } = self;
        write!(formatter, "{labelled} of {images} images labelled, nothing in {empty}; {paid} paid for")?;
        if *failed > 0 {
            write!(formatter, "; {failed} cannot be labelled")?;
        }
        if *without_budget > 0 {
            write!(formatter, "; the budget does not reach for {without_budget}")?;
        }
        Ok(())
    }
}
