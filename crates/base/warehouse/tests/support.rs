//! What the tests of several aggregates need: a warehouse of their own, things to put into it, and a database tool.

use std::sync::Arc;

use bytes::Bytes;
use sightscan_blobs::{Address as BlobAddress, Blobs};
use sightscan_testkit::database::TestDatabase;
pub(crate) use sightscan_testkit::images::crawled;
use sightscan_types::names::CityName;
use sightscan_types::{
    CityState, ConsentId, ConsentKind, DatasetId, ImageId, LabelId, OriginKind, Producer, ProducerKind,
    RelativeBox, Review, Sha256,
};
use sightscan_warehouse::arrivals::{self, Inspect, Measured, Moved};
use sightscan_warehouse::cities::{self, City, Place, Step};
use sightscan_warehouse::consents::NewConsent;
use sightscan_warehouse::datasets::{self, NewDataset};
use sightscan_warehouse::images::{self, NewImage, Stored};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};
use sightscan_warehouse::models::{self, By, Details, Model, NewModel, Seen, SeenBox};
use sightscan_warehouse::{Database, Error, Warehouse};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// A warehouse that only one test uses.
pub(crate) struct TestWarehouse {
    pub(crate) warehouse: Warehouse,
    pub(crate) test: TestDatabase,
    pub(crate) blobs: TempDir,
}

/// A warehouse on this database, with its blobs in this folder.
pub(crate) fn warehouse(database: Database, folder: &std::path::Path) -> Warehouse {
    let blobs = Blobs::open(&BlobAddress::Folder(folder.to_owned()), |_| None).unwrap();
    Warehouse { database, blobs }
}

impl TestWarehouse {
    pub(crate) fn new(test: TestDatabase) -> Self {
        let blobs = tempfile::tempdir().unwrap();
        Self { warehouse: warehouse(test.database.clone(), blobs.path()), test, blobs }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.warehouse.database
    }

    pub(crate) async fn city(&self, name: &str) -> City {
        self.city_since(name, self.database().now()).await
    }

    /// A city that was asked for at this time.
    pub(crate) async fn city_since(&self, name: &str, now: i64) -> City {
        create_city(self.database(), name, now).await
    }

    pub(crate) async fn step(&self, city: &City, step: Step) {
        let mut transaction = self.database().begin().await.unwrap();
        let now = self.database().now();
        cities::step(&mut transaction, city.id, &step, "admin", None, now).await.unwrap().unwrap();
        transaction.commit().await.unwrap();
    }

    /// A city whose images are being labelled.
    pub(crate) async fn city_at_work(&self, name: &str, since: i64) -> City {
        let city = self.city_since(name, since).await;
        self.step(&city, Step::To(CityState::Approved)).await;
        self.step(&city, Step::To(CityState::Labelling)).await;
        city
    }

    pub(crate) async fn store(&self, city: &City, content: &str, image: &NewImage) -> Stored {
        loop {
            let bytes = Bytes::from(content.to_owned());
            match images::store(&self.warehouse, city.id, bytes, image).await {
                // A collector without grace can come between again and again.
                Err(Error::BlobVanished(_)) => {}
                stored => return stored.unwrap(),
            }
        }
    }

    /// Stores an image whose content and source nobody else has.
    pub(crate) async fn fresh_image(&self, city: &City) -> ImageId {
        let name = uuid::Uuid::now_v7().to_string();
        self.store(city, &name, &crawled(&name)).await.image
    }

    pub(crate) async fn label(
        &self,
        image: ImageId,
        kind: ProducerKind,
        names: &[&str],
        now: i64,
    ) -> LabelId {
        let boxes = names.iter().map(|name| labelled(name)).collect();
        let label = NewLabel { producer: producer(kind), boxes };
        let mut transaction = self.database().begin().await.unwrap();
        let id = labels::add(&mut transaction, image, &label, now).await.unwrap();
        transaction.commit().await.unwrap();
        id
    }

