//! Where the time of a request goes with one connection.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;

use crate::client::{Client, request};
use crate::process::Process;
use crate::say;
use crate::statistics::median;
use crate::subject::{Subject, course_body};

/// Sends pictures one after the other and prints the median of each phase that the server reports.
pub(crate) fn run(subject: &Subject, requests: usize) -> Result<()> {
    let bodies: Vec<Vec<u8>> =
        subject.pictures()?.iter().map(|picture| request(&course_body(picture))).collect();
    let process = Process::start(subject)?;
    process.ready()?;
    let mut client = Client::connect(process.address)?;
    let mut phases: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for number in 0..requests {
        let start = Instant::now();
        let head = client.exchange(&bodies[number % bodies.len()])?;
        phases.entry("at the client".into()).or_default().push(start.elapsed().as_secs_f64() * 1e3);
        for (phase, time) in
            head.iter().filter_map(|line| line.strip_prefix("server-timing: ")).flat_map(timings)
        {
            phases.entry(phase).or_default().push(time);
        }
    }
    phases.iter().try_for_each(|(phase, times)| say(&format!("{phase:<14} median {:>8.3} ms", median(times))))
}

/// The metrics of a `Server-Timing` header (W3C): `queue;dur=0.1, infer;dur=26.0`.
fn timings(header: &str) -> impl Iterator<Item = (String, f64)> + '_ {
    let metric = |part: &str| {
        let (name, duration) = part.trim().split_once(";dur=")?;
        Some((name.to_owned(), duration.parse().ok()?))
    };
    header.split(',').filter_map(metric)
}
