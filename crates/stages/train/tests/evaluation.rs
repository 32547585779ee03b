//! How good a real network is on real pictures, as we see it and as `pycocotools` does.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use sightscan_dataset::{Dataset, Item, Labels, Picture};
use sightscan_engine::model::Overrides;
use sightscan_engine::{EngineChoice, Model};
use sightscan_testkit::{data, python, reference, scale};
use sightscan_train::{Error, Report, detections, evaluate, read_set};
use tempfile::TempDir;

/// Pictures of the quick tier.
const FEW: usize = 32;

fn model() -> Option<Arc<Model>> {
    let path = data("models/yolov5n.onnx")?;
    Some(Model::open(&path, &Overrides::default(), EngineChoice::Auto).unwrap())
}

fn threads() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

/// The COCO pictures with the names of their classes as this model writes them; a quarter of them in the quick tier.
fn coco(model: &Model) -> Option<(TempDir, Dataset)> {
    let coco = data("coco")?;
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("classes.txt"), model.spec().classes.join("\n")).unwrap();
    for part in ["images", "labels"] {
        fs_err::create_dir(folder.path().join(part)).unwrap();
        for file in fs_err::read_dir(coco.join(part)).unwrap() {
            let file = file.unwrap();
            fs_err::copy(file.path(), folder.path().join(part).join(file.file_name())).unwrap();
        }
    }
    let (mut dataset, problems) = read_set(folder.path(), None).unwrap();
    // There are labels of two pictures that are not there.
    assert_eq!(problems.total(), 2, "{problems}");
    dataset.items.truncate(if scale() < 1.0 { FEW } else { usize::MAX });
    Some((folder, dataset))
}

fn judged(model: &Arc<Model>, dataset: &Dataset) -> Result<Report, Error> {
    evaluate(model, dataset, threads(), |_, _| {})
}

/// What pycocotools makes of the same detections, which are in pixels here.
fn theirs(python: &Path, model: &Arc<Model>, dataset: &Dataset) -> Value {
    let (mut images, mut truths, mut found) = (Vec::new(), Vec::new(), Vec::new());
    detections(model, dataset, threads(), |item, analysis| {
        let (id, analysis) = (images.len() + 1, analysis.unwrap());
        images.push(json!({"id": id, "width": item.width, "height": item.height}));
        let (width, height) = (f64::from(item.width), f64::from(item.height));
        for truth in item.labels.boxes() {
            let (w, h) = (truth.bounds.w * width, truth.bounds.h * height);
            truths.push(json!({"id": truths.len() + 1, "image_id": id, "category_id": truth.class,
                "bbox": [truth.bounds.x * width, truth.bounds.y * height, w, h], "area": w * h, "iscrowd": 0}));
        }
        for detection in analysis.findings.detections() {
            let class = dataset.classes.iter().position(|class| *class == detection.label).unwrap();
            let area = detection.bounds;
            found.push(json!({"image_id": id, "category_id": class, "score": detection.confidence,
                "bbox": [area.left, area.top, area.width, area.height]}));
        }
    })
    .unwrap();
    let classes = dataset.classes.iter().enumerate();
    let categories: Vec<Value> = classes.map(|(id, name)| json!({"id": id, "name": name})).collect();
    let truth = json!({"info": {}, "images": images, "categories": categories, "annotations": truths});
    let folder = tempfile::tempdir().unwrap();
    let files = ["truth.json", "detections.json"].map(|name| folder.path().join(name));
    fs_err::write(&files[0], truth.to_string()).unwrap();
    fs_err::write(&files[1], Value::from(found).to_string()).unwrap();
    let script = reference("pycocotools_evaluation.py");
    let output = Command::new(python).arg(script).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn yolov5n_on_coco_is_as_good_as_pycocotools_says() {
    let (Some(python), Some(model)) = (python(), model()) else { return };
    let Some((_folder, dataset)) = coco(&model) else { return };
    let (ours, theirs) = (judged(&model, &dataset).unwrap(), theirs(&python, &model, &dataset));
    assert_eq!(ours.images, dataset.items.len());
    let near = |ours: Option<f64>, theirs: &Value| match (ours, theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 1e-3,
        (ours, theirs) => ours == theirs,
    };
    assert!(near(ours.map50, &theirs["map50"]), "{ours} {theirs}");
    assert!(near(ours.map50_95, &theirs["map50_95"]), "{ours} {theirs}");
    for (ours, theirs) in ours.classes.iter().zip(theirs["classes"].as_array().unwrap()) {
        assert!(
            near(ours.ap50, &theirs["ap50"]) && near(ours.ap50_95, &theirs["ap50_95"]),
            "{ours:?} {theirs}"
        );
    }
    // The network has learnt these pictures.
    assert!(ours.map50.unwrap() > 0.5 && ours.map50_95.unwrap() > 0.3, "{ours}");
    let json = serde_json::to_value(&ours).unwrap();
    assert_eq!(json["classes"][0]["label"], "person");
    assert!(json["classes"][0]["ap50"].is_number() && json["problems"].is_null(), "{json}");
}

fn named(name: &str, picture: Option<Picture>, labels: Labels) -> Item {
    Item {
        name: name.to_owned(),
        picture,
        width: 1,
        height: 1,
        split: None,
        labels,
        attribution: Default::default(),
    }
}

#[test]
fn what_cannot_be_judged_is_told() {
    let Some(model) = model() else { return };
    let negative = |picture| named("a.jpg", picture, Labels::Annotated(Vec::new()));
    let of = |classes: &[&str], items: Vec<Item>| Dataset {
        classes: classes.iter().map(|&name| name.to_owned()).collect(),
        items,
    };
    let told = |dataset: &Dataset| judged(&model, dataset).unwrap_err().to_string();
    assert!(told(&of(&["Eiffel_Tower"], vec![negative(None)])).contains("Eiffel_Tower"));
    assert!(
        told(&of(&["person"], vec![named("a.jpg", None, Labels::Unlabelled)]))
            .contains("no labelled picture")
    );
    assert!(told(&of(&["person"], vec![negative(None)])).contains("a.jpg: there are only labels"));
    let broken = Some(Picture::bytes(*b"no picture"));
    assert!(told(&of(&["person"], vec![negative(broken)])).contains("a.jpg: "));
}

#[test]
fn names_of_classes_may_be_written_differently() {
    let (Some(model), Some(bus)) = (model(), data("pictures/bus.jpg")) else { return };
    let bus = named("bus.jpg", Some(Picture::file(bus)), Labels::Annotated(Vec::new()));
    let classes = ["Traffic_Light", "gryphon"].map(str::to_owned).to_vec();
    let report = judged(&model, &Dataset { classes, items: vec![bus] }).unwrap();
    assert_eq!((report.unknown, report.map50), (vec!["gryphon".to_owned()], None));
}

#[test]
fn only_one_split_is_read() {
    let Some(sights) = data("sights") else { return };
    let split = Some("val".parse().unwrap());
    assert_eq!(read_set(&sights, split).unwrap().0.items.len(), 34);
    let error = read_set(&sights, Some("test".parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("split test"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(read_set(empty.path(), None).unwrap_err().to_string().contains("YOLO"));
}
