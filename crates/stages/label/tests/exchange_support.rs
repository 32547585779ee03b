//! A city with labelled pictures, and what becomes of them elsewhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sightscan_blobs::{Address, Blobs};
use sightscan_dataset::{Exported, FolderSink, Format, Limits, ZipSink, open};
use sightscan_label::exchange::{self, How, Only, Report, Tell, Wish};
use sightscan_pictures::{Encoding, Picture, encode, inspect, perceptual_hash};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::images::crawled;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, ImageId, Producer, ProducerKind, Provenance, RelativeBox, Review};
use sightscan_warehouse::images::{self, NewImage};
use sightscan_warehouse::labelling::{self, Merge};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};
use sightscan_warehouse::{Warehouse, cities};
use tempfile::TempDir;

/// Pixels of a side of every picture here: edges of boxes lie between pixels, so no format has to round them.
pub(crate) const SIDE: u32 = 40;

/// A city of one test's own.
pub(crate) struct Archive {
    pub(crate) warehouse: Warehouse,
    pub(crate) city: CityId,
    pub(crate) folder: TempDir,
    test: TestDatabase,
}

impl Archive {
    pub(crate) async fn new(test: TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&Address::Folder(folder.path().join("blobs")), |_| None).unwrap();
        let warehouse = Warehouse { database: test.database.clone(), blobs };
        let city = new_city(&warehouse, "Paris").await;
        Self { warehouse, city, folder, test }
    }

    /// A city on the engine that this one is not on.
    pub(crate) async fn elsewhere(&self) -> Self {
        let is_sqlite = self.test.url.starts_with("sqlite");
        Self::new(if is_sqlite { TestDatabase::postgres().await } else { TestDatabase::sqlite().await }).await
    }

    /// Stores an accepted picture under a free licence.
    pub(crate) async fn store(&self, number: u64) -> ImageId {
        self.store_as(&texture(number), number, Review::Accepted).await
    }

    pub(crate) async fn store_as(&self, bytes: &Bytes, number: u64, review: Review) -> ImageId {
        let inspection = inspect(bytes, &Default::default()).unwrap();
        let found = crawled(&format!("https://pictures.example/{number}?a=1,2"));
        let provenance = Provenance {
            page_url: Some(format!("https://pictures.example/page/{number}")),
            author: Some(format!("Zoë \"{number}\" Doe, jr.")),
            licence_url: Some("https://creativecommons.org/licenses/by/4.0/".to_owned()),
            ..found.provenance.clone()
        };
        let image = NewImage {
            media_type: "image/png".to_owned(),
            width: inspection.width(),
            height: inspection.height(),
            perceptual_hash: Some(perceptual_hash(&inspection.picture)),
            review,
            provenance,
            ..found
        };
        images::store(&self.warehouse, self.city, bytes.clone(), &image).await.unwrap().image
    }

    pub(crate) async fn label(&self, image: ImageId, kind: ProducerKind, boxes: Vec<LabelledBox>) {
        let label = NewLabel { producer: Producer { kind, name: format!("a {kind}") }, boxes };
        let mut transaction = self.warehouse.database.begin().await.unwrap();
        let now = self.warehouse.database.now();
        labels::add(&mut transaction, image, &label, now).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Stores a picture that a person has labelled so.
    pub(crate) async fn labelled(&self, number: u64, boxes: Vec<LabelledBox>) -> ImageId {
        let image = self.store(number).await;
        self.label(image, ProducerKind::Human, boxes).await;
        image
    }

    pub(crate) async fn merge(&self, label: &str, canonical: &str) {
        let merge = Merge {
            label: label.to_owned(),
            canonical: canonical.to_owned(),
            sight: None,
            reason: "of the test".to_owned(),
            is_undone: false,
        };
        let database = &self.warehouse.database;
        let mut merges = labelling::merges(database, self.city).await.unwrap();
        merges.push(merge);
        let mut transaction = database.begin().await.unwrap();
        labelling::replace_merges(&mut transaction, self.city, &merges, 1).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Pictures of every kind: by people and by machines, with boxes, negative, and unlabelled, in awkward classes.
    pub(crate) async fn fill(&self) {
        for number in 0..8 {
            let boxes = boxes(number);
            self.labelled(
                number,
                boxes.iter().map(|found| LabelledBox { score: None, ..found.clone() }).collect(),
            )
            .await;
        }
        for number in 8..12 {
            self.label(self.store(number).await, ProducerKind::Vision, boxes(number)).await;
        }
        self.labelled(12, vec![]).await;
        self.label(self.store(13).await, ProducerKind::Model, vec![]).await;
        self.store(14).await;
        self.merge("La tour Eiffel", "Tour Eiffel, Paris").await;
    }

    pub(crate) async fn export(&self, wish: &Wish, path: &Path) -> Exported {
        if path.extension().is_some() {
            let sink = ZipSink::create(path).unwrap();
            exchange::export(&self.warehouse, self.city, wish, sink, &silence()).await.unwrap()
        } else {
            let sink = FolderSink::create(path).unwrap();
            exchange::export(&self.warehouse, self.city, wish, sink, &silence()).await.unwrap()
        }
    }

    pub(crate) async fn import(&self, path: &Path, how: &How) -> Report {
        let source = open(path, Limits::default()).unwrap();
        exchange::import(&self.warehouse, self.city, source, how, &silence()).await.unwrap()
    }

    /// What is exported by default, as the contents of the files by their paths.
    pub(crate) async fn files(&self, wish: &Wish) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("files");
        self.export(wish, &path).await;
        contents(&path)
    }
}

