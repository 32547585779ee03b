//! Reviews over real sockets.

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use sightscan_blobs::{Address, Blobs};
use sightscan_http::{AdminGate, AdminToken, ServerOptions, Surroundings, openapi, serve};
use sightscan_label::http::{Api, router};
use sightscan_label::tidy;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::images::crawled;
use sightscan_testkit::on_both_engines;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, ImageId, Producer, ProducerKind, RelativeBox};
use sightscan_warehouse::images;
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};
use sightscan_warehouse::{Warehouse, cities};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const TOKEN: &str = "a-token-of-these-tests";

on_both_engines![
    w_l4_people_say_what_is_right,
    two_people_look_at_different_images,
    a_review_is_taken_back,
    what_cannot_be_meant_is_told_with_a_reason,
    only_the_administrator_reviews,
    names_that_were_merged_wrongly_stay_apart,
];

/// A server of a city; it ends with the value.
struct Site {
    warehouse: Warehouse,
    city: CityId,
    address: String,
    _stop: DropGuard,
    _test: TestDatabase,
    _folder: TempDir,
}

impl Site {
    async fn start(test: TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&Address::Folder(folder.path().to_owned()), |_| None).unwrap();
        let warehouse = Warehouse { database: test.database.clone(), blobs };
        let mut transaction = warehouse.database.begin().await.unwrap();
        let name = CityName::parse("Berlin").unwrap();
        let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
        transaction.commit().await.unwrap();
        let gate = AdminGate::new(AdminToken::new(TOKEN).unwrap());
        let routes = openapi::documented(router(&Api::new(warehouse.database.clone(), gate)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let around = Surroundings::new(std::sync::Arc::new(|_| {}));
        let stopping = stop.clone().cancelled_owned();
        tokio::spawn(serve(listener, around.around(routes), stopping, ServerOptions::default()));
        Self { warehouse, city: city.id, address, _stop: stop.drop_guard(), _test: test, _folder: folder }
    }

    async fn image(&self, content: &'static str) -> ImageId {
        let image = crawled(&format!("https://pictures.example/{content}"));
        let bytes = Bytes::from_static(content.as_bytes());
        images::store(&self.warehouse, self.city, bytes, &image).await.unwrap().image
    }

    /// A machine sees one thing.
    async fn see(&self, image: ImageId, label: &str, score: f64) {
        let area = RelativeBox { x: 0.1, y: 0.2, w: 0.3, h: 0.4 };
        let label = NewLabel {
            producer: Producer { kind: ProducerKind::Vision, name: "vision".to_owned() },
            boxes: vec![LabelledBox { label: label.to_owned(), area, score: Some(score), mid: None }],
        };
        let mut transaction = self.warehouse.database.begin().await.unwrap();
        labels::add(&mut transaction, image, &label, 1).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method, format!("{}/v1/label/{path}", self.address)).bearer_auth(TOKEN);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }

