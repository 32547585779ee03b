//! The `sightscan` program as its users run it.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod city;
mod course;
mod detect;
mod models;
mod program;
mod roles;
mod serve;
