//! The JSON of these routes.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sightscan_http::{Place, Problem, Slug};
use sightscan_types::{ImageId, LabelId, Outcome, Producer, RelativeBox, SightId};
use sightscan_warehouse::labelling::Merge;
use sightscan_warehouse::labels::{Label, LabelledBox};
use sightscan_warehouse::reviews::{LabelReview, NewReview, UnknownVerdict, Verdict};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::unfit;
use crate::names::Class;
use crate::review::{self, Task};

/// Whose next image is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Who {
    /// The slug of the city.
    pub(super) city: String,
    /// The person who looks.
    pub(super) reviewer: String,
}

/// Which city is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfCity {
    /// The slug of the city.
    pub(super) city: String,
}

/// Which reviews are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The slug of the city.
    pub(super) city: String,
    /// Only those of this person.
    pub(super) reviewer: Option<String>,
    /// Only those of this image.
    #[param(value_type = Option<String>)]
    pub(super) image: Option<ImageId>,
    #[serde(default, rename = "limit")]
    #[param(ignore)]
    pub(super) _limit: IgnoredAny,
    #[serde(default, rename = "cursor")]
    #[param(ignore)]
    pub(super) _cursor: IgnoredAny,
}

/// Where a list of reviews goes on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Before(pub(super) Uuid);

impl Place for Before {
    const LIST: &'static str = "label-reviews.1";
}

/// How far people are with a city.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Progress {
    /// Images that people have decided about; what was taken back or left to others does not count.
    pub(super) decided: i64,
    /// Images that people have still to look at.
    pub(super) open: i64,
}

/// A box: relative to the image, from its top left corner.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LabelBoxItem)]
pub(super) struct BoxItem {
    /// What is in it.
    pub(super) label: String,
    #[serde(flatten)]
    pub(super) area: RelativeBox,
    /// How sure a machine is, 0 to 1; null for people.
    #[serde(default)]
    pub(super) score: Option<f64>,
    /// The sight's id in Google's Knowledge Graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mid: Option<String>,
}

/// What one labeller saw.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LabellingItem {
    /// Its id.
    pub(super) id: LabelId,
    /// Who.
    pub(super) producer: Producer,
    /// What came of it.
    pub(super) outcome: Outcome,
    /// When: milliseconds since 1970-01-01 UTC.
    pub(super) made_at: i64,
    /// Its boxes.
    pub(super) boxes: Vec<BoxItem>,
}

/// An image for a person to look at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskItem {
    /// The image's id.
    pub(super) image: ImageId,
    /// Where its file is.
    pub(super) file: String,
    /// Where a small copy is.
    pub(super) thumbnail: String,
    /// Pixels, upright.
    pub(super) width: i64,
    /// Pixels, upright.
    pub(super) height: i64,
    /// The sight that it was looked for.
    pub(super) sight: Option<String>,
    /// How much machines leave open, 0 to 1: they disagree, or are unsure. Null where none has looked.
    pub(super) doubt: Option<f64>,
    /// Until when nobody else is shown it: milliseconds since 1970-01-01 UTC.
    pub(super) until: i64,
    /// The labelling that `boxes` are of; to be sent back with the review.
    pub(super) basis: Option<LabelId>,
    /// What is proposed.
    pub(super) boxes: Vec<BoxItem>,
    /// What each labeller saw at last.
    pub(super) labellings: Vec<LabellingItem>,
    /// Images that people have still to look at, with this one.
    pub(super) open: i64,
}

/// What a person says about an image.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// The slug of the city.
    pub(super) city: String,
    /// The image.
    pub(super) image: ImageId,
    /// Who says it.
    pub(super) reviewer: String,
    /// `accept`: the labels of `basis` are right. `correct`: `boxes` are. `negative`: there is nothing in the image.
    /// `reject`: it is not to be trained on. `skip`: somebody else should decide.
    #[schema(value_type = String, example = "correct")]
    pub(super) verdict: String,
    /// The labelling that was shown. Where another one counts by now, the answer is 409. Not asked where it is left out,
    /// but by `accept`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<LabelId>)]
    pub(super) basis: Option<Option<LabelId>>,
    /// The boxes of `correct`.
    #[serde(default)]
    pub(super) boxes: Vec<BoxItem>,
}

/// Tells null from what is not there.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<LabelId>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// What was written down.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written {
    /// The review's id, which takes it back.
    #[schema(value_type = String)]
    pub(super) id: Uuid,
    /// The labelling that it made; null where it made none.
    pub(super) label: Option<LabelId>,
    /// Images that people have still to look at.
    pub(super) open: i64,
}

