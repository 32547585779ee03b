//! Reads the table that `scripts/gazetteer.py` writes; its columns are described there.

use std::collections::HashMap;
use std::io::{self, Read};
use std::str::{FromStr, Split};
use std::sync::Arc;

use flate2::read::GzDecoder;
use sightscan_types::NameError;
use thiserror::Error;

use super::{Country, Region};

/// Between columns: the ASCII group separator.
const COLUMNS: char = '\u{1D}';
const ROWS: char = '\n';
const VALUES: char = '\t';

/// Why a table cannot be read.
#[derive(Debug, Error)]
pub(super) enum TableError {
    /// It is not packed as it should be.
    #[error("cannot unpack the table of places; write it anew with scripts/gazetteer.py")]
    Packed(#[from] io::Error),
    /// It was written by another version of the script.
    #[error("the table of places has {0} columns instead of nine; write it anew with scripts/gazetteer.py")]
    Columns(usize),
    /// A row lacks a value, or has one that cannot be.
    #[error(
        "row {row} of the table of places has no valid {column}; write it anew with scripts/gazetteer.py"
    )]
    Row { row: usize, column: &'static str },
    /// A place cannot be a city.
    #[error("the place {id} cannot be named")]
    Name { id: u32, source: NameError },
    /// All names that a place could have are other places'.
    #[error("all names of the place {id} are taken")]
    NoName { id: u32 },
}

/// A place as the table has it.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) id: u32,
    pub(super) name: &'a str,
    pub(super) country: Arc<Country>,
    pub(super) region: Arc<Region>,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) population: u32,
    alternatives: &'a str,
}

impl<'a> Record<'a> {
    /// The other names.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = &'a str> {
        self.alternatives.split(VALUES).filter(|name| !name.is_empty())
    }
}

pub(super) fn unpack(packed: &[u8]) -> Result<String, TableError> {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text)?;
    Ok(text)
}

pub(super) fn records(text: &str) -> Result<Vec<Record<'_>>, TableError> {
    let columns: Vec<&str> = text.split(COLUMNS).collect();
    let &[countries, states, ids, regions, latitudes, longitudes, populations, names, alternatives] =
        columns.as_slice()
    else {
        return Err(TableError::Columns(columns.len()));
    };
    let mut reader = Reader {
        ids: Column::new("id", ids),
        regions: Column::new("region", regions),
        latitudes: Column::new("latitude", latitudes),
        longitudes: Column::new("longitude", longitudes),
        populations: Column::new("population", populations),
        names: Column::new("name", names),
        alternatives: Column::new("alternatives", alternatives),
        areas: Areas::of(countries, states),
        id: 0,
    };
    ids.split(ROWS).map(|_| reader.record()).collect()
}

/// Reads the columns row by row.
struct Reader<'a> {
    ids: Column<'a>,
    regions: Column<'a>,
    latitudes: Column<'a>,
    longitudes: Column<'a>,
    populations: Column<'a>,
    names: Column<'a>,
    alternatives: Column<'a>,
    areas: Areas<'a>,
    /// The id before: the table has differences.
    id: i64,
}

impl<'a> Reader<'a> {
    fn record(&mut self) -> Result<Record<'a>, TableError> {
        self.id += self.ids.number::<i64>()?;
        let region = self.areas.region(self.regions.next()?).ok_or_else(|| self.regions.fault())?;
        let (name, alternatives) = (self.names.next()?, self.alternatives.next()?);
        // Numbered districts are known by all of their name only: `Louvre` is a museum, not `Paris 01 Louvre`.
        let is_numbered = name.bytes().any(|byte| byte.is_ascii_digit());
        Ok(Record {
            id: u32::try_from(self.id).map_err(|_| self.ids.fault())?,
            name,
            country: region.0,
            region: region.1,
            latitude: self.latitudes.number()?,
            longitude: self.longitudes.number()?,
            population: self.populations.number()?,
            alternatives: if is_numbered { "" } else { alternatives },
        })
    }
}

