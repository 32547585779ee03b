//! ZIP files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::folder::partial;
use super::paths::{self, Place};
use super::{Limits, Sink, Source, not_opened, read_at_most};
use crate::error::{Error, Result};
use crate::names;
use crate::problem::Problems;

/// A ZIP file that is read where it lies: nothing is unpacked to the disk.
pub struct ZipSource {
    archive: Mutex<Archive>,
    /// Which entry a path is, and how large it says to be.
    entries: BTreeMap<String, (usize, u64)>,
    paths: Vec<String>,
    problems: Problems,
    max_file_bytes: u64,
}

type Archive = ZipArchive<BufReader<fs_err::File>>;

impl ZipSource {
    /// Lists the files of a ZIP file.
    ///
    /// # Errors
    /// Where it is none, cannot be read, or is larger than the limits.
    pub fn open(path: &Path, limits: Limits) -> Result<Self> {
        let file = fs_err::File::open(path).map_err(|error| not_opened(path, told(&error)))?;
        let archive =
            ZipArchive::new(BufReader::new(file)).map_err(|error| not_opened(path, told(&error)))?;
        let mut listing = Listing::default();
        for index in 0..archive.len() {
            listing.take(&archive, index);
            let refused = limits.refuse(listing.entries.len(), listing.total);
            refused.map_or(Ok(()), |reason| Err(not_opened(path, reason)))?;
        }
        let Listing { entries, problems, .. } = listing;
        let paths = entries.keys().cloned().collect();
        Ok(Self {
            archive: Mutex::new(archive),
            entries,
            paths,
            problems,
            max_file_bytes: limits.max_file_bytes,
        })
    }
}

fn told(error: &dyn std::error::Error) -> String {
    format!("{error}; name a folder or a whole ZIP file that this user may read")
}

#[derive(Default)]
struct Listing {
    entries: BTreeMap<String, (usize, u64)>,
    total: u64,
    problems: Problems,
}

impl Listing {
    fn take(&mut self, archive: &Archive, index: usize) {
        let entry = archive.by_index_data(index);
        let (Ok(name), Ok(entry)) = (archive.name_for_index(index).unwrap_or(Ok("".into())), entry) else {
            let fault = "its name cannot be read; it is left out";
            return self.problems.about(&format!("entry {index}"), fault, "pack the ZIP with UTF-8 names");
        };
        let path = match paths::parse(&name) {
            Place::Inside(path) => path,
            Place::Clutter => return,
            Place::Outside => {
                let fault = "the path leads out of the data set; it is left out";
                return self.problems.about(&name, fault, "pack the ZIP with relative paths");
            }
        };
        // A path with `\` at its end is a folder of a program on Windows.
        if entry.is_dir() || name.ends_with('\\') {
            return;
        }
        if entry.is_symlink() {
            let fault = "this is a link and no file; it is left out";
            return self.problems.about(&path, fault, "pack the file itself");
        }
        if entry.encrypted() {
            let fault = "it is encrypted; it is left out";
            return self.problems.about(&path, fault, "pack the ZIP without a password");
        }
        self.total = self.total.saturating_add(entry.size());
        match self.entries.entry(path) {
            Entry::Vacant(place) => drop(place.insert((index, entry.size()))),
            Entry::Occupied(taken) => {
                let fault = "the ZIP has this path twice; the first one is used";
                self.problems.about(taken.key(), fault, "pack it anew");
            }
        }
    }
}

impl Source for ZipSource {
    fn paths(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{path} is not in the ZIP"));
        let (index, size) = *self.entries.get(path).ok_or_else(missing)?;
        // A reader that panicked leaves nothing behind: each entry is sought anew.
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
        let entry = archive.by_index(index).map_err(|error| named(error.into()))?;
        read_at_most(entry, size.min(self.max_file_bytes), path).map_err(named)
    }

    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// A ZIP file that is written. It gets its name when it is complete.
pub struct ZipSink {
    target: PathBuf,
    partial: PathBuf,
    /// Gone when the ZIP is finished. In a box, because it has kilobytes.
    writer: Option<Box<ZipWriter<BufWriter<fs_err::File>>>>,
}

impl ZipSink {
    /// Begins a ZIP file, which must be missing.
    ///
    /// # Errors
    /// Where something is there already, or nothing can be made there.
    pub fn create(target: &Path) -> Result<Self> {
        if target.exists() {
            return Err(Error::Occupied(target.to_owned()));
        }
        let partial = partial(target)?;
        let file = fs_err::File::create(&partial).map_err(Error::Write)?;
        let writer = Some(Box::new(ZipWriter::new(BufWriter::new(file))));
        Ok(Self { target: target.to_owned(), partial, writer })
    }

    fn writer(&mut self) -> io::Result<&mut ZipWriter<BufWriter<fs_err::File>>> {
        self.writer.as_deref_mut().ok_or_else(|| io::Error::other("the ZIP is finished"))
    }
}

/// Pictures are compressed already. Without a time, so that equal data sets are equal files.
fn options(path: &str) -> SimpleFileOptions {
    let is_picture = names::known_extension(path).is_some();
    let method = if is_picture { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    SimpleFileOptions::default().compression_method(method).last_modified_time(zip::DateTime::default())
}

impl Sink for ZipSink {
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let writer = self.writer()?;
        writer.start_file(path, options(path))?;
        writer.write_all(bytes)
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        fs_err::rename(&self.partial, &self.target)
    }
}

impl Drop for ZipSink {
    /// After `finish` there is nothing under this name any more.
    fn drop(&mut self) {
        // Nobody is left whom a failure could be told.
        fs_err::remove_file(&self.partial).ok();
    }
}
