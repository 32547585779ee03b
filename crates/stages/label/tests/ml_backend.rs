//! The backend for Label Studio, asked as Label Studio asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Response;
use serde_json::{Value, json};
use sightscan_blobs::{Address, Blobs};
use sightscan_http::axum::Router;
use sightscan_http::{AdminGate, AdminToken, ServerOptions, serve, surround};
use sightscan_label::ml_backend::{Bounds, MlBackend, router};
use sightscan_label::{Answer, Found, Labeller, Picture, Step};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::images::crawled;
use sightscan_testkit::on_both_engines;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, ImageId, Producer, ProducerKind, RelativeBox, Review};
use sightscan_warehouse::images::{self, NewImage};
use sightscan_warehouse::labelling::{self, Merge};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};
use sightscan_warehouse::{Warehouse, cities};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::plain;

on_both_engines![
    label_studio_connects_and_hears_the_version,
    what_is_known_of_an_image_is_told_in_its_words,
    a_person_counts_more_and_a_negative_has_no_boxes,
    pictures_without_labels_are_looked_at_by_what_costs_nothing,
    w_s15_pictures_from_elsewhere_are_not_fetched,
    requests_that_cannot_be_meant_are_told,
    a_database_that_is_gone_is_not_an_empty_prediction,
    only_this_machine_and_the_administrator_are_answered,
];

const TOKEN: &str = "a-token-of-these-tests";
const CONFIG: &str = "<View><Image name=\"photo\" value=\"$picture\"/>\
    <RectangleLabels name=\"sight\" toName=\"photo\"><Label value=\"Eiffel Tower\"/><Label value=\"Louvre\"/>\
    </RectangleLabels></View>";
const AREA: RelativeBox = RelativeBox { x: 0.25, y: 0.5, w: 0.125, h: 0.25 };

/// Sees the tower in every picture, and counts them.
struct Seer {
    looked: Arc<AtomicUsize>,
    score: f64,
}

impl Labeller for Seer {
    fn producer(&self) -> Producer {
        Producer { kind: ProducerKind::Model, name: "paris".to_owned() }
    }

    fn most_at_once(&self) -> usize {
        1
    }

    fn label(&self, pictures: Vec<Picture>) -> BoxFuture<'_, Vec<Answer>> {
        self.looked.fetch_add(pictures.len(), Ordering::Relaxed);
        let found = |label: &str, score| Found {
            label: label.to_owned(),
            area: AREA,
            score: Some(score),
            mid: None,
            latitude: None,
            longitude: None,
        };
        let answer = Answer::Labelled(vec![found("Eiffel Tower", self.score), found("Louvre", 0.1)]);
        let answers = vec![answer; pictures.len()];
        async move { answers }.boxed()
    }
}

/// A backend that listens until its test ends.
struct Site {
    warehouse: Warehouse,
    city: CityId,
    url: String,
    /// Pictures that the model looked at, and those that the paid labeller did.
    free: Arc<AtomicUsize>,
    paid: Arc<AtomicUsize>,
    _serving: DropGuard,
    _test: TestDatabase,
    _folder: TempDir,
}

