//! Promotions and roll-backs of a city's model under load: whether a request fails, whether an answer is of a wrong version,
//! and by how much memory grows. All roles run in this process, on SQLite.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use sightscan_engine::model::{Overrides, Source};
use sightscan_engine::{EngineChoice, Model};
use sightscan_roles::{Config, Setup, Stop, models};

use crate::client::Client;
use crate::process::resident;
use crate::say;
use crate::subject::Subject;

/// Memory is compared from here on: the first swaps fill caches.
const SETTLED: usize = 10;
/// How long a version may take until it is served.
const PATIENCE: Duration = Duration::from_secs(30);

/// Flags of `swaps`.
#[derive(Debug, Args)]
pub(crate) struct Swaps {
    /// Promotions and roll-backs, in turns.
    #[arg(long, default_value_t = 200)]
    swaps: usize,
    /// Clients that ask all the time.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Keep a copy of every model that was live, on purpose: the growth of memory must show it.
    #[arg(long)]
    leak: bool,
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    answers: AtomicUsize,
    failed: AtomicUsize,
    wrong: AtomicUsize,
    is_over: AtomicBool,
}

/// Swaps and prints what came of it.
pub(crate) fn run(subject: &Subject, swaps: &Swaps) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut config = Config::for_up();
    config.serve.listen = address;
    config.serve.follow_ms = 20;
    let setup = Setup::new(config, Some(folder.path()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(publish(subject, &setup))?;
    let stop = Stop::new();
    let up = runtime.spawn(sightscan_roles::up(setup.clone(), stop.clone()));
    let picture = subject.pictures()?.into_iter().next().context("no picture")?;
    let request = Arc::new(request(&picture));
    wait_for(address, &request, 2)?;
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..swaps.clients)
        .map(|_| {
            let (seen, request) = (Arc::clone(&seen), Arc::clone(&request));
            std::thread::spawn(move || client(address, &request, &seen))
        })
        .collect();
    let (mut kept, mut early, began) = (Vec::new(), 0, Instant::now());
    for swap in 0..swaps.swaps {
        let version = runtime.block_on(swap_once(&setup, swap))?;
        wait_for(address, &request, version)?;
        if swaps.leak {
            kept.push(Model::open(&subject.model_path()?, &Overrides::default(), subject.engine)?);
        }
        if swap + 1 == SETTLED.min(swaps.swaps) {
            early = resident(std::process::id())?;
        }
    }
    let late = resident(std::process::id())?;
    seen.is_over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| drop(client.join()));
    stop.cancel();
    runtime.block_on(up)??;
    report(&seen, swaps, [early, late], began.elapsed())
}

fn report(seen: &Seen, swaps: &Swaps, [early, late]: [u64; 2], took: Duration) -> Result<()> {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let (failed, wrong) = (seen.failed.load(Ordering::Relaxed), seen.wrong.load(Ordering::Relaxed));
    say(&format!(
        "{} promotions and roll-backs under {} clients in {:.0} s: {} answers, {failed} requests failed, {wrong} answers of a wrong \
         version; resident {:.1} MB after {SETTLED}, {:.1} MB after all: {:+.1} MB",
        swaps.swaps,
        swaps.clients,
        took.as_secs_f64(),
        seen.answers.load(Ordering::Relaxed),
        megabytes(early),
        megabytes(late),
        megabytes(late) - megabytes(early),
    ))?;
    if failed + wrong > 0 { bail!("a swap was seen") } else { Ok(()) }
}

/// Publishes two versions of a city's model that give each class another name.
async fn publish(subject: &Subject, setup: &Setup) -> Result<()> {
    let warehouse = setup.open().await?;
    for version in 1..=2 {
        let path: PathBuf = subject.model_path()?;
        let model = Model::open(&path, &Overrides::default(), EngineChoice::Auto)?;
        let classes = model.spec().classes.iter().map(|class| format!("v{version} {class}")).collect();
        let said = Overrides { classes: Some(classes), ..Overrides::from(model.spec()) };
        let said = Overrides { sha256: None, version: None, ..said };
        let bytes = Source::read(&path, &Overrides::default())?.onnx;
        models::publish(&warehouse, "Berlin", bytes.to_vec().into(), toml::to_string(&said)?).await?;
    }
    warehouse.database.close().await;
    Ok(())
}

/// Rolls back to version 1 or promotes version 2; the version that is live then.
async fn swap_once(setup: &Setup, swap: usize) -> Result<i64> {
    let model = if swap.is_multiple_of(2) {
        models::roll_back(setup, "Berlin", "measured").await?
    } else {
        models::promote(setup, "Berlin", 2, "measured").await?
    };
    Ok(model.version)
}

fn request(picture: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/detect?model=berlin HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\ncontent-length: {}\r\n\r\n",
        picture.len()
    );
    [head.as_bytes(), picture].concat()
}

/// Waits until answers are of this version.
fn wait_for(address: SocketAddr, request: &[u8], version: i64) -> Result<()> {
    let (start, wanted) = (Instant::now(), version.to_string());
    while start.elapsed() < PATIENCE {
        let answer = Client::connect(address).and_then(|mut client| client.answer(request));
        if answer.is_ok_and(|body| body["model_version"] == *wanted) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("version {version} is not served after {} seconds", PATIENCE.as_secs())
}

fn client(address: SocketAddr, request: &[u8], seen: &Seen) {
    let mut connection = None;
    while !seen.is_over.load(Ordering::Relaxed) {
        let answer = connection
            .take()
            .map_or_else(|| Client::connect(address), Ok)
            .and_then(|mut client: Client| client.answer(request).map(|answer| (client, answer)));
        match answer {
            Ok((client, answer)) => {
                connection = Some(client);
                seen.answers.fetch_add(1, Ordering::Relaxed);
                seen.wrong.fetch_add(usize::from(!is_of_one_version(&answer)), Ordering::Relaxed);
            }
            Err(_) => {
                seen.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Whether every name of a class is that of the version that the answer names; and there is one.
fn is_of_one_version(answer: &Value) -> bool {
    let Some(version) = answer["model_version"].as_str() else { return false };
    let detections = answer["detections"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_right = |found: &Value| {
        found["label"].as_str().is_some_and(|label| label.starts_with(&format!("v{version} ")))
    };
    !detections.is_empty() && detections.iter().all(is_right)
}
