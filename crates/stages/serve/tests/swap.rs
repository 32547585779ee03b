//! Models that become live while requests come.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use sightscan_engine::EngineChoice;
use sightscan_engine::model::{Mirror, MirrorError, ModelFolder, Overrides, Reference, Source, shipped};
use sightscan_serve::{Choice, Config};
use sightscan_testkit::{scale, tiny};
use tempfile::TempDir;

use crate::support::{Server, ok_json, problem};

const CLIENTS: usize = 8;

/// A folder in which `street` has versions 1 and 2, which call the same box `v1` and `v2`; the first one is live.
fn street() -> (TempDir, Choice) {
    let folder = tempfile::tempdir().unwrap();
    let models = ModelFolder::new(folder.path().join("models"));
    let file = tiny::write_colour_box(folder.path());
    for version in ["2", "1"] {
        import(&models, &file, "street", version);
    }
    let choice = Choice {
        folder: models,
        references: Vec::new(),
        overrides: Overrides::default(),
        engine: EngineChoice::Rten,
    };
    (folder, choice)
}

fn import(models: &ModelFolder, file: &Path, name: &str, version: &str) {
    let said = Overrides {
        name: Some(name.to_owned()),
        version: Some(version.to_owned()),
        classes: Some(vec![format!("v{version}")]),
        ..Overrides::default()
    };
    models.import(Source::read(file, &said).unwrap(), EngineChoice::Rten).unwrap();
}

fn config() -> Config {
    Config { follow_ms: 5, canary_after_ms: 50, ..Config::default() }
}

fn picture() -> Vec<u8> {
    tiny::plain_picture([128, 64, 255], 64, 64)
}

async fn served_version(server: &Server, name: &str) -> Value {
    let response = server.get(&format!("/v1/models/{name}")).await;
    if response.status() == 200 {
        response.json::<Value>().await.unwrap()["version"].clone()
    } else {
        Value::Null
    }
}

