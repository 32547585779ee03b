//! What stops an experiment.

use std::path::PathBuf;

use super::Cell;

/// Why an experiment, or something that is made of it, ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The numbers describe no experiment.
    #[error("{0}")]
    Plan(String),
    /// A load test could not be prepared, or its rows could not be written.
    #[error(transparent)]
    Load(#[from] crate::Error),
    /// A file of the experiment's folder.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The folder holds another experiment.
    #[error(
        "{folder} holds an experiment with {what}: go on with the same, or give another folder with --out"
    )]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: String,
    },
    /// There is nothing in the folder.
    #[error("{0} holds no experiment: measure one with `sightscan experiment run --out {0}`")]
    NoExperiment(PathBuf),
    /// There is nothing to hand in.
    #[error("{0} has no report: write it with `sightscan experiment report {0}`")]
    NoReport(PathBuf),
    /// A file is not what this program has written there.
    #[error("{path} cannot be read: {why}; delete it, and `experiment run` measures it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A cell with failures.
    #[error(
        "{failed} of {requests} requests of the cell {cell} failed ({kinds}), so it is not kept: its rows are in {rows}; run again to repeat it, or keep such cells with --allow-failures"
    )]
    Failures {
        /// The cell.
        cell: Cell,
        /// Requests that failed.
        failed: u64,
        /// Requests.
        requests: u64,
        /// Statuses and kinds, with how many.
        kinds: String,
        /// The rows.
        rows: PathBuf,
    },
    /// Nothing has been measured yet.
    #[error(
        "{have} of {want} cells are measured: go on with `sightscan experiment run --out {folder}` first"
    )]
    Incomplete {
        /// Cells that are there.
        have: usize,
        /// Cells of the matrix.
        want: usize,
        /// The folder.
        folder: PathBuf,
    },
    /// Workers cannot be limited, started or asked.
    #[error(transparent)]
    Fleet(#[from] sightscan_fleet::Error),
    /// A worker has ended by itself.
    #[error("the worker {worker} has ended ({status}): {log}")]
    Worker {
        /// Its name.
        worker: String,
        /// How it ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The target does not become ready.
    #[error("{want} workers were wanted and {have} have answered at {url} within {seconds} s")]
    NotReady {
        /// Workers that were wanted.
        want: usize,
        /// Workers that have answered.
        have: usize,
        /// Where.
        url: String,
        /// How long that was waited for.
        seconds: u64,
    },
    /// A plot could not be drawn.
    #[error("a plot could not be drawn: {0}")]
    Plot(String),
    /// No text can be drawn without a font.
    #[error(
        "this machine has no font to draw PNG files with: install one (Debian: fonts-dejavu-core); the SVG files are there"
    )]
    NoFont,
    /// Chromium prints the report.
    #[error("the report was not printed: {0}; report.html can be printed by any browser")]
    Print(String),
    /// A template.
    #[error("the report could not be written: {0}")]
    Page(#[from] askama::Error),
    /// The zip file.
    #[error("{path} could not be written: {why}")]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// The user has stopped it.
    #[error("stopped with {have} of {want} cells measured: run the same command again to go on")]
    Stopped {
        /// Cells that are there.
        have: usize,
        /// Cells of the matrix.
        want: usize,
    },
}
