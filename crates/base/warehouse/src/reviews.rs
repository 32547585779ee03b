//! What people say about labels: which image they are shown next, what they decided, and taking it back.

use std::str::FromStr;

use sightscan_types::{CityId, ImageId, LabelId, Producer, ProducerKind, Review};
use uuid::Uuid;

use crate::labels::{LabelledBox, NewLabel};
use crate::statement::sql;
use crate::{Database, Error, Result, Transaction, images, labels};

/// An image is kept for one person for so long: milliseconds.
pub const ASSIGNED_FOR: i64 = 10 * 60 * 1000;
/// Others may be asked for an image at the same moment; so often another one is looked for.
const TRIES: usize = 8;

/// What a person decided about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its labels are right.
    Accept,
    /// These are the right ones.
    Correct,
    /// There is nothing in it.
    Negative,
    /// It is not to be trained on.
    Reject,
    /// Somebody else should decide.
    Skip,
}

/// What a person says about an image.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReview {
    /// The image.
    pub image: ImageId,
    /// Who.
    pub reviewer: String,
    /// What.
    pub verdict: Verdict,
    /// The labelling that they were shown; it must still be the one that counts. Not asked where it is not given.
    pub basis: Option<Option<LabelId>>,
    /// The labels that they leave; of [`Verdict::Accept`] and [`Verdict::Correct`].
    pub boxes: Vec<LabelledBox>,
}

/// What became of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is written down.
    Done {
        /// Its id.
        review: Uuid,
        /// The labelling that it made.
        label: Option<LabelId>,
    },
    /// There is no such image.
    NoImage,
    /// Somebody else has labelled the image in the meantime.
    Outdated,
}

/// What became of taking a review back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// It is as it was before; of this image.
    Done(ImageId),
    /// There is no such review.
    NoReview,
    /// It was taken back before.
    Already,
    /// There is a later review of the image, which has to be taken back first.
    NotTheLast,
}

/// A review as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelReview {
    /// Its id; ids are in the order of time.
    pub id: Uuid,
    /// The image.
    pub image: ImageId,
    /// Who.
    pub reviewer: String,
    /// What.
    pub verdict: Verdict,
    /// The labelling that it made.
    pub label: Option<LabelId>,
    /// When: milliseconds since 1970-01-01 UTC.
    pub reviewed_at: i64,
    /// When it was taken back.
    pub undone_at: Option<i64>,
    /// Who took it back.
    pub undone_by: Option<String>,
}

/// Which reviews are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this person.
    pub reviewer: Option<String>,
    /// Only those of this image.
    pub image: Option<ImageId>,
}

/// An image that is kept for somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigned {
    /// The image.
    pub image: ImageId,
    /// The sight that it was looked for.
    pub sight: Option<String>,
    /// What machines leave open, 0 to 1; `None` where none has looked.
    pub doubt: Option<f64>,
    /// Until when it is shown to nobody else: milliseconds since 1970-01-01 UTC.
    pub until: i64,
}

impl Verdict {
    const WORDS: [(Self, &'static str); 5] = [
        (Self::Accept, "accept"),
        (Self::Correct, "correct"),
        (Self::Negative, "negative"),
        (Self::Reject, "reject"),
        (Self::Skip, "skip"),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, word)| word)
    }
}

/// The word is that of no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no verdict; say accept, correct, negative, reject or skip")]
pub struct UnknownVerdict(String);

impl FromStr for Verdict {
    type Err = UnknownVerdict;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownVerdict> {
        let found = Self::WORDS.iter().find(|(_, word)| *word == text);
        found.map(|(verdict, _)| *verdict).ok_or_else(|| UnknownVerdict(text.to_owned()))
    }
}

/// The images of a city that people have still to look at, as a condition about `i` and `l`.
macro_rules! open {
    ($select:literal, $tail:literal) => {
        sql(concat!(
            "SELECT ",
            $select,
            " FROM city_images f JOIN images i ON i.image_id = f.image_id \
             LEFT JOIN labels l ON l.label_id = i.label_id \
             WHERE f.city_id = $1 AND i.review = 'accepted' \
             AND (l.producer_kind IS NULL OR l.producer_kind <> 'human')",
            $tail
        ))
    };
}

/// A statement that reads reviews; the columns are those of [`Row`].
macro_rules! select {
    ($condition:literal) => {
        sql(concat!(
            "SELECT r.review_id, r.image_id, r.reviewer, r.verdict, r.label_id, r.review_before, r.reviewed_at, \
                    r.undone_at, r.undone_by FROM label_reviews r WHERE ",
            $condition
        ))
    };
}

/// How many images of a city people have still to look at.
///
/// # Errors
/// When the database does not answer.
pub async fn open(database: &Database, city: CityId) -> Result<i64> {
    let statement = open!("COUNT(*)", "").bind(city.to_string());
    let (count,): (i64,) = statement.one(&mut database.session().await?).await?;
    Ok(count)
}

