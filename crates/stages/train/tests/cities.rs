//! A city's detector, from its labelled images to the ledger of its models.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sightscan_engine::model::{ModelFolder, Overrides, Source};
use sightscan_engine::{EngineChoice, Model};
use sightscan_jobs::{Registry, Runner, RunnerConfig, Summary, Wish, enqueue};
use sightscan_nn::{Architecture, Device, Yolov5};
use sightscan_testkit::database::TestDatabase;
use sightscan_train::{
    Begun, Config, Error, Event, Gate, GoOn, Processor, Settings, Tell, Training, Verdict, conclude, jobs,
};
use sightscan_types::{JobState, ModelAction, ModelState, TrainCity};
use sightscan_warehouse::jobs::Filter;
use sightscan_warehouse::{cities, images, models};
use tokio_util::sync::CancellationToken;

use crate::site::Site;
use crate::squares::{quick, squares};

/// Sights whose names the original lost: with an umlaut, and with all that is special in its formats.
const SIGHTS: [&str; 2] = ["Siegessäule", "St. Peter's, \"Dom\""];

/// The base weights of these tests: a small network that has learnt nothing.
fn base(folder: &Path) -> String {
    let architecture = Architecture { width: 0.125, ..Architecture::nano(2) };
    let device = Device::flex();
    // The same ones each time: what is learnt from others is another thing each time.
    device.seed(1);
    let mut weights = Yolov5::new(&architecture, &device).weights().unwrap();
    weights.insert_anchors(&architecture.anchors);
    let path = folder.join("small.safetensors");
    fs_err::write(&path, weights.to_safetensors(&BTreeMap::new()).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn training(site: &Site, gate: Gate) -> Training {
    let folder = site.folder.path();
    let settings = Settings {
        base: base(folder),
        base_licence: Some("MIT".to_owned()),
        shares: [0.8, 0.1, 0.1],
        gate,
        device: Processor::Cpu,
        learning: quick(),
    };
    Training {
        warehouse: site.warehouse.clone(),
        settings,
        folder: folder.join("trainings"),
        models: ModelFolder::new(folder.join("models")),
    }
}

/// A city with so many labelled squares.
async fn city(name: &str, images: u32) -> Site {
    let site = Site::of(TestDatabase::sqlite().await, name).await;
    for item in squares(0..images).items {
        let sight = SIGHTS[item.labels.boxes()[0].class];
        site.store_item(&item, sight).await;
    }
    site
}

fn order(site: &Site, epochs: u32) -> TrainCity {
    TrainCity { city: site.city, epochs, min_images_per_label: 5 }
}

/// Has a training done as a job; what became of it.
async fn by_job(site: &Site, training: Training, epochs: u32) -> Summary {
    let database = &site.warehouse.database;
    let mut transaction = database.begin().await.unwrap();
    enqueue(&mut transaction, &order(site, epochs), Wish::default(), database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    let registry = jobs::register(Registry::new(), Arc::new(training));
    let config = RunnerConfig {
        long_queues: vec!["train".to_owned()],
        poll: Duration::from_millis(10),
        exit_when_idle: Some(Duration::from_millis(50)),
        ..RunnerConfig::default()
    };
    let runner = Runner::new(database.clone(), registry, config, None).unwrap();
    runner.run(CancellationToken::new()).await
}

async fn version(site: &Site, version: i64) -> models::Model {
    models::get(&site.warehouse.database, site.city, version).await.unwrap().unwrap()
}

async fn ledger(site: &Site) -> Vec<(ModelAction, i64, String)> {
    let entries = models::history(&site.warehouse.database, site.city, None, 100).await.unwrap();
    entries.into_iter().rev().map(|entry| (entry.action, entry.version, entry.why)).collect()
}

/// The reason why the newest job is dead.
async fn cause_of_death(site: &Site) -> String {
    let filter = Filter { state: Some(JobState::Dead), ..Filter::default() };
    let dead = sightscan_warehouse::jobs::list(&site.warehouse.database, &filter, None, 1).await.unwrap();
    dead[0].reason.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_30_31_32_w_c12_w_c16_w_s11_a_city_is_trained_published_and_trained_again() {
    let site = city("Köln", 101).await;
    let gate = Gate { least: 0.3, ..Gate::default() };
    assert_eq!(by_job(&site, training(&site, gate), 20).await.done, 1);
    let first = version(&site, 1).await;
    assert_eq!((first.state, first.considered_images, first.parent), (ModelState::Live, 101, None));
    let metrics: serde_json::Value = serde_json::from_str(&first.metrics).unwrap();
    let story = &metrics["training"];
    assert_eq!((&story["epochs"], &story["base"]), (&20.into(), &"small.safetensors".into()), "{metrics}");
    assert_eq!(story["base_licence"], "MIT");
    assert!(metrics["map50"].as_f64().unwrap() > 0.3, "{metrics}");
    is_told_epoch_by_epoch(&site, &metrics["details"]).await;
    is_a_model_of_16_bits(&site, &first).await;
    let written = ledger(&site).await;
    assert_eq!((written[0].0, written[1].0), (ModelAction::Registered, ModelAction::Promoted));
    assert!(written[1].2.contains("mAP@0.5"), "{written:?}");
    w_c5_w_c17_a_second_training_starts_from_the_live_model_and_is_judged_by_it(&site, &first).await;
}

/// Those who follow the city heard of each epoch; the model keeps them, and what it finds in test pictures.
async fn is_told_epoch_by_epoch(site: &Site, details: &serde_json::Value) {
    let events = cities::events(&site.warehouse.database, site.city, 0, 1000).await.unwrap();
    let epochs = events.iter().filter(|event| event.kind == "epoch");
    let heard: Vec<serde_json::Value> =
        epochs.map(|event| serde_json::from_str(event.message.as_ref().unwrap()).unwrap()).collect();
    assert_eq!(details["history"], serde_json::Value::from(heard));
    assert_eq!(details["history"][0]["epoch"], 1);
    let sheet = details["sheet"].as_array().unwrap();
    assert!(!sheet.is_empty() && sheet.iter().all(|seen| !seen["there"].as_array().unwrap().is_empty()));
    assert!(sheet.iter().any(|seen| seen["found"][0]["score"].as_f64() >= Some(0.25)), "{sheet:?}");
    let sha256 = sheet[0]["sha256"].as_str().unwrap().parse().unwrap();
    assert!(images::of_file(&site.warehouse.database, &sha256).await.unwrap().is_some());
}

/// ONNX and no pickle (W-S11), with weights of 16 bits, the names of the classes and how it was made.
async fn is_a_model_of_16_bits(site: &Site, model: &models::Model) {
    let onnx = site.warehouse.blobs.get(&model.sha256).await.unwrap();
    let full = fs_err::metadata(site.folder.path().join("small.safetensors")).unwrap().len();
    assert!((onnx.len() as u64) < full * 7 / 10, "{} of {full} bytes", onnx.len());
    let overrides: Overrides = toml::from_str(&model.specification).unwrap();
    assert_eq!(overrides.name.as_deref(), Some("koln"));
    let source = Source::of_onnx(Path::new("model.onnx"), onnx.to_vec(), overrides).unwrap();
    let loaded = Model::from_source(source, EngineChoice::Rten).unwrap();
    assert_eq!(loaded.spec().classes, SIGHTS);
}

async fn w_c5_w_c17_a_second_training_starts_from_the_live_model_and_is_judged_by_it(
    site: &Site,
    first: &models::Model,
) {
    // Nobody passes a gate that wants twice the greatest value there is.
    let gate = Gate { margin: -2.0, ..Gate::default() };
    let mut again = training(site, gate);
    // It learns next to nothing, so that it still finds what the live model finds.
    again.settings.learning.rate = 1e-6;
    assert_eq!(by_job(site, again, 1).await.done, 1);
    let second = version(site, 2).await;
    assert_eq!((second.state, second.parent), (ModelState::Rejected, Some(first.id)));
    let metrics: serde_json::Value = serde_json::from_str(&second.metrics).unwrap();
    assert_eq!(metrics["live"]["version"], 1, "{metrics}");
    assert_eq!(
        (&metrics["training"]["base"], &metrics["training"]["base_licence"]),
        (&"version 1".into(), &"MIT".into())
    );
    assert_eq!(version(site, 1).await.state, ModelState::Live, "the live model stays");
    let (action, of, why) = ledger(site).await.pop().unwrap();
    assert_eq!((action, of), (ModelAction::Rejected, 2));
    assert!(why.contains("live version 1") && why.contains("train.gate.margin"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn w_c18_a_city_whose_training_cannot_go_well_says_why_and_is_not_tried_again() {
    let site = city("Berlin", 4).await;
    let summary = by_job(&site, training(&site, Gate::default()), 1).await;
    assert_eq!((summary.dead, summary.retried), (1, 0));
    let cause = cause_of_death(&site).await;
    assert!(cause.contains("no sight has 5 labelled images"), "{cause}");
    let mut lost = training(&site, Gate::default());
    lost.settings.base = "gone.pt".to_owned();
    let more = city("Paris", 40).await;
    lost.warehouse = more.warehouse.clone();
    by_job(&more, lost, 1).await;
    let cause = cause_of_death(&more).await;
    assert!(cause.contains("train.base") && cause.contains("gone.pt"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_model_that_finds_nothing_is_kept_as_rejected_and_its_job_fails() {
    let site = city("Rome", 40).await;
    let mut lazy = training(&site, Gate::default());
    lazy.settings.learning.rate = 1e-9;
    assert_eq!(by_job(&site, lazy, 1).await.dead, 1);
    let cause = cause_of_death(&site).await;
    assert!(cause.contains("version 1 is not good enough"), "{cause}");
    assert_eq!(version(&site, 1).await.state, ModelState::Rejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_was_ended_goes_on_under_its_key_only() {
    let site = city("Oslo", 40).await;
    let training = training(&site, Gate { least: 0.0, ..Gate::default() });
    let order = order(&site, 3);
    let epochs = Arc::new(Mutex::new(Vec::new()));
    let told = |most: usize| -> Tell {
        let (epochs, ended) = (Arc::clone(&epochs), AtomicUsize::new(0));
        Arc::new(move |event| {
            let Event::Epoch(epoch) = event else { return ControlFlow::Continue(()) };
            epochs.lock().unwrap().push(epoch.epoch);
            let enough = ended.fetch_add(1, Ordering::Relaxed) + 1 == most;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let job = Begun { place: "job", key: "job 1", goes_on: GoOn::IfThere };
    assert!(matches!(training.train(&order, job, told(1)).await, Err(Error::Ended)));
    let judged = training.train(&order, job, told(usize::MAX)).await.unwrap();
    assert_eq!(*epochs.lock().unwrap(), [1, 2, 3]);
    assert!(matches!(judged.verdict, Verdict::Rejected(_)), "it was hardly trained: {}", judged.verdict);
    // It was finished; the same job finds the same candidate again.
    let again = training.train(&order, job, told(usize::MAX)).await.unwrap();
    assert_eq!((again.model.id, epochs.lock().unwrap().len()), (judged.model.id, 3));
    let other = Begun { place: "job", key: "job 2", goes_on: GoOn::IfThere };
    assert!(matches!(training.train(&order, other, told(1)).await, Err(Error::Ended)));
    assert_eq!(epochs.lock().unwrap().last(), Some(&1));
    // What must go on is not begun anew.
    let must = |key| Begun { place: "job", key, goes_on: GoOn::Must };
    assert!(matches!(training.train(&order, must("job 1"), told(1)).await, Err(Error::NothingToGoOn(_))));
    // Other settings make it another training.
    let mut other_way = training.clone();
    other_way.settings.learning = Config { seed: 5, ..quick() };
    assert!(matches!(other_way.train(&order, must("job 2"), told(1)).await, Err(Error::NothingToGoOn(_))));
    assert!(matches!(other_way.train(&order, other, told(1)).await, Err(Error::Ended)));
    assert_eq!(epochs.lock().unwrap().last(), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_about_another_live_model_is_not_acted_upon() {
    let site = city("Lima", 40).await;
    let training = training(&site, Gate { least: 0.0, ..Gate::default() });
    let quietly: Tell = Arc::new(|_| ControlFlow::Continue(()));
    let shell = |goes_on| Begun { place: "shell", key: "admin", goes_on };
    let order = order(&site, 1);
    let judged = training.train(&order, shell(GoOn::Never), Arc::clone(&quietly)).await.unwrap();
    let new = models::NewModel {
        city: site.city,
        specification: String::new(),
        dataset: None,
        parent: None,
        considered_images: 0,
        metrics: "{}".to_owned(),
    };
    let by = sightscan_train::By { actor: "ada", why: "meanwhile" };
    models::publish(&site.warehouse, "another".into(), &new, by).await.unwrap();
    let refused = conclude(&site.warehouse, &judged, "admin").await.unwrap_err();
    assert!(matches!(refused, Error::LiveHasChanged), "{refused}");
    assert_eq!(version(&site, judged.model.version).await.state, ModelState::Candidate);
    let again = training.train(&order, shell(GoOn::Must), quietly).await.unwrap();
    assert_eq!(again.model.id, judged.model.id, "the same candidate, judged anew");
    conclude(&site.warehouse, &again, "admin").await.unwrap();
    assert_ne!(version(&site, judged.model.version).await.state, ModelState::Candidate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_that_is_dropped_lets_go_of_the_folder() {
    let site = city("Bonn", 40).await;
    let training = training(&site, Gate::default());
    let (order, begun) = (order(&site, 1000), Begun { place: "job", key: "job 1", goes_on: GoOn::IfThere });
    let (started, start) = tokio::sync::oneshot::channel();
    let started = Mutex::new(Some(started));
    let tell: Tell = Arc::new(move |event| {
        if matches!(event, Event::Step(_)) {
            started.lock().unwrap().take().map(|started| started.send(()));
        }
        ControlFlow::Continue(())
    });
    tokio::select! {
        trained = training.train(&order, begun, tell) => panic!("{trained:?}"),
        begun = start => begun.unwrap(),
    }
    let ending: Tell = Arc::new(|_| ControlFlow::Break(()));
    assert!(matches!(training.train(&order, begun, ending).await, Err(Error::Ended)));
}
