//! Images: one row for each different content, with every place that it came from.
//!
//! The blob is written and flushed first, then one short transaction writes the rows. In that transaction the blob is
//! looked for once more, while collecting is locked out: so no row ever refers to a blob that was collected meanwhile.

use bytes::Bytes;
use sightscan_types::{
    CityId, ConsentId, ImageId, LabelId, OriginKind, ProducerKind, Provenance, Review, Sha256, SightId,
};

use crate::consents::{self, NewConsent};
use crate::statement::{Statement, sql};
use crate::tries::Tries;
use crate::{Database, Error, Result, Transaction, Warehouse, arrivals, collection, datasets, marts, times};

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

/// A statement that reads images; the columns are those of [`Row`].
macro_rules! select {
    ($tail:literal) => {
        sql(concat!(
            "SELECT i.image_id, i.sha256, i.media_type, i.size, i.width, i.height, i.perceptual_hash, i.review, \
                    i.label_id, i.created_at FROM images i ",
            $tail
        ))
    };
}

/// An image by its id.
///
/// # Errors
/// When the database does not answer.
pub async fn get(database: &Database, id: ImageId) -> Result<Option<Image>> {
    let statement = select!("WHERE i.image_id = $1").bind(id.to_string());
    let row: Option<Row> = statement.optional(&mut database.session().await?).await?;
    row.map(Image::try_from).transpose()
}

/// The images that came from a source; more than one where its content changed. What it had last is first.
///
/// # Errors
/// When the database does not answer.
pub async fn by_source(database: &Database, source: &str) -> Result<Vec<Image>> {
    let statement = select!(
        "JOIN image_origins o ON o.image_id = i.image_id WHERE o.source = $1 ORDER BY o.origin_id DESC"
    );
    let rows: Vec<Row> = statement.bind(source).all(&mut database.session().await?).await?;
    rows.into_iter().map(Image::try_from).collect()
}

/// Every place that an image came from, the first one first.
///
/// # Errors
/// When the database does not answer.
pub async fn origins(database: &Database, id: ImageId) -> Result<Vec<Origin>> {
    let rows: Vec<OriginRow> = sql(
        "SELECT kind, source, page_url, author, licence, licence_url, retrieved_at, consent_id FROM image_origins \
         WHERE image_id = $1 ORDER BY origin_id",
    )
    .bind(id.to_string())
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Origin::try_from).collect()
}

/// The ids of the cities that an image shows.
///
/// # Errors
/// When the database does not answer.
pub async fn cities(database: &Database, id: ImageId) -> Result<Vec<CityId>> {
    let statement =
        sql("SELECT city_id FROM city_images WHERE image_id = $1 ORDER BY city_id").bind(id.to_string());
    let rows: Vec<(String,)> = statement.all(&mut database.session().await?).await?;
    rows.iter().map(|(city,)| Error::read("city id", city)).collect()
}

/// Images of a city, the oldest first, those behind `after` only.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    database: &Database,
    city: CityId,
    filter: &Filter,
    after: Option<ImageId>,
    limit: u32,
) -> Result<Vec<Listed>> {
    let rows: Vec<ListedRow> = sql(
        "SELECT image_id, sha256, media_type, width, height, source, licence, sight, review, label_producer, labels, \
                added_at FROM mart_city_images m \
         WHERE city_id = $1 AND image_id > $2 AND ($3 IS NULL OR sight = $3) \
           AND ($4 IS NULL OR licence = $4) AND ($5 IS NULL OR review = $5) \
           AND ($6 IS NULL OR (label_producer IS NOT NULL) = $6) \
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM images i JOIN boxes b ON b.label_id = i.label_id \
                                      WHERE i.image_id = m.image_id AND b.label = $7)) \
         ORDER BY image_id LIMIT $8",
    )
    .bind(city.to_string())
    .bind(after.map(|after| after.to_string()).unwrap_or_default())
    .bind(filter.sight.as_deref())
    .bind(filter.licence.as_deref())
    .bind(filter.review.map(Review::as_str))
    .bind(filter.labelled)
    .bind(filter.label.as_deref())
    .bind(limit)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Listed::try_from).collect()
}