impl Site {
    async fn start(test: TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&Address::Folder(folder.path().join("blobs")), |_| None).unwrap();
        let warehouse = Warehouse { database: test.database.clone(), blobs };
        let mut transaction = warehouse.database.begin().await.unwrap();
        let name = CityName::parse("Paris").unwrap();
        let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
        transaction.commit().await.unwrap();
        let (free, paid) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let step = |looked: &Arc<AtomicUsize>, is_paid, score| {
            let labeller = Arc::new(Seer { looked: Arc::clone(looked), score });
            Step { labeller, is_paid, min_score: 0.3 }
        };
        let steps = vec![step(&paid, true, 0.99), step(&free, false, 0.75)];
        let bounds = Bounds { bytes: 64 << 10, pixels: 1 << 20 };
        let backend = MlBackend::new(warehouse.clone(), steps, bounds);
        let gate = AdminGate::new(AdminToken::new(TOKEN).unwrap()).open_to_loopback();
        let (url, _serving) = listen(router(&backend, &gate).into()).await;
        Self { warehouse, city: city.id, url, free, paid, _serving, _test: test, _folder: folder }
    }

    async fn store(&self, bytes: &Bytes, name: &str) -> ImageId {
        let found = crawled(&format!("https://pictures.example/{name}"));
        let image = NewImage { width: 120, height: 80, review: Review::Pending, ..found };
        images::store(&self.warehouse, self.city, bytes.clone(), &image).await.unwrap().image
    }

    /// An image with a labelling by somebody of this kind.
    async fn labelled(&self, name: &str, kind: ProducerKind, labels: &[(&str, Option<f64>)]) -> ImageId {
        let image = self.store(&Bytes::from(name.to_owned()), name).await;
        self.label(image, kind, labels, 1).await;
        image
    }

    async fn label(&self, image: ImageId, kind: ProducerKind, labels: &[(&str, Option<f64>)], at: i64) {
        let boxes = labels.iter().map(|(label, score)| LabelledBox {
            label: (*label).to_owned(),
            area: AREA,
            score: *score,
            mid: None,
        });
        let producer = Producer { kind, name: "somebody".to_owned() };
        let new = NewLabel { producer, boxes: boxes.collect() };
        let mut transaction = self.warehouse.database.begin().await.unwrap();
        labels::add(&mut transaction, image, &new, at).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        client().post(format!("{}{path}", self.url)).json(body).send().await.unwrap()
    }

    /// The predictions for tasks with this data.
    async fn predict(&self, data: &[Value]) -> Vec<Value> {
        let tasks = (1..).zip(data).map(|(id, data): (usize, _)| {
            json!({"id": id, "data": data, "annotations": [], "predictions": [], "project": 1})
        });
        let params = json!({"login": null, "password": null, "context": null});
        let body = json!({"tasks": tasks.collect::<Vec<_>>(), "model_version": "sightscan", "project": "1.1700000000",
            "label_config": CONFIG, "params": params});
        let answer = self.post("/predict", &body).await;
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        let results = answer["results"].as_array().unwrap().clone();
        assert_eq!(results.len(), data.len(), "Label Studio wants one for each task");
        results.iter().for_each(assert_valid);
        results
    }

    fn looked(&self) -> (usize, usize) {
        (self.free.load(Ordering::Relaxed), self.paid.load(Ordering::Relaxed))
    }
}

async fn listen(routes: Router) -> (String, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = surround(routes, Arc::new(|_| {}));
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, routes, stop.clone().cancelled_owned(), ServerOptions::default()));
    (url, stop.drop_guard())
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// What Label Studio checks of a prediction before it stores it: regions by the names and labels of the label config, in
/// percent, with the size of the picture.
fn assert_valid(prediction: &Value) {
    assert!(prediction["model_version"].is_string(), "{prediction}");
    assert!(prediction.get("score").is_none_or(Value::is_f64), "{prediction}");
    for region in prediction["result"].as_array().unwrap() {
        assert_eq!(region["type"], "rectanglelabels");
        assert_eq!((&region["from_name"], &region["to_name"]), (&json!("sight"), &json!("photo")));
        assert!(region["id"].is_string() && region["image_rotation"] == 0);
        assert!(region["original_width"].as_u64() > Some(0) && region["original_height"].as_u64() > Some(0));
        let value = &region["value"];
        let part = |key: &str| value[key].as_f64().unwrap();
        assert!(part("x") >= 0.0 && part("x") + part("width") <= 100.0, "{value}");
        assert!(part("y") >= 0.0 && part("y") + part("height") <= 100.0, "{value}");
        let [label] = &value["rectanglelabels"].as_array().unwrap()[..] else { panic!("one label: {value}") };
        assert!(["Eiffel Tower", "Louvre"].contains(&label.as_str().unwrap()), "{label}");
    }
}

fn file(id: ImageId) -> Value {
    json!({"picture": format!("http://127.0.0.1:8002/v1/images/{id}/file")})
}

fn data_uri(bytes: &[u8]) -> Value {
    json!({"picture": format!("data:image/png;base64,{}", base64_simd::STANDARD.encode_to_string(bytes))})
}

fn names(prediction: &Value) -> Vec<&str> {
    let regions = prediction["result"].as_array().unwrap().iter();
    regions.map(|region| region["value"]["rectanglelabels"][0].as_str().unwrap()).collect()
}

