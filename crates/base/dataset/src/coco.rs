//! COCO: a JSON file for each split, as `pycocotools` reads it.
//!
//! ```text
//! annotations/instances_<train|val|test|default>.json
//! annotations/image_info_<train|val|test|default>.json     unlabelled pictures
//! images/<train|val|test|default>/<name>
//! ```
//!
//! Boxes are in pixels, with three decimals. A negative is an image without annotations. Unlabelled pictures are in
//! files of their own without the key `annotations`, which is how COCO itself publishes pictures without labels. Two
//! keys are ours: `score` of an annotation, and `predicted` of an image whose boxes a machine found. Annotations with
//! `iscrowd` are no boxes of one object, so their pictures come unlabelled.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sightscan_types::RelativeBox;

use crate::dataset::{Item, LabelledBox, Labels, Split};
use crate::error::{Error, Result};
use crate::export::Outlet;
use crate::import::{Format, Found, Intake, labels};
use crate::json::{Document, Id};
use crate::names;
use crate::text::{around, cut, rounded};

/// The word of files for nothing in particular.
const DEFAULT: &str = "default";

/// How the names of files of labelled and of unlabelled pictures begin.
const KINDS: [&str; 2] = ["instances", "image_info"];

#[derive(Serialize)]
struct Instances<'a> {
    info: Info,
    licenses: [(); 0],
    categories: Vec<Category<'a>>,
    images: Vec<Image<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Vec<Annotation>>,
}

#[derive(Serialize)]
struct Info {
    description: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Category<'a> {
    id: usize,
    name: &'a str,
    supercategory: &'static str,
}

#[derive(Serialize)]
struct Image<'a> {
    id: usize,
    file_name: &'a str,
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    predicted: bool,
}

#[derive(Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    segmentation: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
}

pub(crate) fn write(outlet: &mut Outlet<'_>) -> Result<()> {
    let items = outlet.pictures(|item, name| format!("images/{}/{name}", word(item.split)))?;
    for split in [None, Some(Split::Train), Some(Split::Validation), Some(Split::Test)] {
        for (is_labelled, kind) in [(true, KINDS[0]), (false, KINDS[1])] {
            // Ids go through all files, so that they can be put together.
            let numbered = (1..).zip(&items);
            let chosen =
                numbered.filter(|(_, (item, _))| item.split == split && item.is_labelled() == is_labelled);
            let chosen: Vec<_> = chosen.map(|(id, (item, name))| (id, *item, name.as_str())).collect();
            // An empty data set has its classes all the same.
            if !chosen.is_empty() || (items.is_empty() && is_labelled && split.is_none()) {
                let text = json(&outlet.dataset.classes, &chosen, is_labelled)?;
                outlet.write(&format!("annotations/{kind}_{}.json", word(split)), text)?;
            }
        }
    }
    Ok(())
}

fn word(split: Option<Split>) -> &'static str {
    split.map_or(DEFAULT, Split::word)
}

fn json(classes: &[String], items: &[(usize, &Item, &str)], is_labelled: bool) -> Result<Vec<u8>> {
    let categories = (1..).zip(classes).map(|(id, name)| Category { id, name, supercategory: "" });
    let images = items.iter().map(|&(id, item, file_name)| {
        let predicted = item.labels.is_predicted();
        Image { id, file_name, width: item.width, height: item.height, predicted }
    });
    let boxes = items
        .iter()
        .flat_map(|&(id, item, _)| item.labels.boxes().iter().map(move |found| (id, item, found)));
    let annotations = (1..).zip(boxes).map(|(id, (image, item, found))| annotation(id, image, item, found));
    let file = Instances {
        info: Info { description: "Exported by SightScan", version: "1.0" },
        licenses: [],
        categories: categories.collect(),
        images: images.collect(),
        annotations: is_labelled.then(|| annotations.collect()),
    };
    serde_json::to_vec(&file).map_err(|error| Error::Write(error.into()))
}

fn annotation(id: usize, image_id: usize, item: &Item, found: &LabelledBox) -> Annotation {
    let (width, height) = (f64::from(item.width), f64::from(item.height));
    let RelativeBox { x, y, w, h } = found.bounds;
    let bbox = [x * width, y * height, w * width, h * height].map(|pixels| rounded(pixels, 3));
    let (area, category_id) = (rounded(bbox[2] * bbox[3], 3), found.class + 1);
    Annotation { id, image_id, category_id, bbox, area, iscrowd: 0, segmentation: [], score: found.score }
}

#[derive(Deserialize)]
struct ReadFile<'a> {
    #[serde(borrow)]
    images: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    categories: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReadCategory {
    id: Id,
    name: String,
}

