//! What is exported and imported again is the same.

use std::path::Path;

use proptest::prelude::*;
use sightscan_dataset::{Dataset, Error, FolderSink, Format, Item, Labels, Picture, Split, ZipSink, export};

use crate::support::{AWKWARD, boxed, datasets, item, read, sample, write_folder, write_zip};

/// How far an edge may move, as a part of a side of so many pixels.
fn precision(format: Format, pixels: u32) -> f64 {
    match format {
        Format::Yolo => 1.1e-6,
        Format::Coco => 1.1e-3 / f64::from(pixels),
        Format::Voc => 0.5001 / f64::from(pixels),
        Format::LabelStudio => 2e-8,
    }
}

fn by_name(dataset: &Dataset) -> Vec<&Item> {
    let mut items: Vec<_> = dataset.items.iter().collect();
    items.sort_by(|one, other| one.name.cmp(&other.name));
    items
}

/// Why the two differ by more than the format allows.
fn difference(format: Format, before: &Dataset, after: &Dataset) -> Result<(), String> {
    let same = |is_same: bool, what: String| if is_same { Ok(()) } else { Err(what) };
    same(before.classes == after.classes, format!("{:?} {:?}", before.classes, after.classes))?;
    same(before.items.len() == after.items.len(), format!("{} items", after.items.len()))?;
    for (one, other) in by_name(before).into_iter().zip(by_name(after)) {
        same(one.name == other.name && one.split == other.split, format!("{one:?} {other:?}"))?;
        same((one.width, one.height) == (other.width, other.height), format!("{other:?}"))?;
        same(one.attribution == other.attribution, format!("{one:?} {other:?}"))?;
        same(one.is_labelled() == other.is_labelled(), format!("{one:?} {other:?}"))?;
        same(one.is_negative() == other.is_negative(), format!("{one:?} {other:?}"))?;
        let is_machine = |item: &Item| matches!(item.labels, Labels::Predicted(_));
        same(format == Format::Yolo || is_machine(one) == is_machine(other), format!("{one:?} {other:?}"))?;
        let bytes = |item: &Item| item.picture.as_ref().map(|picture| picture.read().unwrap());
        same(bytes(one) == bytes(other), format!("the bytes of {}", one.name))?;
        same_boxes(format, one, other)?;
    }
    Ok(())
}

fn same_boxes(format: Format, one: &Item, other: &Item) -> Result<(), String> {
    let (boxes, others) = (one.labels.boxes(), other.labels.boxes());
    let (across, down) = (precision(format, one.width), precision(format, one.height));
    let near = |one: f64, other: f64, most: f64| (one - other).abs() <= most;
    let is_same = boxes.len() == others.len()
        && boxes.iter().zip(others).all(|(one, other)| {
            let (a, b) = (one.bounds, other.bounds);
            one.class == other.class
                && (format == Format::Yolo || one.score == other.score)
                && near(a.x, b.x, across)
                && near(a.x + a.w, b.x + b.w, across)
                && near(a.y, b.y, down)
                && near(a.y + a.h, b.y + b.h, down)
        });
    if is_same { Ok(()) } else { Err(format!("{boxes:?}\n{others:?}")) }
}

fn round_trip(format: Format, dataset: &Dataset, path: &Path, is_zip: bool) -> Result<Dataset, String> {
    if is_zip {
        write_zip(dataset, format, path)
    } else {
        write_folder(dataset, format, path)
    }
    let imported = read(format, path);
    if !imported.problems.is_empty() {
        return Err(imported.problems.to_string());
    }
    difference(format, dataset, &imported.dataset)?;
    Ok(imported.dataset)
}

