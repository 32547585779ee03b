//! Label Studio: a JSON file of tasks.
//!
//! ```text
//! tasks.json
//! label_config.xml
//! images/<name>
//! ```
//!
//! Boxes are in percent of the picture, with six decimals. What people say is an annotation and what machines say a
//! prediction, so that Label Studio shows the latter for review; either without boxes is a negative, and a task with
//! neither is unlabelled. Of several annotations the last one counts that was not cancelled, and a prediction where
//! there is none. Three keys of a task's data are ours: `width`, `height` and `split`.
//!
//! Pictures are named as Label Studio's local files: set `LOCAL_FILES_SERVING_ENABLED=true` and
//! `LOCAL_FILES_DOCUMENT_ROOT` to the folder of the export.

mod interface;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sightscan_types::RelativeBox;

use crate::dataset::{Item, LabelledBox, Labels, Split};
use crate::error::{Error, Result};
use crate::export::Outlet;
use crate::import::{Format, Found, Intake, labels};
use crate::json::Document;
use crate::names;
use crate::text::{around, rounded};
use crate::xml::{self, Element, escaped};

pub use interface::{Interface, Marked};

/// How Label Studio names pictures of a folder that it is allowed to read.
const LOCAL_FILES: &str = "/data/local-files/?d=";

/// The names that the label config gives to the picture and to its boxes.
const IMAGE: &str = "image";
const LABEL: &str = "label";

/// What Label Studio calls boxes.
const RECTANGLES: &str = "rectanglelabels";

#[derive(Serialize)]
struct Task<'a> {
    id: usize,
    data: Data<'a>,
    annotations: Vec<Annotation<'a>>,
    predictions: Vec<Annotation<'a>>,
}

#[derive(Serialize)]
struct Data<'a> {
    image: String,
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<&'a str>,
}

#[derive(Serialize)]
struct Annotation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<&'static str>,
    result: Vec<Region<'a>>,
}

#[derive(Serialize)]
struct Region<'a> {
    id: String,
    r#type: &'static str,
    from_name: &'a str,
    to_name: &'a str,
    original_width: u32,
    original_height: u32,
    image_rotation: u32,
    value: Rectangle<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
}

#[derive(Serialize)]
struct Rectangle<'a> {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    rotation: f64,
    rectanglelabels: [&'a str; 1],
}

pub(crate) fn write(outlet: &mut Outlet<'_>) -> Result<()> {
    let dataset = outlet.dataset;
    let items = outlet.pictures(|_, name| format!("images/{name}"))?;
    let tasks = (1..).zip(&items).map(|(id, (item, name))| task(id, item, name, &dataset.classes));
    let text = serde_json::to_vec(&tasks.collect::<Vec<_>>()).map_err(|error| Error::Write(error.into()))?;
    outlet.write("tasks.json", text)?;
    outlet.write("label_config.xml", label_config(&dataset.classes))
}

/// The labelling interface that Label Studio is given for these classes.
pub fn label_config(classes: &[String]) -> String {
    let label = |class: &String| format!("    <Label value=\"{}\"/>\n", escaped(class));
    let labels: String = classes.iter().map(label).collect();
    format!(
        "<View>\n  <Image name=\"{IMAGE}\" value=\"${IMAGE}\"/>\n  \
         <RectangleLabels name=\"{LABEL}\" toName=\"{IMAGE}\">\n{labels}  </RectangleLabels>\n</View>\n"
    )
}

fn task<'a>(id: usize, item: &Item, name: &str, classes: &'a [String]) -> Task<'a> {
    let image = format!("{LOCAL_FILES}{}", percent_encoded(&format!("images/{name}")));
    let data = Data { image, width: item.width, height: item.height, split: item.split.map(Split::word) };
    let result = |boxes: &[LabelledBox]| {
        (1..)
            .zip(boxes)
            .map(|(number, found)| region(format!("{id}-{number}"), item, found, classes))
            .collect()
    };
    let mut task = Task { id, data, annotations: Vec::new(), predictions: Vec::new() };
    match &item.labels {
        Labels::Unlabelled => {}
        Labels::Annotated(boxes) => {
            task.annotations.push(Annotation { model_version: None, result: result(boxes) });
        }
        Labels::Predicted(boxes) => {
            task.predictions.push(Annotation { model_version: Some("sightscan"), result: result(boxes) });
        }
    }
    task
}

