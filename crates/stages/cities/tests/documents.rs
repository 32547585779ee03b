//! The description of the interface.

use serde_json::Value;
use sightscan_testkit::database::TestDatabase;

use crate::support::Site;

/// Every route that there is, with its methods.
const ROUTES: [(&str, &[&str]); 29] = [
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
    ("/v1/cities/{slug}/events", &["get"]),
    ("/v1/cities/{slug}/images", &["get", "post"]),
    ("/v1/cities/{slug}/models", &["get"]),
    ("/v1/cities/{slug}/models/{version}/file", &["get"]),
    ("/v1/cities/{slug}/pause", &["post"]),
    ("/v1/cities/{slug}/reject", &["post"]),
    ("/v1/cities/{slug}/resume", &["post"]),
    ("/v1/cities/{slug}/retry", &["post"]),
    ("/v1/consent", &["get"]),
    ("/v1/donations/{token}", &["delete"]),
    ("/v1/images/{id}", &["get"]),
    ("/v1/images/{id}/file", &["get"]),
    ("/v1/images/{id}/review", &["post"]),
    ("/v1/images/{id}/thumbnail", &["get"]),
    ("/v1/jobs", &["get"]),
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
