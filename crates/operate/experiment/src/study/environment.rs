//! Where and when an experiment was measured.

use serde::{Deserialize, Serialize};

/// The machine of an experiment; figures of different machines cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// When it was begun, as RFC 3339 in UTC.
    pub begun_at: String,
    /// The version of this program.
    pub version: String,
    /// The operating system and its kernel's version.
    pub system: String,
    /// The model of the processor.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
}

impl Environment {
    /// This machine, now.
    pub fn of_this_machine() -> Self {
        let begun_at = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
        Self {
            begun_at: begun_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            system: system(),
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

fn system() -> String {
    let kernel = fs_err::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, kernel.trim()).trim_end().to_owned()
}

/// The first processor's name in `/proc/cpuinfo`.
fn processor() -> Option<String> {
    let text = fs_err::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
