//! The model folder: imported models by name and version.
//!
//! `<name>/<version>/` holds `model.onnx` and its complete description `model.toml`; the text file `<name>/live`
//! holds the version that the bare name means. Versions never change once they are there, and appear, like a
//! change of `live`, in one step; so any number of processes may read and import at once.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::reference::{self, LIVE, Reference};
use super::{Model, ModelError, Overrides, Source, shipped, source};
use crate::detector::Detector;
use crate::files;
use crate::runtime::{self, EngineChoice};

/// The variable that names the data folder.
pub const DATA_VARIABLE: &str = "SIGHTSCAN_DATA";

/// The model file of a version.
const MODEL_FILE: &str = "model.onnx";
/// The description of a version.
const DESCRIPTION_FILE: &str = "model.toml";
/// How many names an error lists.
const NEAREST: usize = 5;

/// Where SightScan keeps its data: `SIGHTSCAN_DATA`, else `sightscan` in the platform's data folder.
pub fn data_folder() -> PathBuf {
    match std::env::var_os(DATA_VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => dirs::data_dir().unwrap_or_else(|| PathBuf::from(".")).join("sightscan"),
    }
}

/// The folder of imported models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFolder {
    root: PathBuf,
}

/// A version of a model in the model folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Name of the model.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether the bare name means this version.
    pub live: bool,
    /// The model file.
    pub path: PathBuf,
    /// What `model.toml` says about it.
    pub description: Overrides,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The version that is live now.
    pub entry: Entry,
    /// Whether it was made by this import; else the same model was there before.
    pub is_new: bool,
}

impl Default for ModelFolder {
    /// The folder `models` of the data folder.
    fn default() -> Self {
        Self::new(data_folder().join("models"))
    }
}

impl ModelFolder {
    /// The model folder at this path; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The model file that a reference means.
    ///
    /// # Errors
    /// [`ModelError::NotFound`], with the nearest names or the versions that there are.
    pub fn resolve(&self, reference: &Reference) -> Result<PathBuf, ModelError> {
        match reference {
            Reference::Path(path) if path.is_file() => Ok(path.clone()),
            Reference::Path(path) => {
                let hint = "there is no such file; mend the path, or see `sightscan model list` for names"
                    .to_owned();
                Err(ModelError::NotFound { reference: path.display().to_string(), hint })
            }
            Reference::Named { name, version } => Ok(self.find(name, version.as_deref())?.path),
        }
    }

    /// The files of the model that a reference means: of this folder, elsewhere, or those that come with the program.
    ///
    /// # Errors
    /// When there is no such model, or a file is damaged.
    pub fn source(&self, reference: &Reference, overrides: &Overrides) -> Result<Source, ModelError> {
        match self.resolve(reference) {
            Err(ModelError::NotFound { .. }) if *reference == shipped::reference() => {
                shipped::source(overrides.clone())
            }
            path => Source::read(&path?, overrides),
        }
    }

    /// A version of a model, the live one unless said.
    ///
    /// # Errors
    /// [`ModelError::NotFound`], or when the description cannot be read.
    pub fn find(&self, name: &str, version: Option<&str>) -> Result<Entry, ModelError> {
        reference::check_name(name)?;
        let versions = self.versions(name)?;
        if versions.is_empty() {
            return Err(self.no_such_name(name));
        }
        let live = self.live(name)?;
        match version.or(live.as_deref()) {
            Some(wanted) if versions.iter().any(|version| version == wanted) => {
                self.entry(name, wanted, live.as_deref())
            }
            wanted => Err(no_such_version(name, wanted, &versions)),
        }
    }