    pub(crate) async fn fail_to_label(&self, image: ImageId, reason: &str) {
        let mut transaction = self.database().begin().await.unwrap();
        let now = self.database().now();
        let vision = producer(ProducerKind::Vision);
        labels::add_failure(&mut transaction, image, &vision, reason, now).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub(crate) async fn dataset(&self, city: &City, images: &[(ImageId, &'static str)]) -> DatasetId {
        let new = NewDataset { city: city.id, classes: vec!["Gate".to_owned()], images: images.to_vec() };
        datasets::store(&self.warehouse, &new, "{}".into()).await.unwrap()
    }

    pub(crate) async fn review(&self, image: ImageId, review: Review) {
        let mut transaction = self.database().begin().await.unwrap();
        assert!(images::set_review(&mut transaction, image, review).await.unwrap());
        transaction.commit().await.unwrap();
    }

    pub(crate) async fn publish(&self, city: &City, content: &str, dataset: Option<DatasetId>) -> Model {
        self.publish_model(content, &NewModel { dataset, ..new_model(city) }).await
    }

    /// A model that was tested with these pictures.
    pub(crate) async fn publish_with_sheet(&self, city: &City, pictures: &[Sha256]) -> Model {
        let area = RelativeBox { x: 0.0, y: 0.0, w: 0.5, h: 0.5 };
        let there = vec![SeenBox { label: "Gate".to_owned(), area, score: None }];
        let seen = |sha256: &Sha256| Seen {
            sha256: *sha256,
            width: 4,
            height: 4,
            there: there.clone(),
            found: Vec::new(),
        };
        let history = vec![serde_json::json!({"epoch": 1})];
        let details = Details { history, sheet: pictures.iter().map(seen).collect() };
        let mut metrics = serde_json::json!({"map50": 0.5});
        models::with_details(&mut metrics, &details).unwrap();
        self.publish_model("sheet", &NewModel { metrics: metrics.to_string(), ..new_model(city) }).await
    }

    async fn publish_model(&self, content: &str, model: &NewModel) -> Model {
        loop {
            match models::publish(&self.warehouse, Bytes::from(content.to_owned()), model, BY).await {
                Err(Error::BlobVanished(_)) => {}
                published => return published.unwrap(),
            }
        }
    }

    pub(crate) async fn move_on(&self) -> Moved {
        arrivals::move_on(&self.warehouse, Arc::new(Header)).await.unwrap()
    }

    /// What an analyst or another program works on the database with.
    pub(crate) async fn tool(&self) -> Tool {
        Tool::connect(&self.test.url).await
    }

    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        self.tool().await.count(statement).await
    }
}

pub(crate) async fn create_city(database: &Database, name: &str, now: i64) -> City {
    let mut transaction = database.begin().await.unwrap();
    let name = CityName::parse(name).unwrap();
    let (city, _) = cities::find_or_create(&mut transaction, &name, None, now).await.unwrap();
    transaction.commit().await.unwrap();
    city
}

/// An image that somebody gave, with the id of the consent.
pub(crate) fn donated() -> (NewImage, ConsentId) {
    let id = ConsentId::new();
    let mut image = crawled(&format!("donation {id}"));
    image.provenance.kind = OriginKind::Donation;
    image.provenance.licence = None;
    let consent = NewConsent {
        id,
        kind: ConsentKind::Explicit,
        text_version: "1".to_owned(),
        requester: "a hash".to_owned(),
        deletion_token: Sha256::of(id.to_string().as_bytes()),
    };
    image.consent = Some(consent);
    (image, id)
}

pub(crate) fn producer(kind: ProducerKind) -> Producer {
    Producer { kind, name: format!("a {kind}") }
}

pub(crate) fn labelled(name: &str) -> LabelledBox {
    let area = RelativeBox { x: 0.25, y: 0.5, w: 0.125, h: 0.25 };
    LabelledBox { label: name.to_owned(), area, score: Some(0.75), mid: None }
}

/// Who does something with models here.
pub(crate) const BY: By<'_> = By { actor: "ada", why: "a test" };

pub(crate) fn new_model(city: &City) -> NewModel {
    NewModel {
        city: city.id,
        specification: "family = \"yolov5\"".to_owned(),
        dataset: None,
        parent: None,
        considered_images: 0,
        metrics: "{}".to_owned(),
    }
}

/// A file that [`Header`] takes for a picture of this size.
pub(crate) fn picture(width: u32, height: u32, rest: &str) -> Vec<u8> {
    format!("PICTURE {width} {height}\n{rest}").into_bytes()
}

/// Measures pictures by the line that they begin with.
pub(crate) struct Header;

impl Inspect for Header {
    fn picture(&self, bytes: &[u8]) -> Result<Measured, String> {
        let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let words: Vec<_> = text.lines().next().unwrap_or_default().split(' ').collect();
        let ["PICTURE", width, height] = words[..] else { return Err("this is no picture".to_owned()) };
        Ok(Measured {
            media_type: "image/png".to_owned(),
            width: width.parse().unwrap(),
            height: height.parse().unwrap(),
            perceptual_hash: u64::from(bytes[bytes.len() - 1]),
        })
    }

    /// Knows one city, by two names.
    fn place(&self, name: &CityName) -> Option<Place> {
        matches!(name.slug().as_str(), "cologne" | "koln").then(|| Place {
            id: 2_886_242,
            country: "DE".to_owned(),
            latitude: 50.93,
            longitude: 6.95,
        })
    }

    fn model(&self, bytes: &[u8]) -> Result<String, String> {
        if bytes.starts_with(b"MODEL") {
            Ok("classes = []".to_owned())
        } else {
            Err("this is no model".to_owned())
        }
    }
}

/// A connection as other programs have it, that knows nothing of our code.
pub(crate) enum Tool {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A value that another program sends.
#[derive(Clone, Copy)]
pub(crate) enum Sent<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(i64),
}

/// Runs the same code with the connection of either engine; `Engine` is its type there.
macro_rules! on_connection {
    ($tool:expr, $connection:ident => $code:block) => {
        match $tool {
            Tool::Sqlite($connection) => {
                type Engine = sqlx::Sqlite;
                $code
            }
            Tool::Postgres($connection) => {
                type Engine = sqlx::Postgres;
                $code
            }
        }
    };
}

impl Tool {
    pub(crate) async fn connect(url: &str) -> Self {
        if url.starts_with("sqlite:") {
            Self::Sqlite(SqliteConnection::connect(url).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(url).await.unwrap())
        }
    }

    pub(crate) async fn run(&mut self, statement: &'static str, values: &[Sent<'_>]) {
        on_connection!(self, connection => {
            let mut query = sqlx::query::<Engine>(statement);
            for value in values {
                query = match *value {
                    Sent::Text(text) => query.bind(text.to_owned()),
                    Sent::Bytes(bytes) => query.bind(bytes.to_vec()),
                    Sent::Number(number) => query.bind(number),
                };
            }
            query.execute(connection).await.unwrap();
        });
    }

    pub(crate) async fn count(&mut self, statement: &'static str) -> i64 {
        on_connection!(self, connection => {
            sqlx::query_scalar::<Engine, i64>(statement).fetch_one(connection).await.unwrap()
        })
    }

    pub(crate) async fn texts(&mut self, statement: &'static str) -> Vec<String> {
        self.texts_of(statement.to_owned()).await
    }

    pub(crate) async fn texts_of(&mut self, statement: String) -> Vec<String> {
        let statement = AssertSqlSafe(statement);
        on_connection!(self, connection => {
            sqlx::query_scalar::<Engine, String>(statement).fetch_all(connection).await.unwrap()
        })
    }

    /// All tables, views and indexes.
    pub(crate) async fn relations(&mut self) -> Vec<String> {
        let statement = match self {
            Self::Sqlite(_) => "SELECT name FROM sqlite_master ORDER BY name",
            Self::Postgres(_) => {
                "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
            }
        };
        self.texts(statement).await
    }

    /// How large the database is, in bytes.
    pub(crate) async fn size(&mut self) -> i64 {
        let statement = match self {
            Self::Sqlite(_) => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Self::Postgres(_) => "SELECT pg_database_size(current_database())",
        };
        self.count(statement).await
    }

    pub(crate) async fn send_image(&mut self, bytes: &[u8], city: &str, source: &str) {
        let statement = "INSERT INTO load_images (image, city, source) VALUES ($1, $2, $3)";
        self.run(statement, &[Sent::Bytes(bytes), Sent::Text(city), Sent::Text(source)]).await;
    }

    pub(crate) async fn send_labels(&mut self, source: &str, boxes: &str) {
        let statement = "INSERT INTO load_labels (source, boxes) VALUES ($1, $2)";
        self.run(statement, &[Sent::Text(source), Sent::Text(boxes)]).await;
    }

    pub(crate) async fn send_model(&mut self, city: &str, bytes: &[u8], considered_images: i64) {
        let statement = "INSERT INTO load_models (city, model, considered_images) VALUES ($1, $2, $3)";
        self.run(statement, &[Sent::Text(city), Sent::Bytes(bytes), Sent::Number(considered_images)]).await;
    }
}
