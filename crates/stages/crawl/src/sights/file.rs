//! Sights that somebody has written down.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::is_item;
use crate::sources::read_rows;
use crate::{City, Sight, SightSource, SourceError};

const NAME: &str = "file";

/// A text file with a sight in each line, or a CSV file with the columns `name,latitude,longitude,wikidata`, of which all
/// but the first may be left out. The first line may name the columns; lines that begin with `#` are comments.
#[derive(Debug, Clone)]
pub struct SightsFile {
    path: PathBuf,
}

impl SightsFile {
    /// The sights of this file, for whatever city is asked.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    async fn read(&self, limit: u32) -> Result<Vec<Sight>, SourceError> {
        let rows = read_rows(NAME, &self.path).await?;
        let rows = rows.iter().enumerate().filter(|(number, row)| *number > 0 || !is_heading(row));
        let sights = rows.map(|(number, row)| sight(row).map_err(|reason| self.wrong(number, &reason)));
        sights.take(limit as usize).collect()
    }

    fn wrong(&self, number: usize, reason: &str) -> SourceError {
        let reason = format!("{}: entry {}: {reason}", self.path.display(), number + 1);
        SourceError::Answer { name: NAME, reason, is_transient: false }
    }
}

impl SightSource for SightsFile {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sights<'a>(&'a self, _city: &'a City, limit: u32) -> BoxFuture<'a, Result<Vec<Sight>, SourceError>> {
        self.read(limit).boxed()
    }
}

fn is_heading(row: &[String]) -> bool {
    row.first().is_some_and(|name| name.eq_ignore_ascii_case("name"))
}

fn sight(row: &[String]) -> Result<Sight, String> {
    let field = |column: usize| row.get(column).map(String::as_str).filter(|field| !field.is_empty());
    let name = field(0).ok_or("it has no name")?.to_owned();
    let latitude = field(1).map(|text| degrees(text, 90.0)).transpose()?;
    let longitude = field(2).map(|text| degrees(text, 180.0)).transpose()?;
    if latitude.is_some() != longitude.is_some() {
        return Err("give both latitude and longitude, or none; put a name with a comma in quotes".to_owned());
    }
    let wikidata = field(3).map(item).transpose()?;
    Ok(Sight { name, latitude, longitude, wikidata, source: NAME.to_owned(), ..Sight::default() })
}

fn degrees(text: &str, most: f64) -> Result<f64, String> {
    let degrees = text.parse().ok().filter(|degrees: &f64| degrees.abs() <= most);
    degrees.ok_or_else(|| {
        format!(
            "`{text}` is no number of degrees; write it as 52.5163, and put a name with a comma in quotes"
        )
    })
}

fn item(text: &str) -> Result<String, String> {
    let id = text.to_ascii_uppercase();
    if is_item(&id) { Ok(id) } else { Err(format!("`{text}` is no item of Wikidata; write it as Q82425")) }
}
