//! Pictures in a folder or a ZIP file.
//!
//! A picture is of the sight that a folder on its path is named like, by the sight's name or its item in Wikidata, or
//! that its own name begins with: `Brandenburg Gate/1.jpg`, `Q82425/1.jpg`, `brandenburg_gate_1.jpg`.

mod shelf;

use std::path::PathBuf;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};

use crate::licence::Licence;
use crate::sights::fold;
use crate::{Candidate, City, ImageSource, Picture, Sight, SourceError};
use shelf::Shelf;

const NAME: &str = "folder";

/// Endings of names that pictures have.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// Where pictures are, and what is known about all of them.
#[derive(Debug, Clone)]
pub struct FolderConfig {
    /// A folder, or a ZIP file.
    pub path: PathBuf,
    /// Their licence, as an SPDX identifier or in words. Without it they are quarantined by default.
    pub licence: Option<String>,
    /// Their author.
    pub author: Option<String>,
    /// Larger files are passed over.
    pub max_bytes: u64,
}

impl FolderConfig {
    /// The pictures in this folder or ZIP file, of which nothing is known.
    pub fn new(path: PathBuf) -> Self {
        Self { path, licence: None, author: None, max_bytes: 30_000_000 }
    }
}

/// A folder or a ZIP file. Links are not followed, nothing is unpacked to the disk.
#[derive(Debug, Clone)]
pub struct Folder {
    config: FolderConfig,
}

impl Folder {
    /// The pictures that these settings describe.
    pub fn new(config: FolderConfig) -> Self {
        Self { config }
    }

    async fn open(&self, sight: &Sight) -> Result<(Shelf, Vec<String>), SourceError> {
        let (path, max_bytes) = (self.config.path.clone(), self.config.max_bytes);
        let (shelf, names) = off_thread(move || Shelf::open(path, max_bytes)).await?;
        let names = names.into_iter().filter(|name| is_picture(name) && is_of(name, sight));
        Ok((shelf, names.rev().collect()))
    }

    /// The next picture that can be read.
    async fn next(&self, mut shelf: Shelf, mut names: Vec<String>) -> Result<Option<Step>, SourceError> {
        while let Some(name) = names.pop() {
            let asked = name.clone();
            let read = move || shelf.read(&asked).map(|bytes| (shelf, bytes));
            let (again, bytes) = off_thread(read).await?;
            shelf = again;
            if let Some(bytes) = bytes {
                let candidate = self.candidate(&name, Picture::Here(bytes.into()));
                return Ok(Some((candidate, (shelf, names))));
            }
        }
        Ok(None)
    }

    fn candidate(&self, name: &str, picture: Picture) -> Candidate {
        let licence = self.config.licence.as_deref().and_then(Licence::read);
        Candidate {
            source: format!("{}/{name}", self.config.path.display()),
            picture,
            page_url: None,
            author: self.config.author.clone(),
            licence_url: licence.as_ref().and_then(Licence::url),
            licence: licence.map(|licence| licence.to_string()),
        }
    }
}

type Step = (Candidate, (Shelf, Vec<String>));

impl ImageSource for Folder {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pictures<'a>(
        &'a self,
        _city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>> {
        let opened = self.open(sight).into_stream();
        let read = opened.map_ok(|(shelf, names)| {
            stream::try_unfold((shelf, names), |(shelf, names)| self.next(shelf, names))
        });
        read.try_flatten().boxed()
    }
}

/// Reads where waiting for the disk holds nobody up.
async fn off_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(read).await;
    let read = done.unwrap_or_else(|_| Err("reading was stopped".to_owned()));
    read.map_err(|reason| SourceError::Answer { name: NAME, reason, is_transient: false })
}

fn is_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    // Apple's archives have a file of attributes beside each file.
    let is_hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
    !is_hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Whether a path says that a picture is of a sight.
fn is_of(name: &str, sight: &Sight) -> bool {
    let wanted = fold(&sight.name);
    let item = sight.wikidata.as_deref().map(fold);
    let is_wanted = |part: &str| {
        let folded = fold(part);
        !folded.is_empty() && (folded == wanted || Some(folded) == item)
    };
    let (folders, file) = name.rsplit_once('/').unwrap_or(("", name));
    if folders.split('/').any(is_wanted) {
        return true;
    }
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    // `Gate 7` and `Gate (7)`.
    let bare = stem.trim_end_matches(|letter: char| !letter.is_alphanumeric());
    is_wanted(stem) || is_wanted(bare.trim_end_matches(|letter: char| letter.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_the_sight() {
        let gate = Sight {
            name: "Brandenburg Gate".to_owned(),
            wikidata: Some("Q82425".to_owned()),
            ..Sight::default()
        };
        for (name, is_gate) in [
            ("Brandenburg Gate/1.jpg", true),
            ("pictures/BRANDENBURG-GATE/night/x.jpg", true),
            ("Q82425/1.jpg", true),
            ("brandenburg_gate_01.jpg", true),
            ("Brandenburg Gate (2).png", true),
            ("brandenburggate.jpg", true),
            ("Brandenburg Gate Museum/1.jpg", false),
            ("brandenburg_gate_museum_1.jpg", false),
            ("1.jpg", false),
            ("Tower/1.jpg", false),
        ] {
            assert_eq!(is_of(name, &gate), is_gate, "{name}");
        }
        assert!(is_of("Section 31/2.jpg", &Sight { name: "Section 31".to_owned(), ..Sight::default() }));
        assert!(is_of("Pier 39_2.jpg", &Sight { name: "Pier 39".to_owned(), ..Sight::default() }));
    }

    #[test]
    fn pictures_have_endings_and_are_not_hidden() {
        for (name, is) in [
            ("a/1.JPG", true),
            ("a/1.txt", false),
            (".a/1.jpg", false),
            ("__MACOSX/1.jpg", false),
            ("jpg", false),
        ] {
            assert_eq!(is_picture(name), is, "{name}");
        }
    }
}
