//! Our COCO files as `pycocotools` reads them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use sightscan_dataset::{Dataset, Format, Item, Split};
use sightscan_testkit::python;

use crate::support::{AWKWARD, boxed, item, sample, write_folder};

/// What another implementation understands of a file.
#[derive(Debug, Deserialize)]
struct Summary {
    labelled: bool,
    classes: Vec<String>,
    images: BTreeMap<String, usize>,
    annotations: usize,
    area: f64,
    area_of_boxes: f64,
    by_class: BTreeMap<String, usize>,
    perfect: Option<f64>,
}

fn summaries(python: &Path, folder: &Path) -> BTreeMap<String, Summary> {
    let mut files: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pycocotools_check.py");
    let output = Command::new(python).arg(script).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summaries: BTreeMap<String, Summary> = serde_json::from_slice(&output.stdout).unwrap();
    let name = |path: String| Path::new(&path).file_name().unwrap().to_string_lossy().into_owned();
    summaries.into_iter().map(|(path, summary)| (name(path), summary)).collect()
}

fn of_split(dataset: &Dataset, split: Option<Split>) -> Vec<&Item> {
    dataset.items.iter().filter(|item| item.split == split && item.is_labelled()).collect()
}

fn area(items: &[&Item]) -> f64 {
    let areas = items.iter().flat_map(|item| {
        let pixels = f64::from(item.width) * f64::from(item.height);
        item.labels.boxes().iter().map(move |found| found.bounds.w * found.bounds.h * pixels)
    });
    areas.sum()
}

#[test]
fn pycocotools_counts_what_was_exported() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coco");
    let mut dataset = Dataset { classes: AWKWARD.map(str::to_owned).to_vec(), ..sample() };
    let all =
        (0..AWKWARD.len()).map(|class| boxed(class, 0.01 * class as f64, 0.1, 1.0 / 3.0, 0.37)).collect();
    dataset.items.push(item("all.png", Some(Split::Train), sightscan_dataset::Labels::Annotated(all)));
    write_folder(&dataset, Format::Coco, &path);

    let summaries = summaries(&python, &path.join("annotations"));
    assert_eq!(summaries.len(), 8);
    for (word, split) in [
        ("default", None),
        ("train", Some(Split::Train)),
        ("val", Some(Split::Validation)),
        ("test", Some(Split::Test)),
    ] {
        let (items, summary) = (of_split(&dataset, split), &summaries[&format!("instances_{word}.json")]);
        let counts = items.iter().map(|item| (item.name.clone(), item.labels.boxes().len()));
        assert_eq!(summary.images, counts.collect());
        assert_eq!(summary.classes, dataset.classes);
        assert_eq!(summary.annotations, summary.images.values().sum::<usize>());
        assert_eq!(summary.by_class.values().sum::<usize>(), summary.annotations);
        assert!((summary.area - area(&items)).abs() < 0.1, "{} {}", summary.area, area(&items));
        assert!((summary.area - summary.area_of_boxes).abs() < 0.01, "{summary:?}");
        assert!(summary.perfect.is_some_and(|mean| mean > 0.999_999), "{summary:?}");
        let unlabelled = &summaries[&format!("image_info_{word}.json")];
        assert_eq!((unlabelled.images.len(), unlabelled.annotations), (1, 0));
        assert!(summary.labelled && !unlabelled.labelled);
    }
}
