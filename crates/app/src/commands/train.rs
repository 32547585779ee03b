//! `sightscan train`: a detector from labelled pictures, or of a city.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use indicatif::ProgressBar;
use sightscan_engine::runtime::available_threads;
use sightscan_roles::{Config, Setup, train};
use sightscan_train::{Event, Flags};

use crate::terminal::{bar, say};

/// Runs `train`.
pub(crate) fn run(flags: &Flags, config: Config) -> Result<ExitCode> {
    match flags.city.clone() {
        Some(city) => train_city(city, flags, config),
        None => train_set(flags),
    }
}

/// Trains the detector of a city, and has it judged.
fn train_city(city: String, flags: &Flags, config: Config) -> Result<ExitCode> {
    let setup = Setup::new(config, None)?;
    let (epochs, min_images_per_label, is_resumed) = (flags.epochs, flags.min_images, flags.resume);
    let processor = flags.device;
    let options = train::Options { city, epochs, min_images_per_label, is_resumed, processor };
    let bar = bar(0, "{pos}/{len} steps, {msg}");
    let shown = bar.clone();
    let tell: train::Tell = Arc::new(move |event| {
        show(&shown, event);
        ControlFlow::Continue(())
    });
    let judged = super::block_on(async { Ok(train::train(&setup, options, tell).await?) });
    bar.finish_and_clear();
    let train::Judged { model, verdict, .. } = judged?;
    say(format_args!("version {} is {verdict}", model.version))?;
    Ok(if matches!(verdict, train::Verdict::Accepted(_)) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn train_set(flags: &Flags) -> Result<ExitCode> {
    let bar = bar(0, "{pos}/{len} steps, {msg}");
    let trained = flags.train(available_threads(), &mut |event| {
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