/// How many images of a city people have decided about. Whoever leaves one to others has not, and what was taken back
/// does not count.
///
/// # Errors
/// When the database does not answer.
pub async fn decided(database: &Database, city: CityId) -> Result<i64> {
    let (count,): (i64,) = sql("SELECT COUNT(DISTINCT r.image_id) FROM label_reviews r \
         JOIN city_images f ON f.image_id = r.image_id \
         WHERE f.city_id = $1 AND r.undone_at IS NULL AND r.verdict <> 'skip'")
    .bind(city.to_string())
    .one(&mut database.session().await?)
    .await?;
    Ok(count)
}

/// The most doubtful image of a city that no person has labelled, which is kept for this one from now on; the one that is
/// kept for them already, if there is one, of several the one that was kept last. `None` where there is none that they have not passed over.
///
/// # Errors
/// When the database does not answer.
pub async fn next(database: &Database, city: CityId, reviewer: &str, now: i64) -> Result<Option<Assigned>> {
    for _ in 0..TRIES {
        let mut transaction = database.begin().await?;
        let Some((image, sight, doubt)) = candidate(&mut transaction, city, reviewer, now).await? else {
            return Ok(None);
        };
        let until = now + ASSIGNED_FOR;
        let is_theirs = assign(&mut transaction, &image, reviewer, (now, until)).await?;
        transaction.commit().await?;
        if is_theirs {
            return Ok(Some(Assigned { image: Error::read("image id", &image)?, sight, doubt, until }));
        }
    }
    Ok(None)
}

async fn candidate(
    transaction: &mut Transaction,
    city: CityId,
    reviewer: &str,
    now: i64,
) -> Result<Option<(String, Option<String>, Option<f64>)>> {
    open!(
        "i.image_id, (SELECT s.name FROM sights s WHERE s.sight_id = f.sight_id), i.doubt",
        " AND NOT EXISTS (SELECT 1 FROM label_assignments a \
                          WHERE a.image_id = i.image_id AND a.reviewer <> $2 AND a.until > $3) \
          AND NOT EXISTS (SELECT 1 FROM label_reviews r WHERE r.image_id = i.image_id AND r.reviewer = $2 \
                          AND r.verdict = 'skip' AND r.undone_at IS NULL) \
          ORDER BY (SELECT a.until FROM label_assignments a \
                    WHERE a.image_id = i.image_id AND a.reviewer = $2 AND a.until > $3) DESC NULLS LAST, \
                   i.doubt DESC NULLS LAST, i.image_id LIMIT 1"
    )
    .bind(city.to_string())
    .bind(reviewer)
    .bind(now)
    .optional(transaction)
    .await
}

/// Keeps an image for somebody; whether nobody else was faster.
async fn assign(
    transaction: &mut Transaction,
    image: &str,
    reviewer: &str,
    (now, until): (i64, i64),
) -> Result<bool> {
    let assigned = sql("INSERT INTO label_assignments (image_id, reviewer, until) VALUES ($1, $2, $3) \
         ON CONFLICT (image_id) DO UPDATE SET reviewer = excluded.reviewer, until = excluded.until \
         WHERE label_assignments.until <= $4 OR label_assignments.reviewer = excluded.reviewer")
    .bind(image)
    .bind(reviewer)
    .bind(until)
    .bind(now)
    .execute(transaction)
    .await?;
    Ok(assigned > 0)
}

#[derive(sqlx::FromRow)]
struct Before {
    review: String,
    label_id: Option<String>,
}

/// Writes down what a person says about an image, and has it count.
///
/// # Errors
/// When the database does not answer.
pub async fn record(transaction: &mut Transaction, review: &NewReview, now: i64) -> Result<Recorded> {
    let Some(before) = lock(transaction, review.image).await? else {
        return Ok(Recorded::NoImage);
    };
    let shown = review.basis.map(|basis| basis.map(|label| label.to_string()));
    if shown.is_some_and(|shown| shown != before.label_id) {
        return Ok(Recorded::Outdated);
    }
    let label = match review.verdict {
        Verdict::Accept | Verdict::Correct | Verdict::Negative => {
            Some(label(transaction, review, now).await?)
        }
        Verdict::Reject => {
            images::set_review(transaction, review.image, Review::Rejected).await?;
            None
        }
        Verdict::Skip => None,
    };
    let id = Uuid::now_v7();
    insert(transaction, (id, review, label), &before.review, now).await?;
    sql("DELETE FROM label_assignments WHERE image_id = $1")
        .bind(review.image.to_string())
        .execute(transaction)
        .await?;
    Ok(Recorded::Done { review: id, label })
}

/// Locks an image, so that of two who review it at once the second sees what the first has done.
async fn lock(transaction: &mut Transaction, image: ImageId) -> Result<Option<Before>> {
    sql("UPDATE images SET review = review WHERE image_id = $1 RETURNING review, label_id")
        .bind(image.to_string())
        .optional(transaction)
        .await
}