    /// Every version of every model, by name and rising version. Those whose description cannot be read are
    /// left out and logged.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, ModelError> {
        let mut entries = Vec::new();
        for name in self.names()? {
            let live = self.live(&name)?;
            for version in self.versions(&name)? {
                match self.entry(&name, &version, live.as_deref()) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => tracing::warn!(model = name, version, %error, "a model cannot be listed"),
                }
            }
        }
        Ok(entries)
    }

    /// The live version of each model that has one, by name. Only marks are read, so it may be asked often.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn live_versions(&self) -> Result<BTreeMap<String, String>, ModelError> {
        let mut live = BTreeMap::new();
        for name in self.names()? {
            if let Some(version) = self.live(&name)? {
                live.insert(name, version);
            }
        }
        Ok(live)
    }

    /// Stores a model as the live version of its name, after it has answered once in the runtime.
    ///
    /// The name is that of the model's description. The version is the next number unless the description says
    /// another one. The same model is not stored twice: it only becomes live again.
    ///
    /// # Errors
    /// When the model cannot be used, its name or version cannot be a folder's, its version is taken by another
    /// model, or the files cannot be written. Nothing is changed then.
    pub fn import(&self, source: Source, engine: EngineChoice) -> Result<Imported, ModelError> {
        let onnx = source.onnx.clone();
        let mut description = describe(source, engine)?;
        description.sha256 = Some(files::sha256(&[&onnx]));
        let name = description.name.clone().unwrap_or_default();
        reference::check_name(&name)?;
        description.version.as_deref().map(reference::check_version).transpose()?;
        let (version, is_new) = self.store(&name, description, &onnx)?;
        self.set_live(&name, &version)?;
        Ok(Imported { entry: self.entry(&name, &version, Some(&version))?, is_new })
    }

    /// Makes a version the one that the bare name means.
    ///
    /// # Errors
    /// [`ModelError::NotFound`], or when the file cannot be written.
    pub fn set_live(&self, name: &str, version: &str) -> Result<(), ModelError> {
        self.find(name, Some(version))?;
        Ok(files::replace(&self.root.join(name).join(LIVE), format!("{version}\n").as_bytes())?)
    }

    /// The version and whether it is new.
    fn store(&self, name: &str, description: Overrides, onnx: &[u8]) -> Result<(String, bool), ModelError> {
        let folder = self.root.join(name);
        fs_err::create_dir_all(&folder)?;
        // A folder inside a temporary one: it is removed after a failure, and yet has ordinary permissions.
        let staging = tempfile::Builder::new().prefix(".import-").tempdir_in(&folder)?;
        let staged = staging.path().join("version");
        fs_err::create_dir(&staged)?;
        files::write_durably(&staged.join(MODEL_FILE), onnx)?;
        loop {
            let versions = self.versions(name)?;
            if let Some(version) = self.same(name, &versions, &description) {
                return Ok((version, false));
            }
            let version = description.version.clone().unwrap_or_else(|| next(&versions));
            let numbered = Overrides { version: Some(version.clone()), ..description.clone() };
            files::write_durably(&staged.join(DESCRIPTION_FILE), to_toml(&numbered)?.as_bytes())?;
            files::sync_folder(&staged)?;
            match fs_err::rename(&staged, folder.join(&version)) {
                Ok(()) => return Ok(files::sync_folder(&folder).map(|()| (version, true))?),
                Err(error) if !is_taken(&error) => return Err(error.into()),
                // Another process was faster: look again what is there.
                Err(_) if description.version.is_none() => {}
                Err(_) => return Err(ModelError::VersionTaken { name: name.to_owned(), version }),
            }
        }
    }

    /// The version that holds the same bytes with the same description.
    fn same(&self, name: &str, versions: &[String], description: &Overrides) -> Option<String> {
        let is_same = |version: &&String| {
            let wanted = Overrides {
                version: Some(description.version.as_ref().unwrap_or(version).clone()),
                ..description.clone()
            };
            self.entry(name, version, None).is_ok_and(|found| found.description == wanted)
        };
        versions.iter().rev().find(is_same).cloned()
    }

    fn entry(&self, name: &str, version: &str, live: Option<&str>) -> Result<Entry, ModelError> {
        let path = self.root.join(name).join(version).join(MODEL_FILE);
        let description = source::beside(&path)?;
        Ok(Entry {
            name: name.into(),
            version: version.into(),
            live: live == Some(version),
            path,
            description,
        })
    }

    /// The version that the bare name means, if it means one.
    fn live(&self, name: &str) -> Result<Option<String>, ModelError> {
        match fs_err::read_to_string(self.root.join(name).join(LIVE)) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn names(&self) -> Result<Vec<String>, ModelError> {
        let mut names = folders_in(&self.root)?;
        names.retain(|name| reference::check_name(name).is_ok());
        names.sort();
        Ok(names)
    }

    /// The versions of a model, rising.
    fn versions(&self, name: &str) -> Result<Vec<String>, ModelError> {
        let folder = self.root.join(name);
        let mut versions = folders_in(&folder)?;
        versions.retain(|version| {
            reference::check_version(version).is_ok() && folder.join(version).join(MODEL_FILE).is_file()
        });
        versions.sort_by(|a, b| compare(a, b));
        Ok(versions)
    }

    fn no_such_name(&self, name: &str) -> ModelError {
        let mut names = self.names().unwrap_or_default();
        names.sort_by_key(|other| distance(name, other));
        names.truncate(NEAREST);
        let folder = self.root.display();
        let hint = if names.is_empty() {
            format!(
                "the model folder {folder} is empty; give the path of an .onnx file, or run `sightscan model import FILE`"
            )
        } else {
            format!("the model folder {folder} has {}; see `sightscan model list`", names.join(", "))
        };
        ModelError::NotFound { reference: name.to_owned(), hint }
    }
}

