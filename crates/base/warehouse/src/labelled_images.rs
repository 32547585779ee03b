//! Images with the labelling that counts and what their licences ask for: what data sets are made of.

use sightscan_types::{CityId, ImageId, ProducerKind, Provenance, RelativeBox, Sha256};

use crate::images::ProvenanceRow;
use crate::labels::LabelledBox;
use crate::statement::sql;
use crate::{Database, Error, Result};

/// An image that may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledImage {
    /// Its id.
    pub id: ImageId,
    /// The blob that holds it.
    pub sha256: Sha256,
    /// Its media type.
    pub media_type: String,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// Images that look alike have hashes that differ in few bits.
    pub perceptual_hash: Option<u64>,
    /// Where it is from; of several places the first one with a licence, which is what it is used under.
    pub provenance: Provenance,
    /// The labelling that counts.
    pub labelling: Option<Labelling>,
}

/// The labelling of an image that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelling {
    /// What kind of labeller made it.
    pub producer: ProducerKind,
    /// What was seen; empty where nothing was found.
    pub boxes: Vec<LabelledBox>,
}

/// An image with one of its boxes; columns of boxes are NULL where it has none.
#[derive(sqlx::FromRow)]
struct Row {
    image_id: String,
    sha256: String,
    media_type: String,
    width: i64,
    height: i64,
    perceptual_hash: Option<i64>,
    #[sqlx(flatten)]
    provenance: ProvenanceRow,
    producer_kind: Option<String>,
    label: Option<String>,
    x: Option<f64>,
    y: Option<f64>,
    w: Option<f64>,
    h: Option<f64>,
    score: Option<f64>,
    mid: Option<String>,
}

/// A page of a city's images that may be used, the oldest first, those behind `after` only.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    database: &Database,
    city: CityId,
    after: Option<ImageId>,
    limit: u32,
) -> Result<Vec<LabelledImage>> {
    // One statement, so that the boxes are those of the labelling that counts at the same moment.
    let rows: Vec<Row> = sql(
        "SELECT i.image_id, i.sha256, i.media_type, i.width, i.height, i.perceptual_hash, \
                o.kind, o.source, o.page_url, o.author, o.licence, o.licence_url, o.retrieved_at, l.producer_kind, \
                b.label, b.x, b.y, b.w, b.h, b.score, b.mid \
         FROM (SELECT g.* FROM city_images f JOIN images g ON g.image_id = f.image_id \
               WHERE f.city_id = $1 AND f.image_id > $2 AND g.review = 'accepted' ORDER BY f.image_id LIMIT $3) i \
         JOIN image_origins o ON o.image_id = i.image_id AND o.origin_id = \
             (SELECT p.origin_id FROM image_origins p WHERE p.image_id = i.image_id \
              ORDER BY p.licence IS NULL, p.origin_id LIMIT 1) \
         LEFT JOIN labels l ON l.label_id = i.label_id LEFT JOIN boxes b ON b.label_id = i.label_id \
         ORDER BY i.image_id, b.number",
    )
    .bind(city.to_string())
    .bind(after.map(|after| after.to_string()).unwrap_or_default())
    .bind(limit)
    .all(&mut database.session().await?)
    .await?;
    let mut rows = rows.into_iter().peekable();
    let mut images = Vec::new();
    while let Some(first) = rows.next() {
        let id = first.image_id.clone();
        let boxes = first.labelled_box();
        let others = std::iter::from_fn(|| rows.next_if(|row| row.image_id == id)?.labelled_box());
        let boxes = boxes.into_iter().chain(others).collect();
        images.push(first.image(boxes)?);
    }
    Ok(images)
}

impl Row {
    fn labelled_box(&self) -> Option<LabelledBox> {
        let area = RelativeBox { x: self.x?, y: self.y?, w: self.w?, h: self.h? };
        Some(LabelledBox { label: self.label.clone()?, area, score: self.score, mid: self.mid.clone() })
    }

    fn image(self, boxes: Vec<LabelledBox>) -> Result<LabelledImage> {
        let producer = self.producer_kind.map(|kind| Error::read::<ProducerKind>("kind of producer", &kind));
        let pixels = |value: i64| u32::try_from(value).unwrap_or(0);
        Ok(LabelledImage {
            id: Error::read("image id", &self.image_id)?,
            sha256: Error::read("SHA-256", &self.sha256)?,
            media_type: self.media_type,
            width: pixels(self.width),
            height: pixels(self.height),
            perceptual_hash: self.perceptual_hash.map(i64::cast_unsigned),
            provenance: self.provenance.try_into()?,
            labelling: producer.transpose()?.map(|producer| Labelling { producer, boxes }),
        })
    }
}