struct Column<'a> {
    name: &'static str,
    rows: Split<'a, char>,
    row: usize,
}

impl<'a> Column<'a> {
    fn new(name: &'static str, text: &'a str) -> Self {
        Self { name, rows: text.split(ROWS), row: 0 }
    }

    fn next(&mut self) -> Result<&'a str, TableError> {
        self.row += 1;
        self.rows.next().ok_or_else(|| self.fault())
    }

    fn number<T: FromStr>(&mut self) -> Result<T, TableError> {
        self.next()?.parse().map_err(|_| self.fault())
    }

    fn fault(&self) -> TableError {
        TableError::Row { row: self.row, column: self.name }
    }
}

/// Countries and regions, of which there is one in memory each.
struct Areas<'a> {
    countries: HashMap<&'a str, Arc<Country>>,
    states: HashMap<&'a str, &'a str>,
    regions: HashMap<&'a str, Arc<Region>>,
}

impl<'a> Areas<'a> {
    fn of(countries: &'a str, states: &'a str) -> Self {
        let pairs = |column: &'a str| column.split(ROWS).filter_map(|row| row.split_once(VALUES));
        let country = |(code, name): (&'a str, &str)| {
            (code, Arc::new(Country { code: code.into(), name: name.into() }))
        };
        Self {
            countries: pairs(countries).map(country).collect(),
            states: pairs(states).collect(),
            regions: HashMap::new(),
        }
    }

    /// The country and the region of `US.TX`.
    fn region(&mut self, full_code: &'a str) -> Option<(Arc<Country>, Arc<Region>)> {
        let (country, code) = full_code.split_once('.')?;
        let country = Arc::clone(self.countries.get(country)?);
        let name = self.states.get(full_code).map(|&name| name.into());
        let region = self.regions.entry(full_code);
        let region = region.or_insert_with(|| Arc::new(Region { code: code.into(), name }));
        Some((country, Arc::clone(region)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS_OF_TWO: [&str; 9] = [
        "FR\tFrance\nUS\tUnited States",
        "US.TX\tTexas",
        "2988507\n1729053",
        "FR.11\nUS.TX",
        "48.853\n33.661",
        "2.349\n-95.556",
        "2138551\n24782",
        "Paris\nParis",
        "Parigi\tパリ\n",
    ];

    #[test]
    fn a_table_is_read_row_by_row() {
        let text = ROWS_OF_TWO.join("\u{1D}");
        let records = records(&text).unwrap();
        let [france, texas] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((france.id, texas.id), (2988507, 4717560));
        assert_eq!(france.alternatives().collect::<Vec<_>>(), ["Parigi", "パリ"]);
        assert_eq!(texas.alternatives().count(), 0);
        assert_eq!((&*texas.country.name, texas.region.name.as_deref()), ("United States", Some("Texas")));
        assert_eq!((&*france.region.code, france.region.name.as_deref()), ("11", None));
        assert_eq!((texas.latitude, texas.longitude, texas.population), (33.661, -95.556, 24782));
    }

    #[test]
    fn a_damaged_table_is_refused_with_its_place() {
        assert!(matches!(unpack(b"no gzip"), Err(TableError::Packed(_))));
        assert!(matches!(records("a\u{1D}b"), Err(TableError::Columns(2))));
        for (column, text, name) in [
            (2, "1\nx", "id"),
            (2, "1\n-5", "id"),
            (3, "FR.11\nXX.1", "region"),
            (4, "1.0", "latitude"),
            (6, "1\n-1", "population"),
        ] {
            let mut damaged = ROWS_OF_TWO;
            damaged[column] = text;
            let error = records(&damaged.join("\u{1D}")).unwrap_err();
            assert!(matches!(error, TableError::Row { row: 2, column } if column == name), "{error}");
        }
    }
}
