//! One run of one cell of the matrix, computed from its rows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use fs_err::File;
use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// A cell of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// Workers.
    pub workers: usize,
    /// Client threads.
    pub threads: usize,
    /// Which repeat, from 1.
    pub repeat: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "workers {}, threads {}, repeat {}", self.workers, self.threads, self.repeat)
    }
}

/// What a cell's rows amount to. Times are in seconds, over answered requests only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The cell.
    pub cell: Cell,
    /// Requests that were sent.
    pub requests: u64,
    /// Those with a complete answer of status 2xx.
    pub answered: u64,
    /// Mean response time.
    pub mean_s: f64,
    /// Median response time.
    pub p50_s: f64,
    /// 95th percentile.
    pub p95_s: f64,
    /// 99th percentile.
    pub p99_s: f64,
    /// The slowest.
    pub max_s: f64,
    /// From the first request to the end of the last.
    pub wall_s: f64,
    /// Failures by status or kind.
    pub failures: BTreeMap<String, u64>,
    /// Answers by the worker that gave them.
    pub instances: BTreeMap<String, u64>,
}

/// What is needed of a row; see [`Row`](crate::Row).
#[derive(Debug, Deserialize)]
struct Line {
    started_ms: f64,
    latency_ms: f64,
    status: String,
    instance: Option<String>,
}

impl Line {
    fn is_answered(&self) -> bool {
        self.status.len() == 3 && self.status.starts_with('2')
    }
}

impl Measured {
    /// Reads the rows of a cell.
    ///
    /// # Errors
    /// When they cannot be read, or are those of nothing.
    pub fn read(cell: Cell, path: &Path) -> Result<Self> {
        let damaged = |why: String| Error::Damaged { path: path.to_owned(), why };
        let mut rows = csv::Reader::from_reader(File::open(path)?);
        let lines: Vec<Line> = rows
            .deserialize()
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| damaged(error.to_string()))?;
        Self::of(cell, &lines).ok_or_else(|| damaged("it has no answered request".to_owned()))
    }

    fn of(cell: Cell, lines: &[Line]) -> Option<Self> {
        let (mut failures, mut instances) = (BTreeMap::new(), BTreeMap::new());
        let mut latencies = Vec::new();
        for line in lines {
            if line.is_answered() {
                latencies.push(line.latency_ms / 1e3);
                line.instance.iter().for_each(|name| *instances.entry(name.clone()).or_default() += 1);
            } else {
                *failures.entry(line.status.clone()).or_default() += 1;
            }
        }
        latencies.sort_by(f64::total_cmp);
        let begin = lines.iter().map(|line| line.started_ms).fold(f64::INFINITY, f64::min);
        let end = lines.iter().map(|line| line.started_ms + line.latency_ms).fold(0.0, f64::max);
        Some(Self {
            cell,
            requests: lines.len() as u64,
            answered: latencies.len() as u64,
            mean_s: latencies.iter().sum::<f64>() / latencies.len() as f64,
            p50_s: nearest_rank(&latencies, 0.5)?,
            p95_s: nearest_rank(&latencies, 0.95)?,
            p99_s: nearest_rank(&latencies, 0.99)?,
            max_s: *latencies.last()?,
            wall_s: (end - begin) / 1e3,
            failures,
            instances,
        })
    }

    /// Requests that were not answered with 2xx.
    pub fn failed(&self) -> u64 {
        self.requests - self.answered
    }

    /// Answered requests a second.
    pub fn throughput(&self) -> f64 {
        self.answered as f64 / self.wall_s
    }

    /// The failures in words, such as `503 2, timeout 1`.
    pub fn failures_in_words(&self) -> String {
        let each: Vec<String> = self.failures.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        each.join(", ")
    }
}

/// The smallest value that at least this share of the sorted values does not exceed.
fn nearest_rank(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run whose requests all took `mean_s`, for tests of what is made of runs.
    pub(crate) fn measured(workers: usize, threads: usize, repeat: usize, mean_s: f64) -> Measured {
        let cell = Cell { workers, threads, repeat };
        let wall_s = 128.0 * mean_s / threads as f64;
        let instances =
            (0..workers).map(|worker| (format!("worker-{worker}"), (128 / workers) as u64)).collect();
        Measured {
            cell,
            requests: 128,
            answered: 128,
            mean_s,
            p50_s: mean_s,
            p95_s: mean_s * 1.5,
            p99_s: mean_s * 2.0,
            max_s: mean_s * 2.5,
            wall_s,
            failures: BTreeMap::new(),
            instances,
        }
    }

    const HEAD: &str = "index,picture,client,intended_ms,started_ms,latency_ms,status,sent_bytes,received_bytes,instance,id,error\n";

    fn read(rows: &str) -> Result<Measured> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), format!("{HEAD}{rows}")).unwrap();
        Measured::read(Cell { workers: 2, threads: 1, repeat: 1 }, file.path())
    }

    #[test]
    fn a_run_is_computed_from_its_rows_and_failures_stay_out_of_the_times() {
        let measured = read(
            "0,a.jpg,0,0,100,200,200,10,10,w1,matched,\n1,b.jpg,0,300,300,400,200,10,10,w2,matched,\n\
             2,c.jpg,0,700,700,1.5,connect,10,0,,,refused\n3,d.jpg,0,701,701,9,503,10,0,w1,,\n",
        )
        .unwrap();
        assert_eq!((measured.requests, measured.answered, measured.failed()), (4, 2, 2));
        assert!((measured.mean_s - 0.3).abs() < 1e-9 && (measured.max_s - 0.4).abs() < 1e-9);
        assert!((measured.wall_s - 0.61).abs() < 1e-9, "{}", measured.wall_s);
        assert!((measured.throughput() - 2.0 / 0.61).abs() < 1e-9);
        assert_eq!(measured.failures_in_words(), "503 1, connect 1");
        assert_eq!(measured.instances, BTreeMap::from([("w1".to_owned(), 1), ("w2".to_owned(), 1)]));
    }

    #[test]
    fn a_file_without_an_answer_is_told() {
        assert!(
            read("0,a.jpg,0,0,100,200,timeout,10,0,,,late\n")
                .unwrap_err()
                .to_string()
                .contains("no answered")
        );
        assert!(read("0,a.jpg\n").unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let values: Vec<f64> = (1..=128).map(f64::from).collect();
        assert_eq!(nearest_rank(&values, 0.5), Some(64.0));
        assert_eq!(nearest_rank(&values, 0.95), Some(122.0));
        assert_eq!(nearest_rank(&[7.0], 0.99), Some(7.0));
        assert_eq!(nearest_rank(&[], 0.5), None);
    }
}
