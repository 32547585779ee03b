//! Names of files that every system can hold and that stay inside their folder.

use std::collections::HashSet;

use crate::dataset::Item;

/// The longest name in bytes: file systems end at 255, and formats add to it.
const LONGEST: usize = 180;

/// Endings of pictures that are read here, in small letters.
pub(crate) const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// Names that Windows keeps for devices, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// What is behind the last slash.
pub(crate) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of a file, empty at the top.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The path in a folder, which may be empty.
pub(crate) fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// The name of a file without its folders and its ending.
pub(crate) fn stem(path: &str) -> &str {
    let name = base(path);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// The path without the ending.
pub(crate) fn without_extension(path: &str) -> &str {
    &path[..path.len() - base(path).len() + stem(path).len()]
}

/// The ending without its dot.
pub(crate) fn extension(path: &str) -> &str {
    base(path).get(stem(path).len() + 1..).unwrap_or("")
}

/// The ending in small letters, where it is that of a picture.
pub(crate) fn known_extension(path: &str) -> Option<&'static str> {
    let lower = extension(path).to_lowercase();
    EXTENSIONS.into_iter().find(|&known| known == lower)
}

/// The names that the items get in an export: safe ones, and each stem once, whatever the capitals, because a stem
/// names a file of labels too and some file systems know no capitals. A safe name that is not taken stays as it is.
pub(crate) fn exported(items: &[Item]) -> Vec<String> {
    let mut taken = HashSet::new();
    items.iter().map(|item| distinct(&item.name, &mut taken)).collect()
}

fn distinct(name: &str, taken: &mut HashSet<String>) -> String {
    let safe = safe(name);
    let (stem, extension) = (stem(&safe), extension(&safe));
    let mut candidate = stem.to_owned();
    let mut number = 1;
    while !taken.insert(candidate.to_lowercase()) {
        number += 1;
        candidate = format!("{stem}-{number}");
    }
    format!("{candidate}.{extension}")
}

/// A name without folders, spaces and whatever has a meaning in a path, a list, a URL or a shell.
fn safe(name: &str) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "jpg"));
    let replaced: String = stem.chars().map(|letter| if is_safe(letter) { letter } else { '_' }).collect();
    let cut = &replaced[..replaced.floor_char_boundary(LONGEST)];
    // A leading dot hides a file and a leading hyphen is an option to programs.
    let cut = cut.trim_matches(['.', '-']);
    let is_device =
        cut.split('.').next().is_some_and(|first| DEVICES.contains(&first.to_lowercase().as_str()));
    if cut.is_empty() || is_device { format!("_{cut}.{extension}") } else { format!("{cut}.{extension}") }
}

fn is_safe(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Labels;
    use proptest::prelude::*;

    fn item(name: &str) -> Item {
        Item {
            name: name.to_owned(),
            picture: None,
            width: 1,
            height: 1,
            split: None,
            labels: Labels::Unlabelled,
            attribution: Default::default(),
        }
    }

    fn exported_of(names: &[&str]) -> Vec<String> {
        exported(&names.iter().map(|name| item(name)).collect::<Vec<_>>())
    }

    #[test]
    fn safe_names_stay_and_others_lose_what_is_dangerous() {
        assert_eq!(exported_of(&["köln-dom.1.jpg", "北京.png"]), ["köln-dom.1.jpg", "北京.png"]);
        assert_eq!(exported_of(&["../../etc/passwd.jpg"]), ["_.._etc_passwd.jpg"]);
        assert_eq!(exported_of(&["con.jpg", ".jpg", "a b\n\"c\".jpg"]), ["_con.jpg", "_.jpg", "a_b__c_.jpg"]);
    }

    #[test]
    fn a_stem_is_given_once_whatever_its_ending_and_its_capitals() {
        assert_eq!(exported_of(&["a.jpg", "a.png", "A.jpg"]), ["a.jpg", "a-2.png", "A-3.jpg"]);
    }

    #[test]
    fn parts_of_paths() {
        assert_eq!((stem("a/b.c.jpg"), extension("a/b.c.jpg"), base("a/b")), ("b.c", "jpg", "b"));
        assert_eq!((stem(".hidden"), extension(".hidden"), parent("x")), (".hidden", "", ""));
        assert_eq!((without_extension("a/b.jpg"), without_extension("a.d/b")), ("a/b", "a.d/b"));
        assert_eq!((known_extension("A.JPG"), known_extension("a.txt")), (Some("jpg"), None));
    }

    proptest! {
        #[test]
        fn names_of_exports_are_safe_distinct_and_stable(names in proptest::collection::vec("\\PC{0,12}\\.(jpg|PNG)", 1..8)) {
            let first = exported(&names.iter().map(|name| item(name)).collect::<Vec<_>>());
            let stems: HashSet<String> = first.iter().map(|name| stem(name).to_lowercase()).collect();
            prop_assert_eq!(stems.len(), names.len());
            for name in &first {
                prop_assert!(name.chars().all(is_safe) && !name.starts_with(['.', '-']), "{}", name);
                prop_assert!(known_extension(name).is_some());
            }
            let again = exported(&first.iter().map(|name| item(name)).collect::<Vec<_>>());
            prop_assert_eq!(again, first);
        }
    }
}
