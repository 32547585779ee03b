//! Writing a data set, whatever its format.

use crate::dataset::{Dataset, Item};
use crate::error::{Error, Result};
use crate::files::Sink;
use crate::import::Format;
use crate::{coco, label_studio, names, voc, yolo};

/// Writes a data set.
///
/// Pictures get safe names, each stem once; one that has such a name keeps it. The bytes of pictures are written as
/// they are. An item without a picture is written with its labels alone.
///
/// # Errors
/// Where no format can hold the data set ([`Dataset::check`]), where a picture cannot be read, and where the sink
/// cannot be written.
pub fn export(dataset: &Dataset, format: Format, mut sink: impl Sink) -> Result<()> {
    dataset.check()?;
    let names = names::exported(&dataset.items);
    let mut outlet = Outlet { dataset, names, sink: &mut sink };
    match format {
        Format::Yolo => yolo::write(&mut outlet)?,
        Format::Coco => coco::write(&mut outlet)?,
        Format::Voc => voc::write(&mut outlet)?,
        Format::LabelStudio => label_studio::write(&mut outlet)?,
    }
    sink.finish().map_err(Error::Write)
}

/// A data set on its way out.
pub(crate) struct Outlet<'a> {
    pub(crate) dataset: &'a Dataset,
    names: Vec<String>,
    sink: &'a mut dyn Sink,
}

impl<'a> Outlet<'a> {
    /// The items and the names that they get.
    pub(crate) fn items(&self) -> Vec<(&'a Item, String)> {
        self.dataset.items.iter().zip(self.names.iter().cloned()).collect()
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

    /// Writes the picture of an item, where it has one.
    pub(crate) fn picture(&mut self, item: &Item, path: &str) -> Result<()> {
        let Some(picture) = &item.picture else { return Ok(()) };
        let bytes = picture.read().map_err(|source| Error::Picture { name: item.name.clone(), source })?;
        self.write(path, bytes)
    }
}
