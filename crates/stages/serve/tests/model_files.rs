//! The files of models, for those who compute them themselves.

use reqwest::StatusCode;
use sightscan_serve::Config;
use sightscan_testkit::tiny;
use sightscan_types::Sha256;

use crate::support::*;

#[tokio::test]
async fn a_model_can_be_downloaded_whole_in_part_and_not_twice() {
    let server = Server::tiny(Config::default()).await;
    let listed = ok_json(server.get("/v1/models").await).await;
    let model = &listed["items"][0];
    let path = format!("/v1/models/{}/file", model["name"].as_str().unwrap());
    let whole = server.get(&path).await;
    let tag = whole.headers()["etag"].clone();
    assert_eq!(whole.headers()["cache-control"], "no-cache");
    let bytes = whole.bytes().await.unwrap();
    assert_eq!(bytes, tiny::colour_box());
    assert_eq!(model["size"], bytes.len());
    assert_eq!(tag.to_str().unwrap(), format!("\"{}\"", Sha256::of(&bytes)));
    let asked = async |name: &str, value: &str| {
        server.client.get(server.url(&path)).header(name, value).send().await.unwrap()
    };
    let part = asked("range", "bytes=3-6").await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), bytes[3..7]);
    assert_eq!(asked("if-none-match", tag.to_str().unwrap()).await.status(), StatusCode::NOT_MODIFIED);
    let unknown = server.get("/v1/models/nobody/file").await;
    assert_eq!(problem(unknown).await, (404, "unknown-model".into()));
}
