//! Data sets as other programs write them, and with their faults.

use serde_json::json;
use sightscan_dataset::{Dataset, Error, Format, Imported, Item, Labels, Split, import};
use sightscan_types::RelativeBox;

use crate::support::{opened, png, read_files};

fn item_of<'a>(dataset: &'a Dataset, name: &str) -> &'a Item {
    dataset.items.iter().find(|item| item.name == name).unwrap()
}

fn splits(imported: &Imported) -> Vec<(&str, Option<Split>)> {
    imported.dataset.items.iter().map(|item| (item.name.as_str(), item.split)).collect()
}

fn is_near(found: RelativeBox, expected: [f64; 4]) -> bool {
    let found = [found.x, found.y, found.w, found.h];
    found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-9)
}

/// File, line and the beginning of the fault of each problem.
fn told(imported: &Imported) -> Vec<(&str, Option<usize>, &str)> {
    imported
        .problems
        .list()
        .iter()
        .map(|found| (found.file.as_str(), found.line, found.fault.as_str()))
        .collect()
}

fn assert_told(imported: &Imported, expected: &[(&str, Option<usize>, &str)]) {
    let told = told(imported);
    assert_eq!(told.len(), expected.len(), "{}", imported.problems);
    for ((file, line, fault), (expected_file, expected_line, expected_fault)) in told.iter().zip(expected) {
        assert_eq!((file, line), (expected_file, expected_line), "{}", imported.problems);
        assert!(fault.contains(expected_fault), "{fault}");
    }
    assert!(imported.problems.list().iter().all(|problem| !problem.advice.is_empty()));
}

#[test]
fn yolo_of_roboflow_has_the_splits_above_the_pictures() {
    let png = png(8, 8);
    let yaml = b"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['a', 'it''s']\n\nroboflow:\n  workspace: x\n  version: 1\n";
    let imported = read_files(
        Format::Yolo,
        &[
            ("data.yaml", yaml),
            ("train/images/1.png", &png),
            ("train/labels/1.txt", b"1 0.5 0.5 0.5 0.5\r\n"),
            ("valid/images/2.png", &png),
            ("valid/labels/2.txt", b"0 0.25 0.25 0.5 0.5 0.75 0.25 0.5 0.75"),
            ("test/images/3.png", &png),
            ("test/labels/3.txt", b""),
        ],
    );
    assert_told(&imported, &[]);
    let expected =
        [("3.png", Some(Split::Test)), ("1.png", Some(Split::Train)), ("2.png", Some(Split::Validation))];
    assert_eq!(splits(&imported), expected);
    assert_eq!(imported.dataset.classes, ["a", "it's"]);
    assert!(item_of(&imported.dataset, "3.png").is_negative());
}

#[test]
fn yolo_of_the_original_has_one_folder_for_both_and_names_without_quotes() {
    let png = png(8, 8);
    let yaml = b"train: ../training_data/images\nval: ../training_data/images\nnc: 2\nnames: [Fernsehturm,Brandenburger Tor]\n";
    let imported = read_files(
        Format::Yolo,
        &[
            ("yolov5/sight_training_config.yaml", yaml),
            ("training_data/images/1.png", &png),
            ("training_data/labels/1.txt", b"1 0.48 0.63 0.69 0.71\n"),
        ],
    );
    assert_told(&imported, &[]);
    assert_eq!(splits(&imported), [("1.png", None)]);
    assert_eq!(imported.dataset.classes[1], "Brandenburger Tor");
}

#[test]
fn yolo_of_darknet_has_labels_beside_pictures_and_lists() {
    let png = png(8, 8);
    let imported = read_files(
        Format::Yolo,
        &[
            ("obj.names", b"a\nb\n\n"),
            ("train.txt", b"data/obj/1.png\n"),
            ("test.txt", b"/home/me/darknet/data/obj/2.png\n"),
            ("data/obj/1.png", &png),
            ("data/obj/1.txt", b"0 0.5 0.5 1 1"),
            ("data/obj/2.png", &png),
            ("data/obj/2.txt", b" \n"),
            ("data/obj/3.png", &png),
        ],
    );
    assert_told(&imported, &[]);
    assert_eq!(
        splits(&imported),
        [("1.png", Some(Split::Train)), ("2.png", Some(Split::Test)), ("3.png", None)]
    );
    let states: Vec<_> =
        imported.dataset.items.iter().map(|item| (item.is_labelled(), item.is_negative())).collect();
    assert_eq!(states, [(true, false), (true, true), (false, false)]);
}

