//! What goes over the wire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Multipart};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Redirect;
use axum::routing::post;
use sightscan_experiment::{Config, CourseOutput, Dialect, Pace};

use crate::server::{Server, folder, run, watch};

/// What a server received: pictures by name.
type Received = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Decodes the JSON string, the JSON in it, and the picture; answers the id.
async fn generation_2021(received: Received, headers: HeaderMap, body: Bytes) -> String {
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert!(body.starts_with(br#""{\"image\": \""#), "{body:?}");
    let inner: String = serde_json::from_slice(&body).unwrap();
    let object: BTreeMap<String, String> = serde_json::from_str(&inner).unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), ["id", "image"]);
    let picture = base64_simd::STANDARD.decode_to_vec(&object["image"]).unwrap();
    received.lock().unwrap().insert(object["id"].clone(), picture);
    format!(r#"{{"id": "{}", "objects": []}}"#, object["id"])
}

async fn generation_2020(received: Received, mut form: Multipart) -> &'static str {
    let part = form.next_field().await.unwrap().expect("one part");
    assert_eq!((part.name(), part.content_type()), (Some("image"), None));
    let name = part.file_name().unwrap().to_owned();
    let picture = part.bytes().await.unwrap().to_vec();
    received.lock().unwrap().insert(name, picture);
    assert!(form.next_field().await.unwrap().is_none(), "no second part");
    "{\"objects\": []}"
}

fn server_2020(received: &Received) -> Server {
    let received = Arc::clone(received);
    let handler = post(move |form: Multipart| generation_2020(Arc::clone(&received), form));
    Server::start(Router::new().route("/api/object_detection", handler))
}

fn server_2021(received: &Received) -> Server {
    let received = Arc::clone(received);
    let handler =
        post(move |headers: HeaderMap, body: Bytes| generation_2021(Arc::clone(&received), headers, body));
    let limit = DefaultBodyLimit::max(16 << 20);
    Server::start(Router::new().route("/api/object_detection", handler).layer(limit))
}

fn files(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs_err::read(entry.path()).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_2020_sends_one_part_named_image_on_a_connection_per_request() {
    let (received, folder) = (Received::default(), folder(12));
    let server = server_2020(&received);
    let url = server.url("/api/object_detection");
    let summary = run(Config::course(Dialect::Iweblens2020, folder.path(), url, 4)).await;
    assert_eq!((summary.answered, summary.failed), (12, 0), "{summary}");
    assert_eq!(*received.lock().unwrap(), files(folder.path()));
    assert_eq!(server.connections(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_2021_sends_json_in_json_on_a_connection_per_request() {
    let (received, folder) = (Received::default(), folder(12));
    let server = server_2021(&received);
    let url = server.url("/api/object_detection");
    let summary = run(Config::course(Dialect::Iweblens2021, folder.path(), url, 4)).await;
    assert_eq!((summary.answered, summary.failed), (12, 0), "{summary}");
    assert_eq!((summary.wrong_ids, summary.missing_ids), (0, 0));
    let sent = files(folder.path());
    let by_id = received.lock().unwrap();
    assert_eq!(by_id.len(), sent.len());
    assert!(by_id.values().all(|picture| sent.values().any(|file| file == picture)));
    assert_eq!(server.connections(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_sends_the_picture_itself_and_keeps_its_connections() {
    let handler = post(|headers: HeaderMap, body: Bytes| async move {
        assert_eq!((&headers[header::CONTENT_TYPE], body.len()), (&"image/jpeg".parse().unwrap(), 1000));
        ([("x-request-id", headers["x-request-id"].clone())], "[]")
    });
    let server = Server::start(Router::new().route("/v1/detect", handler));
    let folder = folder(5);
    let config = Config {
        pace: Pace::Closed { threads: 2 },
        requests: Some(40),
        ..Config::new(server.url("/v1/detect?confidence=0.5"), folder.path())
    };
    let summary = run(config.clone()).await;
    assert_eq!((summary.answered, summary.wrong_ids, summary.missing_ids), (40, 0, 0), "{summary}");
    // Now and then a request leaves before the last connection is back in the pool, and opens another.
    assert!(server.connections() < 20, "{} connections for 40 requests", server.connections());
    let before = server.connections();
    run(Config { new_connections: true, ..config }).await;
    assert_eq!(server.connections() - before, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_others_and_answers_without_an_id_are_noticed() {
    let wrong = post(|| async { r#"{"id": "2b7082f5-d31a-54b7-a46e-5e4889bf69bd", "objects": []}"# });
    let missing = post(|| async { r#"{"objects": []}"# });
    let header = post(|| async { ([("x-request-id", "another")], "[]") });
    let routes = Router::new().route("/wrong", wrong).route("/missing", missing).route("/header", header);
    let (server, folder) = (Server::start(routes), folder(3));
    let course = |path| Config::course(Dialect::Iweblens2021, folder.path(), server.url(path), 1);
    assert_eq!(run(course("/wrong")).await.wrong_ids, 3);
    assert_eq!(run(course("/missing")).await.missing_ids, 3);
    let v1 = |path| Config::new(server.url(path), folder.path());
    assert_eq!(run(v1("/header")).await.wrong_ids, 3);
    assert_eq!(run(v1("/missing")).await.missing_ids, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let routes = Router::new()
        .route("/old", post(|| async { Redirect::temporary("/new") }))
        .route("/new", post(|| async { StatusCode::OK }));
    let (server, folder) = (Server::start(routes), folder(2));
    let summary = run(Config::new(server.url("/old"), folder.path())).await;
    assert_eq!((summary.answered, summary.failures["307"].count), (0, 2));
}

/// What the course's client prints for a run over a folder.
async fn console(dialect: Dialect, folder: &std::path::Path, url: String, threads: usize) -> Vec<String> {
    let output = CourseOutput::new(dialect, url.clone()).unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (printer, printed) = (output.clone(), Arc::clone(&lines));
    let summary = watch(Config::course(dialect, folder, url, threads), move |event| {
        printed.lock().unwrap().extend(printer.line(event));
    })
    .await;
    let mut lines = lines.lock().unwrap().clone();
    lines.push(output.last_line(&summary));
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_w2_the_128_course_pictures_give_the_lines_that_the_course_knows() {
    let Some(folder) = sightscan_testkit::data("iweblens") else { return };
    let received = Received::default();
    let (of_2020, of_2021) = (server_2020(&received), server_2021(&received));

    let lines = console(Dialect::Iweblens2021, &folder, of_2021.url("/api/object_detection"), 16).await;
    let answers = lines.iter().filter(|line| line.starts_with("Thread : ThreadPoolExecutor-0_")).count();
    assert_eq!((answers, lines.len()), (128, 129));
    assert!(lines[128].starts_with("Total time spent: "));

    let lines = console(Dialect::Iweblens2020, &folder, of_2020.url("/api/object_detection"), 32).await;
    let answers = lines.iter().filter(|line| line.contains(", Time Spent: ")).count();
    let calls = lines.iter().filter(|line| line.starts_with("Calling object detection service")).count();
    assert_eq!((answers, calls, lines.len()), (128, 128, 257));
    assert!(lines[256].contains("average thread time: "));
    assert_eq!((of_2020.connections(), of_2021.connections()), (128, 128));
    assert_eq!(received.lock().unwrap().len(), 256);
}
