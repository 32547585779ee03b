//! From the start of the process to ready.

use std::time::Instant;

use anyhow::Result;

use crate::process::Process;
use crate::say;
use crate::statistics::median;
use crate::subject::Subject;

/// Starts the server several times and prints how long it took until it was ready.
pub(crate) fn run(subject: &Subject, starts: usize) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..starts {
        let start = Instant::now();
        Process::start(subject)?.ready()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let all: Vec<String> = times.iter().map(|time| format!("{time:.0}")).collect();
    say(&format!("start to ready: median {:.0} ms of {} ({})", median(&times), times.len(), all.join(", ")))
}