#[test]
fn yolo_tells_every_fault_with_its_line_and_leaves_such_pictures_unlabelled() {
    let png = png(8, 8);
    let imported = read_files(
        Format::Yolo,
        &[
            (
                "data.yaml",
                b"train: images\nval: gone/pictures\nnc: 3\nnames:\n  0: a\n  1: a\n  x: c\nwhat\n",
            ),
            ("images/1.png", &png),
            ("labels/1.txt", b"0 0.5 0.5 1 1\n\n0 0.5 0.5 1\n9 0.5 0.5 1 1\n"),
            ("images/2.png", &png),
            ("labels/2.txt", b"1 0.5 0.5 1 1 0.25\n"),
            ("images/broken.png", b"no picture"),
            ("labels/orphan.txt", b""),
        ],
    );
    assert_told(
        &imported,
        &[
            ("data.yaml", Some(8), "expected a key"),
            ("data.yaml", None, "found \"x\""),
            ("data.yaml", None, "nc is 3, but there are 2 names"),
            ("data.yaml", None, "val points to \"gone/pictures\""),
            ("data.yaml", None, "both called \"a\""),
            ("labels/1.txt", Some(3), "found 4"),
            ("labels/1.txt", Some(4), "class 9"),
            ("images/broken.png", None, "left out"),
            ("labels/orphan.txt", None, "no picture"),
        ],
    );
    assert_eq!(imported.dataset.classes, ["a"]);
    assert!(!item_of(&imported.dataset, "1.png").is_labelled());
    assert!(matches!(item_of(&imported.dataset, "2.png").labels, Labels::Predicted(_)), "it has a score");
}

fn coco(annotations: serde_json::Value) -> serde_json::Value {
    json!({
        "images": [{"id": 7, "file_name": "a.png", "width": 10, "height": 20}, {"id": "x", "file_name": "dir/b.png", "width": 10, "height": 20}],
        "categories": [{"id": 3, "name": "late"}, {"id": 90, "name": "sparse", "supercategory": "x"}],
        "annotations": annotations,
    })
}

fn read_coco(annotations: serde_json::Value) -> Imported {
    let text = serde_json::to_string_pretty(&coco(annotations)).unwrap();
    let png = png(10, 20);
    let files: [(&str, &[u8]); 3] = [
        ("annotations/instances_val2017.json", text.as_bytes()),
        ("val2017/a.png", &png),
        ("dir/b.png", &png),
    ];
    read_files(Format::Coco, &files)
}

#[test]
fn coco_ids_may_be_sparse_and_boxes_may_hang_over() {
    let imported = read_coco(json!([
        {"id": 1, "image_id": 7, "category_id": 90, "bbox": [-1, 5, 6, 100], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 3, "segmentation": [[1, 2, 3, 2, 3, 6]], "area": 4},
    ]));
    assert_told(&imported, &[]);
    assert_eq!(imported.dataset.classes, ["late", "sparse"]);
    let item = item_of(&imported.dataset, "a.png");
    assert_eq!(item.split, Some(Split::Validation));
    let [hanging, polygon] = item.labels.boxes() else { panic!("{item:?}") };
    assert!(hanging.class == 1 && is_near(hanging.bounds, [0.0, 0.25, 0.5, 0.75]), "{hanging:?}");
    assert!(polygon.class == 0 && is_near(polygon.bounds, [0.1, 0.1, 0.2, 0.2]), "{polygon:?}");
    assert!(item_of(&imported.dataset, "b.png").is_negative());
}

#[test]
fn coco_tells_every_fault_with_its_line_and_leaves_such_pictures_unlabelled() {
    let imported = read_coco(json!([
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 2, 2]},
        {"id": 2, "image_id": 7, "category_id": 4, "bbox": [1, 1, 2, 2]},
        {"id": 3, "image_id": "x", "category_id": 3, "bbox": [1, 1, 2, 2], "iscrowd": 1},
        {"id": 4, "image_id": 8, "category_id": 3, "bbox": [1, 1, 2, 2]},
        {"id": 5, "image_id": "x", "category_id": 3, "bbox": "none"},
        {"id": 6, "category_id": 3},
    ]));
    let faults: Vec<_> =
        told(&imported).into_iter().map(|(_, line, fault)| (line.is_some(), fault)).collect();
    let expected = ["an annotation is left out", "no category 4", "a crowd", "no image 8", "found \"none\""];
    assert_eq!(faults.len(), expected.len(), "{}", imported.problems);
    assert!(
        faults.iter().zip(expected).all(|((has_line, fault), part)| *has_line && fault.contains(part)),
        "{faults:?}"
    );
    let mut lines: Vec<_> = told(&imported).into_iter().filter_map(|(_, line, _)| line).collect();
    lines.rotate_left(1);
    assert!(lines.is_sorted() && lines[0] > 1, "{lines:?}");
    assert!(imported.dataset.items.iter().all(|item| !item.is_labelled()));
}

