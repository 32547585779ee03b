//! Blobs in a folder: each is whole or absent, also after a crash or a power cut.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use sightscan_types::Sha256;
use uuid::Uuid;

use crate::Meta;
use crate::key;
use crate::listing::Found;

/// How the name of a file begins that is still being written, or that a crash has left.
const UNFINISHED: &str = ".put-";

/// A folder of blobs that exists.
pub(crate) struct Folder {
    root: PathBuf,
    durable: Durable,
}

impl Folder {
    /// Opens a folder and makes it where it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        make_durably(path)?;
        // The absolute path, so that a change of the working folder does not move the blobs.
        let root = fs_err::canonicalize(path)?;
        fs_err::read_dir(&root)?;
        Ok(Self { root, durable: Durable::default() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a blob and waits until it is on the disk. One that is there already in the right size stays, but becomes
    /// as young as a new one.
    pub(crate) fn put(&self, hash: &Sha256, bytes: &[u8]) -> io::Result<()> {
        let [first, second, name] = key::parts(hash);
        let folder = self.root.join(first).join(second);
        let path = folder.join(name);
        if !renew(&path, bytes.len() as u64) {
            match write(&folder, &path, bytes) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // Nobody has put anything here before, or somebody has tidied empty folders away.
                    self.durable.forget(hash);
                    make(parent(&folder))?;
                    make(&folder)?;
                    write(&folder, &path, bytes)?;
                }
                written => written?,
            }
        }
        // Also for a blob that was there: who wrote it may not have come to this line yet.
        sync_folder(&folder)?;
        self.durable.ensure(hash, &folder)
    }

    /// The folders of the first level, and how many other files and folders lie beside them.
    pub(crate) fn first_level(&self) -> io::Result<(Vec<PathBuf>, usize)> {
        fan_out(&self.root)
    }

    /// Everything below a folder of the first level.
    pub(crate) fn scan(&self, first: &Path) -> io::Result<Vec<Found>> {
        let (seconds, foreign) = fan_out(first)?;
        let mut found: Vec<Found> = std::iter::repeat_n(Found::Foreign, foreign).collect();
        for second in seconds {
            for entry in entries(&second)? {
                found.extend(unless_gone(self.classify(&entry))?);
            }
        }
        Ok(found)
    }

    fn classify(&self, entry: &fs_err::DirEntry) -> io::Result<Found> {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with(UNFINISHED) {
            return Ok(Found::Unfinished { modified: entry.metadata()?.modified()?, path });
        }
        let Ok(hash) = name.parse::<Sha256>() else { return Ok(Found::Foreign) };
        let metadata = entry.metadata()?;
        if !metadata.is_file() || self.root.join(key::parts(&hash).iter().collect::<PathBuf>()) != path {
            return Ok(Found::Foreign);
        }
        Ok(Found::Blob(hash, Meta { size: metadata.len(), modified: metadata.modified()? }))
    }
}

/// Removes what a crash has left, if it is older than the time given; tells whether it was.
pub(crate) fn sweep(path: &Path, modified: SystemTime, before: SystemTime) -> io::Result<bool> {
    if modified >= before {
        return Ok(false);
    }
    Ok(unless_gone(fs_err::remove_file(path))?.is_some())
}

/// Which of the folders are known to be on the disk, so that most puts need not wait for them.
struct Durable {
    first: Vec<AtomicBool>,
    second: Vec<AtomicBool>,
}

impl Default for Durable {
    fn default() -> Self {
        let flags = |count| std::iter::repeat_with(AtomicBool::default).take(count).collect();
        Self { first: flags(1 << 8), second: flags(1 << 16) }
    }
}