/// Twice, because what was rounded once is not to move again. With YOLO it may: a centre and a width put an edge out of
/// the picture by less than a millionth, where it is cut.
fn round_trips(format: Format, dataset: &Dataset) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let once =
        round_trip(format, dataset, &folder.path().join("once.zip"), true).map_err(TestCaseError::fail)?;
    let twice =
        round_trip(format, &once, &folder.path().join("twice"), false).map_err(TestCaseError::fail)?;
    let finest = if format == Format::Yolo { Format::Yolo } else { Format::LabelStudio };
    difference(finest, &once, &twice).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn yolo_comes_back(dataset in datasets()) {
        round_trips(Format::Yolo, &dataset)?;
    }

    #[test]
    fn coco_comes_back(dataset in datasets()) {
        round_trips(Format::Coco, &dataset)?;
    }

    #[test]
    fn voc_comes_back(dataset in datasets()) {
        round_trips(Format::Voc, &dataset)?;
    }

    #[test]
    fn label_studio_comes_back(dataset in datasets()) {
        round_trips(Format::LabelStudio, &dataset)?;
    }
}

#[test]
fn negatives_stay_negative_and_unlabelled_pictures_stay_unlabelled_in_every_split() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let path = folder.path().join(format.word());
        let back = round_trip(format, &sample(), &path, false).unwrap();
        let negatives: Vec<_> =
            back.items.iter().filter(|item| item.is_negative()).map(|item| item.split).collect();
        assert_eq!(negatives.len(), 4, "{format}");
        assert!(Split::ALL.iter().all(|split| negatives.contains(&Some(*split))), "{format}");
        assert_eq!(back.items.iter().filter(|item| !item.is_labelled()).count(), 4, "{format}");
    }
}

#[test]
fn a_folder_and_a_zip_hold_the_same_and_tell_their_format() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let (one, other) = (folder.path().join(format.word()), folder.path().join(format!("{format}.zip")));
        write_folder(&sample(), format, &one);
        write_zip(&sample(), format, &other);
        let (one, other) = (crate::support::opened(&one), crate::support::opened(&other));
        assert_eq!(one.paths(), other.paths());
        for path in one.paths() {
            assert_eq!(one.read(path).unwrap(), other.read(path).unwrap(), "{path}");
        }
        assert_eq!(sightscan_dataset::detect(&*one), Some(format));
    }
}

#[test]
fn equal_data_sets_are_equal_files() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let paths = [1, 2].map(|number| folder.path().join(format!("{format}{number}.zip")));
        paths.iter().for_each(|path| write_zip(&sample(), format, path));
        let [one, other] = paths.map(|path| fs_err::read(path).unwrap());
        assert!(one == other, "{format}");
    }
}

#[test]
fn w_c43_ultralytics_finds_train_val_and_quoted_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("yolo");
    let dataset = Dataset { classes: AWKWARD.map(str::to_owned).to_vec(), ..sample() };
    write_folder(&dataset, Format::Yolo, &path);
    let text = fs_err::read_to_string(path.join("data.yaml")).unwrap();
    assert!(text.starts_with(
        "train: images/train\nval: images/val\ntest: images/test\nnc: 14\nnames:\n  0: \"Eiffel Tower\"\n"
    ));
    assert!(text.contains("  2: \"it's \\\"quoted\\\": #1\"\n") && text.contains("  5: \"007\"\n"), "{text}");
    let files = |folder: &str| -> Vec<String> {
        let entries = fs_err::read_dir(path.join(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(
        files("images/train"),
        ["negative-SomeTrain.png", "positive-SomeTrain.png"],
        "nothing unlabelled"
    );
    assert_eq!(files("labels/train"), ["negative-SomeTrain.txt", "positive-SomeTrain.txt"]);
    let label = |name: &str| fs_err::read_to_string(path.join("labels/train").join(name)).unwrap();
    assert_eq!(label("negative-SomeTrain.txt"), "");
    assert_eq!(label("positive-SomeTrain.txt"), "1 0.35 0.325 0.5 0.25\n0 0.5 0.5 1 1\n");
}

#[test]
fn names_that_lead_out_of_the_folder_are_made_safe() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["../../escape.png", "a b.png", "A_B.jpg", "CON.png"];
    let labels = Labels::Annotated(vec![boxed(0, 0.0, 0.0, 0.5, 0.5)]);
    let items = names.iter().map(|name| item(name, None, labels.clone())).collect();
    let dataset = Dataset { classes: vec!["../../etc".to_owned()], items };
    for format in Format::ALL {
        let path = folder.path().join("deep").join(format.word());
        write_folder(&dataset, format, &path);
        let imported = read(format, &path);
        assert!(imported.problems.is_empty(), "{}", imported.problems);
        let names: Vec<_> = by_name(&imported.dataset).iter().map(|item| item.name.clone()).collect();
        assert_eq!(names, ["A_B-2.jpg", "_.._escape.png", "_CON.png", "a_b.png"], "{format}");
        assert_eq!(imported.dataset.classes, ["../../etc"]);
        assert!(imported.dataset.items.iter().all(|item| item.labels.boxes().len() == 1));
    }
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1, "nothing was written elsewhere");
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Picture::new(|| Err(std::io::Error::other("the disk is on fire")));
    let mut dataset = sample();
    dataset.items.push(Item { picture: Some(broken), ..item("last.png", None, Labels::Unlabelled) });
    for format in Format::ALL {
        let paths = [folder.path().join("folder"), folder.path().join("file.zip")];
        let failed = export(&dataset, format, FolderSink::create(&paths[0]).unwrap()).unwrap_err();
        assert!(
            failed.to_string().contains("last.png") && failed.to_string().contains("on fire"),
            "{failed}"
        );
        export(&dataset, format, ZipSink::create(&paths[1]).unwrap()).unwrap_err();
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0, "{format}");
    }
}

