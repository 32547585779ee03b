//! Labellings: what somebody saw in an image. They are never changed; which one counts is chosen by rule.

use serde_json::json;
use sightscan_types::{ImageId, LabelId, Outcome, Producer, ProducerKind, RelativeBox};

use crate::doubt::{Seen, doubt};
use crate::statement::{Linked, sql};
use crate::{Database, Error, Result, Transaction, marts};

/// A sight in an image.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledBox {
    /// The sight's name as its producer wrote it: any text.
    pub label: String,
    /// Where it is.
    pub area: RelativeBox,
    /// How sure its producer is, 0 to 1; people give none.
    pub score: Option<f64>,
    /// The sight's id in Google's Knowledge Graph.
    pub mid: Option<String>,
}

/// A labelling that is made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLabel {
    /// Who made it.
    pub producer: Producer,
    /// What was seen; empty where nothing was found.
    pub boxes: Vec<LabelledBox>,
}

/// A labelling.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Its id.
    pub id: LabelId,
    /// Who made it.
    pub producer: Producer,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was made.
    pub made_at: i64,
    /// What was seen.
    pub boxes: Vec<LabelledBox>,
    /// When whoever made it took it back: it does not count any more.
    pub withdrawn_at: Option<i64>,
}

/// Adds a labelling of an image, and has the rule choose anew which one counts: a person's before a program's, of
/// those the newest.
///
/// # Errors
/// [`Error::NoImage`] when the image is gone; the transaction can go on then. Otherwise when the database does not answer.
pub async fn add(
    transaction: &mut Transaction,
    image: ImageId,
    label: &NewLabel,
    now: i64,
) -> Result<LabelId> {
    // First of all, and with a lock on the image: of two that label at once the second one chooses among both.
    touch(transaction, "UPDATE images SET label_attempts = 0 WHERE image_id = $1", image).await?;
    let outcome = if label.boxes.is_empty() { Outcome::Nothing } else { Outcome::Found };
    let id = insert(transaction, image, &label.producer, outcome, None, &summary(&label.boxes), now).await?;
    for (number, labelled) in (0_i64..).zip(&label.boxes) {
        insert_box(transaction, id, number, labelled).await?;
    }
    choose(transaction, image).await?;
    if label.producer.kind != ProducerKind::Human {
        weigh(transaction, image).await?;
    }
    Ok(id)
}

/// Takes a labelling back: another one counts then, as if it had never been made.
pub(crate) async fn withdraw(
    transaction: &mut Transaction,
    image: ImageId,
    label: &str,
    now: i64,
) -> Result<()> {
    sql("UPDATE labels SET withdrawn_at = $2 WHERE label_id = $1")
        .bind(label)
        .bind(now)
        .execute(transaction)
        .await?;
    choose(transaction, image).await
}

/// Notes that an image could not be labelled, and why. It never becomes the labelling that counts.
///
/// # Errors
/// As of [`add`].
pub async fn add_failure(
    transaction: &mut Transaction,
    image: ImageId,
    producer: &Producer,
    reason: &str,
    now: i64,
) -> Result<LabelId> {
    touch(transaction, "UPDATE images SET label_attempts = label_attempts + 1 WHERE image_id = $1", image)
        .await?;
    insert(transaction, image, producer, Outcome::Failed, Some(reason), "[]", now).await
}

/// Changes an image, which has to be there.
async fn touch(transaction: &mut Transaction, text: &'static str, image: ImageId) -> Result<()> {
    match sql(text).bind(image.to_string()).execute(transaction).await? {
        0 => Err(Error::NoImage(image)),
        _ => Ok(()),
    }
}

