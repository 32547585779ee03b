//! The part of YAML that descriptions of data sets are written in: mappings and lists of texts, in blocks or in
//! brackets, quoted or not. Anchors, tags and texts over several lines are not read.

use std::iter::Peekable;
use std::str::Chars;

/// How deep values may lie in each other.
const DEEPEST: usize = 16;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// A line that is not of this part of YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) expected: &'static str,
}

impl Value {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The texts of a list, of which a single text is one too.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text.as_str()],
            Self::List(list) => list.iter().flat_map(Self::texts).collect(),
            Self::Map(_) => Vec::new(),
        }
    }

    fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// A list as its indices and texts, or a mapping as its keys and texts.
    pub(crate) fn entries(&self) -> Vec<(String, &str)> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::List(list) => {
                list.iter().enumerate().map(|(index, value)| (index.to_string(), value.text())).collect()
            }
            Self::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), value.text())).collect(),
        }
    }
}

/// A text in quotes, on one line. JSON's quotes are YAML's too.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Reads a mapping, and what could not be read of it.
pub(crate) fn parse(text: &str) -> (Value, Vec<Fault>) {
    let mut parser = Blocks { lines: lines(text), at: 0, faults: Vec::new() };
    let value = parser.map(0, 0);
    (value, parser.faults)
}

struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let lines = text.lines().enumerate().map(|(index, line)| {
        let text = without_comment(line).trim_end();
        let indent = text.len() - text.trim_start().len();
        Line { number: index + 1, indent, text: text.trim_start() }
    });
    lines.filter(|line| !line.text.is_empty() && line.text != "---" && line.text != "...").collect()
}

/// A `#` begins a comment where it begins a word outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quotes = Quotes::default();
    let mut before = ' ';
    for (index, letter) in line.char_indices() {
        if letter == '#' && before.is_whitespace() && !quotes.is_open() {
            return &line[..index];
        }
        quotes.pass(letter, before);
        before = letter;
    }
    line
}

/// Whether quotes are open after some letters.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    is_escaped: bool,
}

impl Quotes {
    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn pass(&mut self, letter: char, before: char) {
        match self.open {
            Some('"') if self.is_escaped => self.is_escaped = false,
            Some('"') if letter == '\\' => self.is_escaped = true,
            Some(quote) if letter == quote => self.open = None,
            // Elsewhere it is an apostrophe.
            None if matches!(letter, '"' | '\'') && !before.is_alphanumeric() => self.open = Some(letter),
            _ => {}
        }
    }
}

struct Blocks<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
    faults: Vec<Fault>,
}

impl Blocks<'_> {
    fn fault(&mut self, line: usize, expected: &'static str) {
        self.faults.push(Fault { line, expected });
    }

    fn map(&mut self, indent: usize, depth: usize) -> Value {
        let mut entries = Vec::new();
        while let Some(line) = self.lines.get(self.at).filter(|line| line.indent >= indent) {
            let (number, text, inner) = (line.number, line.text, line.indent);
            self.at += 1;
            match key(text) {
                Some((key, rest)) if inner == indent => {
                    let value = self.value(rest, indent, number, depth);
                    entries.push((key, value));
                }
                _ => self.fault(number, "a key, a colon and a value"),
            }
        }
        Value::Map(entries)
    }

    fn list(&mut self, indent: usize) -> Value {
        let mut values = Vec::new();
        while let Some(line) = self.lines.get(self.at).filter(|line| line.indent == indent) {
            let Some(rest) = item(line.text) else { break };
            let number = line.number;
            self.at += 1;
            values.push(self.inline(rest, number));
        }
        Value::List(values)
    }

    /// What stands behind a key, or in the lines below it.
    fn value(&mut self, rest: &str, indent: usize, number: usize, depth: usize) -> Value {
        if rest.starts_with(['|', '>']) {
            self.skip_deeper(indent);
            return Value::Text(String::new());
        }
        if !rest.is_empty() {
            return self.inline(rest, number);
        }
        let below = self.lines.get(self.at).map(|line| (line.indent, item(line.text).is_some()));
        match below {
            Some((inner, true)) if inner >= indent => self.list(inner),
            Some((inner, false)) if inner > indent && depth < DEEPEST => self.map(inner, depth + 1),
            _ => Value::Text(String::new()),
        }
    }

    fn skip_deeper(&mut self, indent: usize) {
        while self.lines.get(self.at).is_some_and(|line| line.indent > indent) {
            self.at += 1;
        }
    }

    /// A value on its line; one in brackets may go on below.
    fn inline(&mut self, rest: &str, number: usize) -> Value {
        let mut text = rest.to_owned();
        while !is_balanced(&text) {
            let Some(next) = self.lines.get(self.at) else { break };
            text.push(' ');
            text.push_str(next.text);
            self.at += 1;
        }
        let mut flow = Flow { letters: text.chars().peekable() };
        let value = flow.value(&[], 0);
        if value.is_none() || flow.next_is_some() {
            self.fault(number, "a text, or a list or mapping whose brackets and quotes are closed");
        }
        value.unwrap_or(Value::Text(String::new()))
    }
}

