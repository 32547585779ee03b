//! What a user writes to mean a model: a path, `name`, or `name@version`.

use std::path::PathBuf;
use std::str::FromStr;

/// What a user means by a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A model file.
    Path(PathBuf),
    /// A model in the model folder.
    Named {
        /// Name of the model.
        name: String,
        /// The version wanted; the live one unless said.
        version: Option<String>,
    },
}

/// A name or version that cannot be used in the model folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no {what} of a model: {problem}; choose another, of up to {LONGEST} letters a-z, digits and `.`, `_`, `-`"
)]
pub struct NameError {
    text: String,
    what: &'static str,
    problem: String,
}

/// The endings of model files, by which a reference is known to be a path.
const ENDINGS: [&str; 2] = [".onnx", ".cfg"];
/// The longest name or version, in characters.
const LONGEST: usize = 100;
/// The name of the file beside the versions that says which one is live.
pub(super) const LIVE: &str = "live";

impl FromStr for Reference {
    type Err = NameError;

    /// A path has a separator, or the ending of a model file, or is that of an existing file. All else is a name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        let is_path = text.contains(std::path::is_separator) || has_ending(text) || path.is_file();
        if is_path {
            return Ok(Self::Path(path));
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        check_name(name)?;
        version.map(check_version).transpose()?;
        Ok(Self::Named { name: name.to_owned(), version: version.map(str::to_owned) })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "{}", path.display()),
            Self::Named { name, version: Some(version) } => write!(formatter, "{name}@{version}"),
            Self::Named { name, version: None } => formatter.write_str(name),
        }
    }
}

/// Refuses names that a reference could not mean, or that lead out of the model folder.
pub(super) fn check_name(name: &str) -> Result<(), NameError> {
    let problem = problem_of(name).or_else(|| has_ending(name).then(|| "it looks like a file".to_owned()));
    problem.map_or(Ok(()), |problem| Err(NameError { text: name.to_owned(), what: "name", problem }))
}

/// Refuses versions that a reference could not mean, or that lead out of the model folder.
pub(super) fn check_version(version: &str) -> Result<(), NameError> {
    let taken = || (version == LIVE || has_ending(version)).then(|| "it has a meaning of its own".to_owned());
    let problem = problem_of(version).or_else(taken);
    problem.map_or(Ok(()), |problem| Err(NameError { text: version.to_owned(), what: "version", problem }))
}

fn has_ending(text: &str) -> bool {
    ENDINGS.iter().any(|ending| text.ends_with(ending))
}

fn problem_of(text: &str) -> Option<String> {
    let strange =
        text.chars().find(|&character| !(character.is_ascii_alphanumeric() || "._-".contains(character)));
    match strange {
        _ if text.is_empty() => Some("it is empty".into()),
        Some(character) => Some(format!("it has the character {character:?}")),
        None if text.starts_with(['.', '-']) => Some(format!("it begins with `{}`", &text[..1])),
        None if text.len() > LONGEST => Some(format!("it has {} characters", text.len())),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(name: &str, version: Option<&str>) -> Reference {
        Reference::Named { name: name.into(), version: version.map(str::to_owned) }
    }

    #[test]
    fn paths_and_names_are_told_apart() {
        let cases = [
            ("yolov5n", named("yolov5n", None)),
            ("new-york@12", named("new-york", Some("12"))),
            ("yolo.v5_n@1.0-rc", named("yolo.v5_n", Some("1.0-rc"))),
            ("yolov5n.onnx", Reference::Path("yolov5n.onnx".into())),
            ("a b@c.cfg", Reference::Path("a b@c.cfg".into())),
            ("./yolov5n", Reference::Path("./yolov5n".into())),
            ("../x@1", Reference::Path("../x@1".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Reference>().unwrap(), expected, "{text}");
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn a_file_that_exists_is_a_path_whatever_its_name() {
        // Tests run in the folder of their package.
        assert_eq!("Cargo.toml".parse::<Reference>().unwrap(), Reference::Path("Cargo.toml".into()));
    }

    #[test]
    fn names_that_cannot_be_used_are_refused_with_the_reason() {
        let long = "x".repeat(101);
        for (text, reason) in [
            ("", "it is empty"),
            ("x@", "it is empty"),
            ("..", "begins with `.`"),
            ("-x", "begins with `-`"),
            ("Köln", "'ö'"),
            ("a b", "' '"),
            ("x@live", "a meaning of its own"),
            ("x@1@2", "'@'"),
            (&long, "101 characters"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(check_name("x.onnx").unwrap_err().to_string().contains("looks like a file"));
    }

    proptest! {
        #[test]
        fn a_name_is_always_one_ordinary_part_of_a_path(text in "\\PC{0,12}") {
            if let Ok(Reference::Named { name, version }) = text.parse() {
                for part in std::iter::once(name).chain(version) {
                    let path = std::path::Path::new(&part);
                    prop_assert_eq!(path.components().count(), 1);
                    prop_assert_eq!(path.file_name(), Some(path.as_os_str()));
                }
            }
        }
    }
}