/// Images whose perceptual hash differs from this one in at most so many bits, the nearest first. All hashes are
/// looked at: 20 bytes an image, so a million images take a moment.
///
/// # Errors
/// When the database does not answer.
pub async fn near_duplicates(database: &Database, hash: u64, bits: u32) -> Result<Vec<(ImageId, u32)>> {
    let statement = sql("SELECT image_id, perceptual_hash FROM images WHERE perceptual_hash IS NOT NULL");
    let rows: Vec<(String, i64)> = statement.all(&mut database.session().await?).await?;
    let distance = |other: i64| (other.cast_unsigned() ^ hash).count_ones();
    let near = rows.iter().filter(|(_, other)| distance(*other) <= bits);
    let mut near = near
        .map(|(id, other)| Ok((Error::read("image id", id)?, distance(*other))))
        .collect::<Result<Vec<(ImageId, u32)>>>()?;
    near.sort_by_key(|(id, distance)| (*distance, *id));
    Ok(near)
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

/// What was withdrawn with a consent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Images that are gone.
    pub images: Vec<ImageId>,
    /// Datasets that they were part of.
    pub tainted_datasets: u64,
    /// Models that were trained on those.
    pub tainted_models: u64,
}

/// Takes back what was given with a consent. An image that came from elsewhere as well stays; all others are gone with
/// their labels and their blobs, and the datasets and models that were made of them are marked.
///
/// # Errors
/// When the database does not answer: then nothing was done. When the blobs do not answer: then the rows are gone, and
/// the blobs go with the next [`collection::collect`].
pub async fn withdraw(warehouse: &Warehouse, consent: ConsentId, why: &str) -> Result<Withdrawn> {
    let mut tries = Tries::default();
    loop {
        match try_to_withdraw(&warehouse.database, consent, why).await {
            Err(error) => tries.again(error).await?,
            Ok((withdrawn, blobs)) => {
                collection::collect_now(warehouse, &blobs).await?;
                return Ok(withdrawn);
            }
        }
    }
}

/// Gives the blobs that are to be collected, too.
async fn try_to_withdraw(
    database: &Database,
    consent: ConsentId,
    why: &str,
) -> Result<(Withdrawn, Vec<Sha256>)> {
    let now = database.now();
    let mut transaction = database.begin().await?;
    consents::revoke(&mut transaction, consent, now).await?;
    let mut withdrawn = Withdrawn::default();
    let mut blobs = Vec::new();
    for image in of_consent(&mut transaction, consent).await? {
        lock(&mut transaction, image).await?;
        sql("DELETE FROM image_origins WHERE image_id = $1 AND consent_id = $2")
            .bind(image.to_string())
            .bind(consent.to_string())
            .execute(&mut transaction)
            .await?;
        if has_origin(&mut transaction, image).await? {
            marts::note_changes_of(&mut transaction, image).await?;
            continue;
        }
        let (datasets, models) = datasets::taint(&mut transaction, image, why, now).await?;
        withdrawn.tainted_datasets += datasets;
        withdrawn.tainted_models += models;
        blobs.push(delete(&mut transaction, image).await?);
        withdrawn.images.push(image);
    }
    transaction.commit().await?;
    Ok((withdrawn, blobs))
}

/// Keeps others from labelling an image or adding an origin to it until the transaction ends: what is read of it
/// afterwards is all there is.
async fn lock(transaction: &mut Transaction, image: ImageId) -> Result<()> {
    sql("UPDATE images SET review = review WHERE image_id = $1")
        .bind(image.to_string())
        .execute(transaction)
        .await?;
    Ok(())
}

async fn of_consent(transaction: &mut Transaction, consent: ConsentId) -> Result<Vec<ImageId>> {
    let statement = sql("SELECT image_id FROM image_origins WHERE consent_id = $1 ORDER BY image_id");
    let rows: Vec<(String,)> = statement.bind(consent.to_string()).all(transaction).await?;
    rows.iter().map(|(id,)| Error::read("image id", id)).collect()
}

