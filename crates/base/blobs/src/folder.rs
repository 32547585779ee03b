//! Blobs in a folder: one that was put is whole, also after a crash or a power cut.
//!
//! A blob gets its name before the disk is waited for, so that one commit of the file system's journal brings both there.
//! A power cut in between may leave a name with other bytes, which nobody has been told of: the next put writes it again.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
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
    /// Which of the folders in it are known to be on the disk, so that most puts need not wait for them.
    durable: [AtomicBool; 1 << 8],
}

impl Folder {
    /// Opens a folder and makes it where it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        make_durably(path)?;
        // The absolute path, so that a change of the working folder does not move the blobs.
        let root = fs_err::canonicalize(path)?;
        fs_err::read_dir(&root)?;
        Ok(Self { root, durable: [const { AtomicBool::new(false) }; 1 << 8] })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a blob and waits until it is on the disk. One that is there already stays, but becomes as young as a new
    /// one.
    pub(crate) fn put(&self, hash: &Sha256, bytes: &[u8]) -> io::Result<()> {
        let [fan_out, name] = key::parts(hash);
        let folder = self.root.join(fan_out);
        let path = folder.join(name);
        if !renew(&path, bytes) {
            match write(&folder, &path, bytes) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // Nobody has put anything here before, or somebody has tidied empty folders away.
                    self.durable(hash).store(false, Ordering::Release);
                    make(&folder)?;
                    write(&folder, &path, bytes)?;
                }
                written => written?,
            }
        }
        // Also for a blob that was there: who wrote it may not have come to this line yet.
        sync_folder(&folder)?;
        self.sync_root(hash)
    }

    /// Waits until the folder that a blob lies in is on the disk. Each is waited for once, also if it was there before:
    /// the program that made it may have died too early. Last of all, because the blob's own waiting has mostly
    /// brought it there and this costs little.
    fn sync_root(&self, hash: &Sha256) -> io::Result<()> {
        let durable = self.durable(hash);
        if !durable.load(Ordering::Acquire) {
            sync_folder(&self.root)?;
            durable.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn durable(&self, hash: &Sha256) -> &AtomicBool {
        let [first, ..] = *hash.as_bytes();
        &self.durable[usize::from(first)]
    }

    /// The folders that blobs lie in, and how many other files and folders lie beside them.
    pub(crate) fn folders(&self) -> io::Result<(Vec<PathBuf>, usize)> {
        let entries = entries(&self.root)?;
        let total = entries.len();
        let ours: Vec<PathBuf> = entries.into_iter().filter(is_fan_out).map(|entry| entry.path()).collect();
        let foreign = total - ours.len();
        Ok((ours, foreign))
    }

    /// Everything in one of them.
    pub(crate) fn scan(&self, folder: &Path) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in entries(folder)? {
            found.extend(unless_gone(self.classify(&entry))?);
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

/// Makes a blob with these bytes as young as a new one. False where there is none, where a power cut has left other
/// bytes, or where it cannot be done: then it is written again.
fn renew(path: &Path, bytes: &[u8]) -> bool {
    let Ok(file) = fs_err::OpenOptions::new().read(true).write(true).open(path) else { return false };
    // Who writes it may not have waited for the disk yet.
    holds(&file, bytes).unwrap_or(false)
        && file.sync_data().is_ok()
        && file.set_modified(SystemTime::now()).is_ok()
}

fn holds(file: &fs_err::File, bytes: &[u8]) -> io::Result<bool> {
    let mut reader = BufReader::new(file);
    let mut rest = bytes;
    loop {
        let piece = reader.fill_buf()?;
        let Some(remaining) = rest.strip_prefix(piece) else { return Ok(false) };
        let length = piece.len();
        if length == 0 {
            return Ok(remaining.is_empty());
        }
        rest = remaining;
        reader.consume(length);
    }
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    let mut file = fs_err::File::create_new(&unfinished)?;
    let written = file.write_all(bytes).and_then(|()| fs_err::rename(&unfinished, path));
    if written.is_err() {
        // If this fails, too, the file is swept later.
        let _ = fs_err::remove_file(&unfinished);
    }
    written?;
    file.sync_all()
}

/// Waits until the names in a folder are on the disk, as a rename into it needs to last.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix opens folders as files; elsewhere the system does this by itself.
    if cfg!(unix) { fs_err::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Whether it is a folder whose name is two hexadecimal digits.
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
        assert_eq!(names(&folder.root().join("ba")), [hash.to_string()]);
    }

    #[test]
    fn folders_that_were_tidied_away_are_made_again() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let hash = Sha256::of(b"abc");
        folder.put(&hash, b"abc").unwrap();
        fs_err::remove_dir_all(folder.root().join("ba")).unwrap();
        folder.put(&hash, b"abc").unwrap();
        assert_eq!(names(&folder.root().join("ba")), [hash.to_string()]);
    }

    #[test]
    fn what_a_power_cut_left_is_written_again() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let hash = Sha256::of(b"abc");
        let path = folder.root().join("ba").join(hash.to_string());
        fs_err::create_dir(folder.root().join("ba")).unwrap();
        for left in [&b""[..], b"ab", b"\0\0\0", b"abcd"] {
            fs_err::write(&path, left).unwrap();
            folder.put(&hash, b"abc").unwrap();
            assert_eq!(fs_err::read(&path).unwrap(), b"abc", "instead of {left:?}");
        }
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
        let place = folder.root().join("ba");
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