async fn becomes(server: &Server, name: &str, version: &Value) {
    let wait = async {
        while served_version(server, name).await != *version {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(),
        "{name} never became {version}"
    );
}

/// Asks again and again; each answer must be whole and of one version. How many there were.
async fn client(server: &Server, is_over: &AtomicBool, answers: &AtomicUsize) {
    while !is_over.load(Ordering::Relaxed) {
        let answer = server.v1("?model=street", picture()).await;
        let version = answer["model_version"].as_str().unwrap();
        assert_eq!(answer["detections"][0]["label"], format!("v{version}"), "{answer}");
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_fail_no_request_and_mix_no_versions() {
    let (_folder, choice) = street();
    let server = Server::following(config(), choice.clone()).await;
    let (is_over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let swaps = async {
        for swap in 0..(200.0 * scale()) as usize {
            let version = if swap % 2 == 0 { "2" } else { "1" };
            let before = answers.load(Ordering::Relaxed);
            choice.folder.set_live("street", version).unwrap();
            becomes(&server, "street", &version.into()).await;
            // Who asks from now on is answered by it.
            assert_eq!(server.v1("?model=street", picture()).await["model_version"], version);
            while answers.load(Ordering::Relaxed) < before + CLIENTS {
                tokio::task::yield_now().await;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let clients = join_all((0..CLIENTS).map(|_| client(&server, &is_over, &answers)));
    tokio::join!(swaps, clients);
    assert!(server.handle.reasons().is_empty(), "{:?}", server.handle.reasons());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_version_that_cannot_be_served_leaves_the_one_before() {
    let (folder, choice) = street();
    let server = Server::following(config(), choice.clone()).await;
    let broken = choice.folder.root().join("street/3");
    fs_err::create_dir(&broken).unwrap();
    fs_err::write(broken.join("model.onnx"), "nothing").unwrap();
    fs_err::write(broken.join("model.toml"), "name = \"street\"\nversion = \"3\"\n").unwrap();
    choice.folder.set_live("street", "3").unwrap();
    // Another one that becomes live shows that the broken one was looked at.
    import(&choice.folder, &folder.path().join("colour_box.onnx"), "tunnel", "1");
    becomes(&server, "tunnel", &"1".into()).await;
    assert_eq!(served_version(&server, "street").await, "1");
    assert_eq!(server.v1("?model=street@1", picture()).await["detections"][0]["label"], "v1");
    choice.folder.set_live("street", "2").unwrap();
    becomes(&server, "street", &"2".into()).await;
    let old = server.post("/v1/detect?model=street@1", "image/png", picture()).await;
    assert_eq!(problem(old).await, (404, "unknown-model".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_live_any_more_goes_and_a_fixed_version_stays() {
    let (folder, choice) = street();
    let fixed = Choice { references: vec!["street@1".parse::<Reference>().unwrap()], ..choice.clone() };
    let (all, one) =
        (Server::following(config(), choice.clone()).await, Server::following(config(), fixed).await);
    import(&choice.folder, &folder.path().join("colour_box.onnx"), "tunnel", "1");
    becomes(&all, "tunnel", &"1".into()).await;
    choice.folder.set_live("street", "2").unwrap();
    becomes(&all, "street", &"2".into()).await;
    fs_err::remove_file(choice.folder.root().join("street/live")).unwrap();
    becomes(&all, "street", &Value::Null).await;
    let first = all.post("/v1/detect", "image/png", picture()).await;
    assert_eq!(ok_json(first).await["model"], "tunnel", "the next one is the first one now");
    assert_eq!(served_version(&one, "street").await, "1");
    assert_eq!(served_version(&one, "tunnel").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_that_comes_with_the_program_answers_until_another_one_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let models = ModelFolder::new(folder.path().join("models"));
    let choice = Choice {
        folder: models.clone(),
        references: Vec::new(),
        overrides: Overrides::default(),
        engine: EngineChoice::Rten,
    };
    let server = Server::following(config(), choice).await;
    assert_eq!(server.v1("", picture()).await["model"], "landmarks");
    import(&models, &tiny::write_colour_box(folder.path()), "tunnel", "1");
    becomes(&server, "tunnel", &"1".into()).await;
    let gone = async {
        while server.get("/v1/models/landmarks").await.status() != 404 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), gone).await.is_ok(), "it is still served");
    assert_eq!(server.v1("", picture()).await["model"], "tunnel");
}

#[tokio::test]
async fn what_is_live_on_another_server_is_brought_and_stays_when_that_one_is_away() {
    let (_folder, choice) = street();
    let there = Server::following(config(), choice.clone()).await;
    let here = tempfile::tempdir().unwrap();
    let folder = ModelFolder::new(here.path().join("models"));
    let mut mirror = Mirror::new(&there.url(""), folder.clone(), EngineChoice::Rten).unwrap();
    assert_eq!(mirror.refresh().await.unwrap().new, ["street@1"]);
    assert!(mirror.refresh().await.unwrap().new.is_empty());
    // An update, and its roll-back.
    for version in ["2", "1"] {
        choice.folder.set_live("street", version).unwrap();
        let changed = async {
            while served_version(&there, "street").await != version {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), changed).await.unwrap();
        assert_eq!(mirror.refresh().await.unwrap().new, [format!("street@{version}")]);
    }
    // Another model of the same name and version is not taken for it.
    let own = ModelFolder::new(here.path().join("own"));
    let said = Overrides { name: Some("street".into()), version: Some("1".into()), ..Overrides::default() };
    let other = Source::of_onnx(Path::new("street.onnx"), shipped::ONNX.to_vec(), said).unwrap();
    own.import(other, EngineChoice::Rten).unwrap();
    let mut confused = Mirror::new(&there.url(""), own, EngineChoice::Rten).unwrap();
    let looked = confused.refresh().await.unwrap();
    assert!(
        looked.new.is_empty() && matches!(looked.problems[..], [MirrorError::Taken { .. }]),
        "{looked:?}"
    );
    let answer = there.v1("?model=street", picture()).await;
    there.handle.stop().await;
    assert!(matches!(mirror.refresh().await.unwrap_err(), MirrorError::List { .. }));
    let alone = Server::following(config(), Choice { folder, ..choice }).await;
    assert_eq!(alone.v1("?model=street", picture()).await["detections"], answer["detections"]);
    assert!(
        !here
            .path()
            .join("models/.arriving")
            .read_dir()
            .unwrap()
            .any(|left| left.unwrap().path().ends_with(".onnx"))
    );
}
