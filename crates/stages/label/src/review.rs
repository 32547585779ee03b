//! People who look at labels: what they are shown, and what they say.

use std::collections::HashMap;

use sightscan_types::{CityId, LabelId};
use sightscan_warehouse::images::{self, Image};
use sightscan_warehouse::labels::{self, Label, LabelledBox};
use sightscan_warehouse::reviews::{self, Assigned, NewReview, Recorded, Undone, Verdict};
use sightscan_warehouse::{Database, Result};
use uuid::Uuid;

use sightscan_warehouse::labelling::canonical;

/// Boxes that a person may draw in an image.
pub const MOST_BOXES: usize = 500;
/// Characters of a label and of a reviewer's name.
pub const LONGEST_NAME: usize = 200;
/// So often the next image is looked for when the one that was found is withdrawn at that moment.
const TRIES: usize = 3;

/// An image for a person to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The image.
    pub image: Image,
    /// Why it is this one, and for how long it is theirs.
    pub assigned: Assigned,
    /// What is proposed: the boxes of the labelling that counts.
    pub boxes: Vec<LabelledBox>,
    /// That labelling; a review says which one it was about.
    pub basis: Option<LabelId>,
    /// What each labeller saw at last.
    pub labellings: Vec<Label>,
    /// Images that people have still to look at, with this one.
    pub open: i64,
}

/// What cannot be a review.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A name says nothing, or too much.
    #[error("the {0} must have 1 to {LONGEST_NAME} characters, none of them a control character")]
    Name(&'static str),
    /// There are too many boxes.
    #[error("there are {0} boxes; at most {MOST_BOXES} are kept of an image")]
    TooManyBoxes(usize),
    /// A box is not in the image.
    #[error(
        "the box of {0} is empty or not in the image: x, y, w and h are relative to it, from its top left corner"
    )]
    Box(String),
    /// There is no box.
    #[error("`correct` without boxes; say `negative` where there is nothing in the image")]
    NoBoxes,
}

/// The next image for this person; `None` where none is left for them.
///
/// # Errors
/// When the database does not answer.
pub async fn next(database: &Database, city: CityId, reviewer: &str) -> Result<Option<Task>> {
    for _ in 0..TRIES {
        let Some(assigned) = reviews::next(database, city, reviewer, database.now()).await? else { break };
        if let Some(image) = images::get(database, assigned.image).await? {
            return task(database, city, image, assigned).await.map(Some);
        }
    }
    Ok(None)
}

async fn task(database: &Database, city: CityId, image: Image, assigned: Assigned) -> Result<Task> {
    let names = canonical(database, city).await?;
    let mut labellings: Vec<Label> = Vec::new();
    for mut label in labels::history(database, image.id).await? {
        let is_newest = !labellings.iter().any(|newer| newer.producer == label.producer);
        if label.withdrawn_at.is_none() && label.reason.is_none() && is_newest {
            rename(&mut label.boxes, &names);
            labellings.push(label);
        }
    }
    let current = labellings.iter().find(|label| Some(label.id) == image.label);
    let boxes = current.map(|label| label.boxes.clone()).unwrap_or_default();
    let (basis, open) = (image.label, reviews::open(database, city).await?);
    Ok(Task { image, assigned, boxes, basis, labellings, open })
}

fn rename(boxes: &mut [LabelledBox], names: &HashMap<String, String>) {
    for labelled in boxes {
        if let Some(name) = names.get(&labelled.label) {
            labelled.label.clone_from(name);
        }
    }
}

/// Proves that a review can be written down.
///
/// # Errors
/// What is wrong with it.
pub fn check(review: &NewReview) -> std::result::Result<(), Unfit> {
    check_name("reviewer's name", &review.reviewer)?;
    if review.boxes.len() > MOST_BOXES {
        return Err(Unfit::TooManyBoxes(review.boxes.len()));
    }
    if review.verdict == Verdict::Correct && review.boxes.is_empty() {
        return Err(Unfit::NoBoxes);
    }
    for labelled in &review.boxes {
        check_name("label of a box", &labelled.label)?;
        if !labelled.area.is_valid() {
            return Err(Unfit::Box(labelled.label.clone()));
        }
    }
    Ok(())
}

/// Proves that a name can be one.
///
/// # Errors
/// When it is empty, too long or has characters that are not to be seen.
pub fn check_name(what: &'static str, name: &str) -> std::result::Result<(), Unfit> {
    let length = name.trim().chars().count();
    let fits = (1..=LONGEST_NAME).contains(&length) && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Unfit::Name(what)) }
}

/// Writes a review down. Who accepts labels leaves those that they were shown, under the names that they are read as.
///
/// # Errors
/// When the database does not answer.
pub async fn record(database: &Database, city: CityId, mut review: NewReview) -> Result<Recorded> {
    if !images::cities(database, review.image).await?.contains(&city) {
        return Ok(Recorded::NoImage);
    }
    if review.verdict == Verdict::Accept {
        review.boxes = shown(database, city, &review).await?;
    }
    // People are sure.
    review.boxes.iter_mut().for_each(|labelled| labelled.score = None);
    let mut transaction = database.begin().await?;
    let recorded = reviews::record(&mut transaction, &review, database.now()).await?;
    transaction.commit().await?;
    Ok(recorded)
}

/// The boxes of the labelling that a review is about.
async fn shown(database: &Database, city: CityId, review: &NewReview) -> Result<Vec<LabelledBox>> {
    let Some(Some(basis)) = review.basis else { return Ok(Vec::new()) };
    let history = labels::history(database, review.image).await?;
    let mut boxes =
        history.into_iter().find(|label| label.id == basis).map(|label| label.boxes).unwrap_or_default();
    rename(&mut boxes, &canonical(database, city).await?);
    Ok(boxes)
}

/// Takes a review back.
///
/// # Errors
/// When the database does not answer.
pub async fn undo(database: &Database, review: Uuid, actor: &str) -> Result<Undone> {
    let mut transaction = database.begin().await?;
    let undone = reviews::undo(&mut transaction, review, actor, database.now()).await?;
    transaction.commit().await?;
    Ok(undone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_types::{ImageId, RelativeBox};

    fn review(verdict: Verdict, boxes: Vec<LabelledBox>) -> NewReview {
        NewReview { image: ImageId::new(), reviewer: "anna".to_owned(), verdict, basis: None, boxes }
    }

    fn labelled(label: &str, w: f64) -> LabelledBox {
        let area = RelativeBox { x: 0.5, y: 0.5, w, h: 0.5 };
        LabelledBox { label: label.to_owned(), area, score: None, mid: None }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_reason() {
        assert_eq!(check(&review(Verdict::Correct, vec![labelled("Gate", 0.5)])), Ok(()));
        assert_eq!(check(&review(Verdict::Negative, vec![])), Ok(()));
        let refused = |verdict, boxes| check(&review(verdict, boxes)).unwrap_err().to_string();
        assert!(refused(Verdict::Correct, vec![]).contains("negative"));
        assert!(refused(Verdict::Correct, vec![labelled("Gate", 0.6)]).contains("Gate"));
        assert!(refused(Verdict::Correct, vec![labelled(" ", 0.5)]).contains("label of a box"));
        assert!(refused(Verdict::Correct, vec![labelled("Gate", 0.5); 501]).contains("501"));
        let nobody = NewReview { reviewer: "a\nb".to_owned(), ..review(Verdict::Skip, vec![]) };
        assert!(check(&nobody).unwrap_err().to_string().contains("reviewer"));
    }
}
