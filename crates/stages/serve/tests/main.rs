//! The server over real sockets, with the tiny network of the testkit, with the real one where its file is there,
//! and with analysers that are slow, that panic or that hang.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod cross_talk;
mod documents;
mod drain;
mod elastic;
mod failures;
mod hostile;
mod model_files;
mod overload;
mod rows;
mod streams;
mod support;
mod swap;
mod uploads;
mod upstream;
