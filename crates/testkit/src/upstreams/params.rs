//! Parameters of requests, and parts of addresses.

use std::collections::HashMap;
use std::fmt::Write as _;

use axum::extract::Query;
use axum::http::Uri;

/// The parameters of a query or of a form.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(HashMap<String, String>);

impl Params {
    pub(super) fn of_query(uri: &Uri) -> Self {
        Query::try_from_uri(uri).map_or_else(|_| Self::default(), |Query(map)| Self(map))
    }

    /// The parameters of a form (`application/x-www-form-urlencoded`), which has the syntax of a query.
    pub(super) fn of_form(body: &[u8]) -> Self {
        let text = format!("/?{}", String::from_utf8_lossy(body));
        text.parse().map_or_else(|_| Self::default(), |uri| Self::of_query(&uri))
    }

    /// A parameter, empty where it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// A number, or `default` where the parameter is missing or no number.
    pub(super) fn number(&self, name: &str, default: usize) -> usize {
        self.text(name).parse().unwrap_or(default)
    }

    /// The parts of a parameter that are separated by `|` or `,`.
    pub(super) fn parts(&self, name: &str) -> Vec<&str> {
        self.text(name).split(['|', ',']).filter(|part| !part.is_empty()).collect()
    }
}

/// A text as one part of a path or as a value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    encoded
}

/// The letters and digits of a text in lower case, one space between words: what searches compare.
pub(super) fn folded(text: &str) -> String {
    let words = text.split(|character: char| !character.is_alphanumeric());
    let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        let text = "Tour d’Eiffel & Söhne/1+1=2?";
        let params = Params::of_form(format!("a={}&b=1", encoded(text)).as_bytes());
        assert_eq!(params.text("a"), text);
        assert_eq!(params.number("b", 7), 1);
        assert_eq!(params.number("c", 7), 7);
    }

    #[test]
    fn lists_have_parts() {
        let params = Params::of_form(b"iiprop=url%7Csize&extras=license,url_l");
        assert_eq!(params.parts("iiprop"), ["url", "size"]);
        assert_eq!(params.parts("extras"), ["license", "url_l"]);
        assert!(params.parts("none").is_empty());
    }
}
