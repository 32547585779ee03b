//! Small XML documents, read as a tree that knows its lines.

use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// How deep elements may lie in each other.
const DEEPEST: usize = 64;

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
    /// The line that it begins in, from 1.
    pub(crate) line: usize,
}

/// Where a document is none, and why.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl Element {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The elements of this name in it.
    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// The text of the first element of this name in it.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// It and all that are in it, in the order of the document.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        all.extend(self.children.iter().flat_map(Self::all));
        all
    }
}

/// A text as the content of an element or in the quotes of an attribute.
pub(crate) fn escaped(text: &str) -> String {
    escape(text).into_owned()
}

/// Reads a document. Entities that it defines itself are not known: they are how documents explode.
pub(crate) fn parse(text: &str) -> Result<Element, Fault> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let (mut line, mut counted) = (1, 0);
    loop {
        let offset = usize::try_from(reader.buffer_position()).unwrap_or(text.len()).min(text.len());
        line += text.as_bytes()[counted..offset].iter().filter(|&&byte| byte == b'\n').count();
        counted = offset;
        let fault = |reason: &dyn ToString| Fault { line, reason: reason.to_string() };
        match reader.read_event().map_err(|error| fault(&error))? {
            Event::Start(_) if open.len() > DEEPEST => {
                return Err(fault(&"elements lie too deep in each other"));
            }
            Event::Start(start) => open.push(element(&start, line).map_err(|error| fault(&error))?),
            Event::Empty(start) => put(&mut open, element(&start, line).map_err(|error| fault(&error))?),
            Event::End(_) => {
                let closed = open.pop().unwrap_or_default();
                put(&mut open, closed);
            }
            Event::Text(text) => say(&mut open, &text.xml10_content()),
            Event::CData(text) => say(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                say(&mut open, &resolved(&reference).ok_or_else(|| fault(&"an entity is not known"))?);
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => return root(open).ok_or_else(|| fault(&"the document ends too early or is empty")),
        }
    }
}

fn element(start: &BytesStart<'_>, line: usize) -> quick_xml::Result<Element> {
    let name = start.name().as_ref().to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0)?.into_owned();
        attributes.push((attribute.key.as_ref().to_owned(), value));
    }
    Ok(Element { name, attributes, line, ..Element::default() })
}

fn put(open: &mut [Element], element: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(element);
    }
}

fn say(open: &mut [Element], text: &str) {
    if let Some(parent) = open.last_mut() {
        parent.text.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(letter)) => Some(letter.to_string()),
        _ => resolve_predefined_entity(&reference.xml10_content()).map(str::to_owned),
    }
}

/// The one element that is left when all are closed.
fn root(mut open: Vec<Element>) -> Option<Element> {
    let mut document = open.pop()?;
    if open.is_empty() && document.children.len() == 1 { document.children.pop() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_texts_attributes_and_lines_are_read() {
        let text = "<?xml version='1.0'?>\n<!-- c -->\n<a>\n <b k='1 &amp; 2'>x &lt;&#65;&gt;<![CDATA[<y>]]></b>\n <B/>\n</a>";
        let root = parse(text).unwrap();
        let lines: Vec<usize> = root.children("b").map(|child| child.line).collect();
        assert_eq!(lines, [4, 5]);
        assert_eq!(root.text_of("b"), Some("x <A><y>"));
        assert_eq!(root.child("b").unwrap().attribute("k"), Some("1 & 2"));
        assert_eq!(root.all().len(), 3);
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_line() {
        for (text, line) in
            [("", 1), ("<a>\n<b>\n</a>", 3), ("<a>\n&lol;</a>", 2), ("<a>", 1), ("<a/><b/>", 1)]
        {
            assert_eq!(parse(text).unwrap_err().line, line, "{text}");
        }
        assert!(parse(&"<a>".repeat(1000)).unwrap_err().reason.contains("deep"));
    }

    #[test]
    fn entities_that_explode_are_not_known() {
        let text = "<!DOCTYPE a [<!ENTITY l \"ll\"><!ENTITY m \"&l;&l;\">]><a>&m;</a>";
        assert!(parse(text).unwrap_err().reason.contains("entity"));
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_read_back(text in "\\PC{1,20}") {
            let root = parse(&format!("<a k=\"{0}\"><b>{0}</b></a>", escaped(&text))).unwrap();
            prop_assert_eq!(root.text_of("b").unwrap_or(""), text.trim());
            prop_assert_eq!(root.attribute("k"), Some(text.as_str()));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a<>/&;!\\-\\[\\]?\"= \n]{0,40}") {
            parse(&text).ok();
        }
    }
}
