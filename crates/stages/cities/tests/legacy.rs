//! The original's routes, asked as its clients ask.

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sightscan_pictures::{Limits, decode};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::{on_both_engines, tiny};
use sightscan_types::{CityName, Sha256};

use crate::support::{Site, problem};

const OK: &str = "Request successfully executed.";
const WRONG: &str = "Wrong request format - please refer to /api/swagger!";

on_both_engines![
    row_40_cities_with_a_model_are_listed_in_order,
    row_43_an_uploaded_picture_is_the_same_picture,
    row_44_uploads_are_checked,
    row_45_w_c11_a_model_is_downloaded_or_a_404,
    row_46_the_version_of_a_model_is_a_number_or_minus_one,
    row_47_the_index_says_that_the_server_is_there,
    w_c12_w_c13_any_name_has_a_model,
    w_c36_cities_may_have_short_names,
    w_c37_faults_of_requests_are_no_faults_of_the_server,
    w_c38_types_are_types_and_not_statuses,
    the_first_clients_calls_in_their_order,
];

/// Publishes a model of a city that is made for it.
pub(crate) async fn publish(site: &Site, name: &str, bytes: &'static [u8]) {
    site.publish(&CityName::parse(name).unwrap(), Bytes::from_static(bytes), 0).await;
}

async fn upload(site: &Site, city: &str, form: Form) -> Response {
    let request = site.request(Method::POST, &format!("/api/cities/{city}/image"));
    request.multipart(form).send().await.unwrap()
}

fn picture() -> Vec<u8> {
    tiny::plain_picture([10, 200, 30], 64, 48)
}

fn image(bytes: Vec<u8>) -> Form {
    Form::new().part("image", Part::bytes(bytes).file_name("tmp.jpg").mime_str("image/jpeg").unwrap())
}

async fn text(answer: Response) -> (u16, String) {
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn row_40_cities_with_a_model_are_listed_in_order(test: TestDatabase) {
    let site = Site::start(test).await;
    assert_eq!(site.json("/api/cities/").await, json!({"cities": []}));
    site.add_as("192.0.2.1", "KYOTO").await;
    for name in ["New York", "Berlin", "Köln"] {
        publish(&site, name, b"onnx").await;
    }
    publish(&site, "Berlin", b"onnx 2").await;
    assert_eq!(site.json("/api/cities/").await, json!({"cities": ["BERLIN", "KÖLN", "NEW_YORK"]}));
    let redirect = site.get("/api/cities").await;
    assert_eq!(
        (redirect.status().as_u16(), &redirect.headers()["location"]),
        (301, &"/api/cities/".parse().unwrap())
    );
}

async fn row_43_an_uploaded_picture_is_the_same_picture(test: TestDatabase) {
    let site = Site::start(test).await;
    site.add_as("192.0.2.1", "BERLIN").await;
    let answer = upload(&site, "BERLIN", image(picture())).await;
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.starts_with("</v1/donations/") && link.ends_with(">; rel=\"delete\""), "{link}");
    assert_eq!(text(answer).await, (200, OK.to_owned()));
    let found = site.admin(Method::GET, "/v1/cities/berlin/images?review=pending", None).await;
    let found: Value = found.json().await.unwrap();
    let item = &found["items"][0];
    assert_eq!((&item["width"], &item["height"]), (&json!(64), &json!(48)));
    let id = item["id"].as_str().unwrap();
    let detail: Value =
        site.admin(Method::GET, &format!("/v1/images/{id}"), None).await.json().await.unwrap();
    assert_eq!(detail["origins"][0]["consent"]["kind"], "legacy-checkbox");
    assert!(detail["origins"][0]["consent"]["given_at"].is_i64());
    let file = site.admin(Method::GET, &format!("/v1/images/{id}/file"), None).await;
    assert_eq!(file.headers()["content-type"], "image/png");
    let stored = file.bytes().await.unwrap();
    let limits = Limits::default();
    assert_eq!(decode(&stored, &limits).unwrap(), decode(&picture(), &limits).unwrap());
}

