//! Load tests that tell the truth: closed and open loop, failures apart from latency; and in [`study`] the experiment of workers
//! against client threads.
//!
//! [`Load::prepare`] reads the pictures of a folder, [`Load::run`] sends them to one URL and returns a
//! [`Summary`]. On the way every request becomes a [`Row`], which goes to a CSV file and to the caller's observer.
//!
//! - **Closed loop** ([`Pace::Closed`]): N clients, each of which sends its next request when the last one was
//!   answered. Its latency is that of a well-behaved crowd of N; a slow server is asked less.
//! - **Open loop** ([`Pace::Open`]): requests leave at fixed times whatever the answers do, as visitors come.
//!   Latency counts from the intended start, so that a server which stalls cannot hide the queue that it caused
//!   (coordinated omission).
//! - **Failures** are counted by kind and never enter a mean or a percentile.
//! - **Dialects** ([`Dialect`]): our own route, both generations of the iWebLens course's client, whose console
//!   output [`CourseOutput`] reproduces, and the workload generators of "Image Recognition as a Service" ([`GeneratorOutput`]).
#![forbid(unsafe_code)]

mod client;
mod config;
mod console;
mod course;
mod dialect;
mod error;
mod flags;
mod generator;
mod load;
mod pictures;
mod record;
mod row;
mod schedule;
pub mod study;
mod summary;
mod time;

pub use config::{Config, Pace};
pub use console::Console;
pub use course::CourseOutput;
pub use dialect::{Dialect, UnknownDialect};
pub use error::Error;
pub use flags::{Flags, FlagsError};
pub use generator::{Expected, GeneratorOutput, Tally as GeneratorTally};
pub use load::Load;
pub use record::Event;
pub use row::{Failure, IdCheck, Outcome, Row};
pub use summary::{FailureGroup, InstanceSummary, Latency, Summary};
pub use time::{NotATime, parse_duration};