/// The texts of files of these names, sorted by path.
pub(crate) fn texts(files: &BTreeMap<String, Vec<u8>>, ending: &str) -> Vec<String> {
    let of = files.iter().filter(|(path, _)| path.ends_with(ending));
    of.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect()
}

pub(crate) async fn new_city(warehouse: &Warehouse, name: &str) -> CityId {
    let mut transaction = warehouse.database.begin().await.unwrap();
    let name = CityName::parse(name).unwrap();
    let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
    transaction.commit().await.unwrap();
    city.id
}

/// The contents of a folder or ZIP by their paths.
pub(crate) fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let source = open(path, Limits::default()).unwrap();
    source.paths().iter().map(|path| (path.clone(), source.read(path).unwrap())).collect()
}

pub(crate) fn silence() -> Tell {
    Arc::new(|_, _| ())
}

pub(crate) fn wish(format: Format) -> Wish {
    Wish { format, only: Only::default(), split: None }
}

/// A data set whose pictures are used if they have any licence.
pub(crate) fn how(name: &str) -> How {
    How {
        format: None,
        name: name.to_owned(),
        licence: None,
        author: None,
        by: None,
        limits: Default::default(),
        may_use: Arc::new(|licence| licence.is_some()),
    }
}

pub(crate) fn labelled(label: &str, [x, y, w, h]: [u32; 4], score: Option<f64>) -> LabelledBox {
    let part = |pixels: u32| f64::from(pixels) / f64::from(SIDE);
    let area = RelativeBox { x: part(x), y: part(y), w: part(w), h: part(h) };
    LabelledBox { label: label.to_owned(), area, score, mid: None }
}

/// One to three boxes by chance, the same for the same number.
fn boxes(number: u64) -> Vec<LabelledBox> {
    const CLASSES: [&str; 5] =
        ["Tour Eiffel, Paris", "La tour Eiffel", "it's \"quoted\": #1", "北京 天安门", "- 007"];
    let mut random = fastrand::Rng::with_seed(number);
    let one = |_| {
        let ([x, y], [w, h]) = ([(); 2].map(|()| random.u32(1..20)), [(); 2].map(|()| random.u32(1..20)));
        let score = f64::from(f32::from(random.u8(0..100)) / 100.0);
        labelled(CLASSES[random.usize(..CLASSES.len())], [x, y, w, h], Some(score))
    };
    (0..=number % 3).map(one).collect()
}

/// A picture of coloured blocks by chance, the same for the same number and unlike any other.
pub(crate) fn texture(number: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(number);
    let blocks: Vec<[u8; 3]> = (0..64).map(|_| [(); 3].map(|()| random.u8(..))).collect();
    let block = |x: u32, y: u32| blocks[(y * 8 / SIDE * 8 + x * 8 / SIDE) as usize];
    let rgb = (0..SIDE * SIDE).flat_map(|at| block(at % SIDE, at / SIDE)).collect();
    encode(&Picture { width: SIDE, height: SIDE, rgb }, Encoding::Png).unwrap().into()
}
