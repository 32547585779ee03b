//! `sightscan engine …`: the runtimes that compute networks here.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use sightscan_engine::model::data_folder;
use sightscan_engine::runtime::{install, onnxruntime, rten};

/// What to do with the runtimes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which runtimes are found, and their versions.
    List,
    /// Fetch the pinned official library of ONNX Runtime through pip and check its hash.
    Install,
}

/// Runs `engine …`.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List => list(),
        Command::Install => install_library(),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let found = onnxruntime::library();
    let chosen = |is: bool| if is { "  (auto)" } else { "" };
    writeln!(out, "rten         {}  built in{}", rten::VERSION, chosen(found.is_err()))?;
    match found {
        Ok(library) => {
            writeln!(out, "onnxruntime  {}  {}{}", library.version, library.path.display(), chosen(true))?
        }
        Err(error) => writeln!(out, "onnxruntime  -  {error}")?,
    }
    Ok(())
}

fn install_library() -> Result<()> {
    let installed = install::install(&data_folder(), |step| tracing::info!("{step}"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "onnxruntime {} installed: {}", installed.version, installed.path.display())?;
    if let Some(other) = installed.shadowed_by {
        writeln!(out, "note: {} is used instead, because it is found first", other.display())?;
    }
    Ok(())
}