fn region<'a>(id: String, item: &Item, found: &LabelledBox, classes: &'a [String]) -> Region<'a> {
    let RelativeBox { x, y, w, h } = found.bounds;
    let [x, y, width, height] = [x, y, w, h].map(|part| rounded(part * 100.0, 6));
    let class = classes.get(found.class).map(String::as_str).unwrap_or_default();
    Region {
        id,
        r#type: RECTANGLES,
        from_name: LABEL,
        to_name: IMAGE,
        original_width: item.width,
        original_height: item.height,
        image_rotation: 0,
        value: Rectangle { x, y, width, height, rotation: 0.0, rectanglelabels: [class] },
        score: found.score,
    }
}

/// As the value of a parameter in an address.
fn percent_encoded(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    let encoded =
        |byte: u8| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encoded).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    crate::text::decode(bytes)
}

#[derive(Deserialize)]
struct ReadTask<'a> {
    data: ReadData,
    /// What older versions call `completions`.
    #[serde(borrow, default, alias = "completions")]
    annotations: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    predictions: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReadData {
    #[serde(default)]
    width: Value,
    #[serde(default)]
    height: Value,
    #[serde(default)]
    split: Value,
    /// The picture, whatever the label config calls it.
    #[serde(flatten)]
    others: std::collections::BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct ReadAnnotation {
    #[serde(default)]
    result: Vec<ReadRegion>,
    #[serde(default)]
    was_cancelled: bool,
}

#[derive(Deserialize)]
struct ReadRegion {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    original_width: Value,
    #[serde(default)]
    original_height: Value,
    #[serde(default)]
    image_rotation: Value,
    #[serde(default)]
    score: Value,
}

pub(crate) fn read(intake: &mut Intake) -> Result<()> {
    read_config(intake);
    let mut has_tasks = false;
    for file in intake.with_extension("json") {
        let Some(document) = Document::open(intake, file) else { continue };
        match serde_json::from_str::<Vec<&RawValue>>(&document.text) {
            Ok(tasks) => {
                has_tasks = true;
                tasks.into_iter().for_each(|task| read_task(intake, &document, task));
            }
            Err(error) if error.is_data() => {
                let fault = "this is no list of tasks; it is left out";
                intake.problems.about(&document.file, fault, "remove it if it is not meant to be one");
            }
            Err(error) => document.tell_syntax(intake, &error),
        }
    }
    let expected = "a JSON file with a list of tasks; export from Label Studio as JSON";
    if has_tasks { Ok(()) } else { Err(Error::NotThisFormat { format: Format::LabelStudio, expected }) }
}

/// The classes in the order of the label config, where there is one.
fn read_config(intake: &mut Intake) {
    for file in intake.with_extension("xml") {
        let Some(root) = intake.text(&file).and_then(|text| xml::parse(&text).ok()) else { continue };
        let is_rectangles = |element: &&&Element| element.is("RectangleLabels");
        for label in root.all().iter().filter(is_rectangles).flat_map(|labels| labels.children("Label")) {
            intake.classes.index(label.attribute("value").unwrap_or_default());
        }
    }
}

fn read_task(intake: &mut Intake, document: &Document, entry: &RawValue) {
    let task: ReadTask<'_> = match serde_json::from_str(entry.get()) {
        Ok(task) => task,
        Err(error) => {
            return document.tell(
                intake,
                entry.get(),
                format!("a task is left out: {error}"),
                "correct or remove it",
            );
        }
    };
    let Some(address) = task.data.image() else {
        let fault = "a task is left out: its data has no image";
        return document.tell(intake, entry.get(), fault, "export tasks with pictures");
    };
    let (name, picture) = find(intake, address);
    let (regions, is_predicted) = task.said(intake, document);
    let size = task.data.size().or_else(|| regions.as_ref()?.iter().find_map(ReadRegion::size));
    let size = size.or_else(|| intake.measure(picture.as_deref()?));
    let boxes = regions.and_then(|regions| boxes(intake, document, entry.get(), &regions, size));
    if picture.is_none() {
        intake.missing(&document.file, &name);
    }
    let split = task.data.split.as_str().and_then(Split::from_word);
    let labels = labels(boxes, is_predicted);
    intake.take(Found { file: &document.file, name: &name, picture, size, split, labels });
}

