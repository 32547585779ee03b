//! The pictures of a folder, as ready bodies in memory where they fit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dialect::{Dialect, Payload};
use crate::{Config, Error};

/// Bodies up to this total are made once and kept, so that neither the disk nor base64 distorts a measurement.
const MEMORY_BYTES: u64 = 512 << 20;

const COURSE_ENDINGS: &[&str] = &["jpg"];
const ENDINGS: &[&str] = &["bmp", "gif", "jpeg", "jpg", "png", "webp"];

/// The pictures that a test sends, in order, over and over.
#[derive(Debug)]
pub(crate) struct Pictures {
    dialect: Dialect,
    /// Paths as the user gave them: the folder, a slash, the name.
    names: Vec<Arc<str>>,
    paths: Vec<PathBuf>,
    /// A body per picture, or nothing if together they are too large.
    held: Option<Vec<Payload>>,
}

impl Pictures {
    /// Lists the folder and reads it into memory if it fits.
    pub(crate) fn load(config: &Config) -> Result<Self, Error> {
        Self::load_within(config, MEMORY_BYTES)
    }

    fn load_within(config: &Config, memory_bytes: u64) -> Result<Self, Error> {
        let mut paths = list(&config.folder, config.dialect)?;
        if let Some(seed) = config.seed {
            shuffle(&mut paths, seed);
        }
        let names = paths.iter().map(|path| path.to_string_lossy().into()).collect();
        let mut pictures = Self { dialect: config.dialect, names, paths, held: None };
        if pictures.body_bytes()? <= memory_bytes {
            pictures.held = Some((0..pictures.len()).map(|at| pictures.read(at)).collect::<Result<_, _>>()?);
        }
        Ok(pictures)
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// The path of the picture of request `index`, as the user would write it.
    pub(crate) fn name(&self, index: u64) -> Arc<str> {
        Arc::clone(&self.names[self.position(index)])
    }

    /// The body of request `index`.
    pub(crate) async fn payload(self: &Arc<Self>, index: u64) -> Result<Payload, Error> {
        let at = self.position(index);
        if let Some(held) = &self.held {
            return Ok(held[at].clone());
        }
        let pictures = Arc::clone(self);
        match tokio::task::spawn_blocking(move || pictures.read(at)).await {
            Ok(payload) => payload,
            Err(failure) => Err(Error::Picture(failure.into())),
        }
    }

    fn position(&self, index: u64) -> usize {
        (index % self.len() as u64) as usize
    }

    fn read(&self, at: usize) -> Result<Payload, Error> {
        let picture = fs_err::read(&self.paths[at]).map_err(Error::Picture)?;
        Ok(self.dialect.encode(&self.names[at], picture))
    }

    fn body_bytes(&self) -> Result<u64, Error> {
        let sizes = self.paths.iter().map(|path| fs_err::metadata(path).map(|found| found.len()));
        sizes.map(|bytes| Ok(self.dialect.encoded_bytes(bytes.map_err(Error::Picture)?))).sum()
    }
}

/// The visible pictures of a folder by name. For the course's dialects that is `*.jpg` in lower case, as its clients
/// search; the order is sorted where theirs was left to the file system.
fn list(folder: &Path, dialect: Dialect) -> Result<Vec<PathBuf>, Error> {
    let endings = if dialect.is_course() { COURSE_ENDINGS } else { ENDINGS };
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(Error::Folder)? {
        let entry = entry.map_err(Error::Folder)?;
        if is_picture(&entry.file_name().to_string_lossy(), dialect) && entry.path().is_file() {
            paths.push(folder.join(entry.file_name()));
        }
    }
    if paths.is_empty() {
        let endings = endings.iter().map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(", ");
        return Err(Error::NoPictures { folder: folder.to_owned(), endings });
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(name: &str, dialect: Dialect) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let known = match dialect.is_course() {
        true => COURSE_ENDINGS.contains(&ending),
        false => ENDINGS.contains(&ending.to_lowercase().as_str()),
    };
    known && !stem.is_empty() && !name.starts_with('.')
}

/// Fisher–Yates with SplitMix64 (Steele, Lea, Flood 2014), so that a seed gives the same order everywhere.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        let pick = split_mix(&mut state) % (last as u64 + 1);
        items.swap(last, pick as usize);
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs_err::write(folder.path().join(name), name.as_bytes()).unwrap();
        }
        folder
    }

    fn names(config: &Config) -> Vec<String> {
        let pictures = Pictures::load(config).unwrap();
        let prefix = format!("{}/", config.folder.display().to_string().trim_end_matches('/'));
        (0..pictures.len() as u64)
            .map(|at| pictures.name(at).strip_prefix(&prefix).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_course_takes_lower_case_jpg_only_and_v1_every_picture() {
        let folder = folder(&["b.jpg", "a.jpg", "c.JPG", "d.jpeg", "e.PNG", ".f.jpg", "notes.txt", "jpg"]);
        fs_err::create_dir(folder.path().join("inner.jpg")).unwrap();
        let mut config = Config::course(Dialect::Iweblens2020, folder.path(), "http://localhost", 1);
        assert_eq!(names(&config), ["a.jpg", "b.jpg"]);
        config.dialect = Dialect::V1;
        assert_eq!(names(&config), ["a.jpg", "b.jpg", "c.JPG", "d.jpeg", "e.PNG"]);
    }

    #[test]
    fn a_path_is_the_folder_as_given_a_slash_and_the_name() {
        let folder = folder(&["a.jpg"]);
        let plain = folder.path().to_str().unwrap().to_owned();
        for given in [plain.clone(), format!("{plain}/")] {
            let pictures = Pictures::load(&Config::new("http://localhost", given)).unwrap();
            assert_eq!(&*pictures.name(0), format!("{plain}/a.jpg"));
        }
    }

    #[test]
    fn an_empty_and_a_missing_folder_are_explained() {
        let folder = folder(&["a.png"]);
        let course = Config::course(Dialect::Iweblens2021, folder.path(), "http://localhost", 1);
        let message = Pictures::load(&course).unwrap_err().to_string();
        assert!(message.contains("no pictures in") && message.contains(".jpg"), "{message}");
        let missing = Config::new("http://localhost", folder.path().join("missing"));
        assert!(matches!(Pictures::load(&missing), Err(Error::Folder(_))));
    }

    #[test]
    fn a_seed_shuffles_the_same_way_every_time() {
        let all: Vec<String> = (10..60).map(|at| format!("{at}.jpg")).collect();
        let folder = folder(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let with = |seed| names(&Config { seed, ..Config::new("http://localhost", folder.path()) });
        assert_eq!(with(None), all);
        assert_eq!(with(Some(7)), with(Some(7)));
        assert_ne!(with(Some(7)), with(Some(8)));
        let mut sorted = with(Some(7));
        sorted.sort();
        assert_eq!(sorted, all);
    }

    #[tokio::test]
    async fn pictures_that_do_not_fit_into_memory_are_read_when_they_are_sent() {
        let folder = folder(&["a.jpg", "b.jpg"]);
        let config = Config::new("http://localhost", folder.path());
        let kept = Arc::new(Pictures::load_within(&config, 1 << 20).unwrap());
        let read = Arc::new(Pictures::load_within(&config, 100).unwrap());
        assert!(kept.held.is_some() && read.held.is_none());
        fs_err::write(folder.path().join("b.jpg"), b"changed").unwrap();
        assert_eq!(kept.payload(3).await.unwrap().bytes, "b.jpg");
        assert_eq!(read.payload(3).await.unwrap().bytes, "changed");
        fs_err::remove_file(folder.path().join("a.jpg")).unwrap();
        assert!(matches!(read.payload(2).await, Err(Error::Picture(_))));
    }
}
