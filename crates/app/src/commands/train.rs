//! `sightscan train`: a detector from labelled pictures.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::ProgressBar;
use sightscan_engine::runtime::available_threads;
use sightscan_train::{Event, FitOrder, Flags, fit};

use crate::terminal::{bar, say};

/// Runs `train`.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let config = flags.config()?;
    let sets = flags.sets(&config)?;
    for problems in &sets.problems {
        write!(std::io::stderr().lock(), "{problems}")?;
    }
    let order = FitOrder {
        config: &config,
        classes: &sets.classes,
        examples: sets.examples.as_ref(),
        validation: &sets.validation,
        start: flags.start()?,
        out: &flags.out,
        is_resumed: flags.resume,
        threads: available_threads(),
        metadata: &[],
    };
    let bar = bar(0, "{pos}/{len} steps, {msg}");
    let trained = fit(&order, &mut |event| {
        show(&bar, &event);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let trained = trained?;
    if let Some(report) = &trained.report {
        say(report)?;
    }
    say(format_args!("{}: the detector of epoch {}", trained.model.display(), trained.best))?;
    Ok(ExitCode::SUCCESS)
}

/// Steps move the bar, all else is a line for good.
fn show(bar: &ProgressBar, event: &Event<'_>) {
    if let Event::Step(step) = event {
        bar.set_length(step.total() as u64);
        bar.set_position(step.done() as u64);
        bar.set_message(step.to_string());
    } else {
        // Whoever closed our output still gets the detector.
        bar.suspend(|| drop(writeln!(std::io::stderr().lock(), "{event}")));
    }
}
