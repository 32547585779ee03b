//! A city in a warehouse of its own.

use bytes::Bytes;
use sightscan_blobs::{Address, Blobs};
use sightscan_dataset::Item;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::images::crawled;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, Producer, ProducerKind, RelativeBox};
use sightscan_warehouse::images::{self, NewImage};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};
use sightscan_warehouse::{Warehouse, cities};
use tempfile::TempDir;

pub(crate) struct Site {
    pub(crate) warehouse: Warehouse,
    pub(crate) city: CityId,
    pub(crate) folder: TempDir,
    _test: TestDatabase,
}

impl Site {
    pub(crate) async fn of(test: TestDatabase, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&Address::Folder(folder.path().join("blobs")), |_| None).unwrap();
        let warehouse = Warehouse { database: test.database.clone(), blobs };
        let mut transaction = warehouse.database.begin().await.unwrap();
        let name = CityName::parse(name).unwrap();
        let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
        transaction.commit().await.unwrap();
        Self { warehouse, city: city.id, folder, _test: test }
    }

    /// Stores an image in which a person has seen these sights, all at one place.
    pub(crate) async fn store(&self, name: &str, sights: &[&str], hash: Option<u64>) {
        let image = NewImage { perceptual_hash: hash, ..crawled(name) };
        let area = RelativeBox { x: 0.25, y: 0.25, w: 0.5, h: 0.5 };
        let boxes = sights.iter().map(|label| ((*label).to_owned(), area)).collect();
        self.put(Bytes::from(name.to_owned()), image, boxes).await;
    }

    /// Stores a picture in which a person has seen this sight.
    pub(crate) async fn store_item(&self, item: &Item, sight: &str) {
        let (width, height) = (item.width, item.height);
        let image = NewImage { media_type: "image/png".to_owned(), width, height, ..crawled(&item.name) };
        let boxes = item.labels.boxes().iter().map(|found| (sight.to_owned(), found.bounds)).collect();
        let bytes = item.picture.as_ref().unwrap().read().unwrap();
        self.put(bytes.to_vec().into(), image, boxes).await;
    }

    async fn put(&self, bytes: Bytes, image: NewImage, boxes: Vec<(String, RelativeBox)>) {
        let stored = images::store(&self.warehouse, self.city, bytes, &image).await.unwrap();
        let boxes =
            boxes.into_iter().map(|(label, area)| LabelledBox { label, area, score: None, mid: None });
        let producer = Producer { kind: ProducerKind::Human, name: "ada".to_owned() };
        let label = NewLabel { producer, boxes: boxes.collect() };
        let mut transaction = self.warehouse.database.begin().await.unwrap();
        labels::add(&mut transaction, stored.image, &label, 1).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub(crate) async fn store_many(&self, what: &str, sights: &[&str], count: usize) {
        for number in 0..count {
            self.store(&format!("{what} {number}"), sights, None).await;
        }
    }
}