async fn has_origin(transaction: &mut Transaction, image: ImageId) -> Result<bool> {
    let statement = sql("SELECT COUNT(*) FROM image_origins WHERE image_id = $1").bind(image.to_string());
    let (count,): (i64,) = statement.one(transaction).await?;
    Ok(count > 0)
}

/// Deletes all rows of an image and gives the blob that held it.
async fn delete(transaction: &mut Transaction, image: ImageId) -> Result<Sha256> {
    marts::note_changes_of(transaction, image).await?;
    let id = image.to_string();
    for statement in [
        "DELETE FROM label_reviews WHERE image_id = $1",
        "DELETE FROM label_assignments WHERE image_id = $1",
        "DELETE FROM boxes WHERE label_id IN (SELECT label_id FROM labels WHERE image_id = $1)",
        "DELETE FROM labels WHERE image_id = $1",
        "DELETE FROM city_images WHERE image_id = $1",
    ] {
        sql(statement).bind(&id).execute(transaction).await?;
    }
    let statement = sql("DELETE FROM images WHERE image_id = $1 RETURNING sha256").bind(&id);
    let (sha256,): (String,) = statement.one(transaction).await?;
    Error::read("SHA-256", &sha256)
}

#[derive(sqlx::FromRow)]
struct Row {
    image_id: String,
    sha256: String,
    media_type: String,
    size: i64,
    width: i64,
    height: i64,
    perceptual_hash: Option<i64>,
    review: String,
    label_id: Option<String>,
    created_at: i64,
}

impl TryFrom<Row> for Image {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: Error::read("image id", &row.image_id)?,
            sha256: Error::read("SHA-256", &row.sha256)?,
            media_type: row.media_type,
            size: row.size,
            width: row.width,
            height: row.height,
            perceptual_hash: row.perceptual_hash.map(i64::cast_unsigned),
            review: Error::read("review", &row.review)?,
            label: row.label_id.as_deref().map(|id| Error::read("label id", id)).transpose()?,
            created_at: row.created_at,
        })
    }
}

#[derive(sqlx::FromRow)]
struct OriginRow {
    kind: String,
    source: String,
    page_url: Option<String>,
    author: Option<String>,
    licence: Option<String>,
    licence_url: Option<String>,
    retrieved_at: i64,
    consent_id: Option<String>,
}

impl TryFrom<OriginRow> for Origin {
    type Error = Error;

    fn try_from(row: OriginRow) -> Result<Self> {
        let provenance = Provenance {
            kind: Error::read::<OriginKind>("kind of origin", &row.kind)?,
            source: row.source,
            page_url: row.page_url,
            author: row.author,
            licence: row.licence,
            licence_url: row.licence_url,
            retrieved_at: row.retrieved_at,
        };
        let consent = row.consent_id.as_deref().map(|id| Error::read("consent id", id)).transpose()?;
        Ok(Self { provenance, consent })
    }
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    image_id: String,
    sha256: String,
    media_type: String,
    width: i64,
    height: i64,
    source: String,
    licence: Option<String>,
    sight: Option<String>,
    review: String,
    label_producer: Option<String>,
    labels: String,
    added_at: i64,
}

impl TryFrom<ListedRow> for Listed {
    type Error = Error;

    fn try_from(row: ListedRow) -> Result<Self> {
        let producer = row.label_producer.as_deref().map(|word| Error::read("kind of producer", word));
        Ok(Self {
            id: Error::read("image id", &row.image_id)?,
            sha256: Error::read("SHA-256", &row.sha256)?,
            media_type: row.media_type,
            width: row.width,
            height: row.height,
            source: row.source,
            licence: row.licence,
            sight: row.sight,
            review: Error::read("review", &row.review)?,
            label_producer: producer.transpose()?,
            labels: row.labels,
            added_at: row.added_at,
        })
    }
}
