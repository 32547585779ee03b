//! Folders.

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::paths::{self, Place};
use super::{Limits, Sink, Source, not_opened, read_at_most};
use crate::error::{Error, Result};
use crate::problem::Problems;

/// How many folders may lie in each other.
const DEEPEST: usize = 32;

/// A folder that is read. Links in it are not followed.
pub struct FolderSource {
    root: PathBuf,
    limits: Limits,
    paths: Vec<String>,
    total: u64,
    problems: Problems,
}

impl FolderSource {
    /// Lists the files of a folder.
    ///
    /// # Errors
    /// Where it cannot be read, or is larger than the limits.
    pub fn open(root: &Path, limits: Limits) -> Result<Self> {
        let (root, problems) = (root.to_owned(), Problems::default());
        let mut source = Self { root, limits, paths: Vec::new(), total: 0, problems };
        source.walk("", 0).map_err(|reason| not_opened(&source.root, reason))?;
        source.paths.sort_unstable();
        Ok(source)
    }

    fn walk(&mut self, folder: &str, depth: usize) -> std::result::Result<(), String> {
        let told = |error: io::Error| format!("{error}; check that this user may read it");
        for entry in fs_err::read_dir(self.root.join(folder)).map_err(told)? {
            let entry = entry.map_err(told)?;
            self.take(folder, &entry, depth)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        folder: &str,
        entry: &fs_err::DirEntry,
        depth: usize,
    ) -> std::result::Result<(), String> {
        let name = entry.file_name();
        let path = crate::names::join(folder, &name.to_string_lossy());
        // A name with a backslash is one name here and would be two parts for the reader of the list.
        let place = name.to_str().filter(|name| !name.contains('\\')).map_or(Place::Outside, paths::parse);
        match place {
            Place::Clutter => return Ok(()),
            Place::Outside => {
                self.problems.about(&path, "the name cannot be read; the file is left out", "rename it");
                return Ok(());
            }
            Place::Inside(_) => {}
        }
        // Of the entry itself, not of what a link leads to.
        let metadata = entry.metadata().map_err(|error| error.to_string())?;
        if metadata.is_dir() {
            return if depth < DEEPEST { self.walk(&path, depth + 1) } else { Err(too_deep(&path)) };
        }
        if !metadata.is_file() {
            let fault = "this is a link or a device and no file; it is left out";
            self.problems.about(&path, fault, "put the file itself there");
            return Ok(());
        }
        self.paths.push(path);
        self.total = self.total.saturating_add(metadata.len());
        self.limits.refuse(self.paths.len(), self.total).map_or(Ok(()), Err)
    }
}

fn too_deep(path: &str) -> String {
    format!("{path} lies more than {DEEPEST} folders deep; move it up")
}

impl Source for FolderSource {
    fn paths(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read_at_most(fs_err::File::open(self.root.join(path))?, self.limits.max_file_bytes, path)
    }

    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// A folder that is written. It gets its name when it is complete.
pub struct FolderSink {
    target: PathBuf,
    partial: PathBuf,
}

impl FolderSink {
    /// Begins a folder, which must be missing or empty.
    ///
    /// # Errors
    /// Where something is there already, or nothing can be made there.
    pub fn create(target: &Path) -> Result<Self> {
        if target.exists() && !is_empty_folder(target) {
            return Err(Error::Occupied(target.to_owned()));
        }
        let partial = partial(target)?;
        fs_err::create_dir(&partial).map_err(Error::Write)?;
        Ok(Self { target: target.to_owned(), partial })
    }
}

fn is_empty_folder(path: &Path) -> bool {
    fs_err::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// A name next to the target's, on the same file system, that nobody has.
pub(super) fn partial(target: &Path) -> Result<PathBuf> {
    let parent = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs_err::create_dir_all(parent).map_err(Error::Write)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    Ok(parent.join(format!(".{name}.{}.partial", Uuid::new_v4().simple())))
}

impl Sink for FolderSink {
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.partial.join(path);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(path, bytes)
    }

    fn finish(self) -> io::Result<()> {
        if self.target.exists() {
            fs_err::remove_dir(&self.target)?;
        }
        fs_err::rename(&self.partial, &self.target)
    }
}

impl Drop for FolderSink {
    /// After `finish` there is nothing under this name any more.
    fn drop(&mut self) {
        // Nobody is left whom a failure could be told.
        fs_err::remove_dir_all(&self.partial).ok();
    }
}
