//! Reading a data set, whatever its format.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::attribution::{self, Attribution};
use crate::classes::Classes;
use crate::dataset::{Dataset, Item, LabelledBox, Labels, Split};
use crate::error::Result;
use crate::files::Source;
use crate::picture::Picture;
use crate::problem::Problems;
use crate::{coco, label_studio, names, text, voc, yolo};

/// How other programs write labelled pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A text file for each picture and a `data.yaml`, as Ultralytics reads it.
    Yolo,
    /// A JSON file for each split, as `pycocotools` reads it.
    Coco,
    /// An XML file for each picture.
    Voc,
    /// A JSON file of tasks.
    LabelStudio,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Yolo, Self::Coco, Self::Voc, Self::LabelStudio];

    /// The word for it in commands and addresses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yolo => "yolo",
            Self::Coco => "coco",
            Self::Voc => "voc",
            Self::LabelStudio => "label-studio",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// The word is that of no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format {0:?}; use yolo, coco, voc or label-studio")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> std::result::Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.word() == word);
        found.ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}

/// A data set that was read.
#[derive(Debug)]
pub struct Imported {
    /// What could be read.
    pub dataset: Dataset,
    /// What could not, or not without a doubt.
    pub problems: Problems,
}

/// Which format a source has, told by the names of its files.
pub fn detect(source: &dyn Source) -> Option<Format> {
    let paths = source.paths();
    let any = |is: &dyn Fn(&str) -> bool| paths.iter().any(|path| is(path));
    if any(&|path| text::has_extension(path, "xml") && names::base(names::parent(path)) == voc::ANNOTATIONS) {
        return Some(Format::Voc);
    }
    if let Some(path) = paths.iter().find(|path| text::has_extension(path, "json")) {
        let text = text::decode(source.read(path).ok()?);
        // Tasks are a list, and COCO is one object.
        return Some(if text.trim_start().starts_with('[') { Format::LabelStudio } else { Format::Coco });
    }
    let is_yolo =
        |path: &str| ["yaml", "yml", "txt", "names"].iter().any(|end| text::has_extension(path, end));
    any(&is_yolo).then_some(Format::Yolo)
}

/// Reads a data set.
///
/// Where programs differ it reads all their ways. What it cannot read it tells, and goes on: a picture whose labels
/// cannot all be read comes **unlabelled**, since some of its boxes would be missing.
///
/// # Errors
/// Where there is nothing of this format at all.
pub fn import(format: Format, source: Arc<dyn Source>) -> Result<Imported> {
    let mut intake = Intake::new(source);
    match format {
        Format::Yolo => yolo::read(&mut intake)?,
        Format::Coco => coco::read(&mut intake)?,
        Format::Voc => voc::read(&mut intake)?,
        Format::LabelStudio => label_studio::read(&mut intake)?,
    }
    attribution::read(&mut intake);
    let dataset = Dataset { classes: intake.classes.into_names(), items: intake.items };
    Ok(Imported { dataset, problems: intake.problems })
}

/// What has been read so far.
pub(crate) struct Intake {
    source: Arc<dyn Source>,
    /// Each path in small letters, as it is.
    by_lower: HashMap<String, String>,
    /// The paths of the pictures with this name, in small letters.
    by_base: HashMap<String, Vec<String>>,
    pub(crate) classes: Classes,
    pub(crate) problems: Problems,
    pub(crate) items: Vec<Item>,
}

/// An item as a format tells it.
pub(crate) struct Found<'a> {
    /// The file that tells it.
    pub(crate) file: &'a str,
    /// The name of the picture's file.
    pub(crate) name: &'a str,
    /// The path of the picture's file, where it is there.
    pub(crate) picture: Option<String>,
    /// The picture's size, where the format tells it.
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) split: Option<Split>,
    pub(crate) labels: Labels,
}

impl Intake {
    fn new(source: Arc<dyn Source>) -> Self {
        let (mut by_lower, mut by_base) = (HashMap::new(), HashMap::<String, Vec<String>>::new());
        for path in source.paths() {
            let lower = path.to_lowercase();
            if names::known_extension(path).is_some() {
                by_base.entry(names::base(&lower).to_owned()).or_default().push(path.clone());
            }
            by_lower.insert(lower, path.clone());
        }
        let problems = source.problems().clone();
        Self { source, by_lower, by_base, classes: Classes::default(), problems, items: Vec::new() }
    }

