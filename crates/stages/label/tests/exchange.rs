//! Data sets out of a city and into another one, on both engines.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sightscan_dataset::{Format, Shares};
use sightscan_label::exchange::{How, Only, Wish};
use sightscan_pictures::{Encoding, Picture, encode};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{ImageId, ProducerKind, RelativeBox, Review};
use sightscan_warehouse::images::{self, Filter, Listed};
use sightscan_warehouse::labelling;
use sightscan_warehouse::labels::{self, LabelledBox};

use crate::exchange_support::{Archive, contents, how, labelled, silence, texts, texture, wish};

on_both_engines![
    row_27_a_box_of_the_original_becomes_the_line_of_the_original,
    what_is_exported_and_imported_elsewhere_is_exported_there_as_the_same_files,
    classes_are_what_names_are_read_as_sorted,
    only_accepted_images_are_exported_and_of_those_the_ones_asked_for,
    a_lost_blob_costs_its_picture_and_nothing_else,
    a_box_that_shows_nothing_is_told_and_its_picture_is_no_negative,
    splits_are_the_same_every_time_and_keep_pictures_together_that_look_alike,
    w_c43_data_yaml_names_folders_that_are_there,
    an_import_that_is_repeated_changes_nothing,
    w_l1_what_has_no_licence_is_quarantined_and_a_person_counts_more,
    what_cannot_be_taken_is_told_and_the_rest_is_taken,
];

impl Archive {
    async fn images(&self) -> Vec<Listed> {
        images::list(&self.warehouse.database, self.city, &Filter::default(), None, 1000).await.unwrap()
    }
}

async fn row_27_a_box_of_the_original_becomes_the_line_of_the_original(test: TestDatabase) {
    let archive = Archive::new(test).await;
    let area = RelativeBox::from_legacy(0.135, 0.725, 0.825, 0.015);
    let gate = LabelledBox { label: "Brandenburger Tor".to_owned(), area, score: None, mid: None };
    archive.labelled(1, vec![gate]).await;
    let files = archive.files(&wish(Format::Yolo)).await;
    assert_eq!(texts(&files, ".txt"), ["0 0.48 0.63 0.69 0.71\n"]);
    assert!(texts(&files, "data.yaml")[0].contains("0: \"Brandenburger Tor\""));
}

async fn what_is_exported_and_imported_elsewhere_is_exported_there_as_the_same_files(test: TestDatabase) {
    let archive = Archive::new(test).await;
    archive.fill().await;
    for format in Format::ALL {
        let wish = Wish { format, only: Only::All, split: Some(Shares::default()) };
        for name in [format!("{format}.zip"), format!("{format}-folder")] {
            let path = archive.folder.path().join(&name);
            let exported = archive.export(&wish, &path).await;
            assert_eq!((exported.images, exported.labelled, exported.negatives), (15, 12, 2), "{name}");
            assert!(exported.problems.is_empty(), "{}", exported.problems);
            // Another warehouse for each: labels belong to images and not to cities.
            let target = archive.elsewhere().await;
            let report = target.import(&path, &how("theirs")).await;
            assert!(report.problems.is_empty(), "{name}: {}", report.problems);
            assert_eq!((report.images, report.new_images, report.quarantined), (15, 15, 0), "{name}");
            assert_eq!((report.labelled, report.negatives), (12, 2), "{name}");
            let (before, after) = (contents(&path), target.files(&wish).await);
            assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{name}");
            for (file, bytes) in &before {
                assert!(bytes == &after[file], "{name}: {file}");
            }
        }
    }
}

async fn classes_are_what_names_are_read_as_sorted(test: TestDatabase) {
    let archive = Archive::new(test).await;
    let whole = [1, 1, 20, 20];
    for (number, label) in (0..).zip(["Zoo", "Gate", "The Gate", "Gates", " \n "]) {
        archive.labelled(number, vec![labelled(label, whole, None), labelled("Zoo", whole, None)]).await;
    }
    archive.merge("The Gate", "Gate").await;
    archive.merge("Gates", "Gate").await;
    let mut transaction = archive.warehouse.database.begin().await.unwrap();
    let pair = ("Gates", "Gate");
    assert!(labelling::undo_merge(&mut transaction, archive.city, pair, "ada", 2).await.unwrap());
    transaction.commit().await.unwrap();
    let files = archive.files(&wish(Format::Voc)).await;
    assert_eq!(texts(&files, "classes.txt"), ["Gate\nGates\nZoo\n"]);
    let exported = archive.export(&wish(Format::Coco), &archive.folder.path().join("coco")).await;
    assert_eq!((exported.images, exported.labelled, exported.classes), (5, 5, 3));
    assert!(exported.problems.to_string().contains("its label is empty"), "{}", exported.problems);
}