#[test]
fn a_picture_that_is_lost_is_left_out_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let lost = |kind: std::io::ErrorKind| Picture::new(move || Err(std::io::Error::new(kind, "it is gone")));
    let mut dataset = sample();
    for (index, kind) in [(0, std::io::ErrorKind::NotFound), (5, std::io::ErrorKind::InvalidData)] {
        dataset.items[index].picture = Some(lost(kind));
    }
    for format in Format::ALL {
        let path = folder.path().join(format.word());
        let exported = export(&dataset, format, FolderSink::create(&path).unwrap()).unwrap();
        assert_eq!((exported.images, exported.labelled, exported.negatives), (10, 3, 4), "{format}");
        let told: Vec<_> = exported.problems.list().iter().map(|problem| problem.file.as_str()).collect();
        assert_eq!(told, ["positive-None.png", "unlabelled-SomeTrain.png"], "{format}");
        let mut left = dataset.clone();
        left.items.retain(|item| !told.contains(&item.name.as_str()));
        let imported = read(format, &path);
        assert!(imported.problems.is_empty(), "{}", imported.problems);
        difference(format, &left, &imported.dataset).unwrap();
    }
}

#[test]
fn what_is_there_is_not_overwritten_and_an_empty_folder_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("occupied");
    fs_err::create_dir(&occupied).unwrap();
    fs_err::write(occupied.join("mine"), "mine").unwrap();
    assert!(matches!(FolderSink::create(&occupied), Err(Error::Occupied(_))));
    assert!(matches!(ZipSink::create(&occupied.join("mine")), Err(Error::Occupied(_))));
    let empty = folder.path().join("empty");
    fs_err::create_dir(&empty).unwrap();
    write_folder(&sample(), Format::Voc, &empty);
    assert_eq!(read(Format::Voc, &empty).dataset.items.len(), sample().items.len());
}

#[test]
fn labels_alone_come_back_without_their_pictures_where_the_format_tells_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = sample();
    dataset.items.retain(Item::is_labelled);
    dataset.items.iter_mut().for_each(|item| item.picture = None);
    for format in [Format::Coco, Format::Voc, Format::LabelStudio] {
        let path = folder.path().join(format.word());
        write_folder(&dataset, format, &path);
        let imported = read(format, &path);
        difference(format, &dataset, &imported.dataset).unwrap();
        assert_eq!(imported.problems.total(), dataset.items.len(), "each picture that is missing is told");
    }
}
