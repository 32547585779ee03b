//! The description of the interface.

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sightscan_testkit::database::TestDatabase;

use crate::support::Site;

/// Every route that there is, with its methods.
const ROUTES: [(&str, &[&str]); 33] = [
    ("/api/", &["get"]),
    ("/api/cities", &["get"]),
    ("/api/cities/", &["get"]),
    ("/api/cities/{city}/add", &["post"]),
    ("/api/cities/{city}/image", &["post"]),
    ("/api/cities/{city}/model", &["get"]),
    ("/api/cities/{city}/model/version", &["get"]),
    ("/v1/cities", &["get", "post"]),
    ("/v1/cities/{slug}", &["get"]),
    ("/v1/cities/{slug}/approve", &["post"]),
    ("/v1/cities/{slug}/crawl", &["get"]),
    ("/v1/cities/{slug}/events", &["get"]),
    ("/v1/cities/{slug}/images", &["get", "post"]),
    ("/v1/cities/{slug}/models", &["get"]),
    ("/v1/cities/{slug}/models/{version}", &["get"]),
    ("/v1/cities/{slug}/models/{version}/file", &["get"]),
    ("/v1/cities/{slug}/pause", &["post"]),
    ("/v1/cities/{slug}/reject", &["post"]),
    ("/v1/cities/{slug}/resume", &["post"]),
    ("/v1/cities/{slug}/retry", &["post"]),
    ("/v1/cities/{slug}/sights", &["get"]),
    ("/v1/consent", &["get"]),
    ("/v1/donations/{token}", &["delete"]),
    ("/v1/images/{id}", &["get"]),
    ("/v1/images/{id}/file", &["get"]),
    ("/v1/images/{id}/review", &["post"]),
    ("/v1/images/{id}/thumbnail", &["get"]),
    ("/v1/jobs", &["get"]),
    ("/v1/jobs/queues", &["get"]),
    ("/v1/jobs/{id}", &["get"]),
    ("/v1/jobs/{id}/cancel", &["post"]),
    ("/v1/jobs/{id}/retry", &["post"]),
    ("/v1/places", &["get"]),
];

#[tokio::test]
async fn w_c47_the_description_is_one_openapi_document_of_all_routes() {
    let site = Site::start(TestDatabase::sqlite().await).await;
    let document = site.json("/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let paths = document["paths"].as_object().unwrap();
    let described: Vec<(&str, Vec<&str>)> = paths
        .iter()
        .map(|(path, methods)| {
            (path.as_str(), methods.as_object().unwrap().keys().map(String::as_str).collect())
        })
        .collect();
    let mut expected: Vec<(&str, Vec<&str>)> =
        ROUTES.iter().map(|(path, methods)| (*path, methods.to_vec())).collect();
    expected.sort();
    let mut described = described;
    described.sort();
    assert_eq!(described, expected);
    // JSON is YAML.
    let yaml: Value = site.json("/docs/index.yml").await;
    assert_eq!(yaml, document);
    assert_eq!(
        document["paths"]["/api/cities"]["get"]["responses"].as_object().unwrap().keys().next().unwrap(),
        "301"
    );
}

/// The answer's status and media type must be among those that the route's description has.
async fn described(document: &Value, path: &str, request: RequestBuilder, status: u16) {
    let request = request.build().unwrap();
    let route = &document["paths"][path][request.method().as_str().to_lowercase()];
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.execute(request).await.unwrap();
    assert_eq!(answer.status(), status, "{path}");
    let described = &route["responses"][answer.status().as_str()];
    assert!(described.is_object(), "{path} may answer {status}");
    let Some(kind) = answer.headers().get("content-type") else { return };
    let kind = kind.to_str().unwrap().split(';').next().unwrap();
    assert!(described["content"][kind].is_object(), "{path} {status}: {kind} is not in {described}");
}

#[tokio::test]
async fn w_c47_what_is_refused_is_described() {
    let site = Site::start(TestDatabase::sqlite().await).await;
    site.approved("Berlin").await;
    let document = site.json("/openapi.json").await;
    let described = |path, request, status| described(&document, path, request, status);
    let get = |path: &str| site.request(Method::GET, path);
    let post = |path: &str| site.request(Method::POST, path);
    let admin = |request: RequestBuilder| request.bearer_auth(crate::support::TOKEN);

    let list = "/v1/cities/{slug}/images";
    described(list, get("/v1/cities/berlin/images?review=rejected"), 401).await;
    described(list, get("/v1/cities/berlin/images?cursor=x"), 400).await;
    described("/v1/jobs", admin(get("/v1/jobs?city=atlantis")), 404).await;
    described("/v1/cities", get(&format!("/v1/cities?q={}", "x".repeat(101))), 400).await;
    described("/v1/places", get("/v1/places?q=%0D"), 400).await;
    let long = json!({"reason": "x".repeat(100_000)});
    let pause = "/v1/cities/{slug}/pause";
    described(pause, admin(post("/v1/cities/berlin/pause")).json(&long), 413).await;
    described(pause, admin(post("/v1/cities/berlin/pause")).json(&json!(null)), 200).await;
    described("/v1/images/{id}/review", admin(post("/v1/images/x/review")).json(&long), 413).await;
    // Bytes that are not UTF-8 name nothing.
    for path in ["/v1/cities/{slug}", "/v1/cities/{slug}/events", "/v1/cities/{slug}/models"] {
        described(path, get(&path.replace("{slug}", "%FF")), 400).await;
    }
    described("/v1/images/{id}/file", get("/v1/images/%FF/file"), 400).await;
    described("/v1/jobs/{id}", admin(get("/v1/jobs/%FF")), 400).await;
    described("/v1/donations/{token}", site.request(Method::DELETE, "/v1/donations/%FF"), 400).await;
    for path in ["/api/cities/{city}/model", "/api/cities/{city}/model/version"] {
        described(path, get(&path.replace("{city}", "%FF")), 400).await;
    }
    for path in ["/api/cities/{city}/add", "/api/cities/{city}/image"] {
        described(path, post(&path.replace("{city}", "%FF")), 400).await;
    }
    let no_picture = || Form::new().part("image", Part::bytes(b"text".to_vec()));
    let upload = "/api/cities/{city}/image";
    described(upload, post("/api/cities/BERLIN/image").multipart(no_picture()), 400).await;
    let two = no_picture().part("image", Part::bytes(b"text".to_vec()));
    described(upload, post("/api/cities/BERLIN/image").multipart(two), 413).await;
    described(list, post("/v1/cities/berlin/images").multipart(no_picture().text("consent", "x")), 422).await;
}

#[tokio::test]
async fn a_request_for_a_city_is_answered_as_described() {
    let site = Site::start(TestDatabase::sqlite().await).await;
    let document = site.json("/openapi.json").await;
    let content = "/paths/~1v1~1cities/post/responses/201/content/application~1json/schema/$ref";
    let name = document.pointer(content).unwrap().as_str().unwrap();
    let schema = document.pointer(name.trim_start_matches('#')).unwrap();
    let text = schema.to_string();
    for property in ["approved_now", "requests", "CityItem"] {
        assert!(text.contains(property), "{property} is missing in {schema}");
    }
    assert_eq!(site.approved("Berlin").await["approved_now"], true);
}
