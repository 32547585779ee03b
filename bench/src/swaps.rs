//! Promotions and roll-backs of a city's model under load: whether a request fails, whether an answer is of a wrong version,
//! and by how much memory grows. All roles run in this process, on SQLite.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use sightscan_engine::model::{Overrides, Source};
use sightscan_engine::{EngineChoice, Model};
use sightscan_roles::{Config, Setup, Stop, models};
use sightscan_train::By;
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::cities::City;

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
    let registry = runtime.block_on(Registry::with_two_versions(subject, &setup))?;
    let stop = Stop::new();
    let up = runtime.spawn(sightscan_roles::up(setup, stop.clone()));
    let picture = subject.pictures()?.into_iter().next().context("no picture")?;
    let (request, seen) = (request(&picture), Seen::default());
    wait_for(address, &request, 2)?;
    let (began, mut kept) = (Instant::now(), Vec::new());
    let memory = std::thread::scope(|scope| {
        (0..swaps.clients).for_each(|_| drop(scope.spawn(|| client(address, &request, &seen))));
        let memory = (0..swaps.swaps).map(|swap| {
            let version = runtime.block_on(registry.swap(swap))?;
            wait_for(address, &request, version)?;
            if swaps.leak {
                kept.push(Model::open(&subject.model_path()?, &Overrides::default(), subject.engine)?);
            }
            resident(std::process::id())
        });
        let memory: Result<Vec<u64>> = memory.collect();
        seen.is_over.store(true, Ordering::Relaxed);
        memory
    })?;
    stop.cancel();
    runtime.block_on(up)??;
    report(&seen, swaps, &memory, began.elapsed())
}

fn report(seen: &Seen, swaps: &Swaps, memory: &[u64], took: Duration) -> Result<()> {
    let megabytes =
        |place: usize| memory.get(place).or(memory.last()).map_or(0.0, |bytes| *bytes as f64 / 1e6);
    let (failed, wrong) = (seen.failed.load(Ordering::Relaxed), seen.wrong.load(Ordering::Relaxed));
    say(&format!(
        "{} promotions and roll-backs under {} clients in {:.0} s: {} answers, {failed} requests failed, {wrong} answers of a \
         wrong version",
        swaps.swaps,
        swaps.clients,
        took.as_secs_f64(),
        seen.answers.load(Ordering::Relaxed),
    ))?;
    let places = (SETTLED - 1..memory.len()).step_by(memory.len().div_ceil(8).max(1));
    let steps: Vec<String> = places.map(|place| format!("{:.0}", megabytes(place))).collect();
    let growth = megabytes(memory.len()) - megabytes(SETTLED - 1);
    say(&format!(
        "resident in MB: {}; from the {SETTLED}th swap to the last one {growth:+.1}",
        steps.join(", ")
    ))?;
    if failed + wrong > 0 { bail!("a swap was seen") } else { Ok(()) }
}

/// The models of a city, as its administrator has them.
struct Registry {
    warehouse: Warehouse,
    city: City,
}

impl Registry {
    /// Two versions that give each class another name; the second one is live.
    async fn with_two_versions(subject: &Subject, setup: &Setup) -> Result<Self> {
        let (warehouse, path) = (setup.open().await?, subject.model_path()?);
        let model = Model::open(&path, &Overrides::default(), EngineChoice::Auto)?;
        let publish = async |version| {
            let classes = model.spec().classes.iter().map(|class| format!("v{version} {class}")).collect();
            let said = Overrides { classes: Some(classes), ..Overrides::from(model.spec()) };
            let said = Overrides { sha256: None, version: None, ..said };
            let onnx = Source::read(&path, &Overrides::default())?.onnx.to_vec();
            let published =
                models::publish(&warehouse, "Berlin", onnx.into(), toml::to_string(&said)?).await?;
            anyhow::Ok(published.0)
        };
        publish(1).await?;
        let city = publish(2).await?;
        Ok(Self { warehouse, city })
    }

    /// Rolls back to version 1 or promotes version 2; the version that is live then.
    async fn swap(&self, swap: usize) -> Result<i64> {
        let by = By { actor: "bench", why: "measured" };
        let model = if swap.is_multiple_of(2) {
            sightscan_train::roll_back(&self.warehouse, &self.city, by).await?
        } else {
            sightscan_train::promote(&self.warehouse, &self.city, 2, by).await?
        };
        Ok(model.version)
    }
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
