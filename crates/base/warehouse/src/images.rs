//! Images: one row for each different content, with every place that it came from.
//!
//! The blob is written and flushed first, then one short transaction writes the rows. In that transaction the blob is
//! looked for once more, while collecting is locked out: so no row ever refers to a blob that was collected meanwhile.

mod reading;
mod withdrawal;

use bytes::Bytes;
use sightscan_types::{
    CityId, ConsentId, ImageId, LabelId, ProducerKind, Provenance, Review, Sha256, SightId,
};

use crate::consents::{self, NewConsent};
use crate::statement::{Statement, sql};
use crate::tries::Tries;
use crate::{Database, Error, Result, Transaction, Warehouse, arrivals, collection, marts, times};

pub use reading::{by_source, cities, get, list, near_duplicates, origins};
pub use withdrawal::{Withdrawn, withdraw};

/// Bytes of a source: images are found by it.
pub const LONGEST_SOURCE: usize = 2_048;

/// What is known of an image that arrives.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// Its media type, such as `image/jpeg`.
    pub media_type: String,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// Images that look alike have hashes that differ in few bits.
    pub perceptual_hash: Option<u64>,
    /// Whether it may be trained on; an image that was accepted before stays accepted.
    pub review: Review,
    /// Where it is from.
    pub provenance: Provenance,
    /// The consent of its donor, which is recorded with it.
    pub consent: Option<NewConsent>,
    /// The sight that it was looked for.
    pub sight: Option<SightId>,
}

/// What became of an image that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The image.
    pub image: ImageId,
    /// Whether nobody had sent these bytes before.
    pub new_image: bool,
    /// Whether the city did not have it before.
    pub new_in_city: bool,
}

/// An image as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// The blob that holds it.
    pub sha256: Sha256,
    /// Its media type.
    pub media_type: String,
    /// Bytes.
    pub size: i64,
    /// Pixels, upright.
    pub width: i64,
    /// Pixels, upright.
    pub height: i64,
    /// See [`NewImage::perceptual_hash`].
    pub perceptual_hash: Option<u64>,
    /// Whether it may be trained on.
    pub review: Review,
    /// The current labelling.
    pub label: Option<LabelId>,
    /// When it first arrived.
    pub created_at: i64,
}

/// One place that an image came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Where and when.
    pub provenance: Provenance,
    /// The consent of its donor.
    pub consent: Option<ConsentId>,
}

/// An image in the list of a city.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its id.
    pub id: ImageId,
    /// The blob that holds it.
    pub sha256: Sha256,
    /// Its media type.
    pub media_type: String,
    /// Pixels, upright.
    pub width: i64,
    /// Pixels, upright.
    pub height: i64,
    /// Where it is from.
    pub source: String,
    /// Its licence.
    pub licence: Option<String>,
    /// The sight that it was looked for.
    pub sight: Option<String>,
    /// Whether it may be trained on.
    pub review: Review,
    /// Who made the current labelling.
    pub label_producer: Option<ProducerKind>,
    /// JSON: the current boxes.
    pub labels: String,
    /// When the city got it.
    pub added_at: i64,
}

/// Which images of a city are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that were looked for this sight.
    pub sight: Option<String>,
    /// Only those with a current box of this label.
    pub label: Option<String>,
    /// Only those with this licence.
    pub licence: Option<String>,
    /// Only those with this review.
    pub review: Option<Review>,
    /// Only those that were labelled, or only those that were not.
    pub labelled: Option<bool>,
}

/// Stores an image of a city: once for each content, however often and from however many sides it arrives.
///
/// # Errors
/// When its source is longer than [`LONGEST_SOURCE`], or the blobs or the database do not answer.
pub async fn store(warehouse: &Warehouse, city: CityId, bytes: Bytes, image: &NewImage) -> Result<Stored> {
    match store_from(warehouse, city, bytes, image, None).await? {
        Some(stored) => Ok(stored),
        None => Err(Error::Unreadable { what: "arrival", value: String::new() }),
    }
}

/// As [`store`], for an image that another program put into `load_images`: in the same transaction its row there is
/// deleted. `None` where that row is gone, because another process has moved it on.
pub(crate) async fn store_arrival(
    warehouse: &Warehouse,
    city: CityId,
    bytes: Bytes,
    image: &NewImage,
    load: &str,
) -> Result<Option<Stored>> {
    store_from(warehouse, city, bytes, image, Some(load)).await
}

async fn store_from(
    warehouse: &Warehouse,
    city: CityId,
    bytes: Bytes,
    image: &NewImage,
    load: Option<&str>,
) -> Result<Option<Stored>> {
    Error::limit("source of the image", &image.provenance.source, LONGEST_SOURCE)?;
    let mut tries = Tries::default();
    loop {
        let sha256 = warehouse.blobs.put(bytes.clone()).await?;
        match try_to_store(warehouse, city, (&sha256, bytes.len()), image, load).await {
            Err(error) => tries.again(error).await?,
            done => return done,
        }
    }
}

