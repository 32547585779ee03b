//! Tests of the crate.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod learning;
mod weights;