async fn problem(answer: Response, status: u16, slug: &str) -> String {
    let told: Value = {
        assert_eq!(answer.status().as_u16(), status);
        answer.json().await.unwrap()
    };
    assert_eq!(told["type"], format!("urn:sightscan:problem:{slug}"), "{told}");
    told["detail"].as_str().unwrap().to_owned()
}

async fn label_studio_connects_and_hears_the_version(test: TestDatabase) {
    let site = Site::start(test).await;
    for path in ["/health", "/"] {
        let answer: Value =
            client().get(format!("{}{path}", site.url)).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer, json!({"status": "UP", "model_class": "SightScan"}));
    }
    let body = json!({"project": "1.1700000000", "schema": CONFIG, "hostname": "http://localhost:8080",
        "access_token": "secret", "extra_params": null});
    let answer: Value = site.post("/setup", &body).await.json().await.unwrap();
    assert_eq!(answer, json!({"model_version": "sightscan+paris"}));
    let event = json!({"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"result": []}});
    assert_eq!(site.post("/webhook", &event).await.status(), 201);
}

async fn what_is_known_of_an_image_is_told_in_its_words(test: TestDatabase) {
    let site = Site::start(test).await;
    let labels = [("Tour Eiffel", Some(0.9)), ("Louvre", Some(0.5)), ("Somewhere else", Some(0.1))];
    let image = site.labelled("one", ProducerKind::Vision, &labels).await;
    let merge = |label: &str, is_undone| Merge {
        label: label.to_owned(),
        canonical: "Eiffel Tower".to_owned(),
        sight: None,
        reason: "the same".to_owned(),
        is_undone,
    };
    let mut transaction = site.warehouse.database.begin().await.unwrap();
    let merges = [merge("Tour Eiffel", false), merge("Somewhere else", false)];
    labelling::replace_merges(&mut transaction, site.city, &merges, 1).await.unwrap();
    let wrong = ("Somewhere else", "Eiffel Tower");
    labelling::undo_merge(&mut transaction, site.city, wrong, "ada", 2).await.unwrap();
    transaction.commit().await.unwrap();
    let by_id = json!({"picture": "/data/upload/1/one.png", "image_id": image.to_string()});
    let told = site.predict(&[file(image), by_id]).await;
    assert_eq!(told[0], told[1]);
    assert_eq!(names(&told[0]), ["Eiffel Tower", "Louvre"]);
    assert_eq!(told[0]["score"], 0.7);
    let region = &told[0]["result"][0];
    assert_eq!(
        (&region["original_width"], &region["original_height"], &region["score"]),
        (&json!(120), &json!(80), &json!(0.9))
    );
    let value = json!({"x": 25.0, "y": 50.0, "width": 12.5, "height": 25.0, "rotation": 0.0,
        "rectanglelabels": ["Eiffel Tower"]});
    assert_eq!(region["value"], value);
    assert_eq!(site.looked(), (0, 0), "what is known is not looked at again");
}

async fn a_person_counts_more_and_a_negative_has_no_boxes(test: TestDatabase) {
    let site = Site::start(test).await;
    let image = site.labelled("one", ProducerKind::Human, &[("Louvre", None)]).await;
    site.label(image, ProducerKind::Vision, &[("Eiffel Tower", Some(0.9))], 2).await;
    let negative = site.labelled("two", ProducerKind::Vision, &[]).await;
    let told = site.predict(&[file(image), file(negative)]).await;
    assert_eq!((names(&told[0]), told[0].get("score")), (vec!["Louvre"], None));
    assert_eq!(told[1]["result"], json!([]));
    assert_eq!(site.looked(), (0, 0));
}

async fn pictures_without_labels_are_looked_at_by_what_costs_nothing(test: TestDatabase) {
    let site = Site::start(test).await;
    let picture = plain(120, 80, [1, 2, 3]).bytes;
    let image = site.store(&picture, "one").await;
    let told = site.predict(&[file(image), data_uri(&plain(40, 30, [4, 5, 6]).bytes)]).await;
    for (prediction, width) in told.iter().zip([120, 40]) {
        assert_eq!(names(prediction), ["Eiffel Tower"], "the model is not sure enough of the other");
        assert_eq!(
            (&prediction["score"], &prediction["result"][0]["original_width"]),
            (&json!(0.75), &json!(width))
        );
    }
    assert_eq!(site.looked(), (2, 0), "who is paid is never asked");
    assert!(labels::history(&site.warehouse.database, image).await.unwrap().is_empty(), "nothing is written");
    let calls = cities::by_id(&site.warehouse.database, site.city).await.unwrap().unwrap().label_calls;
    assert_eq!(calls, 0);
}

async fn w_s15_pictures_from_elsewhere_are_not_fetched(test: TestDatabase) {
    let site = Site::start(test).await;
    // Whoever connects to it would be seen.
    let bait = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.png", bait.local_addr().unwrap());
    let too_large = vec![0; 65 << 10];
    let told = site
        .predict(&[
            json!({"picture": url}),
            json!({"picture": "file:///etc/passwd"}),
            json!({"picture": 7}),
            json!({}),
            file(ImageId::new()),
            data_uri(b"no picture"),
            data_uri(&too_large),
            data_uri(&plain(2000, 600, [0; 3]).bytes),
        ])
        .await;
    assert!(told.iter().all(|prediction| prediction["result"] == json!([])), "{told:?}");
    assert_eq!(bait.accept().now_or_never().map(|_| ()), None, "nobody has come");
    assert_eq!(site.looked(), (0, 0));
}

async fn requests_that_cannot_be_meant_are_told(test: TestDatabase) {
    let site = Site::start(test).await;
    let no_boxes = "<View><Image name=\"a\" value=\"$a\"/><Choices name=\"c\" toName=\"a\"/></View>";
    for body in [json!({"schema": no_boxes}), json!({"schema": "<View"})] {
        let detail = problem(site.post("/setup", &body).await, 400, "malformed").await;
        assert!(detail.contains("RectangleLabels"), "{detail}");
    }
    let body = json!({"tasks": [], "label_config": no_boxes});
    problem(site.post("/predict", &body).await, 400, "malformed").await;
    for body in
        [json!([]), json!({"tasks": 7}), json!({"tasks": [{"id": 1}]}), json!({"label_config": CONFIG})]
    {
        problem(site.post("/predict", &body).await, 400, "malformed").await;
    }
    let many = vec![json!({"data": {}}); 1001];
    let body = json!({"tasks": many, "label_config": CONFIG});
    problem(site.post("/predict", &body).await, 413, "too-many-pictures").await;
    let body = json!({"tasks": [], "label_config": "x".repeat(5 << 20)});
    problem(site.post("/predict", &body).await, 413, "body-too-large").await;
    let form = client().post(format!("{}/webhook", site.url)).body("action=x").send().await.unwrap();
    problem(form, 415, "unsupported-media-type").await;
    let get = client().get(format!("{}/predict", site.url)).send().await.unwrap();
    problem(get, 405, "method-not-allowed").await;
}

async fn a_database_that_is_gone_is_not_an_empty_prediction(test: TestDatabase) {
    let site = Site::start(test).await;
    site.warehouse.database.close().await;
    let body = json!({"tasks": [{"data": file(ImageId::new())}], "label_config": CONFIG});
    assert!(site.post("/predict", &body).await.status().is_server_error());
}

async fn only_this_machine_and_the_administrator_are_answered(test: TestDatabase) {
    let site = Site::start(test).await;
    let backend = MlBackend::new(site.warehouse.clone(), vec![], Bounds { bytes: 1, pixels: 1 });
    let gate = AdminGate::new(AdminToken::new(TOKEN).unwrap());
    let (url, _serving) = listen(router(&backend, &gate).into()).await;
    let routes =
        [("GET", "/"), ("GET", "/health"), ("POST", "/setup"), ("POST", "/predict"), ("POST", "/webhook")];
    for (method, path) in routes {
        let ask = || client().request(method.parse().unwrap(), format!("{url}{path}")).json(&json!({}));
        problem(ask().send().await.unwrap(), 401, "unauthorized").await;
        assert_ne!(ask().bearer_auth(TOKEN).send().await.unwrap().status(), 401, "{path}");
    }
}
