//! `sightscan demo`: the whole product on an invented city.

use std::process::ExitCode;

use anyhow::Result;
use indicatif::ProgressBar;
use sightscan_engine::runtime::available_threads;
use sightscan_roles::Stop;
use sightscan_roles::demo::{self, Flags, News};

use super::serve::stop_signal;
use crate::terminal::{bar, say, show as show_progress};

/// Runs `demo`.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let setup = flags.setup()?;
    let minutes = flags.options().training_time(available_threads().get()).as_secs().div_ceil(60);
    let (city, folder) = (demo::CITY, setup.data.display());
    say(format_args!("{city} is made in {folder}; its training will take about {minutes} min here."))?;
    let bar = bar(0, "{pos}/{len} {wide_msg}");
    let done = super::block_on(async {
        let (signal, stop) = (stop_signal()?, Stop::new());
        let ended = stop.clone();
        tokio::spawn(async move {
            signal.await;
            ended.cancel();
        });
        Ok(Box::pin(demo::run(setup, !flags.once, &mut |news| show(&bar, news), stop)).await?)
    });
    bar.finish_and_clear();
    done.map(|()| ExitCode::SUCCESS)
}

/// Progress moves the bar, all else is a line for good.
fn show(bar: &ProgressBar, news: News<'_>) {
    match news {
        News::Progress(done, total, message) => {
            show_progress(bar, done, total);
            bar.set_message(message.to_owned());
        }
        News::State(state) => bar.suspend(|| drop(say(format_args!("== {state}")))),
        News::Line(line) => bar.suspend(|| drop(say(line))),
    }
}
