//! `data.yaml`: the names of the classes, and where the pictures of each split are.

use std::collections::{BTreeMap, BTreeSet};

use super::UNSPLIT;
use crate::dataset::Split;
use crate::import::Intake;
use crate::yaml::{self, Value};
use crate::{names, text};

/// Files that name the classes where there is no `data.yaml`.
const CLASS_FILES: [&str; 5] =
    ["classes.txt", "obj.names", "labels.txt", "class_names.txt", "predefined_classes.txt"];

/// What a description says.
#[derive(Default)]
pub(super) struct Description {
    /// The `data.yaml`, where there is one.
    yaml: Option<String>,
    /// The list of classes, where that is a file of its own.
    class_file: Option<String>,
    /// The names of the classes by their numbers.
    pub(super) names: BTreeMap<usize, String>,
    targets: Vec<(Split, Target)>,
}

/// Pictures that a key points to.
enum Target {
    Folder(String),
    Pictures(BTreeSet<String>),
}

impl Target {
    fn has(&self, picture: &str) -> bool {
        match self {
            Self::Folder(folder) => is_below(picture, folder),
            Self::Pictures(pictures) => pictures.contains(picture),
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The text of it for pictures in these folders.
///
/// Ultralytics needs both `train` and `val`. Where there is nothing for one of them it is given the other's, and a
/// comment says so; the folder's name still tells what the pictures are for.
pub(super) fn written(classes: &[String], folders: &BTreeSet<String>) -> String {
    let mut text = targets(folders);
    text.push_str(&format!("nc: {}\n", classes.len()));
    text.push_str(if classes.is_empty() { "names: []\n" } else { "names:\n" });
    for (index, class) in classes.iter().enumerate() {
        text.push_str(&format!("  {index}: {}\n", yaml::quoted(class)));
    }
    text
}

/// The lines that say where the pictures are; none where there are none.
fn targets(folders: &BTreeSet<String>) -> String {
    let [train, validation, test] = Split::ALL.map(Split::word);
    let first = |words: &[&'static str]| words.iter().find(|&&word| folders.contains(word)).copied();
    let Some(train_folder) = first(&[train, UNSPLIT, validation, test]) else { return String::new() };
    let validation_folder = first(&[validation]).unwrap_or(train_folder);
    let mut text = String::new();
    if train_folder == validation_folder {
        text.push_str(
            "# Nothing is set apart for validation: split the data set before figures are believed.\n",
        );
    }
    text.push_str(&format!("train: images/{train_folder}\nval: images/{validation_folder}\n"));
    if folders.contains(test) {
        text.push_str(&format!("test: images/{test}\n"));
    }
    text
}

/// The description that lies highest and has names; `data.yaml` before others.
pub(super) fn find(intake: &mut Intake) -> Option<Description> {
    let mut files = intake.with_extension("yaml");
    files.extend(intake.with_extension("yml"));
    files.sort_by_key(|path| (path.matches('/').count(), names::stem(path) != "data"));
    files.into_iter().find_map(|file| read(intake, &file))
}

fn read(intake: &mut Intake, file: &str) -> Option<Description> {
    let text = intake.text(file)?;
    let (value, faults) = yaml::parse(&text);
    let entries = value.get("names")?.entries();
    for fault in faults {
        let expected = format!("expected {}", fault.expected);
        intake.line(file, fault.line, expected, "write the value on one line, in double quotes");
    }
    let mut description = Description { yaml: Some(file.to_owned()), ..Default::default() };
    for (key, name) in entries {
        description.name(intake, &key, name);
    }
    description.compare_count(intake, &value);
    for split in Split::ALL {
        let key =
            if split == Split::Validation && value.get("val").is_none() { "valid" } else { split.word() };
        let values = value.get(key).map(Value::texts).unwrap_or_default();
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        description.point(intake, names::parent(file), split, &values);
    }
    Some(description)
}

/// What is known where there is no `data.yaml`: the classes of a file of text, and the lists of the splits beside it.
pub(super) fn bare(intake: &mut Intake) -> Option<Description> {
    let mut files = intake.with_extension("txt");
    files.extend(intake.with_extension("names"));
    let class_file = files.into_iter().find(|path| is_class_file(path))?;
    let names = intake.lines(&class_file).into_iter().enumerate().collect();
    let folder = names::parent(&class_file).to_owned();
    let mut description = Description { class_file: Some(class_file), names, ..Default::default() };
    for split in Split::ALL {
        let list = format!("{}.txt", split.word());
        if intake.path(&names::join(&folder, &list)).is_some() {
            description.point(intake, &folder, split, &[list]);
        }
    }
    Some(description)
}

/// Whether a file names classes.
pub(super) fn is_class_file(path: &str) -> bool {
    CLASS_FILES.contains(&names::base(path).to_lowercase().as_str()) || text::has_extension(path, "names")
}

impl Description {
    /// The file that names the classes.
    pub(super) fn file(&self) -> &str {
        self.yaml.as_deref().or(self.class_file.as_deref()).unwrap_or_default()
    }

    fn name(&mut self, intake: &mut Intake, key: &str, name: &str) {
        match key.parse() {
            Ok(number) => drop(self.names.insert(number, name.to_owned())),
            Err(_) => {
                let fault =
                    format!("expected the number of a class, found {key:?}; its pictures come unlabelled");
                intake.problems.about(
                    self.file(),
                    fault,
                    "write names as a list, or with their numbers as keys",
                );
            }
        }
    }

    fn compare_count(&self, intake: &mut Intake, value: &Value) {
        let count = value.get("nc").and_then(|count| count.texts().first()?.parse::<usize>().ok());
        if let Some(count) = count.filter(|count| *count != self.names.len()) {
            let fault = format!("nc is {count}, but there are {} names; the names count", self.names.len());
            intake.problems.about(self.file(), fault, "make the two agree");
        }
    }

    /// Notes where the pictures of a split are.
    fn point(&mut self, intake: &mut Intake, base: &str, split: Split, values: &[String]) {
        for value in values.iter().filter(|value| !value.is_empty()) {
            match target(intake, base, value) {
                Some(target) => self.targets.push((split, target)),
                None => {
                    let fault = format!("{} points to {value:?}, which is not there", split.word());
                    intake.problems.about(self.file(), fault, "correct the path or remove the key");
                }
            }
        }
    }

    /// What a picture is for: what the description says, or the name of a folder where it says two things or nothing.
    pub(super) fn split_of(&self, picture: &str) -> Option<Split> {
        let folders: Vec<&str> = names::parent(picture).split('/').rev().collect();
        let mut said: Vec<Split> =
            self.targets.iter().filter(|(_, target)| target.has(picture)).map(|(split, _)| *split).collect();
        said.dedup();
        match said.as_slice() {
            _ if folders.contains(&UNSPLIT) => None,
            [split] => Some(*split),
            _ => folders.into_iter().find_map(Split::from_word),
        }
    }
}

/// What a value points to. Programs write absolute paths, paths from the description, from the folder `path`, and from
/// where they were started, so its end is what counts.
fn target(intake: &mut Intake, base: &str, value: &str) -> Option<Target> {
    if text::has_extension(value, "txt") {
        let list =
            ends(value).find_map(|end| intake.path(&names::join(base, end)).or_else(|| intake.path(end)))?;
        let lines = intake.lines(&list);
        let pictures = lines.iter().filter_map(|line| listed(intake, base, line));
        return Some(Target::Pictures(pictures.collect()));
    }
    let pictures = intake.pictures();
    let is_folder = |folder: &String| pictures.iter().any(|picture| is_below(picture, folder));
    let value = value.replace('\\', "/");
    let candidates = ends(&value).flat_map(|end| [names::join(base, end), end.to_owned()]);
    candidates.map(|folder| folder.trim_end_matches('/').to_owned()).find(is_folder).map(Target::Folder)
}

/// A picture in a list, which may lack folders and even its ending.
fn listed(intake: &Intake, base: &str, line: &str) -> Option<String> {
    let direct = ends(line).find_map(|end| intake.path(&names::join(base, end)));
    direct.or_else(|| intake.picture(&[], line)).or_else(|| intake.picture(&[], &format!("{line}.jpg")))
}

/// A path without what leads up, and each of its ends, the longest first.
fn ends(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_start_matches("../").trim_start_matches("./").trim_start_matches('/');
    let shorter = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
    std::iter::once(path).chain(shorter).filter(|end| !end.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_for(folders: &[&str]) -> String {
        written(&["a".to_owned()], &folders.iter().map(|&folder| folder.to_owned()).collect())
    }

    #[test]
    fn w_c43_names_are_quoted() {
        let classes =
            ["Tour Eiffel, Paris", "it's \"x\": #1", "007", "北京", "yes", "[a]"].map(str::to_owned);
        let text = written(&classes, &BTreeSet::new());
        assert!(text.ends_with(
            "nc: 6\nnames:\n  0: \"Tour Eiffel, Paris\"\n  1: \"it's \\\"x\\\": #1\"\n  2: \"007\"\n  3: \"北京\"\n  \
             4: \"yes\"\n  5: \"[a]\"\n"
        ));
        let (value, faults) = yaml::parse(&text);
        assert_eq!((value.get("names").unwrap().entries().len(), faults), (6, vec![]));
    }

    #[test]
    fn train_and_val_are_always_there_and_say_when_they_are_the_same() {
        assert!(
            written_for(&["train", "val", "test"])
                .starts_with("train: images/train\nval: images/val\ntest: images/test\n")
        );
        assert!(written_for(&["unsplit"]).contains("train: images/unsplit\nval: images/unsplit\n"));
        assert!(written_for(&["train"]).starts_with("# Nothing is set apart"));
        assert!(!written_for(&["unsplit", "val"]).starts_with('#'));
    }

    #[test]
    fn the_ends_of_a_path_are_tried_from_the_longest() {
        assert_eq!(ends("../../a/b/c").collect::<Vec<_>>(), ["a/b/c", "b/c", "c"]);
        assert_eq!(ends("/home/x").collect::<Vec<_>>(), ["home/x", "x"]);
        assert_eq!(ends("./").count(), 0);
    }
}
