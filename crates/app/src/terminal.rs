//! What goes to the terminal: the lines of an answer, and how far long work is.

use std::fmt::Display;
use std::io::Write;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// Prints a line of the answer.
pub(crate) fn say(line: impl Display) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// A bar of so much work with this text behind it; nothing where standard error is no terminal.
pub(crate) fn bar(total: u64, text: &str) -> ProgressBar {
    styled(ProgressBar::new(total), &format!("{{bar:30}} {text}"))
}

/// As [`bar`], for work of which nobody knows how long it is.
pub(crate) fn spinner(text: &str) -> ProgressBar {
    styled(ProgressBar::new_spinner(), &format!("{{spinner}} {text}"))
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Shows that so much is done of so much.
pub(crate) fn show(bar: &ProgressBar, done: usize, total: usize) {
    bar.set_length(total as u64);
    bar.set_position(done as u64);
}