async fn try_to_store(
    warehouse: &Warehouse,
    city: CityId,
    (sha256, size): (&Sha256, usize),
    image: &NewImage,
    load: Option<&str>,
) -> Result<Option<Stored>> {
    let database = &warehouse.database;
    let now = database.now();
    let mut transaction = database.begin_without_collection().await?;
    if let Some(load) = load
        && !arrivals::take(&mut transaction, "DELETE FROM load_images WHERE load_id = $1", load).await?
    {
        return Ok(None);
    }
    let hour = times::add(database, &mut transaction, now).await?;
    let consent = match &image.consent {
        Some(consent) => Some(consents::record(&mut transaction, consent, now).await?),
        None => None,
    };
    let rows = Rows { id: ImageId::new(), city, sha256, size, image, consent, hour, now };
    let stored = rows.insert(&mut transaction).await?;
    if !stored.new_in_city {
        show_sight(&mut transaction, city, stored.image, image.sight).await?;
    }
    if !stored.new_image {
        // Its new origin counts in its other cities as well.
        marts::note_changes_of(&mut transaction, stored.image).await?;
    }
    collection::commit(warehouse, transaction, sha256).await?;
    times::committed(database, hour);
    Ok(Some(stored))
}

/// What is written when an image arrives.
struct Rows<'a> {
    /// Its id, if it is a new one.
    id: ImageId,
    city: CityId,
    sha256: &'a Sha256,
    size: usize,
    image: &'a NewImage,
    consent: Option<ConsentId>,
    hour: i64,
    now: i64,
}

impl Rows<'_> {
    /// Inserts the image, or finds the one with these bytes and locks it.
    async fn insert(&self, transaction: &mut Transaction) -> Result<Stored> {
        let parameters = self.parameters();
        let mut new_in_city: Option<(String,)> = None;
        for text in transaction.dialect().store_image() {
            new_in_city = parameters.with_text(text).optional(transaction).await?;
        }
        let image = match &new_in_city {
            Some((id,)) => Error::read("image id", id)?,
            None => self.known_as(transaction).await?,
        };
        Ok(Stored { image, new_image: image == self.id, new_in_city: new_in_city.is_some() })
    }

    /// Those of [`Dialect::store_image`](crate::Dialect::store_image).
    fn parameters(&self) -> Statement {
        let NewImage { media_type, width, height, provenance, .. } = self.image;
        sql("")
            .bind(self.id.to_string())
            .bind(self.sha256.to_string())
            .bind(media_type)
            .bind(i64::try_from(self.size).unwrap_or(i64::MAX))
            .bind(*width)
            .bind(*height)
            .bind(self.image.perceptual_hash.map(u64::cast_signed))
            .bind(self.image.review.as_str())
            .bind(self.now)
            .bind(uuid::Uuid::now_v7().to_string())
            .bind(provenance.kind.as_str())
            .bind(&provenance.source)
            .bind(provenance.page_url.as_deref())
            .bind(provenance.author.as_deref())
            .bind(provenance.licence.as_deref())
            .bind(provenance.licence_url.as_deref())
            .bind(provenance.retrieved_at)
            .bind(self.consent.map(|consent| consent.to_string()))
            .bind(self.city.to_string())
            .bind(self.image.sight.map(|sight| sight.to_string()))
            .bind(self.hour)
    }

    async fn known_as(&self, transaction: &mut Transaction) -> Result<ImageId> {
        let statement = sql("SELECT image_id FROM images WHERE sha256 = $1").bind(self.sha256.to_string());
        let (id,): (String,) = statement.one(transaction).await?;
        Error::read("image id", &id)
    }
}

/// Writes down which sight an image of a city shows, unless that is known.
async fn show_sight(
    transaction: &mut Transaction,
    city: CityId,
    image: ImageId,
    sight: Option<SightId>,
) -> Result<()> {
    sql("UPDATE city_images SET sight_id = $3 WHERE city_id = $1 AND image_id = $2 AND sight_id IS NULL")
        .bind(city.to_string())
        .bind(image.to_string())
        .bind(sight.map(|sight| sight.to_string()))
        .execute(transaction)
        .await
        .map(drop)
}

/// Gives an image that another city has to this one as well; whether the city did not have it.
///
/// # Errors
/// When there is no such image, or the database does not answer.
pub async fn add_to_city(
    database: &Database,
    transaction: &mut Transaction,
    city: CityId,
    image: ImageId,
    sight: Option<SightId>,
) -> Result<bool> {
    let now = database.now();
    let hour = times::add(database, transaction, now).await?;
    let inserted = sql(
        "INSERT INTO city_images (city_id, image_id, sight_id, time_id, added_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (city_id, image_id) DO NOTHING",
    )
    .bind(city.to_string())
    .bind(image.to_string())
    .bind(sight.map(|sight| sight.to_string()))
    .bind(hour)
    .bind(now)
    .execute(transaction)
    .await?;
    if inserted == 0 {
        show_sight(transaction, city, image, sight).await?;
    }
    marts::note_change(transaction, city).await?;
    Ok(inserted == 1)
}

/// Says whether an image may be trained on; whether there is such an image.
///
/// # Errors
/// When the database does not answer.
pub async fn set_review(transaction: &mut Transaction, id: ImageId, review: Review) -> Result<bool> {
    let touched = sql("UPDATE images SET review = $2 WHERE image_id = $1")
        .bind(id.to_string())
        .bind(review.as_str())
        .execute(transaction)
        .await?;
    marts::note_changes_of(transaction, id).await?;
    Ok(touched == 1)
}
