//! `sightscan load`: how a detection service answers under load.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::ProgressBar;
use sightscan_experiment::{CourseOutput, Event, Flags, Load, Summary};

use crate::terminal::{bar, say, spinner};

/// Runs `load`; the exit code is 1 when any request failed.
pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let config = flags.config()?;
    let course = CourseOutput::new(config.dialect, &config.url).filter(|_| flags.is_course());
    let load = Load::prepare(config)?;
    let bar = progress(load.planned(), course.is_some());
    if let Some(line) = course.as_ref().and_then(|course| course.first_line(load.pictures())) {
        say(&line)?;
    }
    let observer = observer(bar.clone(), course.clone());
    let summary = super::block_on(async { Ok(load.run(interrupted(), observer).await?) })?;
    bar.finish_and_clear();
    print(&summary, course.as_ref(), flags.json)?;
    Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(summary: &Summary, course: Option<&CourseOutput>, json: bool) -> Result<()> {
    if let Some(course) = course {
        say(course.last_line(summary))?;
        return Ok(write!(std::io::stderr(), "\n{summary}")?);
    }
    if json { say(serde_json::to_string(summary)?) } else { say(summary.to_string().trim_end()) }
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