/// The rest of a line that is a list's.
fn item(text: &str) -> Option<&str> {
    if text == "-" { Some("") } else { text.strip_prefix("- ").map(str::trim_start) }
}

/// A key and what stands behind its colon.
fn key(text: &str) -> Option<(String, &str)> {
    let mut quotes = Quotes::default();
    let mut before = ' ';
    for (index, letter) in text.char_indices() {
        let rest = &text[index + letter.len_utf8()..];
        if letter == ':' && !quotes.is_open() && (rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            let mut flow = Flow { letters: text[..index].chars().peekable() };
            let Some(Value::Text(key)) = flow.value(&[], 0) else { return None };
            return Some((key, rest.trim_start()));
        }
        quotes.pass(letter, before);
        before = letter;
    }
    None
}

fn is_balanced(text: &str) -> bool {
    if !text.starts_with(['[', '{']) {
        return true;
    }
    let mut quotes = Quotes::default();
    let (mut depth, mut before) = (0, ' ');
    for letter in text.chars() {
        match letter {
            '[' | '{' if !quotes.is_open() => depth += 1,
            ']' | '}' if !quotes.is_open() => depth -= 1,
            _ => quotes.pass(letter, before),
        }
        before = letter;
    }
    depth <= 0
}

/// A value on one line.
struct Flow<'a> {
    letters: Peekable<Chars<'a>>,
}

