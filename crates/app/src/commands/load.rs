//! `sightscan load`: how a detection service answers under load.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::ProgressBar;
use std::sync::{Arc, Mutex, PoisonError};

use sightscan_experiment::{Config, CourseOutput, Event, Expected, Flags, GeneratorOutput, Load, Summary};

use crate::terminal::{bar, say, spinner};

/// Runs `load`; the exit code is 1 when any request failed.
pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let config = flags.config()?;
    let console = Console::of(&flags, &config)?;
    let load = Load::prepare(config)?;
    let bar = progress(load.planned(), !matches!(console, Console::Ours));
    if let Console::Course(course) = &console {
        course.first_line(load.pictures()).map_or(Ok(()), say)?;
    }
    let observer = observer(bar.clone(), console.clone());
    let summary = super::block_on(async { Ok(load.run(interrupted(), observer).await?) })?;
    bar.finish_and_clear();
    console.end(&summary, flags.json)?;
    Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whose words are printed.
#[derive(Clone)]
enum Console {
    Ours,
    /// The iWebLens course's client; our summary goes to standard error.
    Course(CourseOutput),
    /// A workload generator; so does it here.
    Generator(Arc<Mutex<GeneratorOutput>>),
}

impl Console {
    fn of(flags: &Flags, config: &Config) -> Result<Self> {
        if let Some(course) = CourseOutput::new(config.dialect, &config.url).filter(|_| flags.is_course()) {
            return Ok(Self::Course(course));
        }
        let expected = flags.prediction_file.as_deref().map(Expected::read).transpose()?;
        let generator = GeneratorOutput::new(config.dialect, &config.url, expected);
        Ok(generator.map_or(Self::Ours, |output| Self::Generator(Arc::new(Mutex::new(output)))))
    }

    fn lines(&self, event: &Event) -> Option<String> {
        match self {
            Self::Ours => None,
            Self::Course(course) => course.line(event),
            Self::Generator(output) => output.lock().unwrap_or_else(PoisonError::into_inner).lines(event),
        }
    }

    fn end(&self, summary: &Summary, json: bool) -> Result<()> {
        match self {
            Self::Course(course) => say(course.last_line(summary))?,
            Self::Generator(output) => {
                say(output.lock().unwrap_or_else(PoisonError::into_inner).statistics(summary))?;
            }
            Self::Ours if json => return say(serde_json::to_string(summary)?),
            Self::Ours => return say(summary.to_string().trim_end()),
        }
        Ok(write!(std::io::stderr(), "\n{summary}")?)
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

/// Ready when the user presses Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