async fn only_accepted_images_are_exported_and_of_those_the_ones_asked_for(test: TestDatabase) {
    let archive = Archive::new(test).await;
    archive.fill().await;
    for (number, review) in [(20, Review::Pending), (21, Review::Quarantined), (22, Review::Rejected)] {
        let image = archive.store_as(&texture(number), number, review).await;
        archive.label(image, ProducerKind::Human, vec![]).await;
    }
    for (only, expected) in
        [(Only::Human, [9, 8, 1]), (Only::Labelled, [14, 12, 2]), (Only::All, [15, 12, 2])]
    {
        let path = archive.folder.path().join(format!("{only:?}"));
        let exported = archive.export(&Wish { only, ..wish(Format::Yolo) }, &path).await;
        assert_eq!([exported.images, exported.labelled, exported.negatives], expected, "{only:?}");
    }
}

async fn a_lost_blob_costs_its_picture_and_nothing_else(test: TestDatabase) {
    let archive = Archive::new(test).await;
    archive.fill().await;
    let images = archive.images().await;
    let file = |listed: &Listed| {
        let hash = listed.sha256.to_string();
        archive.folder.path().join("blobs").join(&hash[..2]).join(hash)
    };
    fs_err::remove_file(file(&images[0])).unwrap();
    fs_err::write(file(&images[1]), b"something else").unwrap();
    for format in Format::ALL {
        let path = archive.folder.path().join(format.word());
        let exported = archive.export(&wish(format), &path).await;
        assert_eq!((exported.images, exported.problems.total()), (12, 2), "{format}");
        let told = exported.problems.to_string();
        for lost in &images[..2] {
            assert!(told.contains(&format!("{}.png: the picture is left out", lost.sha256)), "{told}");
            let left = contents(&path);
            assert!(left.keys().all(|path| !path.contains(&lost.sha256.to_string())), "{format}");
        }
    }
}

async fn a_box_that_shows_nothing_is_told_and_its_picture_is_no_negative(test: TestDatabase) {
    let archive = Archive::new(test).await;
    let line = LabelledBox {
        area: RelativeBox { x: 0.5, y: 0.5, w: 0.0, h: 0.5 },
        ..labelled("Gate", [0; 4], None)
    };
    archive.labelled(1, vec![line.clone()]).await;
    archive.labelled(2, vec![line, labelled("Gate", [0, 0, 10, 10], None)]).await;
    let path = archive.folder.path().join("yolo");
    let exported = archive.export(&wish(Format::Yolo), &path).await;
    assert_eq!((exported.images, exported.labelled, exported.negatives), (2, 1, 0));
    assert_eq!(exported.problems.total(), 2, "{}", exported.problems);
    assert_eq!(texts(&contents(&path), ".txt"), ["0 0.125 0.125 0.25 0.25\n"]);
}

async fn splits_are_the_same_every_time_and_keep_pictures_together_that_look_alike(test: TestDatabase) {
    let archive = Archive::new(test).await;
    let gate = || vec![labelled("Gate", [1, 1, 20, 20], None)];
    for number in 0..12 {
        archive.labelled(number, gate()).await;
        let darker = archive.store_as(&darker(number), 100 + number, Review::Accepted).await;
        archive.label(darker, ProducerKind::Human, gate()).await;
    }
    let wish = Wish { split: Some("0.5,0.25,0.25".parse().unwrap()), ..wish(Format::Yolo) };
    let files = archive.files(&wish).await;
    assert_eq!(files, archive.files(&wish).await);
    let split_of: BTreeMap<String, String> = files
        .keys()
        .filter_map(|path| path.strip_prefix("images/")?.split_once('/'))
        .map(|(split, name)| (name.to_owned(), split.to_owned()))
        .collect();
    let splits: BTreeSet<&str> = split_of.values().map(String::as_str).collect();
    assert_eq!(splits, BTreeSet::from(["test", "train", "val"]));
    for number in 0..12 {
        let name = |bytes: &Bytes| format!("{}.png", sightscan_types::Sha256::of(bytes));
        assert_eq!(split_of[&name(&texture(number))], split_of[&name(&darker(number))]);
    }
}

/// The same picture as the texture of this number, but a little darker.
fn darker(number: u64) -> Bytes {
    let mut picture = sightscan_pictures::decode(&texture(number), &Default::default()).unwrap();
    picture.rgb.iter_mut().for_each(|value| *value = value.saturating_sub(2));
    encode(&picture, Encoding::Png).unwrap().into()
}

