//! `sightscan load`: how a detection service answers under load.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::ProgressBar;
use sightscan_experiment::{Console, Event, Flags, Load, Summary};

use crate::terminal::{bar, say, spinner};

/// Runs `load`; the exit code is 1 when any request failed.
pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let config = flags.config()?;
    let console = Console::of(&flags, &config)?;
    let load = Load::prepare(config)?;
    let bar = progress(load.planned(), !console.is_ours());
    console.first_line(load.pictures()).map_or(Ok(()), say)?;
    let observer = observer(bar.clone(), console.clone());
    let summary = super::block_on(async { Ok(load.run(super::interrupted(), observer).await?) })?;
    bar.finish_and_clear();
    end(&console, &summary, flags.json)?;
    Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Other clients' words go to standard output, and then our summary to standard error.
fn end(console: &Console, summary: &Summary, json: bool) -> Result<()> {
    match console.last_lines(summary) {
        Some(lines) => {
            say(lines)?;
            Ok(write!(std::io::stderr(), "\n{summary}")?)
        }
        None if json => say(serde_json::to_string(summary)?),
        None => say(summary.to_string().trim_end()),
    }
}

fn progress(planned: Option<u64>, hidden: bool) -> ProgressBar {
    match planned {
        _ if hidden => ProgressBar::hidden(),
        Some(planned) => bar(planned, "{pos}/{len} requests, {per_sec}, {eta} left"),
        None => spinner("{pos} requests, {per_sec}, {elapsed}"),
    }
}

fn observer(bar: ProgressBar, console: Console) -> impl FnMut(&Event) + Send + 'static {
    move |event| {
        if let Event::Finished { .. } = event {
            bar.inc(1);
        }
        if let Some(line) = console.lines(event) {
            // Whoever closed our output still gets the measurement to its end.
            let _ = say(&line);
        }
    }
}
