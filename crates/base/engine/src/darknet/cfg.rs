//! The text of a `.cfg`: sections in brackets with `key=value` lines.

use std::str::FromStr;

use super::error::{DarknetError, Place};

/// No layer needs a greater number; greater ones are typing errors or attacks.
pub(super) const LIMIT: usize = 65_536;

/// A section with its options.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) place: Place,
    options: Vec<(String, String)>,
}

/// The `[net]` section and the layers after it.
pub(super) fn sections(text: &str) -> Result<(Section, Vec<Section>), DarknetError> {
    let mut net = None;
    let mut layers: Vec<Section> = Vec::new();
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = raw.split(['#', ';']).next().unwrap_or_default().trim();
        let syntax = || DarknetError::Syntax { line: index + 1, text: raw.trim().chars().take(60).collect() };
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or_else(syntax)?.trim();
            match (&net, name) {
                (None, "net" | "network") => net = Some(section(None, name, index + 1)),
                (None, _) => return Err(DarknetError::NoNet),
                _ => layers.push(section(Some(layers.len()), name, index + 1)),
            }
        } else if !line.is_empty() {
            let (key, value) = line.split_once('=').ok_or_else(syntax)?;
            let current = layers.last_mut().or(net.as_mut()).ok_or(DarknetError::NoNet)?;
            current.options.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Ok((net.ok_or(DarknetError::NoNet)?, layers))
}

fn section(layer: Option<usize>, name: &str, line: usize) -> Section {
    Section { place: Place { layer, section: name.to_owned(), line }, options: Vec::new() }
}

impl Section {
    /// The value of a key; the first one where it is there twice, as in Darknet.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A whole number from `least` to [`LIMIT`].
    pub(super) fn count(&self, key: &'static str, usual: usize, least: usize) -> Result<usize, DarknetError> {
        let expected = || format!("a whole number from {least} to {LIMIT}");
        let value = self.text(key).map_or(Some(usual), |text| text.parse().ok());
        value.filter(|value| (least..=LIMIT).contains(value)).ok_or_else(|| self.wrong(key, expected()))
    }

    /// A finite number.
    pub(super) fn float(&self, key: &'static str, usual: f32) -> Result<f32, DarknetError> {
        let value = self.text(key).map_or(Some(usual), |text| text.parse().ok());
        value.filter(|value| value.is_finite()).ok_or_else(|| self.wrong(key, "a number".to_owned()))
    }

    /// A switch: anything but 0 is on.
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, DarknetError> {
        let value: Option<i64> = self.text(key).map_or(Some(0), |text| text.parse().ok());
        value.map(|value| value != 0).ok_or_else(|| self.wrong(key, "0 or 1".to_owned()))
    }

    /// The items between commas; `None` where the key is missing.
    pub(super) fn list<T: FromStr>(
        &self,
        key: &'static str,
        expected: &str,
    ) -> Result<Option<Vec<T>>, DarknetError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let parsed: Result<Vec<T>, T::Err> = items.map(str::parse).collect();
        parsed.map(Some).map_err(|_| self.wrong(key, expected.to_owned()))
    }

    /// Refuses any other value than the one that changes nothing.
    pub(super) fn only(&self, key: &'static str, neutral: &str) -> Result<(), DarknetError> {
        match self.text(key) {
            Some(value) if value != neutral => {
                Err(self.unsupported(format!("{key}={value}"), format!("{key}={neutral}")))
            }
            _ => Ok(()),
        }
    }

    /// The error for something that would change the result.
    pub(super) fn unsupported(&self, found: String, supported: String) -> DarknetError {
        DarknetError::Unsupported { place: self.place.clone(), found, supported }
    }

    /// The error for a value that is not what was expected.
    pub(super) fn wrong(&self, key: &'static str, expected: String) -> DarknetError {
        let found = self.text(key).map_or_else(|| "missing".to_owned(), |value| format!("{value:?}"));
        DarknetError::Value { place: self.place.clone(), key, found, expected }
    }
}
