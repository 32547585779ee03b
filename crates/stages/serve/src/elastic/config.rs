//! The section `[elastic]` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The section `[elastic]` of the configuration: detection behind a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The queue through which `api` and `up` have pictures looked at, such as `db:`; they look themselves unless given.
    pub through: Option<String>,
    /// Whether `api` looks after the pools of workers.
    pub controller: bool,
    /// The bucket of the pictures as they were uploaded: `s3://bucket/prefix` or a folder; `elastic/in` in the data folder
    /// unless given.
    pub input: Option<String>,
    /// The bucket of their labels; `elastic/out` in the data folder unless given.
    pub output: Option<String>,
    /// The bucket of the results; `elastic/results` in the data folder unless given.
    pub results: Option<String>,
    /// Where is told what became of a picture whose client did not wait; nowhere unless given.
    pub webhook: Option<String>,
    /// Pictures of one web tier that may wait for workers; further ones are refused.
    pub greatest_waiting: usize,
    /// A worker that is not heard of for so long has lost its picture, in seconds.
    pub lease_seconds: u64,
    /// So often a picture is received before it is given up.
    pub max_receives: u32,
    /// A picture that nobody has looked at for so long is not looked at any more, in seconds.
    pub keep_seconds: u64,
    /// Pictures of up to so many bytes travel in the message as well, so that workers need not fetch them.
    pub inline_bytes: usize,
    /// A web tier that is not heard of for so long has lost its queue of answers, in seconds.
    pub replies_lease_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            through: None,
            controller: false,
            input: None,
            output: None,
            results: None,
            webhook: None,
            greatest_waiting: 2048,
            lease_seconds: 30,
            max_receives: 3,
            keep_seconds: 3600,
            inline_bytes: 16 << 10,
            replies_lease_seconds: 300,
        }
    }
}

impl Config {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.max(1))
    }

    pub(crate) fn keep(&self) -> Duration {
        Duration::from_secs(self.keep_seconds.max(1))
    }

    pub(crate) fn replies_lease(&self) -> Duration {
        Duration::from_secs(self.replies_lease_seconds.max(3))
    }
}
