//! Writing a data set, whatever its format.

use std::fmt;
use std::io;

use crate::dataset::{Dataset, Item};
use crate::error::{Error, Result};
use crate::files::Sink;
use crate::import::Format;
use crate::problem::Problems;
use crate::{attribution, coco, label_studio, names, voc, yolo};

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Pictures, or their labels alone where the data set has no pictures.
    pub images: usize,
    /// Those of them with boxes.
    pub labelled: usize,
    /// Those of them that were looked at and have no objects.
    pub negatives: usize,
    /// Names of classes.
    pub classes: usize,
    /// What was left out.
    pub problems: Problems,
}

impl fmt::Display for Exported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, labelled, negatives, classes, problems } = self;
        write!(
            formatter,
            "{images} pictures: {labelled} labelled, {negatives} negatives; classes: {classes}"
        )?;
        match problems.total() {
            0 => Ok(()),
            left => write!(formatter, "; {left} problems"),
        }
    }
}

/// Writes a data set.
///
/// Pictures get safe names, each stem once; one that has such a name keeps it. The bytes of pictures are written as
/// they are. An item without a picture is written with its labels alone. An item whose picture is missing or damaged
/// ([`io::ErrorKind::NotFound`], [`io::ErrorKind::InvalidData`]) is left out and told.
///
/// # Errors
/// Where no format can hold the data set ([`Dataset::check`]), where a picture cannot be read for another reason, and
/// where the sink cannot be written.
pub fn export(dataset: &Dataset, format: Format, mut sink: impl Sink) -> Result<Exported> {
    dataset.check()?;
    let items = dataset.items.iter().zip(names::exported(&dataset.items)).collect();
    let mut outlet = Outlet { dataset, items, sink: &mut sink, problems: Problems::default() };
    match format {
        Format::Yolo => yolo::write(&mut outlet)?,
        Format::Coco => coco::write(&mut outlet)?,
        Format::Voc => voc::write(&mut outlet)?,
        Format::LabelStudio => label_studio::write(&mut outlet)?,
    }
    attribution::write(&mut outlet)?;
    let exported = outlet.exported();
    sink.finish().map_err(Error::Write)?;
    Ok(exported)
}

/// A data set on its way out.
pub(crate) struct Outlet<'a> {
    pub(crate) dataset: &'a Dataset,
    items: Vec<(&'a Item, String)>,
    sink: &'a mut dyn Sink,
    problems: Problems,
}

impl<'a> Outlet<'a> {
    /// The items and the names that they get.
    pub(crate) fn items(&self) -> Vec<(&'a Item, String)> {
        self.items.clone()
    }

    /// Writes a file.
    pub(crate) fn write(&mut self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.sink.write(path, content.as_ref()).map_err(Error::Write)
    }

    /// Writes a list, one entry in a line.
    pub(crate) fn lines<'b>(&mut self, path: &str, lines: impl IntoIterator<Item = &'b str>) -> Result<()> {
        let text: String = lines.into_iter().flat_map(|line| [line, "\n"]).collect();
        self.write(path, text)
    }

    /// Writes all pictures, each to the path that is given for it; the items that are left, which are those to write
    /// labels for.
    pub(crate) fn pictures(
        &mut self,
        path: impl Fn(&Item, &str) -> String,
    ) -> Result<Vec<(&'a Item, String)>> {
        for (item, name) in std::mem::take(&mut self.items) {
            if self.picture(item, &path(item, &name))? {
                self.items.push((item, name));
            }
        }
        Ok(self.items())
    }

    /// Writes the picture of an item, where it has one; `false` where it should have one and has not.
    fn picture(&mut self, item: &Item, path: &str) -> Result<bool> {
        let Some(picture) = &item.picture else { return Ok(true) };
        match picture.read() {
            Ok(bytes) => self.write(path, bytes).map(|()| true),
            Err(error) if is_lost(&error) => {
                let fault = format!("the picture is left out with its labels: {error}");
                self.problems.about(&item.name, fault, "restore or remove it");
                Ok(false)
            }
            Err(source) => Err(Error::Picture { name: item.name.clone(), source }),
        }
    }

    fn exported(&self) -> Exported {
        let count = |is: fn(&Item) -> bool| self.items.iter().filter(|(item, _)| is(item)).count();
        Exported {
            images: self.items.len(),
            labelled: count(|item| !item.labels.boxes().is_empty()),
            negatives: count(Item::is_negative),
            classes: self.dataset.classes.len(),
            problems: self.problems.clone(),
        }
    }
}

/// Whether another try would be of no use.
fn is_lost(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData)
}