async fn row_44_uploads_are_checked(test: TestDatabase) {
    let site = Site::start(test).await;
    for city in ["ROM", "BERLIN"] {
        assert_eq!(site.add_as("192.0.2.1", city).await.status(), 200);
        let text_file = upload(&site, city, image(b"I am no picture".to_vec())).await;
        assert_eq!(text(text_file).await, (400, WRONG.to_owned()));
        let missing = upload(&site, city, Form::new().text("comment", "none")).await;
        assert_eq!(text(missing).await, (400, WRONG.to_owned()));
        let whole = picture();
        let damaged = upload(&site, city, image(whole[..whole.len() / 2].to_vec())).await;
        assert_eq!(text(damaged).await, (400, WRONG.to_owned()));
        assert_eq!(text(upload(&site, city, image(picture())).await).await, (200, OK.to_owned()));
    }
    let path = "/api/cities/BERLIN/image";
    let bare = site.request(Method::POST, path).body(picture()).send().await.unwrap();
    problem(bare, 415, "unsupported-media-type").await;
    problem(upload(&site, "ATLANTIS", image(picture())).await, 404, "unknown-city").await;
}

async fn row_45_w_c11_a_model_is_downloaded_or_a_404(test: TestDatabase) {
    let site = Site::start(test).await;
    publish(&site, "New York", b"onnx one").await;
    publish(&site, "New York", b"onnx two").await;
    site.add_as("192.0.2.1", "KYOTO").await;
    let answer = site.get("/api/cities/NEW_YORK/model").await;
    let sha256 = Sha256::of(b"onnx two").to_string();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-sightscan-model-version"], "2");
    assert_eq!(answer.headers()["x-sightscan-sha256"], sha256.as_str());
    assert_eq!(answer.headers()["etag"], format!("\"{sha256}\""));
    assert_eq!(answer.bytes().await.unwrap(), "onnx two");
    let request = site.request(Method::GET, "/api/cities/NEW_YORK/model");
    let known = request.header("if-none-match", format!("\"{sha256}\"")).send().await.unwrap();
    assert_eq!(known.status(), 304);
    problem(site.get("/api/cities/KYOTO/model").await, 404, "unknown-model").await;
    problem(site.get("/api/cities/ATLANTIS/model").await, 404, "unknown-city").await;
}

async fn row_46_the_version_of_a_model_is_a_number_or_minus_one(test: TestDatabase) {
    let site = Site::start(test).await;
    publish(&site, "Berlin", b"onnx one").await;
    publish(&site, "Berlin", b"onnx two").await;
    site.add_as("192.0.2.1", "KYOTO").await;
    for (city, version) in
        [("BERLIN", "2"), ("berlin", "2"), ("KYOTO", "-1"), ("ATLANTIS", "-1"), ("X", "-1"), ("..", "-1")]
    {
        let answer =
            text(site.get(&format!("/api/cities/{}/model/version", city.replace("..", "%2E%2E."))).await)
                .await;
        assert_eq!(answer, (200, version.to_owned()), "{city}");
    }
}

async fn row_47_the_index_says_that_the_server_is_there(test: TestDatabase) {
    let site = Site::start(test).await;
    assert_eq!(text(site.get("/api/").await).await, (200, OK.to_owned()));
}

async fn w_c12_w_c13_any_name_has_a_model(test: TestDatabase) {
    let site = Site::start(test).await;
    let names = ["Köln", "Xi'an", "Stratford-upon-Avon", "St. John's", "Rom", "北京"];
    for name in names {
        publish(&site, name, b"onnx").await;
    }
    let listed = site.json("/api/cities/").await;
    assert_eq!(listed["cities"].as_array().unwrap().len(), names.len());
    for city in listed["cities"].as_array().unwrap() {
        let city = city.as_str().unwrap();
        let answer = site.get(&format!("/api/cities/{city}/model")).await;
        assert_eq!(answer.bytes().await.unwrap(), "onnx", "{city}");
    }
}

