//! Where data sets are read from and written to: folders and ZIP files.

mod folder;
mod paths;
mod zipped;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

pub use folder::{FolderSink, FolderSource};
pub use zipped::{ZipSink, ZipSource};

use crate::error::{Error, Result};
use crate::problem::Problems;

/// Files that are read. All paths are relative, have `/` between their parts and lead nowhere else.
pub trait Source: Send + Sync {
    /// The paths of all files, sorted.
    fn paths(&self) -> &[String];

    /// The content of a file.
    ///
    /// # Errors
    /// Where it cannot be read, or is larger than the limit or than it says.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// What is there and not in [`paths`](Self::paths): links, paths that lead out, names that cannot be read.
    fn problems(&self) -> &Problems;
}

/// Files that are written, each once.
pub trait Sink {
    /// Writes a file at a relative path with `/` between its parts.
    ///
    /// # Errors
    /// What the disk says.
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Puts what was written where it is to be. Without this call nothing is left of it.
    ///
    /// # Errors
    /// What the disk says.
    fn finish(self) -> io::Result<()>
    where
        Self: Sized;
}

/// How much is read of what may be hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The greatest number of files.
    pub max_files: usize,
    /// The greatest size of one file in bytes, unpacked.
    pub max_file_bytes: u64,
    /// The greatest size of all files in bytes, unpacked.
    pub max_total_bytes: u64,
}

impl Default for Limits {
    /// Half a million files, 512 MiB for one (the labels of the largest public sets), 256 GiB for all.
    fn default() -> Self {
        Self { max_files: 500_000, max_file_bytes: 512 << 20, max_total_bytes: 256 << 30 }
    }
}

impl Limits {
    /// Why so much is not read, where it is not.
    fn refuse(&self, files: usize, total: u64) -> Option<String> {
        if files > self.max_files {
            return Some(format!("it has more than {} files; import it in parts", self.max_files));
        }
        (total > self.max_total_bytes)
            .then(|| format!("it has more than {} bytes, unpacked; import it in parts", self.max_total_bytes))
    }
}

/// Opens a folder or a ZIP file.
///
/// # Errors
/// Where it is neither, cannot be read, or is larger than the limits.
pub fn open(path: &Path, limits: Limits) -> Result<Arc<dyn Source>> {
    if path.is_dir() {
        return Ok(Arc::new(FolderSource::open(path, limits)?));
    }
    Ok(Arc::new(ZipSource::open(path, limits)?))
}

fn not_opened(path: &Path, reason: impl ToString) -> Error {
    Error::Open { path: path.to_owned(), reason: reason.to_string() }
}

/// Reads to the end, but not more than there may be.
fn read_at_most(reader: impl Read, most: u64, path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let text = format!("{path} has more than the {most} bytes that it may have; leave it out");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}