#[test]
fn coco_that_is_cut_off_is_told_with_its_line() {
    let imported = import(Format::Coco, opened(tempfile::tempdir().unwrap().path()));
    assert!(matches!(imported, Err(Error::NotThisFormat { format: Format::Coco, .. })));
    let files: [(&str, &[u8]); 2] = [
        ("a/instances_train.json", b"{\"images\": [\n{\"id\"\n"),
        ("a/instances_val.json", b"{\"images\": []}"),
    ];
    assert_told(&read_files(Format::Coco, &files), &[("a/instances_train.json", Some(3), "EOF")]);
}

fn voc(objects: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<annotation verified=\"yes\">\n<folder>x</folder><filename>C:\\me\\old.png</filename>\n\
         <size><width>10</width><height>20</height><depth>3</depth></size>\n{objects}\n</annotation>"
    )
}

fn object(name: &str, corners: [&str; 4]) -> String {
    let [xmin, ymin, xmax, ymax] = corners;
    format!(
        "<object><name>{name}</name><bndbox><xmax>{xmax}</xmax><xmin>{xmin}</xmin><ymin>{ymin}</ymin><ymax>{ymax}</ymax></bndbox></object>\n"
    )
}

#[test]
fn voc_of_the_challenge_lies_in_folders_of_its_own() {
    let png = png(10, 20);
    let text = voc(&object("a &amp; b", ["1", "11", "5", "20"]));
    let imported = read_files(
        Format::Voc,
        &[
            ("VOCdevkit/VOC2007/Annotations/1.xml", text.as_bytes()),
            ("VOCdevkit/VOC2007/JPEGImages/1.png", &png),
            ("VOCdevkit/VOC2007/JPEGImages/2.png", &png),
            ("VOCdevkit/VOC2007/ImageSets/Main/val.txt", b"1\n"),
            ("VOCdevkit/VOC2007/ImageSets/Main/trainval.txt", b"1\n"),
            ("VOCdevkit/VOC2007/ImageSets/Main/car_val.txt", b"1 -1\n"),
        ],
    );
    assert_told(&imported, &[]);
    assert_eq!(splits(&imported), [("1.png", Some(Split::Validation)), ("2.png", None)]);
    let [found] = item_of(&imported.dataset, "1.png").labels.boxes() else { panic!() };
    assert!(is_near(found.bounds, [0.0, 0.5, 0.5, 0.5]), "{found:?}");
    assert_eq!(imported.dataset.classes, ["a & b"]);
    assert!(!item_of(&imported.dataset, "2.png").is_labelled());
}

#[test]
fn voc_that_counts_from_0_is_told_by_its_corners() {
    let png = png(10, 20);
    let files = |corners| voc(&(object("a", corners) + &object("a", ["5", "10", "10", "20"])));
    for corners in [["0", "0", "5", "10"], ["0.0", "0.5", "5", "10"]] {
        let imported = read_files(Format::Voc, &[("1.xml", files(corners).as_bytes()), ("1.png", &png)]);
        assert_told(&imported, &[]);
        let [_, other] = imported.dataset.items[0].labels.boxes() else { panic!() };
        assert!(is_near(other.bounds, [0.5, 0.5, 0.5, 0.5]), "{other:?}");
    }
}

#[test]
fn voc_tells_every_fault_with_its_line_and_leaves_such_pictures_unlabelled() {
    let png = png(10, 20);
    let text = voc(&(object("a", ["x", "1", "2", "2"])
        + &object(" ", ["1", "1", "2", "2"])
        + &object("a", ["9", "1", "2", "2"])));
    let imported = read_files(
        Format::Voc,
        &[
            ("Annotations/1.xml", text.as_bytes()),
            ("Annotations/2.xml", b"<annotation>\n<object>\n</annotation>"),
            ("Annotations/3.xml", b"<html/>"),
            ("JPEGImages/1.png", &png),
            ("JPEGImages/2.png", &png),
        ],
    );
    assert_told(
        &imported,
        &[
            ("Annotations/1.xml", Some(5), "a bndbox"),
            ("Annotations/1.xml", Some(6), "a name"),
            ("Annotations/1.xml", Some(7), "a bndbox"),
            ("Annotations/2.xml", Some(3), "an XML document"),
            ("Annotations/3.xml", Some(1), "the element annotation"),
        ],
    );
    assert_eq!(imported.dataset.items.len(), 2);
    assert!(imported.dataset.items.iter().all(|item| !item.is_labelled()));
}

