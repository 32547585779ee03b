//! The rows of the acceptance table, each as a test named after it.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use sightscan_serve::{Config, Factory};
use sightscan_testkit::{data, pictures, tiny};
use sightscan_types::PixelBox;
use uuid::Uuid;

use crate::support::*;

/// The id that the client of 2021 sends for a path.
fn course_id(path: &std::path::Path) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, path.to_string_lossy().as_bytes()).to_string()
}

/// The body that the client of 2021 sends: a JSON string which holds JSON.
fn double_encoded(id: &str, picture: &[u8]) -> String {
    serde_json::to_string(&json!({"image": encoded(picture), "id": id}).to_string()).unwrap()
}

/// A connection for each request, as the course's clients have it.
fn without_keep_alive() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

async fn ask_2021(url: String, path: PathBuf) -> (String, Value) {
    let id = course_id(&path);
    let body = double_encoded(&id, &fs_err::read(&path).unwrap());
    let request = without_keep_alive().post(url).header("content-type", "application/json").body(body);
    (id, ok_json(request.send().await.unwrap()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn w01_the_client_of_2021_gets_an_answer_for_each_of_128_pictures() {
    let Some(paths) = pictures("iweblens", "jpg") else { return };
    let server = Server::tiny(Config::default()).await;
    let answers: Vec<(String, Value)> = stream::iter(paths)
        .map(|path| ask_2021(server.url(COURSE), path))
        .buffer_unordered(16)
        .collect()
        .await;
    assert_eq!(answers.len(), 128);
    assert!(answers.iter().all(|(id, answer)| answer["id"] == *id && answer["objects"].is_array()));
}

#[tokio::test(flavor = "multi_thread")]
async fn w02_the_client_of_2020_gets_an_answer_for_each_of_128_pictures() {
    let Some(paths) = pictures("iweblens", "jpg") else { return };
    let server = Server::tiny(Config::default()).await;
    let ask = async |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let part = reqwest::multipart::Part::bytes(fs_err::read(&path).unwrap()).file_name(name.clone());
        let form = reqwest::multipart::Form::new().part("image", part);
        let request = without_keep_alive().post(server.url(COURSE)).multipart(form);
        (name, ok_json(request.send().await.unwrap()).await)
    };
    let answers: Vec<(String, Value)> = stream::iter(paths).map(ask).buffer_unordered(16).collect().await;
    assert_eq!(answers.len(), 128);
    assert!(answers.iter().all(|(name, answer)| answer["id"] == *name && answer["objects"].is_array()));
}

#[tokio::test]
async fn w03_all_forms_of_a_request_find_the_same_objects() {
    let server = Server::tiny(Config::default()).await;
    let plain = server.course("", &picture()).await;
    let double = server.post(COURSE, "application/json", double_encoded("x", &picture())).await;
    assert_eq!(ok_json(double).await, plain);
    let nameless = reqwest::multipart::Form::new().part("image", reqwest::multipart::Part::bytes(picture()));
    let form = server.client.post(server.url(COURSE)).multipart(nameless).send().await.unwrap();
    let form = ok_json(form).await;
    assert_eq!(form["id"], Value::Null);
    assert_eq!(form["objects"], plain["objects"]);
    let broken_lines: String = encoded(&picture())
        .as_bytes()
        .chunks(76)
        .map(|line| format!("{}\n", std::str::from_utf8(line).unwrap()))
        .collect();
    let lines = json!({"id": "x", "image": broken_lines}).to_string();
    assert_eq!(ok_json(server.post(COURSE, "application/json", lines).await).await, plain);
}

fn check_schema(answer: &Value, id: &str, labels: &[String]) {
    assert_eq!(answer["id"], id);
    for object in answer["objects"].as_array().unwrap() {
        assert!(labels.iter().any(|label| object["label"] == **label), "{object}");
        let accuracy = object["accuracy"].as_f64().unwrap();
        assert!(accuracy > 0.0 && accuracy <= 1.0, "{object}");
        let rectangle = object["rectangle"].as_object().unwrap();
        assert!(["height", "left", "top", "width"].iter().all(|side| rectangle[*side].is_u64()), "{object}");
        assert_eq!((object.as_object().unwrap().len(), rectangle.len()), (3, 4));
    }
}

#[tokio::test]
async fn w04_the_answer_has_the_courses_schema() {
    let server = Server::tiny(Config::default()).await;
    let answer = server.course("", &picture()).await;
    let expected = json!({"id": "x", "objects": [{"label": "colour", "accuracy": 1.0,
        "rectangle": {"height": 33, "left": 15, "top": 4, "width": 20}}]});
    assert_eq!(answer, expected);
    let dark = server.course("", &tiny::plain_picture([200, 200, 0], 20, 20)).await;
    assert_eq!(dark, json!({"id": "x", "objects": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn w04_the_real_network_answers_by_the_schema() {
    let Some(server) = Server::real(Config::default()).await else { return };
    let Some(paths) = pictures("iweblens", "jpg") else { return };
    let model = ok_json(server.get("/v1/models/yolov5n").await).await;
    let labels: Vec<String> = serde_json::from_value(model["classes"].clone()).unwrap();
    assert_eq!(labels.len(), 80);
    let mut objects = 0;
    for path in &paths[..8] {
        let (id, answer) = ask_2021(server.url(COURSE), path.clone()).await;
        check_schema(&answer, &id, &labels);
        objects += answer["objects"].as_array().unwrap().len();
    }
    assert!(objects > 8, "only {objects} objects in eight pictures");
}

#[tokio::test(flavor = "multi_thread")]
async fn w05_ids_come_back_to_who_sent_them_under_concurrency() {
    let server = Server::tiny(Config::default()).await;
    let ask = async |number: usize| {
        let id = course_id(&PathBuf::from(format!("client/inputfolder/{number:012}.jpg")));
        let body = double_encoded(&id, &tiny::plain_picture([number as u8, 100, 255], 20, 20));
        let answer = ok_json(server.post(COURSE, "application/json", body).await).await;
        answer["id"] == id
    };
    let echoed: Vec<bool> = stream::iter(0..32 * 128).map(ask).buffer_unordered(32).collect().await;
    assert!(echoed.into_iter().all(|same| same));
}

#[test]
fn w05_ids_are_those_of_the_courses_client() {
    let id = course_id(std::path::Path::new("inputfolder/000000007454.jpg"));
    assert_eq!(id, "ebc3f668-730d-5e67-8f07-4f1e1bbc3ab8");
}

#[tokio::test]
async fn w06_bad_input_is_refused_and_the_next_request_is_fine() {
    let server = Server::tiny(Config::default()).await;
    let text = encoded(b"this is no picture");
    for (media_type, body, expected) in [
        ("application/json", "not json".to_owned(), (400, "malformed")),
        ("application/json", json!({"id": "x"}).to_string(), (400, "malformed")),
        ("application/json", json!({"id": "x", "image": "%%%"}).to_string(), (400, "malformed")),
        ("application/json", json!({"id": "x", "image": "aGVsbG8"}).to_string(), (400, "malformed")),
        ("application/json", json!({"id": "x", "image": text}).to_string(), (415, "not-a-picture")),
        ("application/json", String::new(), (400, "malformed")),
        ("multipart/form-data; boundary=b", "--b--\r\n".to_owned(), (400, "malformed")),
        ("multipart/form-data", "x".to_owned(), (400, "malformed")),
        ("application/json", double_encoded("x", &picture()[..60]), (422, "undecodable-picture")),
    ] {
        let answer = problem(server.post(COURSE, media_type, body.clone()).await).await;
        assert_eq!((answer.0, answer.1.as_str()), expected, "{media_type} {body}");
        assert_eq!(server.course("", &picture()).await["objects"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w07_grey_cmyk_png_and_rotated_pictures_are_answered() {
    let Some(server) = Server::real(Config::default()).await else { return };
    let Some(grey) = data("iweblens/000000501396.jpg") else { return };
    let objects = server.course("", &fs_err::read(grey).unwrap()).await["objects"].as_array().unwrap().len();
    assert!(objects > 0);
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures");
    for name in ["quadrants-cmyk.jpg", "quadrants-ycck.jpg", "quadrants-palette.png", "quadrants-lossy.webp"]
    {
        let answer = server.course("", &fs_err::read(fixtures.join(name)).unwrap()).await;
        assert!(answer["objects"].is_array(), "{name}");
    }
    let wide = sightscan_engine::Picture { width: 30, height: 20, rgb: vec![99; 3 * 30 * 20] };
    let wide = sightscan_engine::annotate::encode(&wide, sightscan_engine::annotate::Encoding::Jpeg).unwrap();
    for (orientation, size) in [(1, (Some(30), Some(20))), (6, (Some(20), Some(30)))] {
        let answer = server.v1("", with_orientation(&wide, orientation)).await;
        assert_eq!((answer["width"].as_u64(), answer["height"].as_u64()), size, "{orientation}");
    }
}

/// The JPEG with an EXIF header of this orientation (CIPA DC-008: tag 0x0112) in front of what it has.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn w08_the_real_network_finds_what_is_in_the_pictures() {
    let Some(server) = Server::real(Config::default()).await else { return };
    let Some(path) = data("references/yolov5n_letterbox640_conf0.25_iou0.45.json") else { return };
    let references: Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    for (name, least) in
        [("bus.jpg", [("bus", 1), ("person", 3)].as_slice()), ("dog.jpg", &[("dog", 1), ("bicycle", 1)])]
    {
        let bytes = fs_err::read(data(&format!("pictures/{name}")).unwrap()).unwrap();
        let answer = server.v1("", bytes).await;
        let found = answer["detections"].as_array().unwrap();
        for (label, count) in least {
            let labelled = found.iter().filter(|one| one["label"] == *label).count();
            assert!(labelled >= *count, "{name}: {labelled} of {label} in {answer}");
        }
        for one in found.iter().filter(|one| one["confidence"].as_f64().unwrap() > 0.4) {
            let same = |reference: &&Value| reference["label"] == one["label"];
            let candidates = references[name].as_array().unwrap().iter().filter(same);
            let best = candidates.map(|reference| pixel_box(reference).iou(&pixel_box(&one["box"])));
            assert!(best.fold(0.0, f32::max) > 0.5, "{name}: {one}");
        }
    }
}

fn pixel_box(value: &Value) -> PixelBox {
    let side = |name: &str| value[name].as_f64().unwrap() as f32;
    PixelBox { left: side("left"), top: side("top"), width: side("width"), height: side("height") }
}

#[tokio::test(flavor = "multi_thread")]
async fn w09_thresholds_have_the_courses_defaults_and_can_be_changed() {
    let tiny_server = Server::tiny(Config::default()).await;
    let count = async |query: &str, blue: u8| {
        let picture = tiny::plain_picture([200, 200, blue], 20, 20);
        tiny_server.course(query, &picture).await["objects"].as_array().unwrap().len()
    };
    // 71/255 is 0.28 and 82/255 is 0.32.
    assert_eq!((count("", 71).await, count("", 82).await), (0, 1));
    assert_eq!((count("?confidence=0.25", 71).await, count("?confidence=0.33", 82).await), (1, 0));
    let at_v1 = tiny_server.v1("", tiny::plain_picture([200, 200, 71], 20, 20)).await;
    assert_eq!(at_v1["detections"].as_array().unwrap().len(), 1);

    let Some(server) = Server::real(Config::default()).await else { return };
    let bytes = fs_err::read(data("pictures/bus.jpg").unwrap()).unwrap();
    let count = async |query: &str| server.course(query, &bytes).await["objects"].as_array().unwrap().len();
    let mut fewer = usize::MAX;
    for confidence in ["0.05", "0.1", "0.3", "0.5", "0.8"] {
        let now = count(&format!("?confidence={confidence}")).await;
        assert!(now <= fewer, "{confidence}");
        fewer = now;
    }
    assert_eq!(count("").await, count("?confidence=0.3&iou=0.1&agnostic=true").await);
    assert!(count("?confidence=0.05&iou=0.9&agnostic=false").await > count("?confidence=0.05&iou=0.1").await);
}

#[tokio::test]
async fn w09_values_out_of_range_and_unknown_keys_are_refused() {
    let server = Server::tiny(Config::default()).await;
    for query in ["?confidence=2", "?iou=-1", "?agnostic=perhaps", "?confidense=0.5", "?confidence=NaN"] {
        for path in [COURSE, "/v1/detect"] {
            let answer = problem(server.post(&format!("{path}{query}"), "image/png", picture()).await).await;
            assert_eq!(answer, (400, "invalid-parameter".to_owned()), "{path}{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w11_requests_progress_together_and_what_is_too_much_is_refused_at_once() {
    let (release, factory) = gated_workers();
    let config = Config { queue_depth: 4, ..Config::default() };
    let places = config.threads().instances.get() + 4;
    let server = Arc::new(Server::ready_with(config, factory).await);
    let ask = |server: Arc<Server>| async move { server.post("/v1/detect", "image/png", picture()).await };
    let accepted: Vec<_> = (0..places).map(|_| tokio::spawn(ask(Arc::clone(&server)))).collect();
    server.wait_for_metric("sightscan_pictures_in_flight", places as f64).await;
    for _ in 0..10 {
        // Nobody works: what does not wait is answered all the same.
        let refused = ask(Arc::clone(&server)).await;
        assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        assert_eq!(problem(refused).await, (429, "busy".to_owned()));
    }
    drop(release);
    for answer in accepted {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w12_health_is_there_at_once_and_readiness_when_the_models_are_loaded() {
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let inner = workers(|_| nothing_found());
    let factory: Factory = Arc::new(move || {
        let _ = gate.lock().unwrap().recv();
        inner()
    });
    let server = Server::with(Config::default(), factory).await;
    assert_eq!(server.get("/healthz").await.status(), 200);
    let early = server.get("/readyz").await;
    assert_eq!(early.status(), 503);
    let body: Value = early.json().await.unwrap();
    assert_eq!(body["type"], "urn:sightscan:problem:not-ready");
    assert!(body["reasons"].to_string().contains("colour_box"), "{body}");
    drop(release);
    server.wait_until_ready().await;
    assert_eq!(server.get("/readyz").await.status(), 200);
}