/// The name of a picture and where it is. Label Studio puts a random prefix before the names of uploaded files.
fn find(intake: &Intake, address: &str) -> (String, Option<String>) {
    let path = address
        .rsplit_once("?d=")
        .map_or_else(|| address.split('?').next().unwrap_or(address), |(_, path)| path);
    let path = percent_decoded(path).replace('\\', "/");
    let name = names::base(&path).to_owned();
    let own = name.split_once('-').filter(|(prefix, _)| is_prefix(prefix)).map(|(_, own)| own.to_owned());
    let picture =
        intake.picture(&["", "images"], &path).or_else(|| intake.picture(&["images"], own.as_ref()?));
    (picture.as_deref().map(names::base).map(str::to_owned).unwrap_or(name), picture)
}

fn is_prefix(text: &str) -> bool {
    text.len() == 8 && text.chars().all(|letter| letter.is_ascii_hexdigit())
}

impl ReadData {
    /// The address of the picture: by the name that ours and most label configs have, else what looks like one.
    fn image(&self) -> Option<&str> {
        let named = self.others.get(IMAGE).and_then(Value::as_str);
        named.or_else(|| {
            let mut texts = self.others.values().filter_map(Value::as_str);
            texts.find(|text| names::known_extension(text).is_some())
        })
    }

    fn size(&self) -> Option<(u32, u32)> {
        size(&self.width, &self.height)
    }
}

fn size(width: &Value, height: &Value) -> Option<(u32, u32)> {
    let side = |value: &Value| u32::try_from(value.as_u64()?).ok().filter(|side| *side > 0);
    Some((side(width)?, side(height)?))
}

impl ReadTask<'_> {
    /// The regions that count, and whether a machine says them. `None` where nobody says anything or it is not clear.
    fn said(&self, intake: &mut Intake, document: &Document) -> (Option<Vec<ReadRegion>>, bool) {
        for (entries, is_predicted) in [(&self.annotations, false), (&self.predictions, true)] {
            for entry in entries.iter().rev() {
                match serde_json::from_str::<ReadAnnotation>(entry.get()) {
                    Ok(annotation) if annotation.was_cancelled => {}
                    Ok(annotation) => return (Some(annotation.result), is_predicted),
                    Err(error) => {
                        let fault =
                            format!("an annotation cannot be read ({error}); the picture comes unlabelled");
                        document.tell(intake, entry.get(), fault, "correct or remove it");
                        return (None, is_predicted);
                    }
                }
            }
        }
        (None, false)
    }
}

/// The boxes of all regions, or `None` where one of them cannot be read.
fn boxes(
    intake: &mut Intake,
    document: &Document,
    part: &str,
    regions: &[ReadRegion],
    size: Option<(u32, u32)>,
) -> Option<Vec<LabelledBox>> {
    let mut boxes = Some(Vec::new());
    for region in regions.iter().filter(|region| !region.is_remark()) {
        match region.labelled(intake, size) {
            Ok(found) => boxes.iter_mut().for_each(|boxes| boxes.push(found)),
            Err(expected) => {
                let fault = format!("expected {expected}; the picture comes unlabelled");
                document.tell(intake, part, fault, "correct or remove the region in Label Studio");
                boxes = None;
            }
        }
    }
    boxes
}