async fn label(transaction: &mut Transaction, review: &NewReview, now: i64) -> Result<LabelId> {
    let producer = Producer { kind: ProducerKind::Human, name: review.reviewer.clone() };
    let boxes = if review.verdict == Verdict::Negative { Vec::new() } else { review.boxes.clone() };
    labels::add(transaction, review.image, &NewLabel { producer, boxes }, now).await
}

async fn insert(
    transaction: &mut Transaction,
    (id, review, label): (Uuid, &NewReview, Option<LabelId>),
    before: &str,
    now: i64,
) -> Result<()> {
    sql("INSERT INTO label_reviews (review_id, image_id, reviewer, verdict, label_id, review_before, reviewed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(id.to_string())
    .bind(review.image.to_string())
    .bind(&review.reviewer)
    .bind(review.verdict.as_str())
    .bind(label.map(|label| label.to_string()))
    .bind(before)
    .bind(now)
    .execute(transaction)
    .await
    .map(drop)
}

/// Takes the last review of an image back: its labelling does not count any more, and a rejected image is what it was.
/// The image is kept for the one who takes it back, unless it is for somebody else: they want to see it again.
///
/// # Errors
/// When the database does not answer.
pub async fn undo(transaction: &mut Transaction, review: Uuid, actor: &str, now: i64) -> Result<Undone> {
    let Some((image, row)) = find_locked(transaction, review).await? else { return Ok(Undone::NoReview) };
    if row.undone_at.is_some() {
        return Ok(Undone::Already);
    }
    if is_followed(transaction, &row).await? {
        return Ok(Undone::NotTheLast);
    }
    if let Some(label) = &row.label_id {
        labels::withdraw(transaction, image, label, now).await?;
    }
    if row.verdict == Verdict::Reject.as_str() {
        let before = Error::read("review", &row.review_before)?;
        images::set_review(transaction, image, before).await?;
    }
    sql("UPDATE label_reviews SET undone_at = $2, undone_by = $3 WHERE review_id = $1")
        .bind(&row.review_id)
        .bind(now)
        .bind(actor)
        .execute(transaction)
        .await?;
    assign(transaction, &row.image_id, actor, (now, now + ASSIGNED_FOR)).await?;
    Ok(Undone::Done(image))
}

/// A review as it is once nobody else changes what is said of its image; `None` where one of them is gone.
async fn find_locked(transaction: &mut Transaction, review: Uuid) -> Result<Option<(ImageId, Row)>> {
    let Some(row) = find(transaction, review).await? else { return Ok(None) };
    let image: ImageId = Error::read("image id", &row.image_id)?;
    if lock(transaction, image).await?.is_none() {
        return Ok(None);
    }
    Ok(find(transaction, review).await?.map(|row| (image, row)))
}

async fn find(transaction: &mut Transaction, review: Uuid) -> Result<Option<Row>> {
    select!("r.review_id = $1").bind(review.to_string()).optional(transaction).await
}

/// Whether somebody has said something about the image afterwards that was not taken back.
async fn is_followed(transaction: &mut Transaction, row: &Row) -> Result<bool> {
    let (later,): (i64,) = sql("SELECT COUNT(*) FROM label_reviews \
         WHERE image_id = $1 AND review_id > $2 AND undone_at IS NULL AND verdict <> 'skip'")
    .bind(&row.image_id)
    .bind(&row.review_id)
    .one(transaction)
    .await?;
    Ok(later > 0)
}

/// Reviews of a city's images, the newest first, older than `before`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    database: &Database,
    city: CityId,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<LabelReview>> {
    let rows: Vec<Row> = select!(
        "r.image_id IN (SELECT image_id FROM city_images WHERE city_id = $1) \
         AND ($2 IS NULL OR r.reviewer = $2) AND ($3 IS NULL OR r.image_id = $3) \
         AND ($4 IS NULL OR r.review_id < $4) ORDER BY r.review_id DESC LIMIT $5"
    )
    .bind(city.to_string())
    .bind(filter.reviewer.as_deref())
    .bind(filter.image.map(|image| image.to_string()))
    .bind(before.map(|id| id.to_string()))
    .bind(limit)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(LabelReview::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    review_id: String,
    image_id: String,
    reviewer: String,
    verdict: String,
    label_id: Option<String>,
    review_before: String,
    reviewed_at: i64,
    undone_at: Option<i64>,
    undone_by: Option<String>,
}

impl TryFrom<Row> for LabelReview {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: Error::read("review id", &row.review_id)?,
            image: Error::read("image id", &row.image_id)?,
            reviewer: row.reviewer,
            verdict: Error::read("verdict", &row.verdict)?,
            label: row.label_id.as_deref().map(|id| Error::read("label id", id)).transpose()?,
            reviewed_at: row.reviewed_at,
            undone_at: row.undone_at,
            undone_by: row.undone_by,
        })
    }
}
