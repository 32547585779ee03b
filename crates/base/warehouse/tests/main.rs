//! The contract of the warehouse, on both engines.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod cities;
mod migrations;
mod settings;
