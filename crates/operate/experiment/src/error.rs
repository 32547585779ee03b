//! What stops a load test before or while it runs; a failed request is not an error but a row.

use std::path::PathBuf;

/// Why a load test could not be prepared or finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no HTTP URL.
    #[error("the URL {url:?} cannot be used: {reason}; give one such as http://127.0.0.1:8002/v1/detect")]
    Url {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder cannot be listed.
    #[error("the picture folder cannot be read; give an existing folder with --folder")]
    Folder(#[source] std::io::Error),
    /// The folder holds nothing to send.
    #[error("no pictures in {folder}: looked for files that end in {endings}; give a folder that holds some")]
    NoPictures {
        /// The folder that was searched, not recursively.
        folder: PathBuf,
        /// The endings that the dialect accepts.
        endings: String,
    },
    /// A picture of the folder cannot be read.
    #[error("a picture cannot be read; fix its permissions or take it out of the folder")]
    Picture(#[source] std::io::Error),
    /// A number of the configuration makes no sense.
    #[error("{option} is {value}: {rule}")]
    Setting {
        /// The option as the command line names it.
        option: &'static str,
        /// The value as given.
        value: String,
        /// What the value has to be.
        rule: &'static str,
    },
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot start; check the TLS certificates of this machine")]
    Client(#[source] reqwest::Error),
    /// The file of rows cannot be written; what was measured until then is in it.
    #[error("the rows cannot be written to {path}; choose a writable file with --csv")]
    Csv {
        /// The file.
        path: PathBuf,
        /// What the file system or the writer said.
        source: csv::Error,
    },
}
