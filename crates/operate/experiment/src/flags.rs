//! What a user says about a load test.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::{Config, Dialect, Pace, parse_duration};

/// The threads of every workload generator.
const GENERATOR_THREADS: usize = 100;

/// Flags of `load`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan load http://127.0.0.1:8002/v1/detect --folder holiday/ --threads 8 --requests 1000
  sightscan load http://127.0.0.1:8002/v1/detect --folder holiday/ --rate 50 --csv rows.csv
  sightscan load --as iweblens-2021 inputfolder/ http://127.0.0.1:8002/api/object_detection 16
  sightscan load --as iraas-2024 --num_request 100 --url http://127.0.0.1:8002/ --image_folder imagenet-100/

A closed loop (--threads) asks a slow server less; an open loop (--rate) sends at fixed times and \
counts latency from the intended start, so that a stall cannot hide. Failures are counted apart and \
never enter a mean or a percentile.")]
pub struct Flags {
    /// URL to post pictures to; with --as iweblens-… the course's three arguments: FOLDER URL THREADS.
    #[arg(required_unless_present = "url", num_args = 1..=3, value_name = "URL | FOLDER URL THREADS")]
    target: Vec<String>,
    /// URL to post pictures to, as the workload generators call it.
    #[arg(long, value_name = "URL", conflicts_with = "target")]
    url: Option<String>,
    /// Folder with the pictures to send.
    #[arg(long, value_name = "DIR", visible_alias = "image_folder")]
    folder: Option<PathBuf>,
    /// Closed loop: this many clients, each of which waits for its answer before it sends again.
    /// [default: 1; of the workload generators 100]
    #[arg(long, value_name = "N", conflicts_with = "rate")]
    threads: Option<usize>,
    /// Open loop: requests a second, sent at fixed times whatever the answers do.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Open loop: at most so many requests under way at once.
    #[arg(long, value_name = "N", default_value_t = Config::MAX_IN_FLIGHT)]
    max_in_flight: usize,
    /// Stop after so many requests [default: each picture once].
    #[arg(long, value_name = "N", visible_alias = "num_request")]
    requests: Option<u64>,
    /// Stop after this time, such as 30s, 5m or 1h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Send so many requests first and do not count them.
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm_up: u64,
    /// Count a request as failed after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    timeout: Duration,
    /// Open a connection for each request, as the course's clients do.
    #[arg(long)]
    new_connections: bool,
    /// Shuffle the pictures by this number.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Write a row for each request to this file, while it runs.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
    /// CSV file with the columns Image and Results: answers are counted as correct or wrong, by the name before its first dot.
    #[arg(long, value_name = "FILE", visible_alias = "prediction_file")]
    pub prediction_file: Option<PathBuf>,
    /// How pictures are sent: v1 (the picture is the body), iweblens-2020 or iweblens-2021 (the course's clients), iraas-2021 or
    /// iraas-2024 (the workload generators of "Image Recognition as a Service").
    #[arg(long = "as", value_name = "DIALECT", default_value_t = Dialect::V1)]
    dialect: Dialect,
}

/// Flags that do not make a load test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagsError {
    /// There is nothing to send.
    #[error("no pictures are given: add --folder DIR")]
    NoFolder,
    /// The course's third argument.
    #[error("`{0}` is no number of threads")]
    Threads(String),
    /// Neither our form nor the course's.
    #[error(
        "give URL and --folder DIR, or with --as iweblens-2020|iweblens-2021 the course's FOLDER URL THREADS"
    )]
    Target,
}

impl Flags {
    /// Whether the course's three arguments were given.
    pub fn is_course(&self) -> bool {
        self.target.len() == 3
    }

    /// Whether the output is that of a workload generator.
    pub fn is_generator(&self) -> bool {
        self.dialect.is_generator()
    }

    fn usual_threads(&self) -> usize {
        if self.dialect.is_generator() { GENERATOR_THREADS } else { 1 }
    }

    /// The load test that is asked for.
    ///
    /// # Errors
    /// When it is not said where pictures come from and go to.
    pub fn config(&self) -> Result<Config, FlagsError> {
        let pace = match self.rate {
            Some(rate) => Pace::Open { rate, max_in_flight: self.max_in_flight },
            None => Pace::Closed { threads: self.threads.unwrap_or_else(|| self.usual_threads()) },
        };
        let target = self.url.as_ref().map_or(self.target.as_slice(), std::slice::from_ref);
        let (url, folder, pace) = match (target, &self.folder) {
            ([url], Some(folder)) => (url, folder.clone(), pace),
            ([_], None) => return Err(FlagsError::NoFolder),
            ([folder, url, threads], None) if self.dialect.is_course() => {
                let threads = threads.parse().map_err(|_| FlagsError::Threads(threads.clone()))?;
                (url, PathBuf::from(folder), Pace::Closed { threads })
            }
            _ => return Err(FlagsError::Target),
        };
        Ok(Config {
            dialect: self.dialect,
            pace,
            requests: self.requests,
            duration: self.duration,
            warm_up: self.warm_up,
            timeout: self.timeout,
            new_connections: self.new_connections,
            seed: self.seed,
            csv: self.csv.clone(),
            ..Config::new(url, folder)
        })
    }
}
