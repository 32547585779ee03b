//! Labelling over real sockets.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod cleanup;
mod exchange;
mod exchange_http;
mod exchange_readers;
mod exchange_support;
mod ml_backend;
mod review;
mod support;
mod vision;
mod work;
