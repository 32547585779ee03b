//! Measurements of SightScan.
//!
//! The machines are shared and noisy: systems that are compared run in turns in one run, and what counts is the
//! ratio of their medians. Figures are kept in `bench/README.md`.
#![forbid(unsafe_code)]

mod batching;
mod claims;
mod client;
mod crawl;
mod elastic;
mod ingest;
mod memory;
mod phases;
mod postgres;
mod process;
mod startup;
mod statistics;
mod subject;
mod swaps;
mod throughput;
mod training;

use std::io::Write;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::claims::Claims;
use crate::crawl::Crawl;
use crate::elastic::Elastic;
use crate::ingest::Ingest;
use crate::subject::Subject;
use crate::swaps::Swaps;
use crate::training::Training;

/// Measures SightScan on this machine.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    subject: Subject,
    #[command(subcommand)]
    bench: Bench,
}

/// What is measured.
#[derive(Debug, Subcommand)]
enum Bench {
    /// Pictures a second of the server, of the same pipeline in process, and of bare inference.
    Throughput {
        /// Seconds for each system in each round.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Rounds; each system runs once a round.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Connections to the server.
        #[arg(long, default_value_t = 8)]
        connections: usize,
    },
    /// Where the time of a request goes with one connection.
    Phases {
        /// Requests.
        #[arg(long, default_value_t = 200)]
        requests: usize,
    },
    /// Pictures a second of bare inference by batch size, instances and threads.
    Batching {
        /// Seconds for each cell in each round.
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        /// Rounds.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// From the start of the process to ready.
    Startup {
        /// Starts.
        #[arg(long, default_value_t = 5)]
        starts: usize,
    },
    /// Resident memory after 100 and after 1,000 requests.
    Memory,
    /// Pictures a second into the warehouse on PostgreSQL, against an equivalent of the original's on the same server.
    Ingest(Ingest),
    /// Pictures a second of a crawl from a host on this machine, against only looking at them; and its memory.
    Crawl(Crawl),
    /// Time of a claim with many finished jobs against none, on both engines.
    Claims(Claims),
    /// Promotions and roll-backs under load: failed requests, answers of a wrong version, memory.
    Swaps(Swaps),
    /// Response time and throughput of workers behind each kind of queue, against one process.
    Elastic(Elastic),
    /// A training step against PyTorch's on the same network, batch and size.
    Training(Training),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let subject = &cli.subject;
    // As the product does at its start.
    sightscan_engine::runtime::heap::keep_freed_memory();
    match cli.bench {
        Bench::Throughput { seconds, rounds, connections } => {
            throughput::run(subject, seconds, rounds, connections)
        }
        Bench::Phases { requests } => phases::run(subject, requests),
        Bench::Batching { seconds, rounds } => batching::run(subject, seconds, rounds),
        Bench::Startup { starts } => startup::run(subject, starts),
        Bench::Memory => memory::run(subject),
        Bench::Ingest(ingest) => ingest::run(&ingest),
        Bench::Crawl(crawl) => crawl::run(subject, &crawl),
        Bench::Claims(claims) => claims::run(&claims),
        Bench::Swaps(swaps) => swaps::run(subject, &swaps),
        Bench::Elastic(elastic) => elastic::run(subject, &elastic),
        Bench::Training(training) => training::run(&training),
    }
}

/// Prints a line of the result.
fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