async fn w_c43_data_yaml_names_folders_that_are_there(test: TestDatabase) {
    let archive = Archive::new(test).await;
    archive.fill().await;
    for (split, keys) in [
        (None, vec!["train", "val", "nc", "names"]),
        (Some(Shares::default()), vec!["train", "val", "test", "nc", "names"]),
    ] {
        let path = archive.folder.path().join(format!("yolo{}", keys.len()));
        let exported = archive.export(&Wish { split, ..wish(Format::Yolo) }, &path).await;
        let text = fs_err::read_to_string(path.join("data.yaml")).unwrap();
        let lines: Vec<(&str, &str)> = text
            .lines()
            .filter(|line| !line.starts_with(['#', ' ']))
            .map(|line| line.split_once(':').unwrap())
            .collect();
        // Without `path`, Ultralytics starts from the folder of this file, wherever it was moved.
        assert_eq!(lines.iter().map(|(key, _)| *key).collect::<Vec<_>>(), keys, "{text}");
        for (key, folder) in lines.iter().filter(|(key, _)| ["train", "val", "test"].contains(key)) {
            let pictures = fs_err::read_dir(path.join(folder.trim())).unwrap().count();
            let labels = path.join(folder.trim().replace("images", "labels"));
            assert_eq!(
                fs_err::read_dir(labels).unwrap().count(),
                pictures,
                "{key}: a file of labels for each"
            );
            assert!(pictures > 0, "{key}");
        }
        let names = text.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(
            (names, format!("nc: {names}\n")),
            (exported.classes, format!("nc: {}\n", exported.classes))
        );
        assert!(text.contains(&format!("nc: {names}\n")), "{text}");
    }
}

async fn an_import_that_is_repeated_changes_nothing(test: TestDatabase) {
    let archive = Archive::new(test).await;
    let elsewhere = archive.elsewhere().await;
    archive.fill().await;
    let path = archive.folder.path().join("set.zip");
    archive.export(&Wish { only: Only::All, ..wish(Format::LabelStudio) }, &path).await;
    let first = elsewhere.import(&path, &how("set.zip")).await;
    assert_eq!((first.new_images, first.new_labels), (15, 14));
    let before = (elsewhere.images().await, labellings(&elsewhere).await);
    let again = elsewhere.import(&path, &how("set.zip")).await;
    assert_eq!((again.images, again.new_images, again.new_labels), (15, 0, 0));
    assert_eq!(before, (elsewhere.images().await, labellings(&elsewhere).await));
    let own = archive.import(&path, &how("set.zip")).await;
    assert_eq!(own.new_images, 0, "a city has its own pictures already");
}

/// Who has labelled each image, and when.
async fn labellings(archive: &Archive) -> Vec<(ImageId, Vec<(ProducerKind, String, i64)>)> {
    let mut labellings = Vec::new();
    for listed in archive.images().await {
        let history = labels::history(&archive.warehouse.database, listed.id).await.unwrap();
        let made = history.into_iter().map(|label| (label.producer.kind, label.producer.name, label.made_at));
        labellings.push((listed.id, made.collect()));
    }
    labellings
}

/// A YOLO data set of these pictures, each with the label that is given.
fn yolo(archive: &Archive, name: &str, files: &[(&str, Bytes, &str)]) -> std::path::PathBuf {
    let path = archive.folder.path().join(name);
    for folder in ["images", "labels"] {
        fs_err::create_dir_all(path.join(folder)).unwrap();
    }
    fs_err::write(path.join("data.yaml"), "names: [Gate]\n").unwrap();
    for (file, bytes, label) in files {
        fs_err::write(path.join("images").join(file), bytes).unwrap();
        let stem = file.split('.').next().unwrap();
        fs_err::write(path.join("labels").join(format!("{stem}.txt")), label).unwrap();
    }
    path
}

const LINE: &str = "0 0.5 0.5 0.25 0.25\n";

