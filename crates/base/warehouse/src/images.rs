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
use crate::{Database, Dialect, Error, Result, Transaction, Warehouse, arrivals, collection, marts, times};

pub(crate) use reading::ProvenanceRow;
pub use reading::{LicenceCount, by_source, cities, get, licences, list, near_duplicates, of_file, origins};
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
    store_from(warehouse, city, bytes, image, None).await
}

/// As [`store`], for an image that another program put into `load_images`: in the same transaction its row there is
/// deleted. [`Error::ArrivalTaken`] where that row is gone, because another process has moved it on.
pub(crate) async fn store_arrival(
    warehouse: &Warehouse,
    city: CityId,
    bytes: Bytes,
    image: &NewImage,
    load: &str,
) -> Result<Stored> {
    store_from(warehouse, city, bytes, image, Some(load)).await
}

async fn store_from(
    warehouse: &Warehouse,
    city: CityId,
    bytes: Bytes,
    image: &NewImage,
    load: Option<&str>,
) -> Result<Stored> {
    let mut tries = Tries::default();
    loop {
        let blob = put(warehouse, bytes.clone()).await?;
        match try_to_store(warehouse, city, &blob, image, load).await {
            Err(error) => tries.again(error).await?,
            done => return done,
        }
    }
}

async fn try_to_store(
    warehouse: &Warehouse,
    city: CityId,
    blob: &Blob,
    image: &NewImage,
    load: Option<&str>,
) -> Result<Stored> {
    let database = &warehouse.database;
    let mut transaction = database.begin_without_collection().await?;
    if let Some(load) = load
        && !arrivals::take(&mut transaction, "DELETE FROM load_images WHERE load_id = $1", load).await?
    {
        return Err(Error::ArrivalTaken);
    }
    let now = Now::of(database, &mut transaction).await?;
    let stored = store_in(&mut transaction, city, blob, image, now).await?;
    collection::commit(warehouse, transaction, &[blob.sha256]).await?;
    times::committed(database, now.hour);
    Ok(stored)
}

/// The content of an image, which is in the blobs already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blob {
    pub(crate) sha256: Sha256,
    /// Bytes.
    size: usize,
}

/// Puts the content of an image; the row that refers to it is to be written soon.
pub(crate) async fn put(warehouse: &Warehouse, bytes: Bytes) -> Result<Blob> {
    let size = bytes.len();
    Ok(Blob { sha256: warehouse.blobs.put(bytes).await?, size })
}

/// The time of a transaction, with its hour in the time dimension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: i64,
    pub(crate) hour: i64,
}

impl Now {
    pub(crate) async fn of(database: &Database, transaction: &mut Transaction) -> Result<Self> {
        let at = database.now();
        Ok(Self { at, hour: times::add(database, transaction, at).await? })
    }
}

/// Writes the rows of an image in a transaction that keeps the collector of blobs out and ends with
/// [`collection::commit`].
pub(crate) async fn store_in(
    transaction: &mut Transaction,
    city: CityId,
    blob: &Blob,
    image: &NewImage,
    now: Now,
) -> Result<Stored> {
    Error::limit("source of the image", &image.provenance.source, LONGEST_SOURCE)?;
    let consent = match &image.consent {
        Some(consent) => Some(consents::record(transaction, consent, now.at).await?),
        None => None,
    };
    let stored = Rows { id: ImageId::new(), city, blob, image, consent, now }.insert(transaction).await?;
    if !stored.new_in_city {
        show_sight(transaction, city, stored.image, image.sight).await?;
    }
    if !stored.new_image {
        // Its new origin counts in its other cities as well.
        marts::note_changes_of(transaction, stored.image).await?;
    }
    Ok(stored)
}

/// What is written when an image arrives.
struct Rows<'a> {
    /// Its id, if it is a new one.
    id: ImageId,
    city: CityId,
    blob: &'a Blob,
    image: &'a NewImage,
    consent: Option<ConsentId>,
    now: Now,
}

impl Rows<'_> {
    /// Inserts the image, or finds the one with these bytes and locks it.
    async fn insert(&self, transaction: &mut Transaction) -> Result<Stored> {
        let statement = self.statement(transaction.dialect());
        let new_in_city: Option<(String,)> = statement.optional(transaction).await?;
        let image = match &new_in_city {
            Some((id,)) => Error::read("image id", id)?,
            None => self.known_as(transaction).await?,
        };
        Ok(Stored { image, new_image: image == self.id, new_in_city: new_in_city.is_some() })
    }

    fn statement(&self, dialect: Dialect) -> Statement {
        let NewImage { media_type, width, height, provenance, .. } = self.image;
        sql(dialect.store_image())
            .bind(self.id.to_string())
            .bind(self.blob.sha256.to_string())
            .bind(media_type)
            .bind(i64::try_from(self.blob.size).unwrap_or(i64::MAX))
            .bind(*width)
            .bind(*height)
            .bind(self.image.perceptual_hash.map(u64::cast_signed))
            .bind(self.image.review.as_str())
            .bind(self.now.at)
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
            .bind(self.now.hour)
    }

    async fn known_as(&self, transaction: &mut Transaction) -> Result<ImageId> {
        let statement =
            sql("SELECT image_id FROM images WHERE sha256 = $1").bind(self.blob.sha256.to_string());
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

/// Gives an image that another city has to this one as well.
pub(crate) async fn add_to_city(
    transaction: &mut Transaction,
    city: CityId,
    image: ImageId,
    sight: SightId,
    now: Now,
) -> Result<()> {
    let inserted = sql(
        "INSERT INTO city_images (city_id, image_id, sight_id, time_id, added_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (city_id, image_id) DO NOTHING",
    )
    .bind(city.to_string())
    .bind(image.to_string())
    .bind(sight.to_string())
    .bind(now.hour)
    .bind(now.at)
    .execute(transaction)
    .await?;
    if inserted == 0 {
        show_sight(transaction, city, image, Some(sight)).await?;
    }
    marts::note_change(transaction, city).await
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
