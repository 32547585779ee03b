//! Tests of the crate.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod cities;
mod city_set;
mod evaluation;
mod export;
mod flags;
mod learning;
mod site;
mod squares;
