//! YOLO: a text file for each picture, a line `class x-centre y-centre width height` for each box, relative to the
//! picture; and a `data.yaml`, as Ultralytics reads it.
//!
//! ```text
//! data.yaml
//! images/<train|val|test|unsplit>/<name>      labels/<…>/<stem>.txt
//! images/unlabelled[/<train|val|test>]/<name>
//! ```
//!
//! An empty text file is a negative, and a picture without one is unlabelled. Ultralytics takes the latter for a
//! negative, so unlabelled pictures lie where `data.yaml` does not point to. Numbers have six decimals, the box
//! comes back within a millionth of the picture; scores and whether a machine found a box are lost.

mod description;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::dataset::{Item, LabelledBox, Split};
use crate::error::{Error, Result};
use crate::export::Outlet;
use crate::import::{Format, Found, Intake, labels};
use crate::names;

/// The folder of pictures that are for nothing in particular.
const UNSPLIT: &str = "unsplit";

/// The folder of pictures that nobody has looked at.
const UNLABELLED: &str = "unlabelled";

pub(crate) fn write(outlet: &mut Outlet<'_>) -> Result<()> {
    let mut folders = BTreeSet::new();
    for (item, name) in outlet.pictures(|item, name| format!("images/{}/{name}", folder(item)))? {
        if item.is_labelled() {
            let folder = folder(item);
            let rows = item.labels.boxes().iter().map(row::written).collect::<String>();
            outlet.write(&format!("labels/{folder}/{}.txt", names::stem(&name)), rows)?;
            folders.insert(folder);
        }
    }
    outlet.write("data.yaml", description::written(&outlet.dataset.classes, &folders))
}

fn folder(item: &Item) -> String {
    let split = item.split.map(Split::word);
    if item.is_labelled() {
        return split.unwrap_or(UNSPLIT).to_owned();
    }
    split.map_or(UNLABELLED.to_owned(), |split| format!("{UNLABELLED}/{split}"))
}

pub(crate) fn read(intake: &mut Intake) -> Result<()> {
    let pictures = intake.pictures();
    let description = description::find(intake).or_else(|| description::bare(intake));
    let Some(description) = description else {
        let expected = "a data.yaml with names, or a classes.txt, beside pictures and text files of labels";
        return Err(Error::NotThisFormat { format: Format::Yolo, expected });
    };
    let classes = classes(intake, &description);
    let mut used = BTreeSet::new();
    for path in &pictures {
        let file = label_file(intake, path);
        let boxes = file.as_ref().and_then(|file| boxes(intake, file, &classes));
        let is_predicted =
            boxes.as_ref().is_some_and(|boxes| boxes.iter().any(|found| found.score.is_some()));
        let split = description.split_of(path);
        let (name, picture) = (names::base(path), Some(path.clone()));
        let labels = labels(boxes, is_predicted);
        intake.take(Found { file: path, name, picture, size: None, split, labels });
        used.extend(file);
    }
    tell_orphans(intake, &used);
    Ok(())
}

/// Which of our classes each of theirs is.
fn classes(intake: &mut Intake, description: &description::Description) -> HashMap<usize, usize> {
    let mut classes = HashMap::new();
    let mut seen = BTreeMap::new();
    for (&number, name) in &description.names {
        let Some(index) = intake.classes.index(name) else {
            let fault = format!("class {number} has no name; its pictures come unlabelled");
            intake.problems.about(description.file(), fault, "give it a name");
            continue;
        };
        if let Some(first) = seen.insert(index, number) {
            let fault = format!("classes {first} and {number} are both called {name:?}; they become one");
            intake.problems.about(description.file(), fault, "give them two names if they are two");
        }
        classes.insert(number, index);
    }
    classes
}

/// The file of a picture's labels: Ultralytics' place for it, or beside the picture.
fn label_file(intake: &Intake, picture: &str) -> Option<String> {
    let text = format!("{}.txt", names::without_extension(picture));
    let (folders, name) = text.rsplit_once('/').unwrap_or(("", &text));
    let mut parts: Vec<&str> = folders.split('/').collect();
    if let Some(last) = parts.iter().rposition(|part| part.eq_ignore_ascii_case("images")) {
        parts[last] = "labels";
        return intake.path(&format!("{}/{name}", parts.join("/"))).or_else(|| intake.path(&text));
    }
    intake.path(&text)
}

/// The boxes of a file, or `None` where some of them cannot be read.
fn boxes(intake: &mut Intake, file: &str, classes: &HashMap<usize, usize>) -> Option<Vec<LabelledBox>> {
    let text = intake.text(file)?;
    let mut boxes = Some(Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match row::read(line, classes) {
            Ok(found) => boxes.iter_mut().for_each(|boxes| boxes.push(found)),
            Err((fault, advice)) => {
                intake.line(file, index + 1, format!("{fault}; the picture comes unlabelled"), advice);
                boxes = None;
            }
        }
    }
    boxes
}

/// Labels of pictures that are not there.
fn tell_orphans(intake: &mut Intake, used: &BTreeSet<String>) {
    for path in intake.with_extension("txt") {
        let is_label = names::parent(&path).split('/').any(|part| part.eq_ignore_ascii_case("labels"));
        if is_label && !used.contains(&path) && !description::is_class_file(&path) {
            let fault = "there is no picture for these labels; they are left out";
            intake.problems.about(&path, fault, "put the picture into the folder images, with the same name");
        }
    }
}
