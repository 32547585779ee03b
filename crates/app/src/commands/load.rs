//! `sightscan load`: how a detection service answers under load.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use sightscan_experiment::{Config, CourseOutput, Dialect, Event, Load, Pace, Summary, parse_duration};

use crate::terminal::{bar, say, spinner};

/// Flags of `load`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan load http://127.0.0.1:8002/v1/detect --folder holiday/ --threads 8 --requests 1000
  sightscan load http://127.0.0.1:8002/v1/detect --folder holiday/ --rate 50 --csv rows.csv
  sightscan load --as iweblens-2021 inputfolder/ http://127.0.0.1:8002/api/object_detection 16

A closed loop (--threads) asks a slow server less; an open loop (--rate) sends at fixed times and \
counts latency from the intended start, so that a stall cannot hide. Failures are counted apart and \
never enter a mean or a percentile.")]
pub(crate) struct Arguments {
    /// URL to post pictures to; with --as iweblens-… the course's three arguments: FOLDER URL THREADS.
    #[arg(required = true, num_args = 1..=3, value_name = "URL | FOLDER URL THREADS")]
    target: Vec<String>,
    /// Folder with the pictures to send.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Closed loop: this many clients, each of which waits for its answer before it sends again.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "rate")]
    threads: usize,
    /// Open loop: requests a second, sent at fixed times whatever the answers do.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Open loop: at most so many requests under way at once.
    #[arg(long, value_name = "N", default_value_t = Config::MAX_IN_FLIGHT)]
    max_in_flight: usize,
    /// Stop after so many requests [default: each picture once].
    #[arg(long, value_name = "N")]
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
    json: bool,
    /// How pictures are sent: v1 (the picture is the body), iweblens-2020 or iweblens-2021 (the course's clients).
    #[arg(long = "as", value_name = "DIALECT", default_value_t = Dialect::V1)]
    dialect: Dialect,
}

/// Runs `load`; the exit code is 1 when any request failed.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    let config = arguments.config()?;
    let course = CourseOutput::new(config.dialect, &config.url).filter(|_| arguments.target.len() == 3);
    let load = Load::prepare(config)?;
    let bar = progress(load.planned(), course.is_some());
    if let Some(line) = course.as_ref().and_then(|course| course.first_line(load.pictures())) {
        say(&line)?;
    }
    let observer = observer(bar.clone(), course.clone());
    let summary = super::block_on(async { Ok(load.run(interrupted(), observer).await?) })?;
    bar.finish_and_clear();
    arguments.print(&summary, course.as_ref())?;
    Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    fn config(&self) -> Result<Config> {
        let pace = match self.rate {
            Some(rate) => Pace::Open { rate, max_in_flight: self.max_in_flight },
            None => Pace::Closed { threads: self.threads },
        };
        let (url, folder, pace) = match (self.target.as_slice(), &self.folder) {
            ([url], Some(folder)) => (url, folder.clone(), pace),
            ([_], None) => bail!("no pictures are given: add --folder DIR"),
            ([folder, url, threads], None) if self.dialect.is_course() => {
                let threads =
                    threads.parse().with_context(|| format!("`{threads}` is no number of threads"))?;
                (url, PathBuf::from(folder), Pace::Closed { threads })
            }
            _ => bail!(
                "give URL and --folder DIR, or with --as iweblens-2020|iweblens-2021 the course's FOLDER URL THREADS"
            ),
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

    fn print(&self, summary: &Summary, course: Option<&CourseOutput>) -> Result<()> {
        if let Some(course) = course {
            say(course.last_line(summary))?;
            return Ok(write!(std::io::stderr(), "\n{summary}")?);
        }
        if self.json { say(serde_json::to_string(summary)?) } else { say(summary.to_string().trim_end()) }
    }
}

fn progress(planned: Option<u64>, hidden: bool) -> ProgressBar {
    match planned {
        _ if hidden => ProgressBar::hidden(),
        Some(planned) => bar(planned, "{pos}/{len} requests, {per_sec}, {eta} left"),
        None => spinner("{pos} requests, {per_sec}, {elapsed}"),
    }
}

fn observer(bar: ProgressBar, course: Option<CourseOutput>) -> impl FnMut(&Event) + Send + 'static {
    move |event| {
        if let Event::Finished { .. } = event {
            bar.inc(1);
        }
        if let Some(line) = course.as_ref().and_then(|course| course.line(event)) {
            // Whoever closed our output still gets the measurement to its end.
            let _ = say(&line);
        }
    }
}

/// Ready when the user presses Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
