//! Giving pictures, and taking them back.

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sightscan_cities::Config;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::{on_both_engines, tiny};
use sightscan_types::{CityName, ImageId, RelativeBox, Sha256};
use sightscan_warehouse::datasets::{self, NewDataset};
use sightscan_warehouse::{images, models};

use crate::support::{Site, problem};

on_both_engines![
    w_c3_a_donated_picture_keeps_its_format_and_loses_its_metadata,
    w_l3_consent_is_recorded_versioned_and_revocable,
    w_l3_a_withdrawn_picture_marks_what_was_made_of_it,
    w_s12_uploads_are_limited_and_for_known_cities_only,
    donations_are_seen_by_the_administrator_only,
];

async fn version(site: &Site) -> String {
    site.json("/v1/consent").await["version"].as_str().unwrap().to_owned()
}

async fn give(site: &Site, slug: &str, picture: Vec<u8>, consent: Option<String>) -> Response {
    let form = Form::new().part("image", Part::bytes(picture).file_name("holiday.jpg"));
    let form = consent.into_iter().fold(form, |form, version| form.text("consent", version));
    site.request(Method::POST, &format!("/v1/cities/{slug}/images")).multipart(form).send().await.unwrap()
}

/// A donation that was taken: the id of the image, and the path that deletes it.
async fn given(site: &Site, picture: Vec<u8>) -> (String, String) {
    let consent = version(site).await;
    let answer = give(site, "berlin", picture, Some(consent)).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let receipt: Value = answer.json().await.unwrap();
    (receipt["image"].as_str().unwrap().to_owned(), receipt["delete"].as_str().unwrap().to_owned())
}

async fn site(test: TestDatabase, config: Config) -> Site {
    let site = Site::with(test, config).await;
    site.approved("Berlin").await;
    site
}

async fn delete(site: &Site, path: &str) -> Response {
    site.request(Method::DELETE, path).send().await.unwrap()
}

fn picture(shade: u8) -> Vec<u8> {
    tiny::plain_picture([shade, 100, 50], 40, 30)
}

/// A PNG with a text in it, as cameras write who took the picture.
fn signed(picture: &[u8]) -> Vec<u8> {
    let text = b"tEXtAuthor\0Erika Mustermann";
    let mut chunk = u32::try_from(text.len() - 4).unwrap().to_be_bytes().to_vec();
    chunk.extend_from_slice(text);
    chunk.extend_from_slice(&crc(text).to_be_bytes());
    // After the signature and the header.
    let (head, rest) = picture.split_at(8 + 25);
    [head, &chunk, rest].concat()
}

/// The checksum of PNG (ISO 15948, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 },
        )
    })
}

async fn w_c3_a_donated_picture_keeps_its_format_and_loses_its_metadata(test: TestDatabase) {
    let site = site(test, Config::default()).await;
    let sent = signed(&picture(1));
    assert!(sent.windows(5).any(|part| part == b"Erika"));
    let (id, _) = given(&site, sent).await;
    let file = site.admin(Method::GET, &format!("/v1/images/{id}/file"), None).await.bytes().await.unwrap();
    assert_eq!(file, picture(1), "the same file but for the text");
    let thumbnail = site.admin(Method::GET, &format!("/v1/images/{id}/thumbnail"), None).await;
    assert_eq!(thumbnail.headers()["content-type"], "image/jpeg");
    assert!(thumbnail.bytes().await.unwrap().starts_with(&[0xFF, 0xD8, 0xFF]));
}

async fn w_l3_consent_is_recorded_versioned_and_revocable(test: TestDatabase) {
    let site = site(test, Config::default()).await;
    assert!(site.json("/v1/consent").await["text"].as_str().unwrap().contains("delete"));
    for consent in [None, Some("yes".to_owned()), Some(String::new())] {
        problem(give(&site, "berlin", picture(1), consent).await, 422, "consent-required").await;
    }
    let german = site.json("/v1/consent").await["translations"][0].clone();
    assert!(german["language"] == "de" && german["text"].as_str().unwrap().contains("löschen"), "{german}");
    let shown = german["version"].as_str().unwrap().to_owned();
    let answer: Value = give(&site, "berlin", picture(3), Some(shown)).await.json().await.unwrap();
    let path = format!("/v1/images/{}", answer["image"].as_str().unwrap());
    let detail: Value = site.admin(Method::GET, &path, None).await.json().await.unwrap();
    assert_eq!(detail["origins"][0]["consent"]["text_version"], german["version"], "the one that was shown");
    let (id, link) = given(&site, picture(1)).await;
    let (_, other) = given(&site, picture(2)).await;
    let path = format!("/v1/images/{id}");
    let detail: Value = site.admin(Method::GET, &path, None).await.json().await.unwrap();
    let consent = &detail["origins"][0]["consent"];
    assert_eq!(
        (&consent["kind"], &consent["text_version"]),
        (&json!("explicit"), &json!(version(&site).await))
    );
    let sha256 = detail["sha256"].as_str().unwrap().parse().unwrap();
    assert!(site.warehouse.blobs.head(&sha256).await.unwrap().is_some());

    assert_eq!(delete(&site, &link).await.status(), 204);
    assert!(site.warehouse.blobs.head(&sha256).await.unwrap().is_none(), "the bytes are gone at once");
    problem(site.admin(Method::GET, &path, None).await, 404, "unknown-image").await;
    problem(delete(&site, &link).await, 404, "unknown-donation").await;
    problem(delete(&site, "/v1/donations/guessed").await, 404, "unknown-donation").await;
    assert_eq!(delete(&site, &other).await.status(), 204);
}

