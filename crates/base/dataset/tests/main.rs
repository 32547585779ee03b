//! Tests of the crate.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod coco_reader;
mod evaluation;
mod hostile;
mod others;
mod real;
mod round_trips;
mod splits;
mod support;
