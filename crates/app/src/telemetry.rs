//! The log: one line an event, on standard error, so that answers on standard output stay clean.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Starts the log of this process.
pub(crate) fn start(filter: &str, json: bool) -> Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("`{filter}` is no log filter; use error, warn, info, debug, trace or target=level")
    })?;
    let colours = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    if json {
        lines.json().init()
    } else {
        lines.init()
    }
    Ok(())
}
