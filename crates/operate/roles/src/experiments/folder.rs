//! The folder of an experiment: what is known of it, also when its server is gone.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::order::Order;
use super::{Error, Result};

const BEGUN: &str = "begun.json";
const ENDED: &str = "ended.json";
const PICTURES: &str = "pictures";
/// The rows of cells: those that are measured end so.
const ROWS: &str = "requests";
/// What an experiment leaves behind, with its media type.
const FILES: [(&str, &str); 4] = [
    ("response-times.svg", "image/svg+xml"),
    ("performance.svg", "image/svg+xml"),
    ("report.html", "text/html; charset=utf-8"),
    ("cells.csv", "text/csv; charset=utf-8"),
];

/// Where an experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It is being measured.
    Running,
    /// All cells are measured.
    Done,
    /// It could not go on.
    Failed,
    /// It was ended before its end.
    Stopped,
}

/// What was asked for, and when.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Milliseconds since 1970-01-01 UTC.
    pub(super) at: i64,
    pub(super) order: Order,
}

/// How it ended, or how it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) state: State,
    pub(super) message: Option<String>,
}

/// The folder of one experiment; whether there is one is asked of [`Folder::begun`].
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The experiment's name.
    pub(super) fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the pictures are that are sent.
    pub(super) fn pictures(&self) -> PathBuf {
        self.0.join(PICTURES)
    }

    /// Makes it; `false` where there is something already.
    pub(super) fn create(&self) -> Result<bool> {
        match fs::create_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            made => made?,
        }
        fs::create_dir(self.pictures())?;
        Ok(true)
    }

    /// Removes all of it.
    pub(super) fn remove(&self) -> Result<()> {
        removed(&self.0)
    }

    /// Removes the pictures: some are donated and may be withdrawn.
    pub(super) fn forget_pictures(&self) -> Result<()> {
        removed(&self.pictures())
    }

    pub(super) fn begin(&self, begun: &Begun) -> Result<()> {
        write(&self.0.join(BEGUN), begun)
    }

    pub(super) fn begun(&self) -> Result<Option<Begun>> {
        read(&self.0.join(BEGUN))
    }

    pub(super) fn end(&self, ended: &Ended) -> Result<()> {
        write(&self.0.join(ENDED), ended)
    }

    pub(super) fn ended(&self) -> Result<Option<Ended>> {
        read(&self.0.join(ENDED))
    }

    /// Cells that are measured.
    pub(super) fn measured(&self) -> Result<usize> {
        let rows = self.0.join(ROWS);
        if !rows.exists() {
            return Ok(0);
        }
        let mut count = 0;
        for entry in fs::read_dir(rows)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            count += usize::from(name.ends_with(".csv") && !name.ends_with(".failed.csv"));
        }
        Ok(count)
    }

    /// What it has left behind.
    pub(super) fn files(&self) -> Vec<&'static str> {
        let names = FILES.map(|(name, _)| name);
        names.into_iter().filter(|name| self.0.join(name).exists()).collect()
    }

    /// One of those files and its media type.
    pub(super) fn file(&self, wanted: &str) -> Result<(&'static str, Vec<u8>)> {
        let unknown = || Error::Unknown(format!("file {wanted:?} of this experiment"));
        let (name, kind) = FILES.into_iter().find(|(name, _)| *name == wanted).ok_or_else(unknown)?;
        match fs::read(self.0.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(unknown()),
            read => Ok((kind, read?)),
        }
    }
}

/// Removes a folder, if it is there.
fn removed(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a file so that there is always a whole one.
fn write(file: &Path, what: &impl Serialize) -> Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(what)?)?;
    Ok(fs::rename(&new, file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_cells_count() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path().to_owned());
        assert_eq!(folder.measured().unwrap(), 0);
        fs::create_dir(place.path().join(ROWS)).unwrap();
        for name in ["w1-t1-r1.csv", "w1-t2-r1.csv.part", "w2-t1-r1.failed.csv"] {
            fs::write(place.path().join(ROWS).join(name), "index\n").unwrap();
        }
        assert_eq!(folder.measured().unwrap(), 1);
    }

    #[test]
    fn nothing_is_made_twice_and_only_what_was_left_behind_is_given() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path().join("first"));
        assert!(folder.create().unwrap() && !folder.create().unwrap());
        fs::write(folder.path().join("cells.csv"), "workers").unwrap();
        assert_eq!(folder.files(), ["cells.csv"]);
        assert_eq!(folder.file("cells.csv").unwrap().1, b"workers");
        for other in ["report.html", "begun.json", "../first/cells.csv"] {
            assert!(matches!(folder.file(other), Err(Error::Unknown(_))), "{other}");
        }
        folder.forget_pictures().unwrap();
        folder.forget_pictures().unwrap();
        assert!(!folder.pictures().exists());
    }
}
