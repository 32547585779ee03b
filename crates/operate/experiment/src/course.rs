//! What the iWebLens course's clients print, so that scripts which read their output go on working.

use crate::record::Event;
use crate::row::{Outcome, Row};
use crate::{Dialect, Summary};

/// Writes the console lines of the course's client of one generation.
///
/// The last line keeps the course's words, but its average is over **answered** requests only: the mean response time
/// in 2020, wall time per answered request since 2021. The course divided by all pictures, which made failures look
/// like speed. With no answer at all it is `nan`, where the course's clients printed a small number.
#[derive(Debug, Clone)]
pub struct CourseOutput {
    dialect: Dialect,
    url: String,
}

impl CourseOutput {
    /// The output of this generation, or `None` for a dialect that is not the course's.
    pub fn new(dialect: Dialect, url: impl Into<String>) -> Option<Self> {
        dialect.is_course().then(|| Self { dialect, url: url.into() })
    }

    /// The line before the first request: the client of 2020 prints the number of pictures.
    pub fn first_line(&self, pictures: usize) -> Option<String> {
        (self.dialect == Dialect::Iweblens2020).then(|| pictures.to_string())
    }

    /// The line for an event, if the course's client prints one.
    pub fn line(&self, event: &Event) -> Option<String> {
        match event {
            Event::Started { picture } => (self.dialect == Dialect::Iweblens2020)
                .then(|| format!("Calling object detection service, URL: {} Image:{picture}", self.url)),
            Event::Finished { row, answer } => self.result(row, answer.as_deref().unwrap_or_default()),
        }
    }

    fn result(&self, row: &Row, answer: &str) -> Option<String> {
        match row.outcome {
            Outcome::Status(_) if row.outcome.is_answered() => Some(self.answer(row, answer)),
            Outcome::Status(code) => Some(format!("Error, response status:<Response [{code}]>")),
            Outcome::Failed(kind) => {
                let reason = row.error.clone().unwrap_or_else(|| kind.to_string());
                Some(format!("Exception in webservice call: {reason}"))
            }
            Outcome::Cancelled => None,
        }
    }

    fn answer(&self, row: &Row, answer: &str) -> String {
        let thread = format!("ThreadPoolExecutor-0_{}", row.client.unwrap_or_default());
        let picture = &row.picture;
        match self.dialect {
            Dialect::Iweblens2020 => {
                let seconds = python_float(row.latency.as_secs_f64());
                format!("Thread : {thread}, Time Spent: {seconds}, Input Image: {picture} ,  Output:{answer}")
            }
            _ => {
                format!("Thread : {thread},  input image: {picture},  output:{answer}")
            }
        }
    }

    /// The line after the last request.
    pub fn last_line(&self, summary: &Summary) -> String {
        let wall = python_float(summary.wall_s);
        let average = |seconds: Option<f64>| python_float(seconds.unwrap_or(f64::NAN));
        match self.dialect {
            Dialect::Iweblens2020 => {
                let mean = average(summary.mean_response_time_s);
                format!("Total client script time: {wall}, average thread time: {mean}")
            }
            _ => {
                let mean = average(summary.wall_per_answer_s);
                format!("Total time spent: {wall} average response time: {mean}")
            }
        }
    }
}

/// A number as Python's `str` writes it: the shortest text that reads back the same, with an exponent of at least two
/// digits below 1e-4 and from 1e16.
fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value == 0.0 || (1e-4..1e16).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
            format!("{digits}e{sign}{size:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use crate::row::tests::row;
    use crate::schedule::Punctuality;
    use crate::summary::Tally;
    use std::time::Duration;

    const URL: &str = "http://localhost:5000/api/object_detection";

    fn output(dialect: Dialect) -> CourseOutput {
        CourseOutput::new(dialect, URL).unwrap()
    }

    fn finished(outcome: Outcome) -> Event {
        let row = Row { error: Some("refused".into()), ..row(outcome, 250_000) };
        Event::Finished { row, answer: Some("{\"objects\":[]}\n".into()) }
    }

    #[test]
    fn the_client_of_2020_says_all_this() {
        let output = output(Dialect::Iweblens2020);
        assert_eq!(output.first_line(128).unwrap(), "128");
        let started = Event::Started { picture: "in/a.jpg".into() };
        let line = output.line(&started).unwrap();
        assert_eq!(line, format!("Calling object detection service, URL: {URL} Image:in/a.jpg"));
        assert_eq!(
            output.line(&finished(Outcome::Status(200))).unwrap(),
            "Thread : ThreadPoolExecutor-0_1, Time Spent: 0.25, Input Image: folder/a, b.jpg ,  Output:{\"objects\":[]}\n"
        );
    }

    #[test]
    fn the_clients_since_2021_say_all_this() {
        let output = output(Dialect::Iweblens2021);
        assert_eq!(output.first_line(128), None);
        assert_eq!(output.line(&Event::Started { picture: "in/a.jpg".into() }), None);
        assert_eq!(
            output.line(&finished(Outcome::Status(200))).unwrap(),
            "Thread : ThreadPoolExecutor-0_1,  input image: folder/a, b.jpg,  output:{\"objects\":[]}\n"
        );
    }

    #[test]
    fn failures_are_said_alike() {
        for dialect in [Dialect::Iweblens2020, Dialect::Iweblens2021] {
            let line = |outcome| output(dialect).line(&finished(outcome));
            assert_eq!(line(Outcome::Status(500)).unwrap(), "Error, response status:<Response [500]>");
            let exception = line(Outcome::Failed(Failure::Connect)).unwrap();
            assert_eq!(exception, "Exception in webservice call: refused");
            assert_eq!(line(Outcome::Cancelled), None);
        }
    }

    #[test]
    fn the_last_line_averages_over_what_was_answered() {
        let mut tally = Tally::default();
        tally.add(&row(Outcome::Status(200), 500_000));
        tally.add(&row(Outcome::Failed(Failure::Connect), 100));
        let summary = tally.summarise(Duration::from_millis(750), Punctuality::default());
        let last = |dialect| output(dialect).last_line(&summary);
        assert_eq!(last(Dialect::Iweblens2020), "Total client script time: 0.75, average thread time: 0.5");
        assert_eq!(last(Dialect::Iweblens2021), "Total time spent: 0.75 average response time: 0.75");
        let nothing = Tally::default().summarise(Duration::from_secs(1), Punctuality::default());
        let line = output(Dialect::Iweblens2021).last_line(&nothing);
        assert_eq!(line, "Total time spent: 1.0 average response time: nan");
    }

    #[test]
    fn numbers_look_as_in_python() {
        let cases = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (12.345678901234567, "12.345678901234567"),
            (0.0001, "0.0001"),
            (0.00005, "5e-05"),
            (0.000012345, "1.2345e-05"),
            (1e16, "1e+16"),
            (1e-100, "1e-100"),
        ];
        for (value, text) in cases {
            assert_eq!(python_float(value), text);
        }
    }
}