fn rectangle(class: &str) -> serde_json::Value {
    json!({
        "id": "Dx_aB91ISN", "type": "rectanglelabels", "from_name": "tag", "to_name": "img", "origin": "manual",
        "original_width": 10, "original_height": 20, "image_rotation": 0,
        "value": {"x": 10, "y": 25.0, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": [class]},
    })
}

fn read_tasks(tasks: &serde_json::Value) -> Imported {
    let text = serde_json::to_string_pretty(tasks).unwrap();
    let png = png(10, 20);
    read_files(
        Format::LabelStudio,
        &[("project-1.json", text.as_bytes()), ("images/a b.png", &png), ("c.png", &png)],
    )
}

#[test]
fn label_studio_exports_of_people_and_machines_are_read() {
    let imported = read_tasks(&json!([
        {"id": 1, "data": {"img": "/data/upload/1/0a1b2c3d-a%20b.png"}, "annotations": [
            {"id": 1, "result": [rectangle("old")]},
            {"id": 2, "result": [rectangle("new"), {"type": "choices", "value": {"choices": ["fine"]}}]},
            {"id": 3, "was_cancelled": true, "result": [rectangle("cancelled")]},
        ], "predictions": [{"result": [rectangle("machine")], "score": 0.5}]},
        {"id": 2, "data": {"image": "/data/local-files/?d=set/c.png"}, "predictions": [{"model_version": "1", "result": []}]},
        {"id": 3, "data": {"image": "c.png"}, "completions": [{"result": []}]},
        {"id": 4, "data": {"image": "c.png"}, "annotations": [{"was_cancelled": true, "result": []}], "predictions": []},
    ]));
    assert_told(&imported, &[]);
    assert_eq!(imported.dataset.classes, ["new"]);
    let [first, second, third, fourth] = imported.dataset.items.as_slice() else { panic!() };
    assert_eq!(first.name, "a b.png");
    assert!(is_near(first.labels.boxes()[0].bounds, [0.1, 0.25, 0.5, 0.5]));
    assert_eq!(second.labels, Labels::Predicted(vec![]));
    assert_eq!(third.labels, Labels::Annotated(vec![]));
    assert_eq!(fourth.labels, Labels::Unlabelled);
}

#[test]
fn label_studio_tells_every_fault_with_its_line_and_leaves_such_pictures_unlabelled() {
    let mut polygon = rectangle("a");
    polygon["type"] = json!("polygonlabels");
    let mut nameless = rectangle("a");
    nameless["value"]["rectanglelabels"] = json!([]);
    let imported = read_tasks(&json!([
        {"data": {"image": "c.png"}, "annotations": [{"result": [polygon, rectangle("a"), nameless]}]},
        {"annotations": []},
        {"data": {"text": "no picture"}},
        {"data": {"image": "https://example.org/x.jpg?y=1"}, "annotations": [{"result": [rectangle("a")]}]},
        {"data": {"image": "c.png"}, "annotations": [{"result": 5}]},
    ]));
    let told = told(&imported);
    let expected = [
        "the type rectanglelabels",
        "one label",
        "a task is left out",
        "no image",
        "\"x.jpg\" is not there",
        "cannot be read",
    ];
    assert_eq!(told.len(), expected.len(), "{}", imported.problems);
    assert!(
        told.iter().zip(expected).all(|((_, _, fault), part)| fault.contains(part)),
        "{}",
        imported.problems
    );
    let states: Vec<_> =
        imported.dataset.items.iter().map(|item| (item.name.as_str(), item.is_labelled())).collect();
    assert_eq!(states, [("c.png", false), ("x.jpg", true), ("c.png", false)]);
}

#[test]
fn nothing_of_a_format_is_an_error_that_says_what_it_looks_like() {
    for format in Format::ALL {
        let folder = tempfile::tempdir().unwrap();
        let error = import(format, opened(folder.path())).unwrap_err().to_string();
        assert!(error.contains(format.word()) && error.len() > 60, "{error}");
    }
}

#[test]
fn an_attribution_is_read_row_by_row_and_what_is_no_row_is_told() {
    let png = png(8, 8);
    let rows = "file,licence,author,more\nimages/1.png,CC0-1.0,\"Doe, Jane\",x\n2.png,2021, 007 ,\n4.png\n";
    let files: [(&str, &[u8]); 5] = [
        ("classes.txt", b"a"),
        ("attribution.csv", rows.as_bytes()),
        ("images/1.png", &png),
        ("images/2.png", &png),
        ("images/4.png", &png),
    ];
    let imported = read_files(Format::Yolo, &files);
    assert_told(&imported, &[("attribution.csv", Some(4), "the row is left out")]);
    let known: Vec<_> = imported
        .dataset
        .items
        .iter()
        .map(|item| (item.attribution.licence.as_deref(), item.attribution.author.as_deref()))
        .collect();
    assert_eq!(known, [(Some("CC0-1.0"), Some("Doe, Jane")), (Some("2021"), Some("007")), (None, None)]);
    let nameless: (&str, &[u8]) = ("attribution.csv", b"name,licence\n1.png,CC0-1.0\n");
    let imported = read_files(Format::Yolo, &[files[0], nameless, files[2]]);
    assert_told(&imported, &[("attribution.csv", Some(2), "missing field `file`")]);
}
