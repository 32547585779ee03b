//! The runner and its jobs, on both engines.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod chaos;
mod runner;
