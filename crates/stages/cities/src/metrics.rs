//! What cities count, in names that cannot be mistyped.
//!
//! The recorder is our own and not the process's, so that several roles can live in one process.

use metrics::{Counter, Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

const RUNS: &str = "sightscan_scheduler_runs_total";
const RUNS_HELP: &str = "runs of the scheduler's tasks, by task and outcome: ok or failed";

/// The handles of all metrics.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    /// Requests for cities.
    pub(crate) requests: Counter,
    /// Cities that were approved, by their requesters or an admin.
    pub(crate) approvals: Counter,
    /// Pictures that were donated.
    pub(crate) donations: Counter,
    /// Donations that were withdrawn.
    pub(crate) withdrawals: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let counter = |name, help| register(&recorder, name, help);
        Self {
            requests: counter("sightscan_city_requests_total", "requests for cities"),
            approvals: counter("sightscan_city_approvals_total", "cities that were approved"),
            donations: counter("sightscan_donations_total", "pictures that were donated"),
            withdrawals: counter("sightscan_withdrawals_total", "donations that were withdrawn"),
            recorder,
        }
    }

    /// Counts a run of one of the scheduler's tasks.
    pub(crate) fn count_task(&self, task: &'static str, went_well: bool) {
        self.recorder.describe_counter(KeyName::from(RUNS), None, RUNS_HELP.into());
        let outcome = if went_well { "ok" } else { "failed" };
        let labels =
            vec![Label::from_static_parts("task", task), Label::from_static_parts("outcome", outcome)];
        self.recorder.register_counter(&Key::from_parts(RUNS, labels), &METADATA).increment(1);
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.recorder.handle().render()
    }
}

fn register(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Counter {
    recorder.describe_counter(KeyName::from(name), None, help.into());
    recorder.register_counter(&Key::from_static_name(name), &METADATA)
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
    fn what_happened_is_counted_with_help() {
        let metrics = Metrics::new();
        metrics.requests.increment(2);
        metrics.count_task("prune", false);
        let text = metrics.render();
        for line in [
            "# HELP sightscan_city_requests_total requests for cities",
            "sightscan_city_requests_total 2",
            "sightscan_scheduler_runs_total{task=\"prune\",outcome=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
