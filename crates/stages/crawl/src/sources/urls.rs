//! Pictures whose addresses somebody has written down.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tokio::sync::Mutex;

use super::read_rows;
use crate::licence::Licence;
use crate::sights::fold;
use crate::{Candidate, City, ImageSource, Picture, Sight, SourceError};

const NAME: &str = "urls";

/// The columns of a file that does not name them.
const COLUMNS: [&str; 5] = ["url", "sight", "licence", "author", "page"];

/// A text file with an address in each line, or a CSV file with the columns `url,sight,licence,author,page`, of which all
/// but the first may be left out. The first line may name the columns, in any order; lines that begin with `#` are
/// comments. An address without a sight is tried for each.
#[derive(Debug)]
pub struct Addresses {
    path: PathBuf,
    /// What was read, and when it was written: the list is read again when it has changed, not for each sight.
    read: Mutex<Option<(SystemTime, Arc<[Entry]>)>>,
}

/// One picture of the list.
#[derive(Debug)]
struct Entry {
    /// In the form of [`fold`].
    sight: Option<String>,
    candidate: Candidate,
}

impl Addresses {
    /// The addresses in this file.
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::default() }
    }

    async fn of_sight(&self, sight: &Sight) -> Result<Vec<Candidate>, SourceError> {
        let wanted = fold(&sight.name);
        let entries = self.entries().await?;
        let of_sight = entries.iter().filter(|entry| entry.sight.as_ref().is_none_or(|name| *name == wanted));
        Ok(of_sight.map(|entry| entry.candidate.clone()).collect())
    }

    async fn entries(&self) -> Result<Arc<[Entry]>, SourceError> {
        // Asked first: what is written meanwhile is read the next time.
        let written = tokio::fs::metadata(&self.path).await.and_then(|file| file.modified()).ok();
        let mut read = self.read.lock().await;
        if let Some((when, entries)) = &*read
            && Some(*when) == written
        {
            return Ok(Arc::clone(entries));
        }
        let entries: Arc<[Entry]> = self.parse(&read_rows(NAME, &self.path).await?)?.into();
        *read = written.map(|when| (when, Arc::clone(&entries)));
        Ok(entries)
    }

    fn parse(&self, rows: &[Vec<String>]) -> Result<Vec<Entry>, SourceError> {
        let columns = rows.first().and_then(|row| heading(row));
        let rows = rows.iter().enumerate().skip(usize::from(columns.is_some()));
        let columns = columns.unwrap_or_else(|| COLUMNS.map(str::to_owned).to_vec());
        rows.map(|(number, row)| {
            let sight = field(&columns, row, "sight").map(fold);
            Ok(Entry { sight, candidate: self.candidate(&columns, number, row)? })
        })
        .collect()
    }

    fn candidate(&self, columns: &[String], number: usize, row: &[String]) -> Result<Candidate, SourceError> {
        let address = field(columns, row, "url").unwrap_or_default();
        let Some(url) = super::address(address) else {
            let entry = format!("{}: entry {}", self.path.display(), number + 1);
            let reason =
                format!("{entry}: `{address}` is no address; write it as https://example.org/gate.jpg");
            return Err(SourceError::Answer { name: NAME, reason, is_transient: false });
        };
        let licence = field(columns, row, "licence").and_then(Licence::read);
        Ok(Candidate {
            source: url.to_string(),
            picture: Picture::At(url),
            page_url: field(columns, row, "page").map(str::to_owned),
            author: field(columns, row, "author").map(str::to_owned),
            licence_url: licence.as_ref().and_then(Licence::url),
            licence: licence.map(|licence| licence.to_string()),
        })
    }
}

impl ImageSource for Addresses {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pictures<'a>(
        &'a self,
        _city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>> {
        let candidates = self.of_sight(sight).into_stream();
        candidates.map_ok(|candidates| stream::iter(candidates).map(Ok)).try_flatten().boxed()
    }
}

/// The columns, if this line names them. Americans write `license`.
fn heading(row: &[String]) -> Option<Vec<String>> {
    let names = row.iter().map(|name| name.to_ascii_lowercase().replace("license", "licence"));
    let names: Vec<String> = names.collect();
    names.iter().any(|name| name == "url").then_some(names)
}

fn field<'a>(columns: &[String], row: &'a [String], name: &str) -> Option<&'a str> {
    let column = columns.iter().position(|column| column == name)?;
    row.get(column).map(String::as_str).filter(|field| !field.is_empty())
}
