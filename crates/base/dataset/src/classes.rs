//! Names of classes.

use std::collections::HashMap;

/// Whether every format can hold this name and give it back.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty; give it a name");
    }
    if name.trim() != name {
        return Err("it begins or ends with white space; remove that");
    }
    if name.contains(is_unfit) {
        return Err("it has control characters or breaks lines; write it on one line");
    }
    Ok(())
}

/// What XML cannot hold or what YAML takes for the end of a line.
fn is_unfit(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The name of a class as every format can hold it: on one line, without white space around it. `None` where nothing is left.
pub fn class_name(name: &str) -> Option<String> {
    let fit: String = name.chars().map(|letter| if is_unfit(letter) { ' ' } else { letter }).collect();
    let trimmed = fit.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// The classes of a data set that is read, each name once.
#[derive(Default)]
pub(crate) struct Classes {
    names: Vec<String>,
    indices: HashMap<String, usize>,
}

impl Classes {
    /// The index of a class, which becomes the last one where it is new; `None` for a name of nothing.
    pub(crate) fn index(&mut self, name: &str) -> Option<usize> {
        let name = class_name(name)?;
        if let Some(index) = self.indices.get(&name) {
            return Some(*index);
        }
        self.indices.insert(name.clone(), self.names.len());
        self.names.push(name);
        Some(self.names.len() - 1)
    }

    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_read_can_be_written() {
        let mut classes = Classes::default();
        let indices = ["a", " a ", "b\u{2028}c", "\n", "a"].map(|name| classes.index(name));
        assert_eq!(indices, [Some(0), Some(0), Some(1), None, Some(0)]);
        let names = classes.into_names();
        assert_eq!(names, ["a", "b c"]);
        assert!(names.iter().all(|name| check(name).is_ok()));
        assert!(["", " a", "a\tb", "a\u{85}b"].iter().all(|name| check(name).is_err()));
    }
}
