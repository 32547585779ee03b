//! What the server says about itself, and its own dialect.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sightscan_serve::Config;

use crate::support::*;

#[tokio::test]
async fn openapi_lists_every_route() {
    let server = Server::tiny(Config::default()).await;
    let api = ok_json(server.get("/openapi.json").await).await;
    let listed: BTreeSet<&str> = api["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = BTreeSet::from([
        "/",
        COURSE,
        "/v1/detect",
        "/v1/models",
        "/v1/models/{name}",
        "/v1/models/{name}/file",
        "/v1/stream",
        "/healthz",
        "/readyz",
        "/metrics",
    ]);
    assert_eq!(listed, expected);
    let detect = &api["paths"]["/v1/detect"]["post"];
    for status in ["200", "400", "404", "408", "413", "415", "422", "429", "500", "503", "504"] {
        assert!(detect["responses"][status].is_object(), "{status} is missing");
    }
    let parameters: BTreeSet<&str> =
        detect["parameters"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(
        parameters,
        BTreeSet::from([
            "model",
            "confidence",
            "iou",
            "agnostic",
            "max",
            "classes",
            "annotate",
            "x-sightscan-deadline-ms"
        ])
    );
}

/// Every operation of the document.
fn operations(api: &Value) -> Vec<&Value> {
    let paths = api["paths"].as_object().unwrap().values();
    paths.flat_map(|path| path.as_object().unwrap().values()).collect()
}

