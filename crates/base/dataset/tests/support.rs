//! Data sets to try.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use sightscan_dataset::{
    Attribution, Dataset, FolderSink, Format, Imported, Item, LabelledBox, Labels, Limits, Picture, Source,
    Split, ZipSink, export, import, open,
};
use sightscan_pictures::{Encoding, encode};
use sightscan_types::RelativeBox;

/// Names of classes that break what is written carelessly.
pub(crate) const AWKWARD: [&str; 14] = [
    "Eiffel Tower",
    "Tour Eiffel, Paris",
    "it's \"quoted\": #1",
    "[a]{b}",
    "北京 天安门",
    "007",
    "yes",
    "null",
    "a/b\\c",
    "<b>&amp;</b>",
    "- x",
    "🗼",
    "%20 & ../..",
    "'",
];

/// A picture of this size.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let rgb = vec![127; 3 * width as usize * height as usize];
    encode(&sightscan_pictures::Picture { width, height, rgb }, Encoding::Png).unwrap()
}

pub(crate) fn item(name: &str, split: Option<Split>, labels: Labels) -> Item {
    let picture = Some(Picture::bytes(png(50, 40)));
    let attribution = Attribution::default();
    Item { name: name.to_owned(), picture, width: 50, height: 40, split, labels, attribution }
}

pub(crate) fn boxed(class: usize, x: f64, y: f64, w: f64, h: f64) -> LabelledBox {
    LabelledBox { class, bounds: RelativeBox { x, y, w, h }, score: None }
}

/// With a positive, a negative and an unlabelled picture in each split and in none.
pub(crate) fn sample() -> Dataset {
    let mut items = Vec::new();
    for split in [None, Some(Split::Train), Some(Split::Validation), Some(Split::Test)] {
        let name = |kind: &str| format!("{kind}-{split:?}.png").replace(['(', ')'], "");
        let boxes = vec![boxed(1, 0.1, 0.2, 0.5, 0.25), boxed(0, 0.0, 0.0, 1.0, 1.0)];
        items.push(item(&name("positive"), split, Labels::Annotated(boxes)));
        items.push(item(&name("negative"), split, Labels::Annotated(vec![])));
        items.push(item(&name("unlabelled"), split, Labels::Unlabelled));
    }
    Dataset { classes: vec!["Fernsehturm, Berlin".to_owned(), "Dom".to_owned()], items }
}

pub(crate) fn write_folder(dataset: &Dataset, format: Format, path: &Path) {
    export(dataset, format, FolderSink::create(path).unwrap()).unwrap();
}

pub(crate) fn write_zip(dataset: &Dataset, format: Format, path: &Path) {
    export(dataset, format, ZipSink::create(path).unwrap()).unwrap();
}

pub(crate) fn opened(path: &Path) -> Arc<dyn Source> {
    open(path, Limits::default()).unwrap()
}

pub(crate) fn read(format: Format, path: &Path) -> Imported {
    import(format, opened(path)).unwrap()
}

/// What is read of files with these contents.
pub(crate) fn read_files(format: Format, files: &[(&str, &[u8])]) -> Imported {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }
    let imported = read(format, folder.path());
    // Bytes are fetched from the folder, which ends here.
    imported
        .dataset
        .items
        .iter()
        .filter_map(|item| item.picture.as_ref())
        .for_each(|picture| drop(picture.read().unwrap()));
    imported
}

fn bounds() -> impl Strategy<Value = RelativeBox> {
    (0.0..0.9f64, 0.0..0.9f64, 0.03..1.0f64, 0.03..1.0f64).prop_map(|(x, y, w, h)| RelativeBox {
        x,
        y,
        w: w.min(1.0 - x),
        h: h.min(1.0 - y),
    })
}

fn labels(classes: usize) -> impl Strategy<Value = Labels> {
    let found = (0..classes, bounds(), 0u8..=100);
    (0..4, proptest::collection::vec(found, 0..4)).prop_map(|(kind, found)| {
        let boxes = found.into_iter().map(|(class, bounds, score)| {
            let score = (kind == 3).then_some(f32::from(score) / 100.0);
            LabelledBox { class, bounds, score }
        });
        match kind {
            0 => Labels::Unlabelled,
            3 => Labels::Predicted(boxes.collect()),
            _ => Labels::Annotated(boxes.collect()),
        }
    })
}

fn split() -> impl Strategy<Value = Option<Split>> {
    prop_oneof![Just(None), proptest::sample::select(Split::ALL.to_vec()).prop_map(Some)]
}

/// Any attribution, with letters that a CSV file has to quote.
fn attribution() -> impl Strategy<Value = Attribution> {
    let text = || proptest::option::of("[a-zé北,\"';=]{1,6}");
    (text(), text(), text(), text(), text()).prop_map(|(source, page, author, licence, licence_url)| {
        Attribution { source, page, author, licence, licence_url }
    })
}

fn items(classes: usize) -> impl Strategy<Value = Vec<Item>> {
    let one = (40u32..64, 40u32..64, split(), labels(classes), attribution());
    proptest::collection::vec(one, 1..6).prop_map(|list| {
        let items =
            list.into_iter().enumerate().map(|(index, (width, height, split, labels, attribution))| {
                let picture = Some(Picture::bytes(png(width, height)));
                let name = format!("köln.{index}-x.png");
                Item { name, picture, width, height, split, labels, attribution }
            });
        items.collect()
    })
}

/// Any data set whose names of pictures are safe.
pub(crate) fn datasets() -> impl Strategy<Value = Dataset> {
    let free = proptest::collection::btree_set("[^\\p{C}\\p{Z}]{1,8}", 0..2);
    let classes =
        (proptest::sample::subsequence(AWKWARD.to_vec(), 1..5), free).prop_map(|(awkward, free)| {
            let mut classes: Vec<String> = awkward.into_iter().map(str::to_owned).collect();
            classes.extend(free.into_iter().filter(|name| !AWKWARD.contains(&name.as_str())));
            classes
        });
    classes.prop_flat_map(|classes| {
        items(classes.len()).prop_map(move |items| Dataset { classes: classes.clone(), items })
    })
}