async fn w_c36_cities_may_have_short_names(test: TestDatabase) {
    let site = Site::start(test).await;
    for city in ["ULM", "UBE", "Å"] {
        assert_eq!(text(site.add_as("192.0.2.1", city).await).await, (200, OK.to_owned()), "{city}");
        assert_eq!(text(upload(&site, city, image(picture())).await).await, (200, OK.to_owned()), "{city}");
        publish(&site, city, b"onnx").await;
        assert_eq!(site.get(&format!("/api/cities/{city}/model")).await.status(), 200, "{city}");
    }
    let longest = "X".repeat(100);
    assert_eq!(site.add_as("192.0.2.1", &longest).await.status(), 200);
    assert_eq!(text(site.add_as("192.0.2.1", &format!("{longest}X")).await).await, (400, WRONG.to_owned()));
}

async fn w_c37_faults_of_requests_are_no_faults_of_the_server(test: TestDatabase) {
    let site = Site::start(test).await;
    site.add_as("192.0.2.1", "BERLIN").await;
    let path = "/api/cities/BERLIN/image";
    for (kind, body) in [
        ("multipart/form-data", "no boundary"),
        ("multipart/form-data; boundary=x", "--y\r\n\r\n--y--"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\ncontent-disposition: form-data; name=\"image\"\r\n\r\ncut",
        ),
        ("multipart/form-data; boundary=x", ""),
    ] {
        let request = site.request(Method::POST, path).header("content-type", kind).body(body);
        assert_eq!(text(request.send().await.unwrap()).await, (400, WRONG.to_owned()), "{kind} {body}");
    }
    for path in ["/api/cities/BERLIN/add", "/api/cities/BERLIN/image"] {
        problem(site.get(path).await, 405, "method-not-allowed").await;
    }
    problem(site.post("/api/cities/", &json!({})).await, 405, "method-not-allowed").await;
    for path in ["/api/cities/BERLIN/model/", "/api/cities/BERLIN/model/version/", "/api/cities/BERLIN"] {
        problem(site.get(path).await, 404, "not-found").await;
    }
}

async fn w_c38_types_are_types_and_not_statuses(test: TestDatabase) {
    let site = Site::start(test).await;
    publish(&site, "Berlin", b"onnx").await;
    for (path, kind) in [
        ("/api/", "text/plain; charset=utf-8"),
        ("/api/cities/", "application/json"),
        ("/api/cities/BERLIN/model", "application/octet-stream"),
        ("/api/cities/BERLIN/model/version", "text/plain; charset=utf-8"),
        ("/swagger/", "text/html; charset=utf-8"),
        ("/docs/index.yml", "application/yaml"),
    ] {
        let answer = site.get(path).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &kind.parse().unwrap()),
            "{path}"
        );
    }
}

/// List, add, version, model, upload: in the order and with the forms of names of the original's desktop client.
async fn the_first_clients_calls_in_their_order(test: TestDatabase) {
    let site = Site::start(test).await;
    publish(&site, "New York", b"onnx").await;
    let list = site.request(Method::GET, "/api/cities").send().await.unwrap();
    let list = site.json(list.headers()["location"].to_str().unwrap()).await;
    assert_eq!(list, json!({"cities": ["NEW_YORK"]}));
    assert_eq!(text(site.add_as("192.0.2.1", "SAN%20FRANCISCO").await).await, (200, OK.to_owned()));
    assert_eq!(text(site.get("/api/cities/NEW_YORK/model/version").await).await, (200, "1".to_owned()));
    assert_eq!(text(site.get("/api/cities/NEW_YORK/model").await).await, (200, "onnx".to_owned()));
    assert_eq!(text(upload(&site, "NEW_YORK", image(picture())).await).await, (200, OK.to_owned()));
    assert_eq!(site.json("/v1/cities/san-francisco").await["requests"]["posts"], 1);
}
