//! Blobs: pictures and models, each under the SHA-256 of its content.
//!
//! [`Blobs`] is a folder or a prefix in an S3 bucket, whichever [`Address`] says. Both have the layout
//! `ab/<sha256>`, where `ab` is how the hash begins. What [`Blobs::put`] has returned from survives a crash and a
//! power cut; what [`Blobs::get`] returns is what was put in, or an error.
//!
//! Nothing here knows which objects are still needed. The warehouse does, and its collection deletes what no row
//! names **and** what was not put for a while: a put writes first and its row comes later, so [`Blobs::put`] renews
//! the time of an object that is there already.
//!
//! [`Bucket`] is for objects that people look for by their names: pictures as they were uploaded, and what was found in them.
#![forbid(unsafe_code)]

mod address;
mod blobs;
mod bucket;
#[cfg(feature = "cloud")]
mod cloud;
mod error;
mod folder;
mod key;
mod listing;
mod reading;

pub use address::{Address, AddressError};
pub use blobs::{Blobs, Meta};
pub use bucket::Bucket;
pub use error::{BlobError, Place, Result};
pub use listing::Listing;
pub use reading::Reading;
