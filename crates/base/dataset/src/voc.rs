//! Pascal VOC: an XML file for each picture.
//!
//! ```text
//! Annotations/<stem>.xml
//! ImageSets/Main/<train|val|trainval|test|default>.txt     stems of labelled pictures
//! ImageSets/Unlabelled/<train|val|test|default>.txt        stems of unlabelled ones
//! JPEGImages/<name>
//! classes.txt                                              the classes in their order
//! ```
//!
//! Corners are whole pixels, counted from 1, and belong to the box. The edges of a box are rounded to the nearest
//! border between pixels, so they come back within half a pixel, and exactly from then on; a box that is thinner than
//! a pixel becomes the pixel that its middle is in. A negative is an XML file without objects, and an unlabelled
//! picture has none. Two elements are ours: `score` of an object, and `machine` as the source's `annotation`.
//!
//! Programs that count from 0 write corners of 0 or with decimals; a file that has one is read as such.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sightscan_types::RelativeBox;

use crate::dataset::{Item, LabelledBox, Labels, Split};
use crate::error::{Error, Result};
use crate::export::Outlet;
use crate::import::{Format, Found, Intake, labels};
use crate::names;
use crate::text::cut;
use crate::xml::{self, Element, escaped};

/// The folder of the XML files.
pub(crate) const ANNOTATIONS: &str = "Annotations";

/// The folder of the pictures.
const PICTURES: &str = "JPEGImages";

/// The file of the classes.
const CLASSES: &str = "classes.txt";

/// What the source of an annotation is where a machine made it.
const MACHINE: &str = "machine";

/// The corners of an object.
const CORNERS: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

pub(crate) fn write(outlet: &mut Outlet<'_>) -> Result<()> {
    let mut lists = BTreeMap::<String, Vec<String>>::new();
    for (item, name) in outlet.pictures(|_, name| format!("{PICTURES}/{name}"))? {
        let stem = names::stem(&name);
        for list in image_sets(item) {
            lists.entry(list).or_default().push(stem.to_owned());
        }
        if item.is_labelled() {
            let text = annotation(item, &name, &outlet.dataset.classes);
            outlet.write(&format!("{ANNOTATIONS}/{stem}.xml"), text)?;
        }
    }
    for (list, stems) in &lists {
        outlet.lines(&format!("ImageSets/{list}.txt"), stems.iter().map(String::as_str))?;
    }
    let dataset = outlet.dataset;
    outlet.lines(CLASSES, dataset.classes.iter().map(String::as_str))
}

/// The lists that an item is in. Readers open the XML file of each entry, so unlabelled pictures have lists of their own.
fn image_sets(item: &Item) -> Vec<String> {
    let word = item.split.map_or("default", Split::word);
    if !item.is_labelled() {
        return vec![format!("Unlabelled/{word}")];
    }
    let mut lists = vec![format!("Main/{word}")];
    if matches!(item.split, Some(Split::Train | Split::Validation)) {
        lists.push("Main/trainval".to_owned());
    }
    lists
}

fn annotation(item: &Item, name: &str, classes: &[String]) -> String {
    let source = if item.labels.is_predicted() { MACHINE } else { "person" };
    let objects: String = item.labels.boxes().iter().map(|found| object(item, found, classes)).collect();
    format!(
        "<annotation>\n  <folder>{PICTURES}</folder>\n  <filename>{}</filename>\n  \
         <source>\n    <database>SightScan</database>\n    <annotation>{source}</annotation>\n  </source>\n  \
         <size>\n    <width>{}</width>\n    <height>{}</height>\n    <depth>3</depth>\n  </size>\n  \
         <segmented>0</segmented>\n{objects}</annotation>\n",
        escaped(name),
        item.width,
        item.height
    )
}

fn object(item: &Item, found: &LabelledBox, classes: &[String]) -> String {
    let RelativeBox { x, y, w, h } = found.bounds;
    let ([xmin, xmax], [ymin, ymax]) = (pixels(x, w, item.width), pixels(y, h, item.height));
    let class = classes.get(found.class).map(String::as_str).unwrap_or_default();
    let score = found.score.map(|score| format!("    <score>{score}</score>\n")).unwrap_or_default();
    let mut text = format!("  <object>\n    <name>{}</name>\n    <pose>Unspecified</pose>\n", escaped(class));
    text.push_str("    <truncated>0</truncated>\n    <difficult>0</difficult>\n");
    text.push_str(&score);
    text.push_str("    <bndbox>\n");
    for (corner, value) in CORNERS.iter().zip([xmin, ymin, xmax, ymax]) {
        // Writing to a text does not fail.
        writeln!(text, "      <{corner}>{value}</{corner}>").ok();
    }
    text.push_str("    </bndbox>\n  </object>\n");
    text
}

/// The first and the last pixel of a range, counted from 1.
fn pixels(start: f64, length: f64, size: u32) -> [u32; 2] {
    let size = f64::from(size);
    let (from, to) = ((start * size).round().max(0.0), ((start + length) * size).round().min(size));
    if to > from {
        return [from as u32 + 1, to as u32];
    }
    let middle = ((start + length / 2.0) * size).floor().clamp(0.0, size - 1.0);
    [middle as u32 + 1; 2]
}