async fn w_l1_what_has_no_licence_is_quarantined_and_a_person_counts_more(test: TestDatabase) {
    let archive = Archive::new(test).await;
    let path = yolo(&archive, "mine", &[("a.png", texture(1), LINE), ("b.png", texture(2), "")]);
    let report = archive.import(&path, &how("mine")).await;
    assert_eq!((report.images, report.quarantined, report.labelled, report.negatives), (2, 2, 1, 1));
    let listed = archive.images().await;
    assert!(listed.iter().all(|image| image.review == Review::Quarantined && image.licence.is_none()));
    assert_eq!(listed[0].source, "mine/a.png");
    assert_eq!(archive.export(&wish(Format::Yolo), &archive.folder.path().join("none")).await.images, 0);

    fs_err::write(path.join("attribution.csv"), "file,author,licence\na.png,Ada,CC0-1.0\n").unwrap();
    let flags = How {
        licence: Some("CC-BY-4.0".to_owned()),
        author: Some("Grace".to_owned()),
        by: Some("grace".to_owned()),
        ..how("mine again")
    };
    let report = archive.import(&path, &flags).await;
    assert_eq!((report.images, report.new_images, report.quarantined), (2, 0, 0));
    let listed = archive.images().await;
    assert!(listed.iter().all(|image| image.review == Review::Accepted));
    let licences: Vec<_> = listed.iter().map(|image| image.licence.as_deref()).collect();
    assert_eq!(licences, [Some("CC0-1.0"), Some("CC-BY-4.0")], "the data set's word counts before the flag");
    let authors = images::origins(&archive.warehouse.database, listed[1].id).await.unwrap();
    assert_eq!(authors.last().unwrap().provenance.author.as_deref(), Some("Grace"));
    let current = labels::current(&archive.warehouse.database, listed[0].id).await.unwrap().unwrap();
    assert_eq!((current.producer.kind, current.producer.name.as_str()), (ProducerKind::Human, "import:mine"));
    let corrected = yolo(&archive, "corrected", &[("a.png", texture(1), "0 0.5 0.5 0.5 0.5\n")]);
    assert_eq!(archive.import(&corrected, &flags).await.new_labels, 1);
    let current = labels::current(&archive.warehouse.database, listed[0].id).await.unwrap().unwrap();
    assert_eq!((current.boxes[0].area.w, current.producer.name.as_str()), (0.5, "grace"));
}

async fn what_cannot_be_taken_is_told_and_the_rest_is_taken(test: TestDatabase) {
    let archive = Archive::new(test).await;
    let whole = texture(1);
    let files = [
        ("broken.png", whole.slice(..whole.len() / 2), LINE),
        ("good.png", whole.clone(), LINE),
        ("text.jpg", Bytes::from_static(b"<html>"), LINE),
        ("wrong.png", texture(2), "0 0.5 0.5 nonsense 0.25\n"),
    ];
    let path = yolo(&archive, "mixed", &files);
    let report = archive.import(&path, &how("mixed")).await;
    assert_eq!((report.images, report.labelled, report.negatives), (2, 1, 0));
    let told = report.problems.to_string();
    for part in ["broken.png", "text.jpg", "labels/wrong.txt:1: expected a number"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(report.problems.total(), 3, "{told}");

    let long = format!("file,source\ngood.png,{}\n", "x".repeat(3000));
    fs_err::write(path.join("attribution.csv"), long).unwrap();
    let report = archive.import(&path, &how("mixed")).await;
    let told = report.problems.to_string();
    assert!(report.images == 1 && told.contains("at most 2048 are kept"), "{told}");

    let tall = encode(&Picture { width: 20, height: 40, rgb: vec![9; 2400] }, Encoding::Png).unwrap();
    let coco = archive.folder.path().join("coco");
    fs_err::create_dir_all(coco.join("images")).unwrap();
    fs_err::write(coco.join("images/tall.png"), tall).unwrap();
    let instances = r#"{"categories": [{"id": 1, "name": "Gate"}],
        "images": [{"id": 1, "file_name": "tall.png", "width": 40, "height": 20}, {"id": 2, "file_name": "gone.png", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 10], "area": 400, "iscrowd": 0}]}"#;
    fs_err::write(coco.join("instances_default.json"), instances).unwrap();
    let small = How { limits: sightscan_pictures::Limits { max_pixels: 800 }, ..how("coco") };
    let report = archive.import(&coco, &small).await;
    let told = report.problems.to_string();
    assert_eq!((report.images, report.new_labels), (1, 0), "{told}");
    assert!(told.contains("for a picture of 40x20 pixels, and this one has 20x40"), "{told}");
    assert!(told.contains("gone.png: its picture is not there"), "{told}");
    let too_large = How { limits: sightscan_pictures::Limits { max_pixels: 799 }, ..how("coco") };
    let report = archive.import(&coco, &too_large).await;
    assert!(report.images == 0 && report.problems.to_string().contains("at most 799 pixels"));

    let empty = tempfile::tempdir().unwrap();
    let source = sightscan_dataset::open(empty.path(), Default::default()).unwrap();
    let (how, tell) = (how("x"), silence());
    let import = sightscan_label::exchange::import(&archive.warehouse, archive.city, source, &how, &tell);
    assert!(import.await.unwrap_err().to_string().contains("yolo, coco, voc and label-studio"));
}