    async fn next(&self, reviewer: &str) -> Value {
        let (status, task) = self.get(&format!("next?city=berlin&reviewer={reviewer}")).await;
        assert!(matches!((status, &task), (200, Value::Object(_)) | (204, Value::Null)), "{status} {task}");
        task
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Says something about the image of a task.
    async fn say(&self, task: &Value, verdict: &str, rest: Value) -> (u16, Value) {
        let mut said = json!({"city": "berlin", "image": task["image"], "reviewer": "anna", "verdict": verdict,
            "basis": task["basis"]});
        said.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        self.post("reviews", said).await
    }

    async fn current(&self, image: ImageId) -> labels::Label {
        labels::current(&self.warehouse.database, image).await.unwrap().unwrap()
    }
}

async fn w_l4_people_say_what_is_right(test: TestDatabase) {
    let site = Site::start(test).await;
    let (sure, unsure) = (site.image("sure").await, site.image("unsure").await);
    site.see(sure, "Gate", 0.9).await;
    site.see(unsure, "Tower", 0.3).await;
    let task = site.next("anna").await;
    assert_eq!(task["image"], json!(unsure), "the most doubtful one first");
    assert_eq!((&task["doubt"], &task["open"]), (&json!(0.7), &json!(2)));
    assert_eq!(task["file"], json!(format!("/v1/images/{unsure}/file")));
    assert_eq!(
        task["boxes"],
        json!([{"label": "Tower", "x": 0.1, "y": 0.2, "w": 0.3, "h": 0.4, "score": 0.3}])
    );
    assert_eq!(task["labellings"][0]["producer"], json!({"kind": "vision", "name": "vision"}));
    let right = json!({"boxes": [{"label": " Brandenburg Gate ", "x": 0.5, "y": 0.5, "w": 0.5, "h": 0.5, "score": 0.1}]});
    let (status, written) = site.say(&task, "correct", right).await;
    assert_eq!((status, &written["open"]), (201, &json!(1)));
    let current = site.current(unsure).await;
    assert_eq!((current.producer.kind, &*current.producer.name), (ProducerKind::Human, "anna"));
    let area = RelativeBox { x: 0.5, y: 0.5, w: 0.5, h: 0.5 };
    let gate = LabelledBox { label: "Brandenburg Gate".to_owned(), area, score: None, mid: None };
    assert_eq!(current.boxes, [gate]);
    let task = site.next("anna").await;
    assert_eq!(site.say(&task, "accept", json!({})).await.0, 201);
    let accepted = site.current(sure).await;
    assert_eq!((&*accepted.boxes[0].label, accepted.boxes[0].score), ("Gate", None));
    assert_eq!(site.next("anna").await, Value::Null, "nothing is left");
    let history = labels::history(&site.warehouse.database, sure).await.unwrap();
    assert_eq!(history.len(), 2, "what the machine said is kept");
}

async fn two_people_look_at_different_images(test: TestDatabase) {
    let site = Site::start(test).await;
    for content in ["one", "two"] {
        site.image(content).await;
    }
    let (anna, ben) = (site.next("anna").await, site.next("ben").await);
    assert_ne!(anna["image"], ben["image"]);
    assert_eq!(site.next("anna").await["image"], anna["image"], "until she has decided");
    assert_eq!(site.next("carl").await, Value::Null);
    assert_eq!(site.say(&anna, "skip", json!({})).await.0, 201);
    assert_eq!(site.next("carl").await["image"], anna["image"]);
    assert_eq!(site.get("progress?city=berlin").await, (200, json!({"decided": 0, "open": 2})));
}

async fn a_review_is_taken_back(test: TestDatabase) {
    let site = Site::start(test).await;
    let image = site.image("one").await;
    site.see(image, "Gate", 0.5).await;
    let task = site.next("anna").await;
    let (_, negative) = site.say(&task, "negative", json!({})).await;
    assert!(site.current(image).await.boxes.is_empty(), "a negative is a labelling");
    assert_eq!(site.get("progress?city=berlin").await, (200, json!({"decided": 1, "open": 0})));
    let path = format!("reviews/{}/undo", negative["id"].as_str().unwrap());
    assert_eq!(site.post(&path, json!({"reviewer": "ben"})).await, (200, json!({"image": image})));
    assert_eq!(site.current(image).await.boxes[0].label, "Gate");
    assert_eq!(site.get("progress?city=berlin").await, (200, json!({"decided": 0, "open": 1})));
    let (status, problem) = site.post(&path, json!({"reviewer": "ben"})).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:sightscan:problem:not-now")));
    let (_, rejected) = site.say(&task, "reject", json!({})).await;
    assert_eq!(rejected["label"], Value::Null);
    let (_, list) = site.get("reviews?city=berlin&limit=1").await;
    assert_eq!(list["items"][0]["verdict"], "reject");
    let next = list["next"].as_str().unwrap();
    let (_, list) = site.get(&format!("reviews?city=berlin&cursor={next}")).await;
    assert_eq!(list["items"][0]["undone_by"], "ben");
    assert!(list["items"][0]["reviewed_at"].as_i64() > Some(0) && list["next"].is_null());
    let (_, list) = site.get("reviews?city=berlin&reviewer=ben").await;
    assert_eq!(list["items"], json!([]));
}

async fn what_cannot_be_meant_is_told_with_a_reason(test: TestDatabase) {
    let site = Site::start(test).await;
    let image = site.image("one").await;
    let task = site.next("anna").await;
    let outside = json!({"boxes": [{"label": "Gate", "x": 0.9, "y": 0.0, "w": 0.5, "h": 0.5}]});
    for (verdict, rest, word) in [
        ("maybe", json!({}), "accept, correct"),
        ("correct", json!({}), "negative"),
        ("correct", outside, "Gate"),
        ("negative", json!({"reviewer": ""}), "reviewer"),
        ("negative", json!({"colour": "red"}), "colour"),
    ] {
        let (status, problem) = site.say(&task, verdict, rest).await;
        assert_eq!(status, 400, "{verdict}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    let blind = json!({"city": "berlin", "image": image, "reviewer": "anna", "verdict": "accept"});
    assert_eq!(site.post("reviews", blind).await.0, 400, "what is accepted has to be said");
    site.see(image, "Gate", 0.5).await;
    assert_eq!(site.say(&task, "negative", json!({})).await.0, 409, "other labels count by now");
    let gone = json!({"image": ImageId::new()});
    assert_eq!(site.say(&task, "negative", gone).await.1["type"], "urn:sightscan:problem:unknown-image");
    assert_eq!(site.say(&task, "negative", json!({"city": "atlantis"})).await.0, 404);
    let mut transaction = site.warehouse.database.begin().await.unwrap();
    let rome = CityName::parse("Rome").unwrap();
    cities::find_or_create(&mut transaction, &rome, None, 1).await.unwrap();
    transaction.commit().await.unwrap();
    let (_, problem) = site.say(&task, "negative", json!({"city": "rome"})).await;
    assert_eq!(problem["type"], "urn:sightscan:problem:unknown-image", "it is one of Berlin");
    assert_eq!(site.get("next?city=atlantis&reviewer=anna").await.0, 404);
    assert_eq!(site.get("next?city=berlin&reviewer=%0a").await.0, 400);
    let nothing = format!("reviews/{}/undo", ImageId::new());
    assert_eq!(site.post(&nothing, json!({"reviewer": "anna"})).await.0, 404);
}

async fn only_the_administrator_reviews(test: TestDatabase) {
    let site = Site::start(test).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in [
        "next?city=berlin&reviewer=anna",
        "reviews?city=berlin",
        "classes?city=berlin",
        "progress?city=berlin",
        "merges?city=berlin",
    ] {
        let answer = client.get(format!("{}/v1/label/{path}", site.address)).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
}

async fn names_that_were_merged_wrongly_stay_apart(test: TestDatabase) {
    let site = Site::start(test).await;
    for (content, label) in
        [("one", "Brandenburg Gate"), ("two", "Brandenburg Gate"), ("three", "Brandenburg Gates")]
    {
        let image = site.image(content).await;
        site.see(image, label, 0.5).await;
    }
    tidy(&site.warehouse.database, site.city).await.unwrap();
    let (_, classes) = site.get("classes?city=berlin").await;
    assert_eq!(classes, json!({"items": [{"name": "Brandenburg Gate", "images": 3, "sight": null}]}));
    let (_, merges) = site.get("merges?city=berlin").await;
    let [merge] = &merges["items"].as_array().unwrap()[..] else { panic!("{merges}") };
    assert_eq!((&merge["label"], &merge["undone"]), (&json!("Brandenburg Gates"), &json!(false)));
    let two = json!({"city": "berlin", "label": "Brandenburg Gates", "canonical": "Brandenburg Gate", "reviewer": "anna"});
    let (status, merges) = site.post("merges/undo", two.clone()).await;
    assert_eq!((status, &merges["items"][0]["undone"]), (200, &json!(true)));
    tidy(&site.warehouse.database, site.city).await.unwrap();
    let (_, classes) = site.get("classes?city=berlin").await;
    assert_eq!(classes["items"].as_array().unwrap().len(), 2, "{classes}");
    assert_eq!(site.post("merges/undo", two).await.0, 404, "they are two already");
}
