//! Blobs in a folder and in S3, over real files and a real wire.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bucket;
mod contract;
mod folder;
mod store;
#[cfg(feature = "cloud")]
mod wire;
