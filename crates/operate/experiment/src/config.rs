//! What a load test is told.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Dialect, Error};

/// How requests follow one another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Closed loop: this many clients, each sending its next request when the last one was answered.
    Closed {
        /// Number of clients, at least 1.
        threads: usize,
    },
    /// Open loop: a fixed schedule that does not wait for answers.
    Open {
        /// Requests per second, above 0.
        rate: f64,
        /// Most requests under way at once. A request that finds the limit reached leaves late, is counted as
        /// [`delayed`](crate::Summary::delayed), and its latency still counts from its intended start.
        max_in_flight: usize,
    },
}

/// A load test: where to, what, how fast, how long.
#[derive(Debug, Clone)]
pub struct Config {
    /// The URL that every request is posted to, exactly as given.
    pub url: String,
    /// The folder of pictures, not searched recursively.
    pub folder: PathBuf,
    /// The form of a request.
    pub dialect: Dialect,
    /// Closed or open loop.
    pub pace: Pace,
    /// Stop after this many requests; the folder is repeated as often as needed. Without it and without a
    /// duration, every picture is sent once.
    pub requests: Option<u64>,
    /// Start no request after this time; those under way are waited for.
    pub duration: Option<Duration>,
    /// Requests that are sent first and not counted, so that caches and connections are warm.
    pub warm_up: u64,
    /// After this time without a complete answer a request counts as failed.
    pub timeout: Duration,
    /// Open a connection for every request. The course's dialects always do, as the course's clients did.
    pub new_connections: bool,
    /// Send the pictures in an order shuffled by this number instead of sorted by name.
    pub seed: Option<u64>,
    /// Write a row per request to this CSV file while the test runs.
    pub csv: Option<PathBuf>,
}

impl Config {
    /// The most requests under way at once in an open loop, unless set.
    pub const MAX_IN_FLIGHT: usize = 1024;
    /// The time a request may take, unless set.
    pub const TIMEOUT: Duration = Duration::from_secs(60);

    /// Every picture of `folder` once, one client, our own dialect, 60 s per request.
    pub fn new(url: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            folder: folder.into(),
            dialect: Dialect::V1,
            pace: Pace::Closed { threads: 1 },
            requests: None,
            duration: None,
            warm_up: 0,
            timeout: Self::TIMEOUT,
            new_connections: false,
            seed: None,
            csv: None,
        }
    }

    /// The three arguments of the course's client in its order: every `.jpg` of `folder` once, by `threads` clients.
    pub fn course(
        dialect: Dialect,
        folder: impl Into<PathBuf>,
        url: impl Into<String>,
        threads: usize,
    ) -> Self {
        Self { dialect, pace: Pace::Closed { threads }, ..Self::new(url, folder) }
    }

    /// Refuses numbers that describe no load test.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.pace.check()?;
        require(self.requests != Some(0), "--requests", 0, "send at least 1 request")?;
        require(self.duration != Some(Duration::ZERO), "--duration", 0, "give a time above 0, such as 30s")?;
        require(self.timeout > Duration::ZERO, "--timeout", 0, "give a time above 0, such as 60")
    }
}

impl Pace {
    fn check(self) -> Result<(), Error> {
        match self {
            Self::Closed { threads } => require(threads > 0, "--threads", 0, "use at least 1 client"),
            Self::Open { rate, max_in_flight } => {
                let slowest = 1.0 / 86_400.0;
                let rule = "give a number of requests per second between one a day and 1000000";
                require((slowest..=1e6).contains(&rate), "--rate", rate, rule)?;
                require(max_in_flight > 0, "--max-in-flight", 0, "allow at least 1 request under way")
            }
        }
    }
}

fn require(holds: bool, option: &'static str, value: impl ToString, rule: &'static str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Setting { option, value: value.to_string(), rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_numbers_are_refused_with_the_option_to_change() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config::new("http://localhost", ".");
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(with(|c| c.pace = Pace::Closed { threads: 0 }).starts_with("--threads is 0"));
        assert!(with(|c| c.pace = Pace::Open { rate: 0.0, max_in_flight: 1 }).starts_with("--rate is 0"));
        assert!(
            with(|c| c.pace = Pace::Open { rate: f64::NAN, max_in_flight: 1 }).starts_with("--rate is NaN")
        );
        assert!(with(|c| c.pace = Pace::Open { rate: 1.0, max_in_flight: 0 }).starts_with("--max-in-flight"));
        assert!(with(|c| c.requests = Some(0)).starts_with("--requests"));
        assert!(with(|c| c.duration = Some(Duration::ZERO)).starts_with("--duration"));
        assert!(with(|c| c.timeout = Duration::ZERO).starts_with("--timeout"));
    }
}