    /// The paths of all files with this ending, the ones that lie highest first.
    pub(crate) fn with_extension(&self, extension: &str) -> Vec<String> {
        let paths = self.source.paths().iter().filter(|path| text::has_extension(path, extension));
        let mut paths: Vec<String> = paths.cloned().collect();
        paths.sort_by_key(|path| path.matches('/').count());
        paths
    }

    /// The paths of all pictures.
    pub(crate) fn pictures(&self) -> Vec<String> {
        self.source.paths().iter().filter(|path| names::known_extension(path).is_some()).cloned().collect()
    }

    /// The path of a file, whatever its capitals.
    pub(crate) fn path(&self, path: &str) -> Option<String> {
        self.by_lower.get(&path.to_lowercase()).cloned()
    }

    /// The path of a picture that a format names: in one of these folders, or the only one of its name anywhere.
    pub(crate) fn picture(&self, folders: &[&str], named: &str) -> Option<String> {
        let direct = folders.iter().find_map(|folder| self.path(&names::join(folder, named)));
        direct.or_else(|| {
            let same = self.by_base.get(&names::base(named).to_lowercase())?;
            if let [only] = same.as_slice() { Some(only.clone()) } else { None }
        })
    }

    /// The content of a file of text. That it cannot be read is told.
    pub(crate) fn text(&mut self, path: &str) -> Option<String> {
        match self.source.read(path) {
            Ok(bytes) => Some(text::decode(bytes)),
            Err(error) => {
                let fault = format!("it cannot be read ({error}); it is left out");
                self.problems.about(path, fault, "check that it is whole and not larger than the limit");
                None
            }
        }
    }

    /// The lines of a file of text, trimmed, without empty ones.
    pub(crate) fn lines(&mut self, path: &str) -> Vec<String> {
        let text = self.text(path).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn open(&self, path: String) -> Picture {
        let source = Arc::clone(&self.source);
        Picture::new(move || source.read(&path))
    }

    /// The size of a picture.
    pub(crate) fn measure(&self, path: &str) -> Option<(u32, u32)> {
        self.open(path.to_owned()).measure().ok()
    }

    /// Tells a problem of a line.
    pub(crate) fn line(&mut self, file: &str, line: usize, fault: impl Into<String>, advice: &'static str) {
        self.problems.add(file, || Some(line), fault, advice);
    }

    /// Takes an item, or tells why it cannot be one.
    pub(crate) fn take(&mut self, found: Found<'_>) {
        let picture = found.picture.map(|path| self.open(path));
        let stated = found.size.filter(|&(width, height)| width > 0 && height > 0);
        let size = match (&picture, stated) {
            (_, Some(size)) => Ok(size),
            (Some(picture), None) => picture.measure(),
            (None, None) => Err("its file is not there, and its size is not told".to_owned()),
        };
        match size {
            Ok((width, height)) => {
                let (name, split, labels) = (found.name.to_owned(), found.split, found.labels);
                let attribution = Attribution::default();
                self.items.push(Item { name, picture, width, height, split, labels, attribution });
            }
            Err(reason) => {
                let fault = format!("the picture {:?} is left out: {reason}", found.name);
                self.problems.about(found.file, fault, "put the whole picture there, or remove its labels");
            }
        }
    }

    /// Tells that a picture's file is missing, which its labels can live without.
    pub(crate) fn missing(&mut self, file: &str, name: &str) {
        let fault = format!("the picture {name:?} is not there; only its labels are taken");
        self.problems.about(file, fault, "put it there if it is needed");
    }
}

/// Labels of people or of a machine; unlabelled where some of them could not be read.
pub(crate) fn labels(boxes: Option<Vec<LabelledBox>>, is_predicted: bool) -> Labels {
    boxes.map_or(Labels::Unlabelled, |boxes| Labels::of(boxes, is_predicted))
}