#[tokio::test]
async fn openapi_names_each_operation_once_and_describes_each_answer() {
    let server = Server::tiny(Config::default()).await;
    let api = ok_json(server.get("/openapi.json").await).await;
    let operations = operations(&api);
    let names: BTreeSet<&str> = operations.iter().map(|one| one["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len(), "{names:?}");
    for operation in operations {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let place = format!("{} {status}", operation["operationId"]);
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{place}");
            // These have no body.
            let is_bare = ["101", "304"].contains(&status.as_str());
            let has_body = response["content"].as_object().is_some_and(|content| !content.is_empty());
            assert!(is_bare != has_body, "{place}");
        }
    }
    let busy = &api["paths"]["/v1/detect"]["post"]["responses"]["429"];
    assert!(busy["headers"]["retry-after"].is_object(), "{busy}");
}

#[tokio::test]
async fn the_examples_of_openapi_can_be_sent() {
    let server = Server::tiny(Config::default()).await;
    let api = ok_json(server.get("/openapi.json").await).await;
    let example = api.pointer("/components/schemas/CourseRequest/properties/image/example").unwrap();
    let request = json!({"id": 7, "image": example}).to_string();
    let answer = ok_json(server.post(COURSE, "application/json", request).await).await;
    assert_eq!(answer["id"], 7, "any id comes back as it is");
    let request = json!({"images": [{"image": example}]}).to_string();
    let answer = ok_json(server.post("/v1/detect", "application/json", request).await).await;
    assert_eq!((&answer[0]["width"], &answer[0]["height"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn the_greatest_deadline_is_the_documented_one() {
    let server = Server::tiny(Config::default()).await;
    let api = ok_json(server.get("/openapi.json").await).await;
    let parameters = api["paths"]["/v1/detect"]["post"]["parameters"].as_array().unwrap();
    let header = parameters.iter().find(|one| one["in"] == "header").unwrap();
    let greatest = header["schema"]["maximum"].as_u64().unwrap();
    for (deadline, status) in [(greatest, 200), (greatest + 1, 400)] {
        let request = server.client.post(server.url("/v1/detect")).body(picture());
        let request = request.header("x-sightscan-deadline-ms", deadline);
        assert_eq!(request.send().await.unwrap().status(), status, "{deadline}");
    }
}

/// Every `$ref` in a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let ("$ref", Value::String(target)) = (name.as_str(), member) {
                    found.push(target);
                }
                references(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_in_openapi_leads_somewhere() {
    let server = Server::tiny(Config::default()).await;
    let api = ok_json(server.get("/openapi.json").await).await;
    let mut found = Vec::new();
    references(&api, &mut found);
    assert!(found.len() > 5);
    for target in found {
        assert!(api.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target} leads nowhere");
    }
}

#[tokio::test]
async fn the_documentation_works_without_other_servers() {
    let server = Server::tiny(Config::default()).await;
    let page = server.get("/docs/").await.text().await.unwrap();
    assert!(page.contains("swagger-ui"), "{page}");
    assert!(!page.contains("https://"), "{page}");
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert!(page.contains(file), "{page}");
        assert_eq!(server.get(&format!("/docs/{file}")).await.status(), 200, "{file}");
    }
    let settings = server.get("/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(settings.contains(r#""validatorUrl": "none""#), "{settings}");
}

#[tokio::test]
async fn models_are_listed_and_told_about() {
    let server = Server::tiny(Config::default()).await;
    let list = ok_json(server.get("/v1/models").await).await;
    assert_eq!(list["next"], Value::Null);
    let model = &list["items"][0];
    assert_eq!(model["name"], "colour_box");
    assert_eq!(model["classes"], json!(["colour"]));
    assert_eq!((&model["family"], &model["runtime"]), (&json!("yolov5"), &json!("rten")));
    assert_eq!(model["input"]["width"], 32);
    assert!((model["thresholds"]["confidence"].as_f64().unwrap() - 0.25).abs() < 1e-6);
    assert_eq!(model["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(ok_json(server.get("/v1/models/colour_box").await).await, *model);
    assert_eq!(problem(server.get("/v1/models/paris").await).await, (404, "unknown-model".to_owned()));
    let unknown = server.post("/v1/detect?model=paris", "image/png", picture()).await;
    assert_eq!(problem(unknown).await, (404, "unknown-model".to_owned()));
}

#[tokio::test]
async fn v1_answers_a_report_for_a_picture_in_each_form() {
    let server = Server::tiny(Config::default()).await;
    let mut raw = server.v1("", picture()).await;
    assert!(raw["timing_ms"]["infer"].as_f64().unwrap() > 0.0);
    raw.as_object_mut().unwrap().remove("timing_ms");
    let expected = json!({"image": "picture", "width": 52, "height": 42, "model": "colour_box",
        "detections": [{"label": "colour", "confidence": 1.0,
                        "box": {"left": 15.6, "top": 4.2, "width": 20.8, "height": 33.6}}]});
    assert_eq!(rounded(raw), expected);
    let body = json!({"image": encoded(&picture())}).to_string();
    let from_json = ok_json(server.post("/v1/detect", "application/json", body).await).await;
    assert_eq!(from_json["detections"], server.v1("", picture()).await["detections"]);
    // What curl declares for --data-binary.
    let form_type = server.post("/v1/detect", "application/x-www-form-urlencoded", picture()).await;
    assert_eq!(ok_json(form_type).await["width"], 52);
}

/// Numbers rounded to three digits.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => json!((number.as_f64().unwrap() * 1e3).round() / 1e3),
        Value::Array(items) => items.into_iter().map(rounded).collect(),
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, rounded(member))).collect(),
        other => other,
    }
}

#[tokio::test]
async fn v1_takes_forms_with_one_picture_or_several() {
    let server = Server::tiny(Config { max_pictures: 3, ..Config::default() }).await;
    let send = async |count: usize| {
        let form = (0..count).fold(reqwest::multipart::Form::new(), |form, number| {
            let part = reqwest::multipart::Part::bytes(picture()).file_name(format!("{number}.png"));
            form.part("file", part)
        });
        server.client.post(server.url("/v1/detect")).multipart(form).send().await.unwrap()
    };
    assert_eq!(ok_json(send(1).await).await["image"], "0.png");
    let several = ok_json(send(3).await).await;
    let names: Vec<&str> =
        several.as_array().unwrap().iter().map(|one| one["image"].as_str().unwrap()).collect();
    assert_eq!(names, ["0.png", "1.png", "2.png"]);
    assert_eq!(problem(send(4).await).await, (413, "too-many-pictures".to_owned()));
}

#[tokio::test]
async fn v1_draws_the_boxes() {
    let server = Server::tiny(Config::default()).await;
    for (format, start) in [("jpeg", b"\xff\xd8\xff".as_slice()), ("png", b"\x89PNG")] {
        let response = server.post(&format!("/v1/detect?annotate={format}"), "image/png", picture()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], format!("image/{format}"));
        assert!(response.headers().contains_key("server-timing"));
        let bytes = response.bytes().await.unwrap();
        assert!(bytes.starts_with(start));
        assert_eq!(server.v1("", bytes.to_vec()).await["width"], 52);
    }
    let list = json!({"images": [{"image": encoded(&picture())}]}).to_string();
    let refused = server.post("/v1/detect?annotate=png", "application/json", list).await;
    assert_eq!(problem(refused).await, (400, "invalid-parameter".to_owned()));
}

#[tokio::test]
async fn v1_filters_classes_and_names_those_it_does_not_know() {
    let server = Server::tiny(Config::default()).await;
    let kept = server.v1("?classes=colour&max=1", picture()).await;
    assert_eq!(kept["detections"].as_array().unwrap().len(), 1);
    let response = server.post("/v1/detect?classes=colour,unicorn", "image/png", picture()).await;
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], 400);
    assert!(body["detail"].as_str().unwrap().contains("`unicorn`"), "{body}");
}