/// Loads a model into a runtime and runs it once; answers all that must be known to use it again.
fn describe(source: Source, engine: EngineChoice) -> Result<Overrides, ModelError> {
    let path = source.path.clone();
    let model = Model::from_source(source, engine)?;
    let failed = |source| ModelError::Unusable { path, source: Box::new(source) };
    let warmed = Detector::new(model.clone(), runtime::available_threads());
    warmed.map_err(Into::into).and_then(|mut detector| detector.warm_up()).map_err(failed)?;
    Ok(Overrides::from(model.spec()))
}

fn no_such_version(name: &str, wanted: Option<&str>, versions: &[String]) -> ModelError {
    let (reference, why) = match wanted {
        Some(version) => (format!("{name}@{version}"), "the model has"),
        None => (name.to_owned(), "no version of it is live; name one as NAME@VERSION, it has"),
    };
    ModelError::NotFound { reference, hint: format!("{why} {}", versions.join(", ")) }
}

/// The text of a `model.toml`.
pub(super) fn to_toml(description: &Overrides) -> Result<String, ModelError> {
    // Only a type that TOML cannot hold fails here, and the description has none.
    toml::to_string(description).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error).into())
}

/// The number after the greatest one.
fn next(versions: &[String]) -> String {
    let greatest = versions.iter().filter_map(|version| version.parse::<u64>().ok()).max();
    greatest.unwrap_or(0).saturating_add(1).to_string()
}

/// Numbers by value, before words by letters.
fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

/// The names of the folders in a folder; none when it does not exist.
fn folders_in(folder: &Path) -> Result<Vec<String>, ModelError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, io::Error>>()?;
    let names = paths.iter().filter(|path| path.is_dir()).filter_map(|path| path.file_name()?.to_str());
    Ok(names.map(str::to_owned).collect())
}

/// How many letters must be inserted, removed or changed to make one word of the other (Levenshtein, 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn versions_rise_by_value() {
        let mut versions = owned(&["10", "beta", "9", "alpha", "1"]);
        versions.sort_by(|a, b| compare(a, b));
        assert_eq!(versions, ["1", "9", "10", "alpha", "beta"]);
        assert_eq!(next(&versions), "11");
        assert_eq!(next(&[]), "1");
    }

    #[test]
    fn a_folder_that_does_not_exist_is_empty() {
        let parent = tempfile::tempdir().unwrap();
        let folder = ModelFolder::new(parent.path().join("models"));
        assert_eq!(folder.list().unwrap(), []);
        let error = folder.find("yolov5n", None).unwrap_err().to_string();
        assert!(error.contains("is empty") && error.contains("sightscan model import"), "{error}");
        assert!(!folder.root().exists());
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (a, b, expected) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("Köln", "Koln", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn a_distance_is_symmetric_and_zero_only_between_equals(a in "[ab]{0,6}", b in "[ab]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
        }
    }
}
