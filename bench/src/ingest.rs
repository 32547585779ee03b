//! Storing pictures, against an equivalent of the original's warehouse on the same server.

mod original;
mod ours;
mod picture;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use tokio::task::JoinSet;

use self::original::Original;
use self::ours::Ours;
use self::picture::Picture;
use crate::postgres::Server;
use crate::say;
use crate::statistics::median;

const CITY: &str = "Berlin";

/// How much is stored, and by how many.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ingest {
    /// Pictures that each system stores.
    #[arg(long, default_value_t = 20_000)]
    images: usize,
    /// Bytes of a picture.
    #[arg(long, default_value_t = 30_000)]
    size: usize,
    /// Clients, each with one picture at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    clients: u16,
    /// Rounds; each system stores its share of the pictures once a round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// What is compared.
enum System {
    Ours(Ours),
    Original(Original),
}

/// What one system has done.
struct Outcome {
    name: &'static str,
    /// Pictures a second, of each round.
    rates: Vec<f64>,
    until_seen: Duration,
    /// Bytes.
    size: u64,
}

/// Runs all systems in turns and prints their medians and ratios.
pub(crate) fn run(ingest: &Ingest) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = Server::start()?;
    runtime.block_on(async {
        tokio::select! {
            outcome = compare(ingest, &server) => outcome,
            // Not at once, so that the server ends, too.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

async fn compare(ingest: &Ingest, server: &Server) -> Result<()> {
    let Ingest { images, size, clients, rounds } = ingest;
    say(&format!("{images} pictures of {size} bytes, {clients} clients, {rounds} rounds"))?;
    say(&server.durability().await?)?;
    let systems = open(&server.url, usize::from(*clients)).await?;
    let mut rates = vec![Vec::new(); systems.len()];
    let mut from = warm_up(ingest, &systems).await?;
    let share = images / usize::from(*rounds);
    for _ in 0..*rounds {
        for ((_, system), rates) in systems.iter().zip(&mut rates) {
            server.settle().await?;
            rates.push(turn(system, from..from + share, ingest).await?);
        }
        from += share;
    }
    let mut outcomes = Vec::new();
    for ((name, system), rates) in systems.iter().zip(rates) {
        server.settle().await?;
        let until_seen = system.until_seen(&Picture::new(from, *size)).await?;
        let stored = system.count().await?;
        ensure!(usize::try_from(stored)? == from + 1, "{name} has {stored} pictures of {}", from + 1);
        outcomes.push(Outcome { name, rates, until_seen, size: system.size().await? });
    }
    report(&outcomes)
}

async fn open(url: &str, clients: usize) -> Result<Vec<(&'static str, Arc<System>)>> {
    let as_it_works = Original::as_it_works(url, CITY).await?;
    let persistent = Original::on_persistent_connections(url, CITY, clients).await?;
    Ok(vec![
        ("SightScan", Arc::new(System::Ours(Ours::open(url, CITY).await?))),
        ("original as it works", Arc::new(System::Original(as_it_works))),
        ("original, persistent connections", Arc::new(System::Original(persistent))),
    ])
}

/// Stores the first pictures, which do not count, and gives the number of the next one. The very first is alone: of
/// several that come at once to a new city the original loses all but one.
async fn warm_up(ingest: &Ingest, systems: &[(&str, Arc<System>)]) -> Result<usize> {
    let next = 1 + 4 * usize::from(ingest.clients);
    for (_, system) in systems {
        system.store(0, &Picture::new(0, ingest.size)).await?;
        turn(system, 1..next, ingest).await?;
    }
    Ok(next)
}

/// Stores these pictures; gives how many a second.
async fn turn(system: &Arc<System>, numbers: Range<usize>, ingest: &Ingest) -> Result<f64> {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..usize::from(ingest.clients) {
        clients.spawn(store_all(Arc::clone(system), client, Arc::clone(&next), numbers.end, ingest.size));
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(numbers.len() as f64 / start.elapsed().as_secs_f64())
}

async fn store_all(
    system: Arc<System>,
    client: usize,
    next: Arc<AtomicUsize>,
    end: usize,
    size: usize,
) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return Ok(());
        }
        system.store(client, &Picture::new(number, size)).await?;
    }
}

impl System {
    async fn store(&self, client: usize, picture: &Picture) -> Result<()> {
        match self {
            Self::Ours(ours) => ours.store(picture).await.map(drop),
            Self::Original(original) => original.store(client, picture).await,
        }
    }

    async fn until_seen(&self, picture: &Picture) -> Result<Duration> {
        match self {
            Self::Ours(ours) => ours.until_seen(picture).await,
            Self::Original(original) => original.until_seen(picture).await,
        }
    }

    async fn count(&self) -> Result<i64> {
        match self {
            Self::Ours(ours) => ours.count().await,
            Self::Original(original) => original.count().await,
        }
    }

    async fn size(&self) -> Result<u64> {
        match self {
            Self::Ours(ours) => ours.size().await,
            Self::Original(original) => original.size().await,
        }
    }
}

fn report(outcomes: &[Outcome]) -> Result<()> {
    let [ours, originals @ ..] = outcomes else { return Ok(()) };
    say(&format!("{:<34} {:>10} {:>12} {:>10}", "", "pictures/s", "seen after", "on disk"))?;
    for outcome in outcomes {
        let rate = median(&outcome.rates);
        let (seen, size) = (outcome.until_seen.as_secs_f64() * 1e3, outcome.size as f64 / 1e6);
        say(&format!("{:<34} {rate:>10.1} {seen:>9.1} ms {size:>7.1} MB", outcome.name))?;
    }
    for outcome in outcomes {
        let rates: Vec<String> = outcome.rates.iter().map(|rate| format!("{rate:.1}")).collect();
        say(&format!("rounds: {:<34} {}", outcome.name, rates.join(", ")))?;
    }
    for original in originals {
        let faster = median(&ours.rates) / median(&original.rates);
        let sooner = original.until_seen.as_secs_f64() / ours.until_seen.as_secs_f64();
        say(&format!("against {:<34} {faster:.2}x the pictures, seen {sooner:.0}x sooner", original.name))?;
    }
    say("the original's refresh was called at once; in operation it comes every 3600 s")
}