#[tokio::test]
async fn limits_of_bytes_and_pixels_hold() {
    let config = Config { max_pixels: 1000, max_body_bytes: 10_000, ..Config::default() };
    let server = Server::tiny(config).await;
    let pixels = server.post("/v1/detect", "image/png", picture()).await;
    assert_eq!(problem(pixels).await, (413, "picture-too-large".to_owned()));
    let bytes = server.post("/v1/detect", "image/png", vec![0; 10_001]).await;
    assert_eq!(problem(bytes).await, (413, "body-too-large".to_owned()));
    let chunks = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1000])));
    let chunked = server.post("/v1/detect", "image/png", reqwest::Body::wrap_stream(chunks)).await;
    assert_eq!(problem(chunked).await, (413, "body-too-large".to_owned()));
}

#[tokio::test]
async fn answers_carry_their_times_their_server_and_their_id() {
    let server = Server::tiny(Config { instance: Some("pod-7".into()), ..Config::default() }).await;
    let request = server.client.post(server.url("/v1/detect")).header("x-request-id", "mine").body(picture());
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "mine");
    assert_eq!(response.headers()["x-sightscan-instance"], "pod-7");
    let timing = response.headers()["server-timing"].to_str().unwrap();
    let durations: Vec<(&str, f64)> = timing
        .split(", ")
        .map(|phase| phase.split_once(";dur=").map(|(name, ms)| (name, ms.parse().unwrap())).unwrap())
        .collect();
    let names: Vec<&str> = durations.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["queue", "decode", "prepare", "infer", "post", "total"]);
    let parts: f64 = durations[..5].iter().map(|(_, ms)| ms).sum();
    assert!(parts > 0.0 && parts <= durations[5].1 + 0.1, "{timing}");
    for path in ["/healthz", "/nowhere"] {
        assert_eq!(server.get(path).await.headers()["x-sightscan-instance"], "pod-7");
    }
}

#[tokio::test]
async fn every_request_is_counted_once() {
    let server = Server::tiny(Config { canary_after_ms: 600_000, ..Config::default() }).await;
    let series = [
        r#"sightscan_http_requests_total{route="/v1/detect",outcome="ok"}"#,
        r#"sightscan_http_requests_total{route="/v1/detect",outcome="not-a-picture"}"#,
        r#"sightscan_http_requests_total{route="unmatched",outcome="not-found"}"#,
        "sightscan_pictures_total",
        "sightscan_failed_pictures_total",
        "sightscan_queue_seconds_count",
        "sightscan_decode_seconds_count",
        "sightscan_infer_seconds_count",
        "sightscan_total_seconds_count",
        "sightscan_ready",
        "sightscan_pictures_in_flight",
        "sightscan_queue_depth",
    ];
    let read = async || {
        let mut numbers = Vec::new();
        for name in series {
            numbers.push(server.metric(name).await);
        }
        numbers
    };
    let before = read().await;
    server.v1("", picture()).await;
    server.v1("", picture()).await;
    problem(server.post("/v1/detect", "image/png", "no picture").await).await;
    problem(server.get("/nowhere").await).await;
    let after = read().await;
    let deltas: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    assert_eq!(deltas, [2.0, 1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 2.0, 3.0, 0.0, 0.0, 0.0]);
    assert_eq!(server.metric("sightscan_ready").await, 1.0);
}
