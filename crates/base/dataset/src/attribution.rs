//! `attribution.csv`: where each picture is from and who made it, because licences ask for that to be passed on.
//!
//! ```text
//! file,source,page,author,licence,licence_url
//! ```
//!
//! `file` is the name of the picture's file without its folders. No format has a place of its own for all of this, so the
//! file lies beside the labels in each of them, and programs that do not know it pass it over.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::classes::class_name;
use crate::dataset::Item;
use crate::error::{Error, Result};
use crate::export::Outlet;
use crate::import::Intake;
use crate::names;

/// The name of the file.
const FILE: &str = "attribution.csv";

/// Where a picture is from and under what licence, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The picture's address.
    pub source: Option<String>,
    /// The page that shows it.
    pub page: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// An SPDX identifier, or the source's own words.
    pub licence: Option<String>,
    /// The licence's text.
    pub licence_url: Option<String>,
}

impl Attribution {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A line of the file. Not flattened: a text of digits would be read as a number.
#[derive(Serialize, Deserialize)]
struct Row {
    file: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    page: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    licence: Option<String>,
    #[serde(default)]
    licence_url: Option<String>,
}

impl Row {
    fn of(item: &Item, file: &str) -> Self {
        let Attribution { source, page, author, licence, licence_url } = item.attribution.clone();
        Self { file: file.to_owned(), source, page, author, licence, licence_url }
    }

    /// Without line breaks and control characters, which no field needs and databases refuse.
    fn attribution(self) -> Attribution {
        let tidy = |text: Option<String>| text.and_then(|text| class_name(&text));
        Attribution {
            source: tidy(self.source),
            page: tidy(self.page),
            author: tidy(self.author),
            licence: tidy(self.licence),
            licence_url: tidy(self.licence_url),
        }
    }
}

/// Writes a row for each picture; no file where nothing is known of any.
pub(crate) fn write(outlet: &mut Outlet<'_>) -> Result<()> {
    let items = outlet.items();
    if items.iter().all(|(item, _)| item.attribution.is_empty()) {
        return Ok(());
    }
    let mut rows = csv::Writer::from_writer(Vec::new());
    for (item, name) in &items {
        rows.serialize(Row::of(item, name)).map_err(|error| Error::Write(error.into()))?;
    }
    let bytes = rows.into_inner().map_err(|error| Error::Write(error.into_error()))?;
    outlet.write(FILE, bytes)
}

/// Reads the file that lies highest, where there is one, and gives each picture its row.
pub(crate) fn read(intake: &mut Intake) {
    let file = intake.with_extension("csv").into_iter().find(|path| names::base(path) == FILE);
    let Some(file) = file else { return };
    let mut rows = rows(intake, &file);
    for item in &mut intake.items {
        item.attribution = rows.remove(&item.name).unwrap_or_default();
    }
}

fn rows(intake: &mut Intake, file: &str) -> HashMap<String, Attribution> {
    let text = intake.text(file).unwrap_or_default();
    let mut rows = HashMap::new();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    for row in reader.deserialize::<Row>() {
        match row {
            Ok(row) => drop(rows.insert(names::base(&row.file).to_owned(), row.attribution())),
            Err(error) => {
                let line = error.position().and_then(|place| usize::try_from(place.line()).ok());
                let fault = format!("the row is left out: {error}");
                let advice = "give each row a file, and what its picture's licence asks for";
                intake.problems.add(file, || line, fault, advice);
            }
        }
    }
    rows
}
