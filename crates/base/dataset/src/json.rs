//! JSON files whose entries are read one by one, so that one that is wrong does not hinder the others.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::import::Intake;
use crate::text::line_of;

/// An id, which is a number or a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Number(i64),
    Text(String),
}

impl std::fmt::Display for Id {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Text(text) => text.fmt(formatter),
        }
    }
}

/// A file and its text.
pub(crate) struct Document {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Document {
    pub(crate) fn open(intake: &mut Intake, file: String) -> Option<Self> {
        let text = intake.text(&file)?;
        Some(Self { file, text })
    }

    /// Tells a problem of a part of the text.
    pub(crate) fn tell(
        &self,
        intake: &mut Intake,
        part: &str,
        fault: impl Into<String>,
        advice: &'static str,
    ) {
        intake.problems.add(&self.file, || Some(line_of(&self.text, part)), fault, advice);
    }

    /// Tells that the text is no JSON at all.
    pub(crate) fn tell_syntax(&self, intake: &mut Intake, error: &serde_json::Error) {
        let fault = format!("the file is left out: {error}");
        intake.line(&self.file, error.line().max(1), fault, "export it again");
    }

    /// The entries that can be read, each with its text; the others are told.
    pub(crate) fn entries<'a, T: DeserializeOwned>(
        &self,
        intake: &mut Intake,
        entries: &[&'a RawValue],
        what: &str,
    ) -> Vec<(&'a str, T)> {
        let mut read = Vec::with_capacity(entries.len());
        for entry in entries {
            match serde_json::from_str(entry.get()) {
                Ok(value) => read.push((entry.get(), value)),
                Err(error) => {
                    let fault = format!("{what} is left out: {error}");
                    self.tell(intake, entry.get(), fault, "correct or remove it");
                }
            }
        }
        read
    }
}