/// A review.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReviewItem {
    /// Its id.
    #[schema(value_type = String)]
    pub(super) id: Uuid,
    /// The image.
    pub(super) image: ImageId,
    /// Who.
    pub(super) reviewer: String,
    /// What they said.
    pub(super) verdict: &'static str,
    /// The labelling that it made.
    pub(super) label: Option<LabelId>,
    /// When: milliseconds since 1970-01-01 UTC.
    pub(super) reviewed_at: i64,
    /// When it was taken back.
    pub(super) undone_at: Option<i64>,
    /// Who took it back.
    pub(super) undone_by: Option<String>,
}

/// Who takes a review back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakenBack {
    /// Who.
    pub(super) reviewer: String,
}

/// What was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reopened {
    /// The image, which is as it was before.
    pub(super) image: ImageId,
}

/// The names that boxes can have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Classes {
    /// The most frequent first.
    pub(super) items: Vec<ClassItem>,
}

/// A name that boxes can have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClassItem {
    /// The name.
    pub(super) name: String,
    /// Images with a current box of it.
    pub(super) images: i64,
    /// The sight, where it is known.
    pub(super) sight: Option<SightId>,
}

/// Names that are read as others.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Merges {
    /// All of them, undone ones too.
    pub(super) items: Vec<MergeItem>,
}

/// A name that is read as another one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MergeItem {
    /// As its labeller wrote it.
    pub(super) label: String,
    /// What it is read as.
    pub(super) canonical: String,
    /// The sight, where it is known.
    pub(super) sight: Option<SightId>,
    /// Why.
    pub(super) reason: String,
    /// Whether somebody has said that it is wrong.
    pub(super) undone: bool,
}

/// Two names that are not the same sight.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotTheSame {
    /// The slug of the city.
    pub(super) city: String,
    /// As its labeller wrote it.
    pub(super) label: String,
    /// What it was read as.
    pub(super) canonical: String,
    /// Who says it.
    pub(super) reviewer: String,
}

impl Said {
    pub(super) fn review(self) -> Result<NewReview, Problem> {
        let verdict: Verdict = self
            .verdict
            .parse()
            .map_err(|error: UnknownVerdict| Problem::new(Slug::Malformed, error.to_string()))?;
        if verdict == Verdict::Accept && self.basis.is_none() {
            let what = "`accept` needs `basis`: the labelling that was shown, or null where there was none";
            return Err(Problem::new(Slug::Malformed, what));
        }
        let boxes = if verdict == Verdict::Correct { self.boxes } else { Vec::new() };
        let review = NewReview {
            image: self.image,
            reviewer: self.reviewer.trim().to_owned(),
            verdict,
            basis: self.basis,
            boxes: boxes.into_iter().map(BoxItem::labelled).collect(),
        };
        review::check(&review).map_err(|error| unfit(&error))?;
        Ok(review)
    }
}

impl BoxItem {
    pub(super) fn of(labelled: LabelledBox) -> Self {
        let LabelledBox { label, area, score, mid } = labelled;
        Self { label, area, score, mid }
    }

    fn labelled(self) -> LabelledBox {
        let Self { label, area, score, mid } = self;
        LabelledBox { label: label.trim().to_owned(), area, score, mid }
    }
}

impl LabellingItem {
    pub(super) fn of(label: Label) -> Self {
        let Label { id, producer, outcome, made_at, boxes, .. } = label;
        Self { id, producer, outcome, made_at, boxes: boxes.into_iter().map(BoxItem::of).collect() }
    }
}

impl TaskItem {
    pub(super) fn of(task: Task) -> Self {
        let Task { image, assigned, boxes, basis, labellings, open } = task;
        Self {
            image: image.id,
            file: format!("/v1/images/{}/file", image.id),
            thumbnail: format!("/v1/images/{}/thumbnail", image.id),
            width: image.width,
            height: image.height,
            sight: assigned.sight,
            doubt: assigned.doubt,
            until: assigned.until,
            basis,
            boxes: boxes.into_iter().map(BoxItem::of).collect(),
            labellings: labellings.into_iter().map(LabellingItem::of).collect(),
            open,
        }
    }
}

impl ReviewItem {
    pub(super) fn of(review: LabelReview) -> Self {
        let LabelReview { id, image, reviewer, verdict, label, reviewed_at, undone_at, undone_by } = review;
        Self { id, image, reviewer, verdict: verdict.as_str(), label, reviewed_at, undone_at, undone_by }
    }
}

impl ClassItem {
    pub(super) fn of(class: Class) -> Self {
        let Class { name, images, sight } = class;
        Self { name, images, sight }
    }
}

impl MergeItem {
    pub(super) fn of(merge: Merge) -> Self {
        let Merge { label, canonical, sight, reason, is_undone } = merge;
        Self { label, canonical, sight, reason, undone: is_undone }
    }
}
