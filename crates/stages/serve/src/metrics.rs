//! What the server counts and measures, in names that cannot be mistyped.
//!
//! The recorder is the server's own and not the process's, so that several servers can live in one process.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusRecorder};
use sightscan_http::Exchange;

/// Upper bounds in seconds: from the tenth of a millisecond of a tiny network to the greatest usual deadline.
const BUCKETS: [f64; 16] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0, 30.0];

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

const REQUESTS: &str = "sightscan_http_requests_total";
const REQUESTS_HELP: &str = "requests, by route and outcome: ok, the slug of the problem, or client-left";

/// A kind of metric that can be registered under a name with a help text.
trait Registered {
    fn register(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Self;
}

impl Registered for Counter {
    fn register(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Self {
        recorder.describe_counter(KeyName::from(name), None, help.into());
        recorder.register_counter(&Key::from_static_name(name), &METADATA)
    }
}

impl Registered for Gauge {
    fn register(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Self {
        recorder.describe_gauge(KeyName::from(name), None, help.into());
        recorder.register_gauge(&Key::from_static_name(name), &METADATA)
    }
}

impl Registered for Histogram {
    fn register(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Self {
        recorder.describe_histogram(KeyName::from(name), None, help.into());
        recorder.register_histogram(&Key::from_static_name(name), &METADATA)
    }
}

/// Declares the metrics: the doc comment of a field is its help text.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ident = $name:literal;)+) => {
        /// The handles of all metrics.
        pub(crate) struct Metrics {
            recorder: PrometheusRecorder,
            $($(#[doc = $help])+ pub(crate) $field: $kind,)+
        }

        impl Metrics {
            fn with(recorder: PrometheusRecorder) -> Self {
                Self {
                    $($field: <$kind as Registered>::register(&recorder, $name, concat!($($help),+).trim_ascii()),)+
                    recorder,
                }
            }
        }
    };
}

metrics! {
    /// pictures that wait for a worker
    queue_depth: Gauge = "sightscan_queue_depth";
    /// pictures that have a place: their body is being read, they wait, or they are worked on
    in_flight: Gauge = "sightscan_pictures_in_flight";
    /// 1 while /readyz says that requests are wanted
    ready: Gauge = "sightscan_ready";
    /// worker threads that have been busy with one picture for too long
    stuck_workers: Gauge = "sightscan_stuck_workers";
    /// pictures that were analysed
    pictures: Counter = "sightscan_pictures_total";
    /// pictures that could not be analysed
    failed_pictures: Counter = "sightscan_failed_pictures_total";
    /// pictures dropped before any work, because their client had left
    abandoned: Counter = "sightscan_abandoned_pictures_total";
    /// pictures dropped before any work, because their deadline had passed
    late: Counter = "sightscan_late_pictures_total";
    /// panics of worker threads
    panics: Counter = "sightscan_worker_panics_total";
    /// worker threads that were given up as stuck
    given_up: Counter = "sightscan_workers_given_up_total";
    /// pictures that were sent to workers
    accepted: Counter = "sightscan_requests_accepted_total";
    /// pictures whose clients were told an address, because no worker had looked in time
    postponed: Counter = "sightscan_requests_postponed_total";
    /// answers of workers that nobody waited for: second ones, late ones, and what is no answer
    foreign_answers: Counter = "sightscan_foreign_answers_total";
    /// answers of workers that have not come yet
    waiting_answers: Gauge = "sightscan_waiting_answers";
    /// requests of the queue that this worker has answered
    requests_done: Counter = "sightscan_requests_done_total";
    /// requests of the queue that this worker has refused
    requests_failed: Counter = "sightscan_requests_failed_total";
    /// requests of the queue that this worker has given up
    requests_dead: Counter = "sightscan_requests_dead_total";
    /// requests of the queue that this worker has left to the next try
    requests_retried: Counter = "sightscan_requests_retried_total";
    /// seconds that pictures waited for a worker
    queue_seconds: Histogram = "sightscan_queue_seconds";
    /// seconds from bytes to pixels
    decode_seconds: Histogram = "sightscan_decode_seconds";
    /// seconds from pixels to the network's input
    prepare_seconds: Histogram = "sightscan_prepare_seconds";
    /// seconds of the network itself
    infer_seconds: Histogram = "sightscan_infer_seconds";
    /// seconds from the network's output to boxes
    post_seconds: Histogram = "sightscan_post_seconds";
    /// seconds from a request's head to its answer, detection requests only
    total_seconds: Histogram = "sightscan_total_seconds";
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        recorder.describe_counter(KeyName::from(REQUESTS), None, REQUESTS_HELP.into());
        Ok(Self::with(recorder))
    }

    /// Counts a request. Routes and outcomes are closed sets, so the number of series has a bound.
    pub(crate) fn count(&self, exchange: &Exchange) {
        let labels = vec![
            Label::new("route", exchange.route.clone()),
            Label::from_static_parts("outcome", exchange.outcome.name()),
        ];
        self.recorder.register_counter(&Key::from_parts(REQUESTS, labels), &METADATA).increment(1);
        if crate::http::is_detection(&exchange.route) {
            self.total_seconds.record(exchange.duration);
        }
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.recorder.handle().render()
    }

    /// Takes the samples of the histograms out of their buffers, which would grow where nobody asks for metrics.
    pub(crate) fn tidy(&self) {
        self.recorder.handle().run_upkeep();
    }

    /// Records where the time of one picture went.
    pub(crate) fn time(&self, queued: Duration, times: &sightscan_types::PhaseTimes) {
        self.queue_seconds.record(queued);
        self.decode_seconds.record(times.decode / 1e3);
        self.prepare_seconds.record(times.prepare / 1e3);
        self.infer_seconds.record(times.infer / 1e3);
        self.post_seconds.record(times.post / 1e3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_help_types_and_buckets() {
        let metrics = Metrics::new().unwrap();
        metrics.queue_depth.set(3.0);
        metrics.pictures.increment(2);
        metrics.queue_seconds.record(0.0007);
        let text = metrics.render();
        for line in [
            "# HELP sightscan_queue_depth pictures that wait for a worker",
            "# TYPE sightscan_queue_depth gauge",
            "sightscan_queue_depth 3",
            "sightscan_pictures_total 2",
            "# TYPE sightscan_queue_seconds histogram",
            "sightscan_queue_seconds_bucket{le=\"0.0005\"} 0",
            "sightscan_queue_seconds_bucket{le=\"0.001\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn two_servers_in_one_process_do_not_share_their_metrics() {
        let (one, two) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        one.panics.increment(1);
        assert!(one.render().contains("sightscan_worker_panics_total 1"));
        assert!(!two.render().contains("sightscan_worker_panics_total 1"));
    }
}
