//! The contract of the warehouse, on both engines.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod cities;
mod jobs;
mod leaderships;
mod migrations;
mod scheduled_tasks;
mod settings;
