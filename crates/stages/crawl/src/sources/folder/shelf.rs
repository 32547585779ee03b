//! Files of a folder or a ZIP file, by name.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err::File;
use tracing::debug;
use zip::ZipArchive;

/// Folders in folders, at most.
const DEEPEST: usize = 8;

/// More files are somebody's whole disk.
const MOST_FILES: usize = 200_000;

/// No picture can be packed to a smaller part of its size: what says so is a bomb.
const MOST_PACKED: u64 = 100;

/// Where files are.
pub(super) enum Shelf {
    /// In this folder.
    Folder(PathBuf, u64),
    /// In this ZIP file.
    Archive(Box<ZipArchive<File>>, u64),
}

impl Shelf {
    /// Opens a folder or a ZIP file, and names its files in order. Each is read up to so many bytes.
    pub(super) fn open(path: PathBuf, max_bytes: u64) -> Result<(Self, Vec<String>), String> {
        let is_folder = fs_err::metadata(&path).map_err(|error| error.to_string())?.is_dir();
        let (shelf, mut names) = if is_folder {
            let mut names = Vec::new();
            list(&path, "", DEEPEST, &mut names).map_err(|error| error.to_string())?;
            (Self::Folder(path, max_bytes), names)
        } else {
            let file = File::open(&path).map_err(|error| error.to_string())?;
            let told = |error| format!("{}: {error}; it should be a folder or a ZIP file", path.display());
            let archive = Box::new(ZipArchive::new(file).map_err(told)?);
            // Names that are no text are passed over.
            let names = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
            (Self::Archive(archive, max_bytes), names)
        };
        if names.len() > MOST_FILES {
            return Err(format!("it has more than {MOST_FILES} files; is it the right folder?"));
        }
        names.sort_unstable();
        Ok((shelf, names))
    }

    /// The bytes of a file; `None` when it cannot be read or is too large, which is no reason to leave out the others.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let read = match self {
            Self::Folder(folder, max_bytes) => read_file(&folder.join(name), *max_bytes),
            Self::Archive(archive, max_bytes) => unpack(archive, name, *max_bytes),
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(reason) => {
                debug!(name, reason, "a file is passed over");
                Ok(None)
            }
        }
    }
}

/// Files below a folder, their names with `/` between the parts on every system.
fn list(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        // Links may lead out of the folder, or in circles. Names that are no text cannot be stored as origins.
        let (kind, Ok(name)) = (entry.file_type()?, entry.file_name().into_string()) else { continue };
        let name = format!("{prefix}{name}");
        if kind.is_file() {
            names.push(name);
        } else if kind.is_dir() && depth > 0 && names.len() <= MOST_FILES {
            list(&entry.path(), &format!("{name}/"), depth - 1, names)?;
        }
    }
    Ok(())
}

fn read_file(path: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    read_up_to(file, max_bytes)
}

fn unpack(archive: &mut ZipArchive<File>, name: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
    let file = archive.by_name(name).map_err(|error| error.to_string())?;
    if !file.is_file() {
        return Err("it is no file".to_owned());
    }
    if file.size() > max_bytes || file.size() / MOST_PACKED > file.compressed_size() {
        return Err("it says to be too large".to_owned());
    }
    read_up_to(file, max_bytes)
}

/// Reads to the end, which has to come in time whatever a header says.
fn read_up_to(reader: impl Read, max_bytes: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > max_bytes {
        return Err("it is too large".to_owned());
    }
    Ok(bytes)
}