#[derive(Deserialize)]
struct ReadImage {
    id: Id,
    file_name: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    predicted: bool,
}

/// Whatever is wrong with the rest of it, the image is known that lacks a box.
#[derive(Deserialize)]
struct ReadAnnotation {
    image_id: Id,
    #[serde(default)]
    category_id: Value,
    #[serde(default)]
    bbox: Value,
    #[serde(default)]
    segmentation: Value,
    #[serde(default)]
    iscrowd: Value,
    #[serde(default)]
    score: Value,
}

pub(crate) fn read(intake: &mut Intake) -> Result<()> {
    let mut has_images = false;
    for file in files(intake) {
        let Some(document) = Document::open(intake, file) else { continue };
        match serde_json::from_str::<ReadFile<'_>>(&document.text) {
            Ok(parsed) => {
                has_images = true;
                read_file(intake, &document, &parsed);
            }
            // Other programs leave their own settings there.
            Err(error) if error.is_data() => {
                let fault = format!("this is no COCO file ({error}); it is left out");
                intake.problems.about(&document.file, fault, "remove it if it is not meant to be one");
            }
            Err(error) => document.tell_syntax(intake, &error),
        }
    }
    let expected = "a JSON file with the keys images, annotations and categories";
    if has_images { Ok(()) } else { Err(Error::NotThisFormat { format: Format::Coco, expected }) }
}

/// COCO has key points and captions of the same pictures in other files, so only these count where there are any.
fn files(intake: &Intake) -> Vec<String> {
    let files = intake.with_extension("json");
    let is_ours = |path: &String| KINDS.iter().any(|kind| names::base(path).starts_with(kind));
    let ours: Vec<String> = files.iter().filter(|path| is_ours(path)).cloned().collect();
    if ours.is_empty() { files } else { ours }
}

/// The boxes of each image; `None` where one of them cannot be read.
type Boxes = HashMap<Id, Option<Vec<LabelledBox>>>;

fn read_file(intake: &mut Intake, document: &Document, file: &ReadFile<'_>) {
    let classes = classes(intake, document, &file.categories);
    let place = Place::of(&document.file);
    let images = images(intake, document, &file.images, &place);
    let mut boxes =
        file.annotations.as_ref().map(|entries| boxes(intake, document, entries, &classes, &images));
    for (id, found) in images {
        let labels = boxes.as_mut().map_or(Labels::Unlabelled, |boxes| {
            labels(boxes.remove(&id).unwrap_or(Some(Vec::new())), found.is_predicted)
        });
        if found.picture.is_none() {
            intake.missing(&document.file, &found.name);
        }
        let (name, size, split) = (names::base(&found.name), Some(found.size), place.split);
        intake.take(Found { file: &document.file, name, picture: found.picture, size, split, labels });
    }
}

fn classes(intake: &mut Intake, document: &Document, entries: &[&RawValue]) -> HashMap<Id, usize> {
    let categories: Vec<(&str, ReadCategory)> = document.entries(intake, entries, "a category");
    let mut classes = HashMap::new();
    for (part, category) in categories {
        match intake.classes.index(&category.name) {
            Some(index) => drop(classes.insert(category.id, index)),
            None => document.tell(
                intake,
                part,
                "the category has no name; its pictures come unlabelled",
                "name it",
            ),
        }
    }
    classes
}

/// An image whose size is known, without which boxes in pixels say nothing.
struct Sized {
    name: String,
    picture: Option<String>,
    size: (u32, u32),
    is_predicted: bool,
}

fn images(
    intake: &mut Intake,
    document: &Document,
    entries: &[&RawValue],
    place: &Place,
) -> BTreeMap<Id, Sized> {
    let images: Vec<(&str, ReadImage)> = document.entries(intake, entries, "an image");
    let mut sized = BTreeMap::new();
    for (part, image) in images {
        if sized.contains_key(&image.id) {
            let fault = format!("the id {} is that of another image; this one is left out", image.id);
            document.tell(intake, part, fault, "give each image an id of its own");
            continue;
        }
        let picture = place.picture(intake, &image.file_name);
        let stated = (image.width > 0 && image.height > 0).then_some((image.width, image.height));
        let Some(size) = stated.or_else(|| intake.measure(picture.as_deref()?)) else {
            let fault = format!("the image {:?} has no size; it is left out", image.file_name);
            document.tell(intake, part, fault, "write its width and height, or put its file there");
            continue;
        };
        let found = Sized { name: image.file_name, picture, size, is_predicted: image.predicted };
        sized.insert(image.id, found);
    }
    sized
}

