//! The metadata that Ultralytics' exporter writes into ONNX files.
//!
//! Its values are Python literals: `names` is `{0: 'person', 1: "driver's licence"}`, `imgsz` is `[640, 640]`.

/// What Ultralytics' exporter says about a detector of these classes, for an input of this height and width.
pub fn metadata(names: &[String], [height, width]: [usize; 2], stride: usize) -> Vec<(&'static str, String)> {
    let mut entries = vec![
        ("task", "detect".to_owned()),
        ("stride", stride.to_string()),
        ("imgsz", size_literal(height, width)),
    ];
    if !names.is_empty() {
        entries.push(("names", names_literal(names)));
    }
    entries
}

/// The class names in a Python dictionary or list literal of strings; `None` when it is neither.
///
/// Dictionary keys must be the numbers from 0 up, in any order.
pub fn names(literal: &str) -> Option<Vec<String>> {
    let mut reader = Reader { rest: literal.trim() };
    if reader.eat('[') {
        return reader.list();
    }
    reader.eat('{').then(|| reader.dictionary())?
}

/// Height and width in a Python literal such as `[640, 480]`.
pub(crate) fn size(literal: &str) -> Option<(usize, usize)> {
    let inner = literal.trim().strip_prefix(['[', '('])?.strip_suffix([']', ')'])?;
    let (height, width) = inner.split_once(',')?;
    Some((height.trim().parse().ok()?, width.trim().parse().ok()?))
}

/// The Python dictionary literal of class names that [`names`] reads back.
pub(crate) fn names_literal(names: &[String]) -> String {
    let entries: Vec<String> =
        names.iter().enumerate().map(|(index, name)| format!("{index}: '{}'", escaped(name))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// The Python list literal of a height and a width that [`size`] reads back.
pub(crate) fn size_literal(height: usize, width: usize) -> String {
    format!("[{height}, {width}]")
}

fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, character| {
        match character {
            '\\' | '\'' => text.extend(['\\', character]),
            _ if character.is_control() => text.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => text.push(character),
        }
        text
    })
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Skips white space, then the character, if it comes next.
    fn eat(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn list(&mut self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        while !self.eat(']') {
            names.push(self.string()?);
            self.separator(']')?;
        }
        Some(names)
    }

    fn dictionary(&mut self) -> Option<Vec<String>> {
        let mut names = std::collections::BTreeMap::new();
        while !self.eat('}') {
            let key = self.number()?;
            self.eat(':').then_some(())?;
            names.insert(key, self.string()?);
            self.separator('}')?;
        }
        let complete = names.keys().copied().eq(0..names.len());
        complete.then(|| names.into_values().collect())
    }

    /// A comma, or the end, which is left in place.
    fn separator(&mut self, end: char) -> Option<()> {
        let more = self.eat(',');
        (more || self.rest.starts_with(end)).then_some(())
    }

    fn number(&mut self) -> Option<usize> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|character: char| !character.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().ok()
    }

    fn string(&mut self) -> Option<String> {
        let quote = if self.eat('\'') { '\'' } else { self.eat('"').then_some('"')? };
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '\\' => text.push(unescape(&mut characters)?),
                _ if character == quote => {
                    self.rest = &self.rest[index + 1..];
                    return Some(text);
                }
                _ => text.push(character),
            }
        }
        None
    }
}

/// The character that a Python escape sequence stands for.
fn unescape(characters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let digits = match characters.next()?.1 {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => return Some(other),
    };
    let code: String = characters.by_ref().take(digits).map(|(_, character)| character).collect();
    char::from_u32(u32::from_str_radix(&code, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dictionaries_and_lists_of_names_are_read() {
        let cases = [
            ("{0: 'person', 1: 'bicycle'}", vec!["person", "bicycle"]),
            (r#"{1: "St. Paul's", 0: 'a \'b\' \\ c'}"#, vec!["a 'b' \\ c", "St. Paul's"]),
            ("['K\\xf6ln', '\\u5317京', ]", vec!["Köln", "北京"]),
            ("{}", vec![]),
        ];
        for (literal, expected) in cases {
            assert_eq!(
                names(literal).as_deref(),
                Some(expected.iter().map(|n| n.to_string()).collect::<Vec<_>>().as_slice()),
                "{literal}"
            );
        }
    }

    #[test]
    fn other_literals_are_not_names() {
        for literal in
            ["", "{0: 'a', 2: 'b'}", "{0: 'a'", "{0 'a'}", "['a' 'b']", "{'a': 0}", "[1, 2]", "['a"]
        {
            assert_eq!(names(literal), None, "{literal}");
        }
    }

    #[test]
    fn sizes_are_height_then_width() {
        assert_eq!(size("[480, 640]"), Some((480, 640)));
        assert_eq!(size("640"), None);
    }

    #[test]
    fn names_are_written_as_python_writes_them() {
        let written = names_literal(&["a".into(), "St. Paul's".into(), "b\\\n".into()]);
        assert_eq!(written, r"{0: 'a', 1: 'St. Paul\'s', 2: 'b\\\x0a'}");
    }

    proptest! {
        #[test]
        fn written_literals_are_read_back(expected in proptest::collection::vec(any::<String>(), 0..5), height: u16, width: u16) {
            prop_assert_eq!(names(&names_literal(&expected)), Some(expected));
            let (height, width) = (usize::from(height), usize::from(width));
            prop_assert_eq!(size(&size_literal(height, width)), Some((height, width)));
        }

        #[test]
        fn no_literal_makes_the_reader_panic(literal in "\\PC*") {
            let _ = names(&literal);
            let _ = names(&format!("{{0: '{literal}"));
            let _ = size(&literal);
        }
    }
}
