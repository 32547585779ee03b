//! The `sightscan` program as its users run it.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod chaos;
mod city;
mod course;
#[cfg(feature = "browser")]
mod crawl_flags;
mod demo;
mod deploy;
mod detect;
mod elastic;
mod exchange;
mod experiment;
mod fleet;
mod installation;
#[cfg(feature = "cloud")]
mod kubernetes;
mod labelling;
mod models;
mod program;
mod roles;
mod serve;
mod train;
mod variables;
mod webhook;