fn boxes(
    intake: &mut Intake,
    document: &Document,
    entries: &[&RawValue],
    classes: &HashMap<Id, usize>,
    images: &BTreeMap<Id, Sized>,
) -> Boxes {
    let annotations: Vec<(&str, ReadAnnotation)> = document.entries(intake, entries, "an annotation");
    let mut boxes = Boxes::new();
    for (part, annotation) in annotations {
        let Some(image) = images.get(&annotation.image_id) else {
            let fault = format!("there is no image {}; the annotation is left out", annotation.image_id);
            document.tell(intake, part, fault, "add the image or remove the annotation");
            continue;
        };
        let found = annotation.labelled(image.size, classes);
        let list = boxes.entry(annotation.image_id).or_insert_with(|| Some(Vec::new()));
        match found {
            Ok(found) => list.iter_mut().for_each(|list| list.push(found)),
            Err((fault, advice)) => {
                *list = None;
                let fault = format!("{fault}; the picture {:?} comes unlabelled", image.name);
                document.tell(intake, part, fault, advice);
            }
        }
    }
    boxes
}

impl ReadAnnotation {
    fn labelled(
        &self,
        size: (u32, u32),
        classes: &HashMap<Id, usize>,
    ) -> std::result::Result<LabelledBox, (String, &'static str)> {
        if self.iscrowd == 1 || self.iscrowd == true {
            return Err((
                "a crowd is no box of one object".to_owned(),
                "draw a box for each, or leave the picture out",
            ));
        }
        let id = Id::deserialize(&self.category_id).ok();
        let class = id.and_then(|id| classes.get(&id)).copied().ok_or_else(|| {
            let fault = format!("there is no category {}", self.category_id);
            (fault, "add it to the categories")
        })?;
        let bounds = self.bounds(size).ok_or_else(|| {
            let fault = format!("expected bbox [x, y, width, height] in pixels, found {}", self.bbox);
            (fault, "correct or remove the annotation")
        })?;
        Ok(LabelledBox { class, bounds, score: self.score.as_f64().map(|score| score as f32) })
    }

    /// The box, or the one around the polygons where there is none.
    fn bounds(&self, (width, height): (u32, u32)) -> Option<RelativeBox> {
        let (width, height) = (f64::from(width), f64::from(height));
        let numbers = Vec::<f64>::deserialize(&self.bbox).unwrap_or_default();
        if let [x, y, w, h] = *numbers {
            let is_box = w > 0.0 && h > 0.0;
            return is_box.then(|| cut(x / width, y / height, (x + w) / width, (y + h) / height)).flatten();
        }
        let polygons = Vec::<Vec<f64>>::deserialize(&self.segmentation).unwrap_or_default();
        let points = polygons.iter().flat_map(|polygon| polygon.as_chunks::<2>().0);
        around(points.map(|&[x, y]| (x / width, y / height)))
    }
}

/// What the path of a file tells: what it is for, and where its pictures may be.
struct Place {
    split: Option<Split>,
    folders: Vec<String>,
}

impl Place {
    fn of(file: &str) -> Self {
        let stem = names::stem(file);
        let tail = KINDS.iter().find_map(|kind| stem.strip_prefix(kind)).unwrap_or(stem);
        let tail = tail.trim_start_matches('_');
        let folder = names::parent(file);
        let root = if names::base(folder) == "annotations" { names::parent(folder) } else { folder };
        let below = [format!("images/{tail}"), tail.to_owned(), "images".to_owned()];
        let mut folders: Vec<String> = below.iter().map(|path| names::join(root, path)).collect();
        folders.extend([root.to_owned(), folder.to_owned()]);
        // Such as the 2017 of train2017.
        let words = tail.split(|letter: char| !letter.is_alphabetic()).chain([names::base(folder)]);
        Self { split: words.into_iter().find_map(Split::from_word), folders }
    }

    fn picture(&self, intake: &Intake, name: &str) -> Option<String> {
        let folders: Vec<&str> = self.folders.iter().map(String::as_str).collect();
        intake.picture(&folders, &name.replace('\\', "/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_what_a_file_is_for_and_where_its_pictures_are() {
        let split = |file| Place::of(file).split;
        assert_eq!(split("annotations/instances_train2017.json"), Some(Split::Train));
        assert_eq!(split("annotations/image_info_test.json"), Some(Split::Test));
        assert_eq!(split("valid/_annotations.coco.json"), Some(Split::Validation));
        assert_eq!(split("annotations/instances_default.json"), None);
        let folders = Place::of("set/annotations/instances_val.json").folders;
        assert_eq!(folders, ["set/images/val", "set/val", "set/images", "set", "set/annotations"]);
    }
}
