//! The part of a file that is there already, and what it is a part of.

use std::fs::TryLockError;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use reqwest::Response;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use super::PullError;
use crate::files;

/// A partial file, locked against other downloads for as long as this lives.
pub(super) struct Part {
    path: PathBuf,
    file: fs_err::File,
    length: u64,
    resumed_from: u64,
    origin: Origin,
}

/// What the bytes are a part of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Origin {
    url: String,
    /// A strong `ETag` or a `Last-Modified`: the server sends the rest only if it still holds.
    validator: Option<String>,
}

impl Part {
    /// Opens the partial file of a destination, with the bytes that an earlier download from this address left.
    pub(super) fn lock(destination: &Path, url: &str) -> Result<Self, PullError> {
        let path = beside(destination, ".part");
        let mut file = fs_err::OpenOptions::new().create(true).append(true).open(&path)?;
        // A file system without locks is no reason to refuse.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(PullError::Busy { path });
        }
        let length = file.seek(io::SeekFrom::End(0))?;
        let none = Origin { url: url.to_owned(), validator: None };
        let origin = read_origin(&path).filter(|origin| origin.url == url).unwrap_or(none);
        let resumed_from = if origin.validator.is_some() { length } else { 0 };
        Ok(Self { path, file, length, resumed_from, origin })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How many of them an earlier download left.
    pub(super) fn resumed_from(&self) -> u64 {
        self.resumed_from
    }

    /// From which byte and for which version of the file the rest can be asked for.
    pub(super) fn resume(&self) -> Option<(u64, &str)> {
        let validator = self.origin.validator.as_deref()?;
        (self.length > 0).then_some((self.length, validator))
    }

    /// Whether an answer "range not satisfiable" says that nothing is missing.
    pub(super) fn is_whole(&self, response: &Response) -> bool {
        let total =
            header(response, &CONTENT_RANGE).and_then(|text| text.strip_prefix("bytes */")?.parse().ok());
        self.length > 0 && total == Some(self.length)
    }

    /// Begins from nothing with the file that the server sends now.
    pub(super) fn begin(&mut self, response: &Response) -> Result<(), PullError> {
        self.clear()?;
        let strong = header(response, &ETAG).filter(|tag| tag.starts_with('"'));
        self.origin.validator = strong.or_else(|| header(response, &LAST_MODIFIED)).map(str::to_owned);
        let text = serde_json::to_vec(&self.origin).map_err(io::Error::from)?;
        Ok(files::replace(&origin_path(&self.path), &text)?)
    }

    /// Forgets all bytes. They go before what they are a part of is written anew, so that a crash mixes nothing.
    pub(super) fn clear(&mut self) -> Result<(), PullError> {
        self.file.set_len(0)?;
        (self.length, self.resumed_from) = (0, 0);
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), PullError> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Removes the part and all that belongs to it.
    pub(super) fn remove(&self) -> Result<(), PullError> {
        fs_err::remove_file(&self.path)?;
        self.forget_origin()
    }

    /// Removes a part that is of no use to a later download.
    pub(super) fn remove_if_empty(&self) -> Result<(), PullError> {
        if self.length == 0 && self.path.exists() { self.remove() } else { Ok(()) }
    }

    /// Makes the part the file.
    pub(super) fn publish(&self, destination: &Path) -> Result<(), PullError> {
        self.file.sync_all()?;
        fs_err::rename(&self.path, destination)?;
        files::sync_folder(files::folder_of(destination))?;
        self.forget_origin()
    }

    fn forget_origin(&self) -> Result<(), PullError> {
        match fs_err::remove_file(origin_path(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// The file of the same name with something after it.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn origin_path(part: &Path) -> PathBuf {
    beside(part, ".json")
}

/// What is known about a partial file; nothing when it is missing or damaged.
fn read_origin(part: &Path) -> Option<Origin> {
    serde_json::from_slice(&fs_err::read(origin_path(part)).ok()?).ok()
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}
