//! What a runner counts and measures.
//!
//! The recorder is the runner's own and not the process's, so that several runners can live in one process.

use std::time::Duration;

use metrics::{Gauge, Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusRecorder};
use sightscan_warehouse::jobs::Depth;

/// Upper bounds in seconds: from a moment of upkeep to a night of training.
const BUCKETS: [f64; 12] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0];

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

const RUNS: &str = "sightscan_job_runs_total";
const SECONDS: &str = "sightscan_job_seconds";
const RUNNING: &str = "sightscan_jobs_running";
const DUE: &str = "sightscan_jobs_waiting";
const LATER: &str = "sightscan_jobs_waiting_for_later";
const LEASED: &str = "sightscan_jobs_leased";
const OLDEST: &str = "sightscan_jobs_oldest_wait_seconds";

/// The metrics of a runner.
pub struct Metrics {
    recorder: PrometheusRecorder,
    /// Runs of this worker that are under way.
    pub(crate) running: Gauge,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let counter = "runs of jobs that ended, by name and outcome";
        recorder.describe_counter(KeyName::from(RUNS), None, counter.into());
        recorder.describe_histogram(KeyName::from(SECONDS), None, "seconds that a run took, by name".into());
        for (name, help) in [
            (RUNNING, "runs of this worker that are under way"),
            (DUE, "jobs that could run now, by queue"),
            (LATER, "jobs whose time has not come, by queue"),
            (LEASED, "jobs that workers have, by queue"),
            (OLDEST, "seconds that the oldest job that could run has waited, by queue"),
        ] {
            recorder.describe_gauge(KeyName::from(name), None, help.into());
        }
        let running = recorder.register_gauge(&Key::from_static_name(RUNNING), &METADATA);
        Ok(Self { recorder, running })
    }

    /// Counts a run that ended. Names and outcomes are closed sets, so the number of series has a bound.
    pub(crate) fn count(&self, name: &'static str, outcome: &'static str, took: Duration) {
        let name = Label::from_static_parts("name", name);
        let labels = vec![name.clone(), Label::from_static_parts("outcome", outcome)];
        self.recorder.register_counter(&Key::from_parts(RUNS, labels), &METADATA).increment(1);
        self.recorder.register_histogram(&Key::from_parts(SECONDS, vec![name]), &METADATA).record(took);
    }

    /// Shows how much there is to do in a queue.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers; these are small")]
    pub(crate) fn show_depth(&self, queue: &str, depth: &Depth, now: i64) {
        let waited = depth.oldest_due.map_or(0.0, |since| (now - since) as f64 / 1e3);
        for (name, value) in [
            (DUE, depth.waiting_due as f64),
            (LATER, depth.waiting_later as f64),
            (LEASED, depth.running as f64),
            (OLDEST, waited),
        ] {
            let labels = vec![Label::new("queue", queue.to_owned())];
            self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(value);
        }
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.recorder.handle().render()
    }

    /// Takes the samples of the histograms out of their buffers, which would grow where nobody asks for metrics.
    pub(crate) fn tidy(&self) {
        self.recorder.handle().run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_help_labels_and_buckets() {
        let metrics = Metrics::new().unwrap();
        metrics.running.set(2.0);
        metrics.count("crawl-city", "done", Duration::from_secs(3));
        let depth = Depth { waiting_due: 4, waiting_later: 1, running: 2, oldest_due: Some(500) };
        metrics.show_depth("crawl", &depth, 2_000);
        let text = metrics.render();
        for line in [
            "# HELP sightscan_job_runs_total runs of jobs that ended, by name and outcome",
            "sightscan_job_runs_total{name=\"crawl-city\",outcome=\"done\"} 1",
            "sightscan_job_seconds_bucket{name=\"crawl-city\",le=\"5\"} 1",
            "sightscan_jobs_running 2",
            "sightscan_jobs_waiting{queue=\"crawl\"} 4",
            "sightscan_jobs_oldest_wait_seconds{queue=\"crawl\"} 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