async fn insert(
    transaction: &mut Transaction,
    image: ImageId,
    producer: &Producer,
    outcome: Outcome,
    reason: Option<&str>,
    summary: &str,
    now: i64,
) -> Result<LabelId> {
    let id = LabelId::new();
    sql(
        "INSERT INTO labels (label_id, image_id, producer_kind, producer, outcome, reason, summary, made_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id.to_string())
    .bind(image.to_string())
    .bind(producer.kind.as_str())
    .bind(&producer.name)
    .bind(outcome.as_str())
    .bind(reason)
    .bind(summary)
    .bind(now)
    .execute(transaction)
    .await?;
    Ok(id)
}

async fn insert_box(
    transaction: &mut Transaction,
    label: LabelId,
    number: i64,
    labelled: &LabelledBox,
) -> Result<()> {
    let RelativeBox { x, y, w, h } = labelled.area;
    sql("INSERT INTO boxes (label_id, number, label, x, y, w, h, score, mid) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind(label.to_string())
    .bind(number)
    .bind(&labelled.label)
    .bind(x)
    .bind(y)
    .bind(w)
    .bind(h)
    .bind(labelled.score)
    .bind(labelled.mid.as_deref())
    .execute(transaction)
    .await?;
    Ok(())
}

/// What readers of the mart see of the boxes.
fn summary(boxes: &[LabelledBox]) -> String {
    let one = |labelled: &LabelledBox| {
        let RelativeBox { x, y, w, h } = labelled.area;
        json!({"label": labelled.label, "x": x, "y": y, "w": w, "h": h, "score": labelled.score})
    };
    serde_json::Value::from(boxes.iter().map(one).collect::<Vec<_>>()).to_string()
}

/// Chooses the labelling that counts.
async fn choose(transaction: &mut Transaction, image: ImageId) -> Result<()> {
    sql("UPDATE images SET label_id = ( \
             SELECT label_id FROM labels WHERE image_id = $1 AND outcome <> 'failed' AND withdrawn_at IS NULL \
             ORDER BY CASE producer_kind WHEN 'human' THEN 0 ELSE 1 END, made_at DESC, label_id DESC LIMIT 1) \
         WHERE image_id = $1")
    .bind(image.to_string())
    .execute(transaction)
    .await?;
    marts::note_changes_of(transaction, image).await
}

/// Finds out how much machines leave open: of each of them its newest labelling counts.
async fn weigh(transaction: &mut Transaction, image: ImageId) -> Result<()> {
    let mut newest: Vec<Label> = Vec::new();
    for label in all(transaction, image).await? {
        let counts = label.outcome != Outcome::Failed && label.producer.kind != ProducerKind::Human;
        if counts && !newest.iter().any(|newer| newer.producer == label.producer) {
            newest.push(label);
        }
    }
    let names = canonical_names(transaction, image).await?;
    let read =
        |name: String| names.iter().find(|(label, _)| *label == name).map_or(name, |(_, read)| read.clone());
    let seen = |labelled: LabelledBox| Seen {
        label: read(labelled.label),
        area: labelled.area,
        score: labelled.score,
    };
    let labellings: Vec<Vec<Seen>> =
        newest.into_iter().map(|label| label.boxes.into_iter().map(seen).collect()).collect();
    sql("UPDATE images SET doubt = $2 WHERE image_id = $1")
        .bind(image.to_string())
        .bind(doubt(&labellings))
        .execute(transaction)
        .await
        .map(drop)
}

/// Names in the cities of an image that are read as other ones.
async fn canonical_names(transaction: &mut Transaction, image: ImageId) -> Result<Vec<(String, String)>> {
    sql("SELECT m.label, m.canonical FROM label_merges m JOIN city_images f ON f.city_id = m.city_id \
         WHERE f.image_id = $1 AND m.undone_at IS NULL ORDER BY m.merge_id")
    .bind(image.to_string())
    .all(transaction)
    .await
}

#[derive(sqlx::FromRow)]
struct Row {
    label_id: String,
    producer_kind: String,
    producer: String,
    outcome: String,
    reason: Option<String>,
    made_at: i64,
    withdrawn_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct BoxRow {
    label_id: String,
    label: String,
    x: f64,
    y: f64,
    w: f64,
    h: f64,
    score: Option<f64>,
    mid: Option<String>,
}

/// All labellings of an image, the newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn history(database: &Database, image: ImageId) -> Result<Vec<Label>> {
    all(&mut database.session().await?, image).await
}

async fn all(on: &mut impl Linked, image: ImageId) -> Result<Vec<Label>> {
    let rows: Vec<Row> =
        sql("SELECT label_id, producer_kind, producer, outcome, reason, made_at, withdrawn_at FROM labels \
         WHERE image_id = $1 ORDER BY made_at DESC, label_id DESC")
        .bind(image.to_string())
        .all(on)
        .await?;
    let boxes: Vec<BoxRow> =
        sql("SELECT b.label_id, b.label, b.x, b.y, b.w, b.h, b.score, b.mid FROM boxes b \
         JOIN labels l ON l.label_id = b.label_id WHERE l.image_id = $1 ORDER BY b.label_id, b.number")
        .bind(image.to_string())
        .all(on)
        .await?;
    rows.into_iter().map(|row| read(row, &boxes)).collect()
}

/// The labelling of an image that counts.
///
/// # Errors
/// When the database does not answer.
pub async fn current(database: &Database, image: ImageId) -> Result<Option<Label>> {
    let Some(chosen) = crate::images::get(database, image).await?.and_then(|image| image.label) else {
        return Ok(None);
    };
    Ok(history(database, image).await?.into_iter().find(|label| label.id == chosen))
}

fn read(row: Row, boxes: &[BoxRow]) -> Result<Label> {
    let own = boxes.iter().filter(|labelled| labelled.label_id == row.label_id);
    let boxes = own.map(|labelled| LabelledBox {
        label: labelled.label.clone(),
        area: RelativeBox { x: labelled.x, y: labelled.y, w: labelled.w, h: labelled.h },
        score: labelled.score,
        mid: labelled.mid.clone(),
    });
    Ok(Label {
        id: Error::read("label id", &row.label_id)?,
        boxes: boxes.collect(),
        producer: Producer {
            kind: Error::read::<ProducerKind>("kind of producer", &row.producer_kind)?,
            name: row.producer,
        },
        outcome: Error::read("outcome", &row.outcome)?,
        reason: row.reason,
        made_at: row.made_at,
        withdrawn_at: row.withdrawn_at,
    })
}