pub(crate) fn read(intake: &mut Intake) -> Result<()> {
    let files = annotations(intake);
    let mut rest = pictures(intake);
    if files.is_empty() && !rest.iter().any(|path| is_layout(path)) {
        let expected = "a folder Annotations with XML files, and a folder JPEGImages with pictures";
        return Err(Error::NotThisFormat { format: Format::Voc, expected });
    }
    let splits = Splits::read(intake);
    for name in class_names(intake) {
        intake.classes.index(&name);
    }
    for file in files {
        let picture = read_annotation(intake, &file, &splits);
        if let Some(picture) = picture {
            rest.remove(&picture);
        }
    }
    for path in rest {
        let (name, split) = (names::base(&path), splits.of(names::stem(&path)));
        let picture = Some(path.clone());
        intake.take(Found { file: &path, name, picture, size: None, split, labels: Labels::Unlabelled });
    }
    Ok(())
}

fn is_layout(path: &str) -> bool {
    names::parent(path).split('/').any(|part| part == PICTURES)
}

/// All pictures; where there is the folder for them, those in it.
fn pictures(intake: &Intake) -> BTreeSet<String> {
    let pictures = intake.pictures();
    let has_layout = pictures.iter().any(|path| is_layout(path));
    pictures.into_iter().filter(|path| !has_layout || is_layout(path)).collect()
}

fn annotations(intake: &Intake) -> Vec<String> {
    let files = intake.with_extension("xml");
    let is_theirs =
        |path: &String| names::parent(path).split('/').any(|part| part.eq_ignore_ascii_case(ANNOTATIONS));
    let theirs: Vec<String> = files.iter().filter(|path| is_theirs(path)).cloned().collect();
    if theirs.is_empty() { files } else { theirs }
}

fn class_names(intake: &mut Intake) -> Vec<String> {
    let files = intake.with_extension("txt");
    let file = files.into_iter().find(|path| names::base(path) == CLASSES);
    file.map(|file| intake.lines(&file)).unwrap_or_default()
}

/// The lists of the splits.
struct Splits(Vec<(Split, BTreeSet<String>)>);

impl Splits {
    fn read(intake: &mut Intake) -> Self {
        let mut splits = Vec::new();
        for path in intake.with_extension("txt") {
            let is_list = names::parent(&path).split('/').any(|part| part == "ImageSets");
            let Some(split) = Split::from_word(names::stem(&path)).filter(|_| is_list) else { continue };
            // Some programs write a path or a mark behind the stem.
            let lines = intake.lines(&path).into_iter();
            let stems = lines
                .filter_map(|line| line.split_whitespace().next().map(|word| names::base(word).to_owned()));
            splits.push((split, stems.collect()));
        }
        Self(splits)
    }

    fn of(&self, stem: &str) -> Option<Split> {
        self.0.iter().find(|(_, stems)| stems.contains(stem)).map(|(split, _)| *split)
    }
}

/// Reads the file of a picture, and tells where that is.
fn read_annotation(intake: &mut Intake, file: &str, splits: &Splits) -> Option<String> {
    let text = intake.text(file)?;
    let root = match xml::parse(&text) {
        Ok(root) => root,
        Err(fault) => {
            let told = format!("expected an XML document: {}; its picture comes unlabelled", fault.reason);
            intake.line(file, fault.line, told, "correct or remove the file");
            return None;
        }
    };
    if !root.is("annotation") {
        intake.line(
            file,
            root.line,
            "expected the element annotation; the file is left out",
            "remove the file",
        );
        return None;
    }
    let picture = picture(intake, file, &root);
    let named = root.text_of("filename").map(|name| names::base(name).to_owned());
    let fallback = || format!("{}.jpg", names::stem(file));
    let name = picture.as_deref().map(names::base).map(str::to_owned).or(named).unwrap_or_else(fallback);
    let stated = stated_size(&root);
    let size = stated.or_else(|| intake.measure(picture.as_deref()?));
    let boxes = size.and_then(|size| boxes(intake, file, &root, size));
    let source = root.child("source").and_then(|source| source.text_of("annotation"));
    let labels = labels(boxes, source == Some(MACHINE));
    if picture.is_none() {
        intake.missing(file, &name);
    }
    let split = splits.of(names::stem(file));
    intake.take(Found { file, name: &name, picture: picture.clone(), size, split, labels });
    picture
}

/// The picture of a file: of its own stem, or else the one that it names, since people rename files and not their
/// content.
fn picture(intake: &Intake, file: &str, root: &Element) -> Option<String> {
    let named = root.text_of("filename").unwrap_or_default().replace('\\', "/");
    let folder = names::parent(file);
    let parent = names::join(names::parent(folder), PICTURES);
    let folders = [parent.as_str(), folder, PICTURES];
    let mut extensions = names::known_extension(&named).into_iter().chain(names::EXTENSIONS);
    extensions
        .find_map(|extension| intake.picture(&folders, &format!("{}.{extension}", names::stem(file))))
        .or_else(|| intake.picture(&folders, names::base(&named)))
}

