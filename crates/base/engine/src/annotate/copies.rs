//! Copies of the pictures with what was found drawn on them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sightscan_pictures::{EncodeError, Encoding, Picture, encode};
use thiserror::Error;

use crate::Analysis;
use crate::annotate::annotate;
use crate::pictures::PictureFile;

/// Why a copy was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// It would replace one of the pictures.
    #[error("the drawn copy would replace {}, which is one of the pictures; give --annotate another folder", .0.display())]
    IsOriginal(PathBuf),
    /// The drawn picture cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The file or its folder cannot be written.
    #[error("the annotated picture could not be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Where the copies go: never over one another, and never over the pictures.
#[derive(Debug)]
pub struct Copies {
    folder: PathBuf,
    originals: HashSet<PathBuf>,
    names: HashSet<String>,
}

impl Copies {
    /// Makes the folder for copies of these pictures.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path, files: &[PictureFile]) -> Result<Self, CopyError> {
        fs_err::create_dir_all(folder)?;
        let originals = files.iter().filter_map(|file| match file {
            PictureFile::Path(path) => fs_err::canonicalize(path).ok(),
            PictureFile::Stdin => None,
        });
        Ok(Self { folder: folder.to_path_buf(), originals: originals.collect(), names: HashSet::new() })
    }

    /// Writes the copy of one picture.
    ///
    /// # Errors
    /// When it would replace one of the pictures, or cannot be written.
    pub fn write(
        &mut self,
        file: &PictureFile,
        picture: &Picture,
        found: &Analysis,
    ) -> Result<(), CopyError> {
        let name = self.free_name(file);
        let path = self.folder.join(name);
        if fs_err::canonicalize(&path).is_ok_and(|path| self.originals.contains(&path)) {
            return Err(CopyError::IsOriginal(path));
        }
        let bytes = encode(&annotate(picture, &found.findings), Encoding::Jpeg)?;
        Ok(fs_err::write(&path, bytes)?)
    }

    /// Pictures of one name come from several folders: `bus.jpg`, `bus-2.jpg`.
    fn free_name(&mut self, file: &PictureFile) -> String {
        let name = copy_name(file);
        let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, "jpg"));
        let others = (2..).map(|number| format!("{stem}-{number}.{ending}"));
        let mut candidates = std::iter::once(name.clone()).chain(others);
        candidates.find(|candidate| self.names.insert(candidate.clone())).unwrap_or_else(|| name.clone())
    }
}

/// The usual name of a copy: `bus.png` becomes `bus.png.jpg`, so that namesakes of other formats stay apart.
fn copy_name(file: &PictureFile) -> String {
    let name = match file {
        PictureFile::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        PictureFile::Stdin => None,
    };
    let name = name.unwrap_or_else(|| "stdin".into());
    let is_jpeg = Path::new(&name).extension().is_some_and(|ending| ending == "jpg" || ending == "jpeg");
    if is_jpeg { name } else { format!("{name}.jpg") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_jpegs_and_namesakes_stay_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut copies = Copies::new(folder.path(), &[]).unwrap();
        let mut name = |path: &str| copies.free_name(&PictureFile::Path(path.into()));
        assert_eq!(name("a/bus.jpg"), "bus.jpg");
        assert_eq!(name("bus.png"), "bus.png.jpg");
        assert_eq!(name("b/bus.jpg"), "bus-2.jpg");
        assert_eq!(name("c/bus.jpg"), "bus-3.jpg");
        assert_eq!(copies.free_name(&PictureFile::Stdin), "stdin.jpg");
    }
}
