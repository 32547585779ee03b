//! A request as it is remembered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// One request: what was sent, when, and what came of it. Times count from the begin of the measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Number of the request, from 0.
    pub index: u64,
    /// Path of the picture.
    pub picture: Arc<str>,
    /// The client that sent it, from 0; in an open loop there are none.
    pub client: Option<usize>,
    /// When the request should have left (closed loop: when it left).
    #[serde(rename = "intended_ms", serialize_with = "milliseconds")]
    pub intended: Duration,
    /// When it left.
    #[serde(rename = "started_ms", serialize_with = "milliseconds")]
    pub started: Duration,
    /// From the intended start to the last byte of the answer, or to the failure.
    #[serde(rename = "latency_ms", serialize_with = "milliseconds")]
    pub latency: Duration,
    /// The status of the answer, or the kind of failure.
    #[serde(rename = "status")]
    pub outcome: Outcome,
    /// Bytes of the request's body.
    pub sent_bytes: u64,
    /// Bytes of the answer's body.
    pub received_bytes: u64,
    /// Who answered, from the header `x-sightscan-instance`.
    pub instance: Option<String>,
    /// Whether the answer belongs to the request.
    pub id: IdCheck,
    /// What the network said about a failure.
    pub error: Option<String>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer with this HTTP status.
    Status(u16),
    /// No complete answer.
    Failed(Failure),
    /// Given up because the test was stopped: neither an answer nor the server's failure.
    Cancelled,
}

/// Why there is no complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The host name was not found.
    Dns,
    /// No connection could be opened.
    Connect,
    /// Nothing complete within the time limit.
    Timeout,
    /// The connection was reset.
    Reset,
    /// The connection ended in the middle, or what came was not HTTP.
    Broken,
    /// The picture could not be read from disk, so that nothing was sent.
    Picture,
}

/// Whether the answer repeats the request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdCheck {
    /// The dialect has no id, or there is no successful answer.
    #[default]
    #[serde(rename = "")]
    Unchecked,
    /// The same id.
    Matched,
    /// No id in the answer.
    Missing,
    /// The id of another request.
    Wrong,
}

impl IdCheck {
    pub(crate) fn of(expected: &str, answered: Option<&str>) -> Self {
        match answered {
            None => Self::Missing,
            Some(id) if id == expected => Self::Matched,
            Some(_) => Self::Wrong,
        }
    }
}

impl Outcome {
    /// Whether the request was answered with success (2xx); only these count for latency.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Broken => "broken",
            Self::Picture => "picture",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => code.fmt(out),
            Self::Failed(failure) => failure.fmt(out),
            Self::Cancelled => out.write_str("cancelled"),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Milliseconds with microseconds behind the point.
pub(crate) fn as_ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(as_ms(*time))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row with this outcome and latency, for tests of what is made of rows.
    pub(crate) fn row(outcome: Outcome, latency_us: u64) -> Row {
        Row {
            index: 3,
            picture: "folder/a, b.jpg".into(),
            client: Some(1),
            intended: Duration::from_micros(1500),
            started: Duration::from_micros(1500),
            latency: Duration::from_micros(latency_us),
            outcome,
            sent_bytes: 10,
            received_bytes: 20,
            instance: None,
            id: IdCheck::Unchecked,
            error: None,
        }
    }

    fn csv(row: &Row) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(row).unwrap();
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    #[test]
    fn an_answer_is_a_line_of_csv() {
        let row =
            Row { instance: Some("pod-1".into()), id: IdCheck::Matched, ..row(Outcome::Status(200), 2250) };
        assert_eq!(
            csv(&row),
            "index,picture,client,intended_ms,started_ms,latency_ms,status,sent_bytes,received_bytes,instance,id,error\n\
             3,\"folder/a, b.jpg\",1,1.5,1.5,2.25,200,10,20,pod-1,matched,\n"
        );
    }

    #[test]
    fn a_failure_is_a_line_of_csv_with_its_kind_and_reason() {
        let failed = Outcome::Failed(Failure::Connect);
        let row = Row { client: None, error: Some("refused".into()), ..row(failed, 1000) };
        assert!(
            csv(&row).ends_with("3,\"folder/a, b.jpg\",,1.5,1.5,1.0,connect,10,20,,,refused\n"),
            "{}",
            csv(&row)
        );
    }

    #[test]
    fn only_success_counts_as_answered() {
        assert!(Outcome::Status(204).is_answered());
        assert!(!Outcome::Status(302).is_answered());
        assert!(!Outcome::Status(429).is_answered());
        assert!(!Outcome::Failed(Failure::Timeout).is_answered());
        assert!(!Outcome::Cancelled.is_answered());
    }
}
