//! The summary as a person reads it.

use std::fmt::{self, Formatter};

use super::{Latency, Summary};

/// Width of the names on the left.
const NAMES: usize = 16;

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        line(out, "requests", format_args!("{}", Counts(self)))?;
        for (kind, group) in &self.failures {
            let example = group.example.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
            line(out, "  failed", format_args!("{} x {kind}{example}", group.count))?;
        }
        self.warnings(out)?;
        line(out, "wall time", format_args!("{:.3} s", self.wall_s))?;
        line(out, "throughput", format_args!("{:.2} answered/s", self.throughput_per_s))?;
        match &self.latency {
            Some(latency) => line(out, "response time", format_args!("{latency}"))?,
            None => line(out, "response time", format_args!("none: nothing was answered"))?,
        }
        self.course_metrics(out)?;
        self.per_instance(out)
    }
}

impl Summary {
    /// Lines that are only there when something is wrong.
    fn warnings(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let warnings = [
            (self.wrong_ids, "wrong ids", "answers belong to another request"),
            (self.missing_ids, "missing ids", "answers do not repeat the request's id"),
            (self.delayed, "delayed", "requests left late: too many were under way (--max-in-flight)"),
            (self.not_sent, "not sent", "requests were due and never left: the server is slower than --rate"),
        ];
        for (count, name, meaning) in warnings.into_iter().filter(|(count, ..)| *count > 0) {
            line(out, name, format_args!("{count} {meaning}"))?;
        }
        Ok(())
    }

    fn course_metrics(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (Some(mean), Some(wall)) = (self.mean_response_time_s, self.wall_per_answer_s) else {
            return Ok(());
        };
        line(out, "mean", format_args!("{mean:.4} s response time per answered request"))?;
        line(out, "wall/answered", format_args!("{wall:.4} s wall time per answered request (1/throughput)"))
    }

    fn per_instance(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (name, instance) in &self.instances {
            let mean = instance.mean_ms.map(|ms| format!(", mean {ms:.1} ms")).unwrap_or_default();
            let (answered, failed) = (instance.answered, instance.failed);
            line(out, "instance", format_args!("{name}: {answered} answered, {failed} failed{mean}"))?;
        }
        Ok(())
    }
}

fn line(out: &mut Formatter<'_>, name: &str, text: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(out, "{name:<NAMES$}{text}")
}

struct Counts<'a>(&'a Summary);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Summary { requests, answered, failed, cancelled, .. } = self.0;
        write!(out, "{requests} sent, {answered} answered, {failed} failed")?;
        if *cancelled > 0 {
            write!(out, ", {cancelled} given up when the test was stopped")?;
        }
        Ok(())
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms } = self;
        write!(out, "mean {mean_ms:.1} ms, p50 {p50_ms:.1}, p90 {p90_ms:.1}, p95 {p95_ms:.1}, ")?;
        write!(out, "p99 {p99_ms:.1}, max {max_ms:.1} (answered requests only)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::summary;
    use crate::row::tests::row;
    use crate::{Failure, Outcome, Row};

    #[test]
    fn a_person_can_read_it() {
        let good = Row { instance: Some("pod-1".into()), ..row(Outcome::Status(200), 20_000) };
        let bad = Row { error: Some("refused".into()), ..row(Outcome::Failed(Failure::Connect), 5) };
        let text = summary(&[good, bad], 40).to_string();
        assert_eq!(
            text,
            "requests        2 sent, 1 answered, 1 failed\n\
             \x20 failed        1 x connect (refused)\n\
             wall time       0.040 s\n\
             throughput      25.00 answered/s\n\
             response time   mean 20.0 ms, p50 20.0, p90 20.0, p95 20.0, p99 20.0, max 20.0 (answered requests only)\n\
             mean            0.0200 s response time per answered request\n\
             wall/answered   0.0400 s wall time per answered request (1/throughput)\n\
             instance        pod-1: 1 answered, 0 failed, mean 20.0 ms\n"
        );
    }

    #[test]
    fn a_run_without_answers_shows_no_figure() {
        let mut summary = summary(&[row(Outcome::Cancelled, 1)], 40);
        (summary.delayed, summary.not_sent, summary.wrong_ids) = (1, 2, 3);
        let text = summary.to_string();
        for part in
            ["1 given up", "nothing was answered", "1 requests left late", "2 requests were due", "3 answers"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("wall/answered"));
    }
}
