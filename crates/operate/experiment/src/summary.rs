//! What a run amounts to. Latency is that of answered requests only; failures stand beside it, never in it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::row::{IdCheck, Outcome, Row};
use crate::schedule::Punctuality;

mod text;

/// The result of a load test. `requests = answered + failed + cancelled`.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Requests that were sent.
    pub requests: u64,
    /// Requests with a complete answer of status 2xx.
    pub answered: u64,
    /// Requests with another status, or without a complete answer.
    pub failed: u64,
    /// Requests under way when the test was stopped.
    pub cancelled: u64,
    /// The failures by status or kind, such as `429`, `connect` or `timeout`.
    pub failures: BTreeMap<String, FailureGroup>,
    /// Answers that carry the id of another request.
    pub wrong_ids: u64,
    /// Answers that carry no id although the request did.
    pub missing_ids: u64,
    /// Open loop: requests that left late because too many were under way.
    pub delayed: u64,
    /// Open loop: requests that were due before the end and never left.
    pub not_sent: u64,
    /// From the first request to the end of the last, in seconds.
    pub wall_s: f64,
    /// Answered requests per second of wall time.
    pub throughput_per_s: f64,
    /// How long answers took; `None` where nothing was answered.
    pub latency: Option<Latency>,
    /// The mean response time over answered requests, in seconds: what the course's client of 2020 calls average.
    pub mean_response_time_s: Option<f64>,
    /// Wall time per answered request, in seconds: inverse throughput, which the course's clients since 2021 call
    /// average response time.
    pub wall_per_answer_s: Option<f64>,
    /// The same per server instance, as far as answers name theirs.
    pub instances: BTreeMap<String, InstanceSummary>,
}

/// Response times of answered requests, in milliseconds from the intended start to the last byte. Mean and maximum
/// are exact; percentiles are exact to 0.1 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// Failures of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FailureGroup {
    /// How many.
    pub count: u64,
    /// What the network said about the first of them.
    pub example: Option<String>,
}

/// What one server instance did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct InstanceSummary {
    /// Requests that it answered with 2xx.
    pub answered: u64,
    /// Requests that it answered with another status.
    pub failed: u64,
    /// Mean response time of the answered ones, in milliseconds.
    pub mean_ms: Option<f64>,
}

/// The running count of a test, one row after the other.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    latency: Distribution,
    cancelled: u64,
    failures: BTreeMap<String, FailureGroup>,
    wrong_ids: u64,
    missing_ids: u64,
    instances: BTreeMap<String, InstanceTally>,
}

#[derive(Debug, Default)]
struct InstanceTally {
    latency: Mean,
    failed: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, row: &Row) {
        match row.outcome {
            Outcome::Cancelled => self.cancelled += 1,
            outcome if outcome.is_answered() => self.latency.add(row.latency),
            outcome => self.add_failure(outcome, row.error.as_deref()),
        }
        match row.id {
            IdCheck::Wrong => self.wrong_ids += 1,
            IdCheck::Missing => self.missing_ids += 1,
            IdCheck::Matched | IdCheck::Unchecked => {}
        }
        if let Some(instance) = &row.instance {
            self.instances.entry(instance.clone()).or_default().add(row);
        }
    }

    fn add_failure(&mut self, outcome: Outcome, reason: Option<&str>) {
        let group = self.failures.entry(outcome.to_string()).or_default();
        group.count += 1;
        group.example = group.example.take().or_else(|| reason.map(str::to_owned));
    }

    pub(crate) fn summarise(self, wall: Duration, punctuality: Punctuality) -> Summary {
        let answered = self.latency.mean.count;
        let failed = self.failures.values().map(|group| group.count).sum();
        let wall_s = wall.as_secs_f64();
        Summary {
            requests: answered + failed + self.cancelled,
            answered,
            failed,
            cancelled: self.cancelled,
            failures: self.failures,
            wrong_ids: self.wrong_ids,
            missing_ids: self.missing_ids,
            delayed: punctuality.delayed,
            not_sent: punctuality.not_sent,
            wall_s,
            throughput_per_s: if answered > 0 { answered as f64 / wall_s } else { 0.0 },
            mean_response_time_s: self.latency.mean.us().map(|us| us / 1e6),
            wall_per_answer_s: (answered > 0).then(|| wall_s / answered as f64),
            latency: self.latency.summarise(),
            instances: self.instances.into_iter().map(|(name, tally)| (name, tally.summarise())).collect(),
        }
    }
}

