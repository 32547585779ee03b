//! The `sightscan` command: a city name goes in, a detector of its sights comes out and is served.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod model_flags;
mod telemetry;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // First of all: the variables in `.env` count for the flags, too.
    let run = || {
        sightscan_roles::environment::read_file()
            .map_err(Into::into)
            .and_then(|()| commands::run(cli::Cli::parse()))
    };
    match run() {
        Ok(code) => code,
        // The reader of our output went away, as in `sightscan detect … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    };
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

#[expect(clippy::print_stderr, reason = "the last word of a failed command belongs on standard error")]
fn report(error: &anyhow::Error) {
    eprintln!("error: {}", explain(error));
}

/// The error and its causes, without those that the text before them tells already.
fn explain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error =
            anyhow::anyhow!("no such file").context("model.onnx: no such file").context("cannot start");
        assert_eq!(explain(&error), "cannot start: model.onnx: no such file");
    }
}