fn stated_size(root: &Element) -> Option<(u32, u32)> {
    let size = root.child("size")?;
    let side =
        |name| size.text_of(name)?.parse::<f64>().ok().filter(|side| *side >= 1.0).map(|side| side as u32);
    Some((side("width")?, side("height")?))
}

/// The boxes of all objects, or `None` where one of them cannot be read.
fn boxes(intake: &mut Intake, file: &str, root: &Element, size: (u32, u32)) -> Option<Vec<LabelledBox>> {
    let objects: Vec<&Element> = root.children("object").collect();
    let corners: Vec<Option<[f64; 4]>> = objects.iter().map(|object| corners(object)).collect();
    let counts_from_0 = corners.iter().flatten().any(counts_from_0);
    let mut boxes = Some(Vec::new());
    for (object, corners) in objects.into_iter().zip(corners) {
        let class = object.text_of("name").and_then(|name| intake.classes.index(name));
        let bounds = corners.and_then(|corners| bounds(corners, size, counts_from_0));
        let score = object.text_of("score").and_then(|score| score.parse().ok());
        match (class, bounds) {
            (Some(class), Some(bounds)) => {
                boxes.iter_mut().for_each(|boxes| boxes.push(LabelledBox { class, bounds, score }));
            }
            (class, _) => {
                let what = if class.is_none() {
                    "a name"
                } else {
                    "a bndbox with xmin, ymin, xmax, ymax in the picture"
                };
                let fault = format!("expected {what}; the picture comes unlabelled");
                intake.line(file, object.line, fault, "correct or remove the object");
                boxes = None;
            }
        }
    }
    boxes
}

fn corners(object: &Element) -> Option<[f64; 4]> {
    let bounds = object.child("bndbox")?;
    let mut corners = [0.0; 4];
    for (corner, name) in corners.iter_mut().zip(CORNERS) {
        *corner = bounds.text_of(name)?.parse().ok().filter(|value: &f64| value.is_finite())?;
    }
    Some(corners)
}

fn counts_from_0(corners: &[f64; 4]) -> bool {
    let [xmin, ymin, ..] = *corners;
    xmin < 1.0 || ymin < 1.0 || corners.iter().any(|corner| corner.fract() != 0.0)
}

fn bounds(corners: [f64; 4], (width, height): (u32, u32), counts_from_0: bool) -> Option<RelativeBox> {
    let (width, height) = (f64::from(width), f64::from(height));
    let first = if counts_from_0 { 0.0 } else { 1.0 };
    let [xmin, ymin, xmax, ymax] = corners;
    let is_box = xmax >= xmin && ymax >= ymin;
    let cut = || cut((xmin - first) / width, (ymin - first) / height, xmax / width, ymax / height);
    is_box.then(cut).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pixels_count_from_one_and_belong_to_the_box() {
        assert_eq!(pixels(0.0, 1.0, 500), [1, 500]);
        assert_eq!(pixels(0.1, 0.2, 10), [2, 3]);
        assert_eq!(pixels(0.53, 0.01, 10), [6, 6], "thinner than a pixel");
        assert_eq!(pixels(1.0 - 1e-9, 1e-9, 10), [10, 10]);
    }

    #[test]
    fn corners_of_programs_that_count_from_0_are_told_by_a_0_or_a_decimal() {
        assert!(counts_from_0(&[0.0, 5.0, 9.0, 9.0]) && counts_from_0(&[1.5, 5.0, 9.0, 9.0]));
        assert!(!counts_from_0(&[1.0, 1.0, 10.0, 10.0]));
        let whole = Some(RelativeBox { x: 0.0, y: 0.0, w: 1.0, h: 1.0 });
        assert_eq!(bounds([1.0, 1.0, 10.0, 20.0], (10, 20), false), whole);
        assert_eq!(bounds([0.0, 0.0, 10.0, 20.0], (10, 20), true), whole);
        assert_eq!(bounds([5.0, 1.0, 4.0, 2.0], (10, 20), false), None);
    }

    proptest! {
        #[test]
        fn an_edge_moves_by_half_a_pixel_at_most_and_only_once(
            start in 0.0..0.9f64, length in 0.001..1.0f64, size in 1u32..5000
        ) {
            let length = length.min(1.0 - start);
            let [first, last] = pixels(start, length, size);
            prop_assert!(1 <= first && first <= last && last <= size);
            let (from, to) = (f64::from(first - 1), f64::from(last));
            let moved = (from - start * f64::from(size)).abs().max((to - (start + length) * f64::from(size)).abs());
            let most = if length * f64::from(size) >= 1.0 { 0.5 } else { 1.0 };
            prop_assert!(moved <= most + 1e-6, "{}", moved);
            let (from, to) = (from / f64::from(size), to / f64::from(size));
            prop_assert_eq!(pixels(from, to - from, size), [first, last]);
        }
    }
}
