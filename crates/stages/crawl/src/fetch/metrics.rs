//! What is counted, in names that cannot be mistyped.
//!
//! Hosts and addresses are no labels: there are too many, and they are nobody's business. The recorder is our own and not
//! the process's, so that several roles can live in one process.

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::FetchError;
use super::call::Kind;

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

const FETCHES: &str = "sightscan_fetches_total";
const FETCHES_HELP: &str =
    "what was asked of the outside, by kind and by outcome in the end: ok, refused or failed";

const TRIES: &str = "sightscan_fetch_tries_total";
const TRIES_HELP: &str = "tries that it took, by kind";

/// What a fetcher counts.
pub(super) struct Metrics(PrometheusRecorder);

impl Metrics {
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        recorder.describe_counter(KeyName::from(FETCHES), None, FETCHES_HELP.into());
        recorder.describe_counter(KeyName::from(TRIES), None, TRIES_HELP.into());
        Self(recorder)
    }

    /// Counts something that was fetched, or not, and the tries that it took.
    pub(super) fn count<T>(&self, kind: Kind, outcome: &Result<T, FetchError>, tries: u32) {
        let outcome = match outcome {
            Ok(_) => "ok",
            Err(FetchError::Refused { .. }) => "refused",
            Err(FetchError::Failed { .. }) => "failed",
        };
        let kind = Label::from_static_parts("kind", kind.name());
        let outcome = Label::from_static_parts("outcome", outcome);
        self.add(FETCHES, vec![kind.clone(), outcome], 1);
        self.add(TRIES, vec![kind], tries.into());
    }

    fn add(&self, name: &'static str, labels: Vec<Label>, number: u64) {
        self.0.register_counter(&Key::from_parts(name, labels), &METADATA).increment(number);
    }

    /// All metrics in Prometheus' text format.
    pub(super) fn render(&self) -> String {
        self.0.handle().render()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_are_counted_by_outcome_and_without_addresses() {
        let url = "https://secret.example.org/".parse().unwrap();
        let refused = FetchError::Refused { url, reason: "gone".to_owned() };
        let metrics = Metrics::new();
        metrics.count(Kind::Picture, &Ok(()), 1);
        metrics.count(Kind::Picture, &Ok(()), 3);
        metrics.count::<()>(Kind::Page, &Err(refused), 1);
        let text = metrics.render();
        for line in [
            "sightscan_fetch_tries_total{kind=\"page\"} 1",
            "sightscan_fetch_tries_total{kind=\"picture\"} 4",
            "sightscan_fetches_total{kind=\"page\",outcome=\"refused\"} 1",
            "sightscan_fetches_total{kind=\"picture\",outcome=\"ok\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        assert!(!text.contains("secret"));
    }
}
