//! How Vision is asked.

use std::time::Duration;

use sightscan_jobs::Backoff;

/// How Google Vision is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisionConfig {
    /// Where Vision is, without the path of its version.
    pub base_url: String,
    /// Where access tokens come from; `None` for where the service account says.
    pub token_url: Option<String>,
    /// Landmarks of one picture, at most.
    pub most_results: u32,
    /// Pictures whose longer side has more pixels are sent as smaller copies. Vision needs 640x480 for landmarks.
    pub max_side: u32,
    /// Pictures whose files have more bytes are sent as smaller copies, too.
    pub max_bytes: usize,
    /// A request that takes longer is given up, connecting included.
    pub timeout: Duration,
    /// Tries of a request that is refused for now, the first one included.
    pub tries: u32,
    /// How long to wait between them, unless Vision says it.
    pub backoff: Backoff,
    /// Where Vision says to wait longer, the request is given up.
    pub longest_wait: Duration,
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            base_url: "https://vision.googleapis.com".to_owned(),
            token_url: None,
            most_results: 10,
            max_side: 1600,
            max_bytes: 1 << 20,
            timeout: Duration::from_mins(1),
            tries: 6,
            backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) },
            longest_wait: Duration::from_mins(2),
        }
    }
}
