//! Data sets over real sockets.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use sightscan_dataset::{Sink, ZipSink};
use sightscan_http::{AdminGate, AdminToken, ServerOptions, Surroundings, openapi, serve};
use sightscan_label::exchange::http::{Api, router};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::exchange_support::{Archive, contents, new_city};

const TOKEN: &str = "a-token-of-these-tests";

on_both_engines![
    row_27_a_zip_comes_out_and_goes_into_another_city,
    only_the_administrator_exchanges_data_sets,
    what_cannot_be_meant_is_told,
    a_zip_that_is_too_large_or_none_is_refused,
];

/// A server of these cities; it ends with the value.
struct Site {
    archive: Archive,
    address: String,
    _stop: DropGuard,
}

impl Site {
    async fn start(test: TestDatabase, most_bytes: u64) -> Self {
        let archive = Archive::new(test).await;
        new_city(&archive.warehouse, "Rome").await;
        let gate = AdminGate::new(AdminToken::new(TOKEN).unwrap());
        let may_use = Arc::new(|licence: Option<&str>| licence.is_some());
        let api = Api::new(archive.warehouse.clone(), gate, may_use, Default::default());
        let routes = openapi::documented(router(&api.most_bytes(most_bytes)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let around = Surroundings::new(Arc::new(|_| {}));
        let stopping = stop.clone().cancelled_owned();
        tokio::spawn(serve(listener, around.around(routes), stopping, ServerOptions::default()));
        Self { archive, address, _stop: stop.drop_guard() }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.request(method, format!("{}/v1/cities/{path}", self.address)).bearer_auth(TOKEN)
    }

    async fn send(&self, path: &str, zip: Bytes) -> (u16, Value) {
        let request = self.ask(Method::POST, path).header("content-type", "application/zip").body(zip);
        told(request).await
    }
}

async fn told(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn row_27_a_zip_comes_out_and_goes_into_another_city(test: TestDatabase) {
    let site = Site::start(test, 1 << 20).await;
    site.archive.fill().await;
    let answer =
        site.ask(Method::GET, "paris/dataset?format=coco&only=all&split=8,1,1").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for (name, value) in [
        ("content-type", "application/zip"),
        ("content-disposition", "attachment; filename=\"paris-coco.zip\""),
        ("x-sightscan-images", "15"),
        ("x-sightscan-problems", "0"),
    ] {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    let zip = answer.bytes().await.unwrap();
    let (status, report) = site.send("rome/dataset?licence=CC0-1.0&by=ada&name=paris.zip", zip.clone()).await;
    assert_eq!(status, 200, "{report}");
    let counts = ["images", "new_images", "labelled", "negatives", "quarantined", "all_problems"];
    assert_eq!(counts.map(|count| report[count].as_u64().unwrap()), [15, 15, 12, 2, 0, 0], "{report}");
    let back = site.ask(Method::GET, "rome/dataset?format=coco&only=all&split=8,1,1").send().await.unwrap();
    let files = ["paris.zip", "rome.zip"].map(|name| site.archive.folder.path().join(name));
    fs_err::write(&files[0], zip).unwrap();
    fs_err::write(&files[1], back.bytes().await.unwrap()).unwrap();
    let [paris, rome] = files.map(|file| contents(&file));
    assert!(paris == rome, "both cities have the same pictures now");
}

async fn only_the_administrator_exchanges_data_sets(test: TestDatabase) {
    let site = Site::start(test, 1 << 20).await;
    for method in [Method::GET, Method::POST] {
        let request = site.ask(method.clone(), "paris/dataset").build().unwrap();
        let answer = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = answer.request(method, request.url().clone()).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    let (status, document) = told(site.ask(Method::GET, "../../openapi.json")).await;
    assert_eq!(status, 200);
    let path = &document["paths"]["/v1/cities/{slug}/dataset"];
    assert!(path["get"]["security"].is_array() && path["post"]["security"].is_array(), "{path}");
}

async fn what_cannot_be_meant_is_told(test: TestDatabase) {
    let site = Site::start(test, 1 << 20).await;
    for (path, status, part) in [
        ("atlantis/dataset", 404, "\"atlantis\""),
        ("paris/dataset?format=csv", 400, "yolo, coco, voc or label-studio"),
        ("paris/dataset?only=cats", 400, "human, labelled or all"),
        ("paris/dataset?split=1", 400, "0.8,0.1,0.1"),
        ("paris/dataset?shuffle=true", 400, "shuffle"),
    ] {
        let (found, problem) = told(site.ask(Method::GET, path)).await;
        assert_eq!(found, status, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    let as_text = site.ask(Method::POST, "paris/dataset").header("content-type", "text/csv").body("a,b");
    assert_eq!(told(as_text).await.0, 415);
}

async fn a_zip_that_is_too_large_or_none_is_refused(test: TestDatabase) {
    let site = Site::start(test, 4096).await;
    let (status, problem) = site.send("paris/dataset", Bytes::from(vec![0; 5000])).await;
    assert_eq!(
        (status, &problem["type"]),
        (413, &"urn:sightscan:problem:body-too-large".into()),
        "{problem}"
    );
    let (status, problem) = site.send("paris/dataset", Bytes::from_static(b"PK no zip")).await;
    assert_eq!((status, &problem["type"]), (400, &"urn:sightscan:problem:malformed".into()), "{problem}");
    let folder = std::env::temp_dir().display().to_string();
    assert!(!problem["detail"].as_str().unwrap().contains(&folder), "{problem}");
    // A bomb: little on the wire, much when it is unpacked.
    let path = site.archive.folder.path().join("bomb.zip");
    let mut bomb = ZipSink::create(&path).unwrap();
    bomb.write("labels/a.txt", &vec![b' '; 200_000]).unwrap();
    bomb.finish().unwrap();
    let (status, problem) = site.send("paris/dataset", fs_err::read(&path).unwrap().into()).await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("more than 8192 bytes, unpacked"), "{problem}");
}