async fn w_l3_a_withdrawn_picture_marks_what_was_made_of_it(test: TestDatabase) {
    let site = site(test, Config::default()).await;
    let (id, link) = given(&site, picture(1)).await;
    let database = &site.warehouse.database;
    let city =
        sightscan_warehouse::cities::by_slug(database, &"berlin".parse().unwrap()).await.unwrap().unwrap();
    let image: ImageId = id.parse().unwrap();
    let classes = vec!["Reichstag".to_owned()];
    let new = NewDataset { city: city.id, classes, images: vec![(image, "train")] };
    let dataset = datasets::store(&site.warehouse, &new, "{}".into()).await.unwrap();
    let model = models::NewModel {
        city: city.id,
        specification: String::new(),
        dataset: Some(dataset),
        parent: None,
        considered_images: 1,
        metrics: tested_with(images::get(database, image).await.unwrap().unwrap().sha256),
    };
    let by = models::By { actor: "ada", why: "a test" };
    models::publish(&site.warehouse, Bytes::from_static(b"onnx"), &model, by).await.unwrap();
    let path = "/v1/cities/berlin/models/1";
    problem(site.get(path).await, 401, "unauthorized").await;
    let detail = async || site.admin(Method::GET, path, None).await.json::<Value>().await.unwrap();
    let before = detail().await;
    let found = json!({"label": "Reichstag", "x": 0.25, "y": 0.0, "w": 0.5, "h": 1.0, "score": 0.75});
    let seen = json!({"image": id, "width": 8, "height": 6, "there": [], "found": [found]});
    assert_eq!((&before["sheet"], &before["history"]), (&json!([seen]), &json!([{"epoch": 1}])), "{before}");
    assert_eq!((&before["metrics"], &before["version"]), (&json!({"map50": 0.5}), &json!(1)));
    assert_eq!(delete(&site, &link).await.status(), 204);
    assert_eq!(detail().await["sheet"], json!([]));
    let model = &site.json("/v1/cities/berlin/models").await["items"][0];
    assert!(model["tainted_at"].is_i64() && model["taint"].is_string(), "{model}");
    assert_eq!(model["metrics"], json!({"map50": 0.5}), "what is long is not in lists");
}

/// Metrics of a model that was tested with a picture.
fn tested_with(sha256: Sha256) -> String {
    let area = RelativeBox { x: 0.25, y: 0.0, w: 0.5, h: 1.0 };
    let found = models::SeenBox { label: "Reichstag".to_owned(), area, score: Some(0.75) };
    let seen = models::Seen { sha256, width: 8, height: 6, there: vec![], found: vec![found] };
    let details = models::Details { history: vec![json!({"epoch": 1})], sheet: vec![seen] };
    let mut metrics = json!({"map50": 0.5});
    models::with_details(&mut metrics, &details).unwrap();
    metrics.to_string()
}

async fn w_s12_uploads_are_limited_and_for_known_cities_only(test: TestDatabase) {
    let config = Config { max_upload_bytes: 20_000, max_upload_pixels: 5_000, ..Config::default() };
    let site = site(test, config).await;
    let consent = version(&site).await;
    problem(give(&site, "atlantis", picture(1), Some(consent.clone())).await, 404, "unknown-city").await;
    let large = tiny::plain_picture([1, 2, 3], 101, 50);
    problem(give(&site, "berlin", large, Some(consent.clone())).await, 413, "picture-too-large").await;
    let long = vec![0; 200_000];
    problem(give(&site, "berlin", long, Some(consent.clone())).await, 413, "body-too-large").await;
    let text = b"no picture".to_vec();
    problem(give(&site, "berlin", text, Some(consent)).await, 415, "not-a-picture").await;
    let cities = site.json("/v1/cities").await;
    assert_eq!(cities["items"].as_array().unwrap().len(), 1, "no upload makes a city");
}

async fn donations_are_seen_by_the_administrator_only(test: TestDatabase) {
    let site = site(test, Config::default()).await;
    let (id, _) = given(&site, picture(1)).await;
    let list = "/v1/cities/berlin/images";
    assert_eq!(site.json(list).await["items"], json!([]));
    problem(site.get(&format!("{list}?review=pending")).await, 401, "unauthorized").await;
    let review = site
        .admin(Method::POST, &format!("/v1/images/{id}/review"), Some(json!({"review": "accepted"})))
        .await;
    assert_eq!(review.json::<Value>().await.unwrap()["review"], "accepted");
    for path in ["", "/file", "/thumbnail"] {
        let path = format!("/v1/images/{id}{path}");
        problem(site.get(&path).await, 404, "unknown-image").await;
        assert_eq!(site.admin(Method::GET, &path, None).await.status(), 200);
    }
    // The same bytes, from a source that may be shown.
    site.store(
        &CityName::parse("Berlin").unwrap(),
        picture(1).into(),
        "https://example.org/1.png",
        Some("CC0-1.0"),
    )
    .await;
    let item = &site.json(list).await["items"][0];
    assert_eq!(item["id"], id);
    let path = format!("/v1/images/{id}/file");
    assert_eq!(site.get(&path).await.bytes().await.unwrap(), picture(1));
    let part = site.request(Method::GET, &path).header("range", "bytes=1-3").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.bytes().await.unwrap()), (206, Bytes::from_static(b"PNG")));
}
