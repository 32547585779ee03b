//! What can go wrong with a whole data set. What is wrong with a part of one is a [`Problem`](crate::Problem).

use std::io;
use std::path::PathBuf;

use crate::Format;

/// Shorthand for what the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a data set could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No format can hold this class.
    #[error("the class {name:?} cannot be exported: {reason}")]
    Class {
        /// The name of the class.
        name: String,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// No format can hold this item.
    #[error("the picture {name:?} cannot be exported: {reason}")]
    Item {
        /// The name of the item.
        name: String,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// The bytes of a picture cannot be had.
    #[error("the picture {name:?} cannot be read: {source}; restore or remove it")]
    Picture {
        /// The name of the item.
        name: String,
        /// What the disk or the caller says.
        source: io::Error,
    },
    /// There is something where the data set is to go.
    #[error("{} is there already; name a folder or a file that does not exist yet, or an empty folder", .0.display())]
    Occupied(PathBuf),
    /// The files cannot be written.
    #[error(
        "the data set cannot be written: {0}; check that there is room and that this user may write there"
    )]
    Write(#[source] io::Error),
    /// The folder or ZIP cannot be opened.
    #[error("cannot open the data set {}: {reason}", .path.display())]
    Open {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Nothing in there is of the format.
    #[error("this is no data set in the format {format}: {expected}")]
    NotThisFormat {
        /// What was asked for.
        format: Format,
        /// What one has.
        expected: &'static str,
    },
    /// The items and their groups do not belong together, or the shares are none.
    #[error("cannot split the data set: {0}")]
    Split(&'static str),
}