impl ReadRegion {
    fn size(&self) -> Option<(u32, u32)> {
        size(&self.original_width, &self.original_height)
    }

    /// Whether it says something about the picture as a whole, beside the boxes.
    fn is_remark(&self) -> bool {
        matches!(
            self.r#type.as_str(),
            "choices" | "textarea" | "rating" | "number" | "datetime" | "taxonomy" | "relation"
        )
    }

    fn labelled(
        &self,
        intake: &mut Intake,
        size: Option<(u32, u32)>,
    ) -> std::result::Result<LabelledBox, &'static str> {
        if self.r#type != RECTANGLES {
            return Err("a region of the type rectanglelabels");
        }
        if self.image_rotation.as_f64().is_some_and(|rotation| rotation != 0.0) {
            return Err("a picture that was not rotated in Label Studio");
        }
        let names =
            self.value.get(RECTANGLES).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let [Value::String(name)] = names else { return Err("one label for each region") };
        let bounds = self.bounds(size).ok_or("x, y, width and height in percent, in the picture")?;
        let class = intake.classes.index(name).ok_or("a label with a name")?;
        Ok(LabelledBox { class, bounds, score: self.score.as_f64().map(|score| score as f32) })
    }

    /// The box, or the one around it where it was turned about its upper left corner.
    fn bounds(&self, size: Option<(u32, u32)>) -> Option<RelativeBox> {
        let number = |key| self.value.get(key).and_then(Value::as_f64);
        let part = |key| Some(number(key)? / 100.0);
        let (x, y, w, h) = (part("x")?, part("y")?, part("width")?, part("height")?);
        let corners = [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h)];
        let rotation = number("rotation").unwrap_or(0.0);
        if rotation == 0.0 {
            return around(corners.into_iter().map(|(dx, dy)| (x + dx, y + dy)));
        }
        // Turning keeps lengths in pixels and not in percent.
        let (width, height) = size.map(|(width, height)| (f64::from(width), f64::from(height)))?;
        let (sin, cos) = rotation.to_radians().sin_cos();
        around(corners.into_iter().map(|(dx, dy)| {
            let (dx, dy) = (dx * width, dy * height);
            (x + (dx * cos - dy * sin) / width, y + (dx * sin + dy * cos) / height)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_label_config_names_every_class() {
        let config = label_config(&["Tour Eiffel, \"Paris\"".to_owned(), "<b> & c".to_owned()]);
        let root = xml::parse(&config).unwrap();
        let labels = root.child("RectangleLabels").unwrap();
        let values: Vec<_> = labels.children("Label").filter_map(|label| label.attribute("value")).collect();
        assert_eq!(values, ["Tour Eiffel, \"Paris\"", "<b> & c"]);
    }

    #[test]
    fn a_turned_box_becomes_the_box_around_it() {
        let value =
            serde_json::json!({"x": 50.0, "y": 20.0, "width": 20.0, "height": 10.0, "rotation": 90.0});
        let region = ReadRegion {
            r#type: RECTANGLES.to_owned(),
            value,
            original_width: Value::Null,
            original_height: Value::Null,
            image_rotation: Value::Null,
            score: Value::Null,
        };
        // 20 by 20 pixels of 100 by 200, turned to the left of its corner.
        let RelativeBox { x, y, w, h } = region.bounds(Some((100, 200))).unwrap();
        for (found, expected) in [(x, 0.3), (y, 0.2), (w, 0.2), (h, 0.1)] {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    proptest! {
        #[test]
        fn addresses_are_decoded_as_they_were_encoded(path in "\\PC{0,20}", tail in "[%a0 ]{0,6}") {
            let path = format!("a{path}{tail}");
            prop_assert_eq!(percent_decoded(&percent_encoded(&path)), path);
            percent_decoded(&tail);
        }
    }
}