impl Flow<'_> {
    fn skip_spaces(&mut self) {
        while self.letters.next_if(|letter| letter.is_whitespace()).is_some() {}
    }

    fn next_is(&mut self, letter: char) -> bool {
        self.skip_spaces();
        self.letters.next_if_eq(&letter).is_some()
    }

    fn next_is_some(&mut self) -> bool {
        self.skip_spaces();
        self.letters.peek().is_some()
    }

    /// A value; an unquoted text ends before one of these letters.
    fn value(&mut self, ends: &[char], depth: usize) -> Option<Value> {
        self.skip_spaces();
        match self.letters.peek() {
            _ if depth > DEEPEST => None,
            Some('[') => self.list(depth),
            Some('{') => self.map(depth),
            Some('"') => self.double_quoted().map(Value::Text),
            Some('\'') => self.single_quoted().map(Value::Text),
            _ => Some(Value::Text(self.plain(ends))),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.letters.next();
        let mut values = Vec::new();
        while !self.next_is(']') {
            values.push(self.value(&[',', ']'], depth + 1)?);
            if !self.next_is(',') && self.letters.peek() != Some(&']') {
                return None;
            }
        }
        Some(Value::List(values))
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        self.letters.next();
        let mut entries = Vec::new();
        while !self.next_is('}') {
            let Value::Text(key) = self.value(&[':', '}'], depth + 1)? else { return None };
            if !self.next_is(':') {
                return None;
            }
            entries.push((key, self.value(&[',', '}'], depth + 1)?));
            if !self.next_is(',') && self.letters.peek() != Some(&'}') {
                return None;
            }
        }
        Some(Value::Map(entries))
    }

    fn plain(&mut self, ends: &[char]) -> String {
        let mut text = String::new();
        while let Some(letter) = self.letters.next_if(|letter| !ends.contains(letter)) {
            text.push(letter);
        }
        text.trim_end().to_owned()
    }

    fn single_quoted(&mut self) -> Option<String> {
        self.letters.next();
        let mut text = String::new();
        loop {
            match self.letters.next()? {
                '\'' if self.letters.next_if_eq(&'\'').is_none() => return Some(text),
                letter => text.push(letter),
            }
        }
    }

    fn double_quoted(&mut self) -> Option<String> {
        self.letters.next();
        let mut text = String::new();
        loop {
            match self.letters.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                letter => text.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.letters.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            '_' => '\u{A0}',
            'N' => '\u{85}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => char::from_u32(self.hex(2)?)?,
            'u' => self.utf16()?,
            'U' => char::from_u32(self.hex(8)?)?,
            letter => letter,
        })
    }

    /// JSON writes what is beyond 16 bits as two of them.
    fn utf16(&mut self) -> Option<char> {
        let first = self.hex(4)?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        let is_pair = self.letters.next()? == '\\' && self.letters.next()? == 'u';
        let second = if is_pair { self.hex(4)? } else { return None };
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + second.checked_sub(0xDC00)?)
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let mut number = 0;
        for _ in 0..digits {
            number = (number << 4) | self.letters.next()?.to_digit(16)?;
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<(String, String)> {
        let (value, faults) = parse(text);
        assert_eq!(faults, [], "{text}");
        let names = value.get("names").unwrap().entries();
        names.into_iter().map(|(key, name)| (key, name.to_owned())).collect()
    }

    fn pairs(names: &[(&str, &str)]) -> Vec<(String, String)> {
        names.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect()
    }

    #[test]
    fn names_are_read_however_they_are_written() {
        let expected = pairs(&[("0", "a b"), ("1", "it's: c, \"d\" #1")]);
        for text in [
            "names: [a b, \"it's: c, \\\"d\\\" #1\"]",
            "names:\n- a b\n- 'it''s: c, \"d\" #1' # comment\n",
            "names:\n  - a b\n  -   \"it's: c, \\\"d\\\" #1\"\n",
            "names:\n  0: a b\n  1: \"it's: c, \\\"d\\\" \\x231\"\nnc: 2",
            "nc: 2\nnames: {0: 'a b', 1: \"it's: c, \\\"d\\\" #1\"}",
            "names: [\n  a b, # first\n  'it''s: c, \"d\" #1'\n]\nval: x",
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn a_description_by_another_program_is_read() {
        let text = "# YOLO\n---\npath: ../datasets/coco\ntrain:\n  - images/train  # 118287\n  - images/more\nval: images/val\n\
                    download: |\n  from utils import x\n  names: [no]\nroboflow:\n  license: MIT\n  version: 3\nnames: [a]\n";
        let (value, faults) = parse(text);
        assert_eq!(faults, []);
        assert_eq!(value.get("train").unwrap().texts(), ["images/train", "images/more"]);
        assert_eq!(value.get("roboflow").unwrap().get("version").unwrap().texts(), ["3"]);
        assert_eq!(value.get("names").unwrap().texts(), ["a"]);
    }

    #[test]
    fn a_line_that_is_none_is_told_and_the_rest_is_read() {
        let (value, faults) = parse("train: a\nwhat is this\nnames: [a, 'b\nval: b\n");
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(value.get("train").unwrap().texts(), ["a"]);
    }

    proptest! {
        #[test]
        fn a_quoted_text_is_read_back(name in "\\PC{0,20}", other in "[,:#'\"\\\\\\[\\]{}\u{1F5FC} a-]{0,12}") {
            let text = format!("names:\n  0: {}\n  1: {}\n", quoted(&name), quoted(&other));
            prop_assert_eq!(names(&text), pairs(&[("0", &name), ("1", &other)]));
            let text = format!("names: [{}, {}]", quoted(&name), quoted(&other));
            prop_assert_eq!(names(&text), pairs(&[("0", &name), ("1", &other)]));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a:\\-\\[\\]{}\"'#|, \n\\\\]{0,40}") {
            parse(&text);
        }
    }
}
