//! What the workload generators of "Image Recognition as a Service" (ASU CSE 546) print, and what they count.
//!
//! Two of their quirks are mended: a folder works without a slash at its end (without it every request of the generator of 2021
//! died in silence), and a picture is called by its own name wherever it lies (the generator printed the second part of the path).

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use crate::dialect::file_name;
use crate::record::Event;
use crate::row::Row;
use crate::{Dialect, Error, Summary};

/// The labels that are expected, by the name of the picture before its first dot.
#[derive(Debug, Clone, Default)]
pub struct Expected(HashMap<String, String>);

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Image")]
    image: String,
    #[serde(rename = "Results")]
    results: String,
}

impl Expected {
    /// Reads a prediction file: CSV with the columns `Image` and `Results`.
    ///
    /// # Errors
    /// When it cannot be read, or has other columns.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source: csv::Error| Error::Csv { path: path.to_owned(), source };
        let mut reader = csv::Reader::from_path(path).map_err(failed)?;
        let lines = reader.deserialize().map(|line: Result<Line, csv::Error>| {
            let Line { image, results } = line?;
            Ok((stem(&image).to_owned(), results.trim().to_owned()))
        });
        lines.collect::<Result<_, _>>().map(Self).map_err(failed)
    }
}

/// How many answers were as expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As the prediction file says.
    pub correct: u64,
    /// Otherwise, or of a picture that the file does not know.
    pub wrong: u64,
}

/// Writes the console lines of a workload generator.
#[derive(Debug, Clone)]
pub struct GeneratorOutput {
    dialect: Dialect,
    url: String,
    expected: Option<Expected>,
    tally: Tally,
}

impl GeneratorOutput {
    /// The output of this generator; none for a dialect that is no generator's.
    pub fn new(dialect: Dialect, url: impl Into<String>, expected: Option<Expected>) -> Option<Self> {
        let url = url.into();
        dialect.is_generator().then(|| Self { dialect, url, expected, tally: Tally::default() })
    }

    /// The lines for an event, if the generator prints some; answers are counted on the way.
    pub fn lines(&mut self, event: &Event) -> Option<String> {
        let Event::Finished { row, answer } = event else { return None };
        if !row.outcome.is_answered() {
            return Some(format!("sendErr: {}", self.url));
        }
        let answer = answer.as_deref().unwrap_or_default();
        self.count(row, answer);
        let name = file_name(&row.picture);
        Some(format!("{name} uploaded!\nClassification result: {answer}"))
    }

    fn count(&mut self, row: &Row, answer: &str) {
        let Some(expected) = &self.expected else { return };
        let label = match self.dialect {
            Dialect::Iraas2024 => answer.split_once(':').map_or("", |(_, label)| label),
            _ => answer,
        };
        let is_correct =
            expected.0.get(stem(file_name(&row.picture))).is_some_and(|known| known == label.trim());
        let counter = if is_correct { &mut self.tally.correct } else { &mut self.tally.wrong };
        *counter += 1;
    }

    /// How many answers were as expected until now.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The lines after the last request: those of the generator of 2024, which that of 2021 did not have.
    pub fn statistics(&self, summary: &Summary) -> String {
        let Tally { correct, wrong } = self.tally;
        let total = summary.answered + summary.failed;
        let mut lines = vec![
            "+++++ Test Result Statistics +++++".to_owned(),
            format!("Total number of requests: {total}"),
            format!("Total number of requests completed successfully: {}", summary.answered),
            format!("Total number of failed requests: {}", summary.failed),
        ];
        if self.expected.is_some() {
            lines.push(format!("Total number of correct predictions: {correct}"));
            lines.push(format!("Total number of wrong predictions: {wrong}"));
        }
        lines.push(format!("Total Test Duration: {:.3} (seconds)", summary.wall_s));
        lines.join("\n")
    }
}

/// The name before its first dot.
fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Outcome;
    use crate::row::tests::row;
    use crate::schedule::Punctuality;
    use std::sync::Arc;
    use std::time::Duration;

    const URL: &str = "http://localhost:3000/";

    fn finished(picture: &str, outcome: Outcome, answer: &str) -> Event {
        let row = Row { picture: Arc::from(picture), ..row(outcome, 1000) };
        Event::Finished { row, answer: Some(answer.to_owned()) }
    }

    fn expected(text: &str) -> Result<Expected, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        fs_err::write(&path, text).unwrap();
        Expected::read(&path)
    }

    #[test]
    fn i16_the_lines_are_those_of_the_generators_without_their_quirks() {
        let mut output = GeneratorOutput::new(Dialect::Iraas2021, URL, None).unwrap();
        let told = output.lines(&finished("./imagenet-100/test_93.JPEG", Outcome::Status(200), "church"));
        assert_eq!(told.unwrap(), "test_93.JPEG uploaded!\nClassification result: church");
        let told = output.lines(&finished("a/b.jpg", Outcome::Status(500), ""));
        assert_eq!(told.unwrap(), format!("sendErr: {URL}"));
        assert!(GeneratorOutput::new(Dialect::V1, URL, None).is_none());
    }

    #[test]
    fn i16_answers_are_correct_wrong_or_failed() {
        let known = || expected("Image,Results\ntest_00,Paul\ntest_01.jpg,Emily\n").unwrap();
        let mut output = GeneratorOutput::new(Dialect::Iraas2024, URL, Some(known())).unwrap();
        for (picture, status, answer) in [
            ("f/test_00.jpg", 200, "test_00:Paul"),
            ("f/test_01.jpg", 200, "test_01: Emily \n"),
            ("f/test_01.jpg", 200, "test_01:Paul"),
            ("f/test_01.jpg", 200, "no colon"),
            ("f/unknown.jpg", 200, "unknown:Paul"),
            ("f/test_00.jpg", 503, "test_00:Paul"),
        ] {
            output.lines(&finished(picture, Outcome::Status(status), answer));
        }
        assert_eq!(output.tally(), Tally { correct: 2, wrong: 3 });
        let mut plain = GeneratorOutput::new(Dialect::Iraas2021, URL, Some(known())).unwrap();
        plain.lines(&finished("f/test_00.jpg", Outcome::Status(200), "Paul"));
        assert_eq!(plain.tally(), Tally { correct: 1, wrong: 0 });
        let mut tally = crate::summary::Tally::default();
        tally.add(&row(Outcome::Status(200), 1000));
        let summary = tally.summarise(Duration::from_millis(1500), Punctuality::default());
        let told = output.statistics(&summary);
        for line in [
            "requests completed successfully: 1",
            "correct predictions: 2",
            "wrong predictions: 3",
            "Total Test Duration: 1.500 (seconds)",
        ] {
            assert!(told.contains(line), "{told}");
        }
    }

    #[test]
    fn a_file_that_is_no_prediction_file_is_told() {
        let error = expected("Name,Label\na,b\n").unwrap_err().to_string();
        assert!(error.contains("results.csv"), "{error}");
        assert!(Expected::read(Path::new("/nowhere.csv")).is_err());
    }
}