impl Durable {
    /// Waits until the two levels above a blob are on the disk. Each is waited for once, also if it was there before:
    /// the program that made it may have died too early. Last of all, because the blob's own waiting has mostly
    /// brought them there and this costs little.
    fn ensure(&self, hash: &Sha256, folder: &Path) -> io::Result<()> {
        let (first, second) = self.flags(hash);
        if !second.load(Ordering::Acquire) {
            sync_folder(parent(folder))?;
            second.store(true, Ordering::Release);
        }
        if !first.load(Ordering::Acquire) {
            sync_folder(parent(parent(folder)))?;
            first.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn forget(&self, hash: &Sha256) {
        let (first, second) = self.flags(hash);
        first.store(false, Ordering::Release);
        second.store(false, Ordering::Release);
    }

    fn flags(&self, hash: &Sha256) -> (&AtomicBool, &AtomicBool) {
        let [first, second, ..] = *hash.as_bytes();
        (&self.first[usize::from(first)], &self.second[usize::from(u16::from_be_bytes([first, second]))])
    }
}

/// Makes a folder and those above it, and waits until their names are on the disk. What exists is left alone: its
/// parent may be none of ours to read.
fn make_durably(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    make_durably(parent(folder))?;
    make(folder)?;
    sync_folder(parent(folder))
}

/// Makes a folder unless it is there. Those above it are not made: where they are gone, a disk may have been taken away.
fn make(folder: &Path) -> io::Result<()> {
    match fs_err::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a blob of this size as young as a new one. False where there is none, or where it cannot be done: then it
/// is written again.
fn renew(path: &Path, size: u64) -> bool {
    let Ok(file) = fs_err::OpenOptions::new().write(true).open(path) else { return false };
    let is_whole = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size);
    // It may have been copied here by a program that does not wait for the disk.
    is_whole && file.sync_data().is_ok() && file.set_modified(SystemTime::now()).is_ok()
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    let written = write_durably(&unfinished, bytes).and_then(|()| fs_err::rename(&unfinished, path));
    if written.is_err() {
        // If this fails, too, the file is swept later.
        let _ = fs_err::remove_file(&unfinished);
    }
    written
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs_err::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Waits until the names in a folder are on the disk, as a rename into it needs to last.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix opens folders as files; elsewhere the system does this by itself.
    if cfg!(unix) { fs_err::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The folders whose names are two hexadecimal digits, and how many other files and folders lie beside them.
fn fan_out(folder: &Path) -> io::Result<(Vec<PathBuf>, usize)> {
    let entries = entries(folder)?;
    let total = entries.len();
    let ours: Vec<PathBuf> = entries.into_iter().filter(is_fan_out).map(|entry| entry.path()).collect();
    let foreign = total - ours.len();
    Ok((ours, foreign))
}

fn is_fan_out(entry: &fs_err::DirEntry) -> bool {
    let name = entry.file_name();
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    // A link to a folder is one, too.
    name.len() == 2 && name.as_encoded_bytes().iter().all(is_digit) && entry.path().is_dir()
}

/// What is in a folder; nothing where it was removed meanwhile.
fn entries(folder: &Path) -> io::Result<Vec<fs_err::DirEntry>> {
    match unless_gone(fs_err::read_dir(folder))? {
        Some(entries) => entries.collect(),
        None => Ok(Vec::new()),
    }
}

/// Files may be deleted while they are looked at.
fn unless_gone<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = entries(folder).unwrap();
        entries.iter().map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_blob_is_alone_in_its_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temporary.path().join("deep/er")).unwrap();
        let hash = Sha256::of(b"abc");
        folder.put(&hash, b"abc").unwrap();
        assert_eq!(names(&folder.root().join("ba/78")), [hash.to_string()]);
    }

    #[test]
    fn folders_that_were_tidied_away_are_made_again() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let hash = Sha256::of(b"abc");
        folder.put(&hash, b"abc").unwrap();
        fs_err::remove_dir_all(folder.root().join("ba")).unwrap();
        folder.put(&hash, b"abc").unwrap();
        assert_eq!(names(&folder.root().join("ba/78")), [hash.to_string()]);
    }

    #[test]
    fn a_folder_that_was_taken_away_is_not_made_again() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temporary.path().join("disk")).unwrap();
        fs_err::remove_dir(folder.root()).unwrap();
        let error = folder.put(&Sha256::of(b"abc"), b"abc").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!folder.root().exists());
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let hash = Sha256::of(b"abc");
        // A folder in the place of the blob cannot be replaced by a file.
        let place = folder.root().join("ba/78");
        fs_err::create_dir_all(place.join(hash.to_string()).join("x")).unwrap();
        assert!(folder.put(&hash, b"abc").is_err());
        assert_eq!(names(&place), [hash.to_string()]);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        fs_err::write(&path, b"").unwrap();
        assert!(Folder::open(&path).is_err());
        assert!(Folder::open(&path.join("below")).is_err());
    }
}
