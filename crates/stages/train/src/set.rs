//! Labelled pictures of one's own: a folder or a ZIP file.

use std::path::Path;

use sightscan_dataset::{Dataset, Limits, Problems, Split, detect, import, open};

use crate::error::{Error, Result};

/// The labelled pictures of a folder or ZIP file in any format of `sightscan-dataset`, which is told by the names of its
/// files; only those of one split where one is given. What could not be read is told, too.
///
/// # Errors
/// When there is no such folder or file, it is of no known format, or none of its pictures is of this split.
pub fn read_set(path: &Path, split: Option<Split>) -> Result<(Dataset, Problems)> {
    let source = open(path, Limits::default())?;
    let format = detect(source.as_ref()).ok_or_else(|| Error::NoFormat(path.to_owned()))?;
    let mut imported = import(format, source)?;
    if let Some(split) = split {
        imported.dataset.items.retain(|item| item.split == Some(split));
        if imported.dataset.items.is_empty() {
            return Err(Error::NoSplit { path: path.to_owned(), split });
        }
    }
    Ok((imported.dataset, imported.problems))
}