impl InstanceTally {
    fn add(&mut self, row: &Row) {
        match row.outcome.is_answered() {
            true => self.latency.add(row.latency),
            false => self.failed += 1,
        }
    }

    fn summarise(self) -> InstanceSummary {
        let mean_ms = self.latency.us().map(|us| us / 1000.0);
        InstanceSummary { answered: self.latency.count, failed: self.failed, mean_ms }
    }
}

#[derive(Debug, Default)]
struct Mean {
    count: u64,
    sum_us: u128,
}

impl Mean {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.sum_us += time.as_micros();
    }

    fn us(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_us as f64 / self.count as f64)
    }
}

/// Response times in microseconds; percentiles are kept up to ten minutes, which no request outlasts by default.
#[derive(Debug)]
struct Distribution {
    histogram: Histogram<u64>,
    mean: Mean,
    max: Duration,
}

impl Default for Distribution {
    fn default() -> Self {
        const TEN_MINUTES_US: u64 = 600_000_000;
        let histogram = Histogram::new_with_bounds(1, TEN_MINUTES_US, 3).expect("the bounds are valid");
        Self { histogram, mean: Mean::default(), max: Duration::ZERO }
    }
}

impl Distribution {
    fn add(&mut self, time: Duration) {
        self.histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        self.mean.add(time);
        self.max = self.max.max(time);
    }

