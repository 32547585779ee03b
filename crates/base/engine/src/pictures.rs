//! The pictures that a user names: files, folders, patterns, or standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::many::Readable;

/// File endings of pictures; only used to choose files from folders, never to tell a format.
pub const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// A picture that has yet to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureFile {
    /// A file.
    Path(PathBuf),
    /// Standard input, written `-`.
    Stdin,
}

impl std::fmt::Display for PictureFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(formatter),
            Self::Stdin => formatter.write_str("-"),
        }
    }
}

impl Readable for PictureFile {
    fn read(&self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Path(path) => fs_err::read(path),
            Self::Stdin => {
                let mut bytes = Vec::new();
                std::io::stdin().lock().read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// The pictures that these arguments name, in order; a folder stands for the pictures in it, sorted by name.
///
/// A pattern with `*`, `?` or `[…]` stands for the files that match it, for shells that do not expand it. A plain
/// name is taken as it is, so that a missing file is reported when it is read and the rest goes on.
///
/// # Errors
/// When a folder cannot be read or holds no pictures, or a pattern is malformed or matches nothing.
pub fn expand(arguments: &[String]) -> std::io::Result<Vec<PictureFile>> {
    let mut files = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            "-" => files.push(PictureFile::Stdin),
            path if Path::new(path).is_dir() => files.extend(in_folder(Path::new(path))?),
            path if is_pattern(path) && !Path::new(path).exists() => files.extend(matching(path)?),
            path => files.push(PictureFile::Path(path.into())),
        }
    }
    Ok(files)
}

fn is_pattern(argument: &str) -> bool {
    argument.contains(['*', '?', '['])
}

fn in_folder(folder: &Path) -> std::io::Result<Vec<PictureFile>> {
    let entries = fs_err::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let paths = entries.into_iter().map(|entry| entry.path()).filter(|path| is_picture_name(path));
    some(paths.collect(), || {
        format!("there are no pictures ({}) in {}", ENDINGS.join(", "), folder.display())
    })
}

fn is_picture_name(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    path.is_file() && ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

fn matching(pattern: &str) -> std::io::Result<Vec<PictureFile>> {
    let invalid = |error: glob::PatternError| {
        std::io::Error::other(format!("the pattern {pattern} is malformed: {error}"))
    };
    let paths = glob::glob(pattern).map_err(invalid)?.filter_map(Result::ok).filter(|path| path.is_file());
    some(paths.collect(), || format!("no file matches {pattern}"))
}

fn some(mut paths: Vec<PathBuf>, none: impl FnOnce() -> String) -> std::io::Result<Vec<PictureFile>> {
    if paths.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, none()));
    }
    paths.sort();
    Ok(paths.into_iter().map(PictureFile::Path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: Vec<PictureFile>, folder: &Path) -> Vec<String> {
        let strip = |file: PictureFile| file.to_string().replace(&format!("{}/", folder.display()), "");
        files.into_iter().map(strip).collect()
    }

    #[test]
    fn folders_patterns_files_and_stdin_are_expanded_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.JPG", "a.png", "notes.txt"] {
            fs_err::write(folder.path().join(name), b"").unwrap();
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let arguments = [path("missing.jpg"), "-".into(), folder.path().display().to_string(), path("*.txt")];
        let found = names(expand(&arguments).unwrap(), folder.path());
        assert_eq!(found, ["missing.jpg", "-", "a.png", "b.JPG", "notes.txt"]);
    }

    #[test]
    fn an_empty_folder_and_a_fruitless_pattern_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let empty = expand(&[folder.path().display().to_string()]).unwrap_err();
        assert!(empty.to_string().contains("there are no pictures"), "{empty}");
        let none = expand(&[folder.path().join("*.jpg").display().to_string()]).unwrap_err();
        assert!(none.to_string().contains("no file matches"), "{none}");
    }
}