    fn summarise(&self) -> Option<Latency> {
        let max_ms = crate::row::as_ms(self.max);
        // The histogram answers the upper end of a bucket, which may lie above the largest value.
        let percentile = |share| (self.histogram.value_at_quantile(share) as f64 / 1000.0).min(max_ms);
        self.mean.us().map(|mean_us| Latency {
            mean_ms: mean_us / 1000.0,
            p50_ms: percentile(0.5),
            p90_ms: percentile(0.9),
            p95_ms: percentile(0.95),
            p99_ms: percentile(0.99),
            max_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Failure;
    use crate::row::tests::row;
    use proptest::prelude::*;

    pub(super) fn summary(rows: &[Row], wall_ms: u64) -> Summary {
        let mut tally = Tally::default();
        rows.iter().for_each(|row| tally.add(row));
        tally.summarise(Duration::from_millis(wall_ms), Punctuality::default())
    }

    fn answered(latency_us: u64) -> Row {
        row(Outcome::Status(200), latency_us)
    }

    /// Nearest rank: the smallest value that at least this share of all values does not exceed.
    fn nearest_rank(sorted: &[u64], share: f64) -> f64 {
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted[rank - 1] as f64 / 1000.0
    }

    #[test]
    fn both_metrics_of_the_course_are_told_apart() {
        let summary = summary(&[answered(400_000), answered(200_000)], 400);
        assert_eq!(summary.mean_response_time_s, Some(0.3));
        assert_eq!(summary.wall_per_answer_s, Some(0.2));
        assert_eq!(summary.throughput_per_s, 5.0);
    }

    #[test]
    fn failures_are_grouped_with_an_example_and_stay_out_of_latency() {
        let refused = Row { error: Some("refused".into()), ..row(Outcome::Failed(Failure::Connect), 1) };
        let rows = [answered(1000), row(Outcome::Status(500), 1), refused.clone(), refused];
        let summary = summary(&rows, 10);
        assert_eq!((summary.requests, summary.answered, summary.failed), (4, 1, 3));
        assert_eq!(summary.failures["500"], FailureGroup { count: 1, example: None });
        assert_eq!(summary.failures["connect"], FailureGroup { count: 2, example: Some("refused".into()) });
        assert_eq!(summary.latency.unwrap().mean_ms, 1.0);
    }

    #[test]
    fn what_was_given_up_is_neither_answered_nor_failed() {
        let summary = summary(&[answered(1000), row(Outcome::Cancelled, 5)], 10);
        assert_eq!((summary.requests, summary.answered, summary.failed, summary.cancelled), (2, 1, 0, 1));
    }

    #[test]
    fn nothing_answered_has_no_latency_instead_of_zero() {
        let summary = summary(&[row(Outcome::Status(429), 1000)], 10);
        assert_eq!(summary.latency, None);
        assert_eq!((summary.mean_response_time_s, summary.wall_per_answer_s), (None, None));
        assert_eq!(summary.throughput_per_s, 0.0);
    }

    #[test]
    fn ids_and_instances_are_counted() {
        let by = |name: &str, outcome, id| Row { instance: Some(name.into()), id, ..row(outcome, 2000) };
        let summary = summary(
            &[
                by("a", Outcome::Status(200), IdCheck::Matched),
                by("a", Outcome::Status(429), IdCheck::Unchecked),
                by("b", Outcome::Status(200), IdCheck::Wrong),
                by("b", Outcome::Status(200), IdCheck::Missing),
            ],
            10,
        );
        assert_eq!((summary.wrong_ids, summary.missing_ids), (1, 1));
        let a = InstanceSummary { answered: 1, failed: 1, mean_ms: Some(2.0) };
        let b = InstanceSummary { answered: 2, failed: 0, mean_ms: Some(2.0) };
        assert_eq!(summary.instances, BTreeMap::from([("a".into(), a), ("b".into(), b)]));
    }

    proptest! {
        #[test]
        fn failures_never_change_a_latency_and_never_lower_a_metric(
            latencies in prop::collection::vec(1..5_000_000_u64, 1..50),
            failures in prop::collection::vec(1..5_000_000_u64, 1..50),
            extra_ms in 0..1000_u64,
        ) {
            let good: Vec<Row> = latencies.iter().map(|us| answered(*us)).collect();
            let bad = failures.iter().map(|us| row(Outcome::Failed(Failure::Reset), *us));
            let mixed: Vec<Row> = good.iter().cloned().chain(bad).collect();
            let (before, after) = (summary(&good, 1000), summary(&mixed, 1000 + extra_ms));
            prop_assert_eq!(after.latency, before.latency);
            prop_assert_eq!(after.mean_response_time_s, before.mean_response_time_s);
            prop_assert!(after.wall_per_answer_s >= before.wall_per_answer_s);
            prop_assert_eq!(after.failed, failures.len() as u64);
        }

        #[test]
        fn percentiles_agree_with_sorting(mut us in prop::collection::vec(1..600_000_000_u64, 1..300)) {
            let rows: Vec<Row> = us.iter().map(|us| answered(*us)).collect();
            let latency = summary(&rows, 1).latency.unwrap();
            us.sort_unstable();
            for (share, found) in [
                (0.5, latency.p50_ms), (0.9, latency.p90_ms), (0.95, latency.p95_ms), (0.99, latency.p99_ms)
            ] {
                let exact = nearest_rank(&us, share);
                prop_assert!((found - exact).abs() <= exact * 0.001 + 0.001, "p{share}: {found} for {exact}");
            }
            prop_assert_eq!(latency.max_ms, us[us.len() - 1] as f64 / 1000.0);
            let mean = us.iter().sum::<u64>() as f64 / us.len() as f64 / 1000.0;
            prop_assert!((latency.mean_ms - mean).abs() < 1e-6 * mean);
        }
    }
}
